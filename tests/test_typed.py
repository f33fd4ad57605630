"""The public interface as type checkers see it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

pytest.importorskip("mypy")
pytest.importorskip("basedpyright")

ROOT = Path(__file__).resolve().parents[1]
TYPED = Path(__file__).parent / "typed"
MISTAKE = re.compile(r"  # error: (?P<mypy>[a-z-]+), (?P<basedpyright>report[A-Za-z]+)$")

Place = tuple[str, int]
"""Name of a file and number of a line."""
Reported = Mapping[Place, set[str]]
"""What a checker calls its errors, for each line that has any."""


def planted(checker: str) -> dict[Place, str]:
    return {
        (path.name, number): mistake[checker]
        for path in sorted(TYPED.glob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if (mistake := MISTAKE.search(line))
    }


def output_of(*command: str) -> str:
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.stdout, run.stderr
    return run.stdout


def reported_by_mypy() -> Reported:
    output = output_of(sys.executable, "-m", "mypy", "--strict", "--output=json", str(TYPED))
    reported = defaultdict[Place, set[str]](set)
    for line in output.splitlines():
        error = json.loads(line)
        if error["severity"] == "error":
            reported[Path(error["file"]).name, error["line"]].add(error["code"])
    return reported


def reported_by_basedpyright() -> Reported:
    command = [sys.executable, "-m", "basedpyright", "--outputjson"]
    output = output_of(*command, "--pythonpath", sys.executable)
    reported = defaultdict[Place, set[str]](set)
    for error in json.loads(output)["generalDiagnostics"]:
        line = error["range"]["start"]["line"] + 1
        reported[Path(error["file"]).name, line].add(error.get("rule", error["message"]))
    return reported


CHECKERS = {"mypy": reported_by_mypy, "basedpyright": reported_by_basedpyright}


@pytest.mark.parametrize(("checker", "reported_by"), CHECKERS.items(), ids=CHECKERS)
def test_a_type_checker_accepts_correct_use_and_finds_every_mistake(
    checker: str, reported_by: Callable[[], Reported]
) -> None:
    mistakes, reported = planted(checker), reported_by()
    unexpected = {at: names for at, names in reported.items() if at not in mistakes}
    missed = {at: name for at, name in mistakes.items() if name not in reported.get(at, ())}
    assert (unexpected, missed) == ({}, {})


def test_every_mistake_names_an_error_of_each_checker() -> None:
    texts = [path.read_text(encoding="utf-8") for path in TYPED.glob("*.py")]
    marked = [line for text in texts for line in text.splitlines() if "# error" in line]
    assert len(marked) > 60
    assert [line for line in marked if not MISTAKE.search(line)] == []
