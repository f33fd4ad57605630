"""The tables and goals that `compare_tools.py` makes of results."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("scipy")

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "versus" / "compare_tools.py"
GOLD = Path(__file__).parent / "gold"
OURS = {
    "unchanged": ("passes",) * 20,
    "busy": ("passes",) * 13 + ("inconclusive",) * 7,
    "xdist": ("passes",) * 20,
    "compile": ("passes",) * 19 + ("inconclusive",),
    "twice": ("fails",) * 17 + ("inconclusive",) * 3,
}
BY_HAND = {
    "unchanged": ("passes",) * 20,
    "busy": ("fails",) * 20,
    "twice": ("fails",) * 19 + ("passes",),
}
BENCHMARK = {"unchanged": ("passes",) * 20}


def results(tool: str, task: str, outcomes: dict[str, tuple[str, ...]]) -> Iterator[str]:
    for condition, said in outcomes.items():
        for run, outcome in enumerate(said):
            row = {"task": task, "tool": tool, "condition": condition, "run": run}
            yield json.dumps({**row, "outcome": outcome, "seconds": 1.0, "mean_ns": None})


def compare(file: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), "--results", str(file), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


def lines_from(text: str, head: str) -> list[str]:
    lines = text.splitlines()
    return lines[lines.index(head) :]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "results.jsonl"
    rows = [
        *results("ours", "function", OURS),
        *results("by hand", "function", BY_HAND),
        *results("by hand", "burst", BY_HAND),
        *results("pytest-benchmark", "flask", BENCHMARK),
    ]
    path.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
    return path


def test_each_share_is_shown_with_its_interval(file: Path) -> None:
    ran = compare(file, "--runs", "0")
    assert ran.returncode == 0, ran.stderr
    tables, _, _ = ran.stdout.partition("\ngoals\n")
    assert tables == (GOLD / "compare_tools.md").read_text(encoding="utf-8")


def test_the_goals_are_about_our_verdicts(file: Path) -> None:
    ran = compare(file, "--runs", "0", "--check")
    assert ran.returncode == 1
    assert [" ".join(line.split()) for line in lines_from(ran.stdout, "goals")] == [
        "goals",
        "held our false alarms 0 at most 0",
        "held our false alarms, busy 0 at most 0",
        "held our false alarms, xdist 0 at most 0",
        "held our false alarms, compile 0 at most 0",
        "MISSED ours inconclusive, busy, % 35 at most 25",
        "held ours missed 0 at most 0",
        "MISSED ours not caught, % 15 at most 12.5",
        "compare_tools: our false alarms 0; our false alarms, busy 0; our false alarms, xdist 0; "
        "our false alarms, compile 0; ours inconclusive, busy, % 35; ours missed 0; "
        "ours not caught, % 15; 2 of 7 goals missed",
    ]


def test_dropping_a_tool_keeps_the_results_of_the_others(file: Path) -> None:
    before = file.read_text(encoding="utf-8").splitlines()
    ran = compare(file, "--drop", "ours,pytest-benchmark")
    assert (ran.returncode, ran.stdout) == (0, "")
    assert file.read_text(encoding="utf-8").splitlines() == [
        row for row in before if json.loads(row)["tool"] == "by hand"
    ]
