"""The help of every command: its examples are there, and they run."""

from __future__ import annotations

import glob
import os
import re
import shlex
from importlib.metadata import version
from pathlib import Path

import pytest

from ..importing.answering import answering, native, vector
from .conftest import Command
from .making import record, written

COMMANDS = ("report", "show", "compare", "merge", "gate", "suggest", "sensitivity", "trend")
DUEL = "duel"
"""Its examples need a repository: tests/cli/test_duel.py runs it."""
EXAMPLE = re.compile(r"^  (hancock-latency .+)$", re.MULTILINE)


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command) -> Path:
    """A folder with every file that the examples name."""
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(
        (
            *("artifacts/performance-latency.json", "latencies.json", "merged.json"),
            *("main.json", "branch.json", "monday.json", "tuesday.json"),
            *("shard-1.json", "shard-2.json"),
            *("artifacts/1/performance-latency.json", "artifacts/2/performance-latency.json"),
            "history/run-20260101T000000.000Z-00000000.json",
        )
    ):
        written(tmp_path / name, [record(*[1 + number / 100] * 400)])
    (tmp_path / "pyproject.toml").write_text(
        "[tool.hancock-latency.budgets.test_health]\np99 = 50\n", encoding="utf-8"
    )
    (tmp_path / "budgets.toml").write_text("[budgets.test_health]\np99 = 50\n", encoding="utf-8")
    micro = written(tmp_path / "micro.json", [record(*[0.001] * 400)])
    command("show", micro, "--format", "hdrhistogram", "-o", "recorded.hdr")
    raw_results_of_tools(tmp_path)
    monkeypatch.setenv("LOG_FORMAT", "$msec $request_time $request_uri")
    return tmp_path


def raw_results_of_tools(folder: Path) -> None:
    """Write their raw results, and a budget for each of their requests."""
    header = "timeStamp,elapsed,label,responseCode,success\n"
    (folder / "results.jtl").write_text(header + "1700000000123,12,/health,200,true\n" * 400)
    (folder / "all.csv").write_text("ms,status\n" + "12,200\n" * 400)
    (folder / "access.log").write_text("1700000000.123 0.012 /health\n" * 400)
    (folder / "app.log").write_text("2026-01-31T10:00:00Z /health 12ms\n" * 400)
    (folder / "latency.toml").write_text('[budgets."/health"]\np99 = 50\n')


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_every_example_of_the_help_runs(
    command: Command, workplace: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("hdrh")
    options = [name, "--help"] if name else ["--help"]
    helped = command(*options)
    assert (helped.code, helped.err) == (0, "")
    examples = EXAMPLE.findall(helped.out.partition("examples:\n")[2])
    assert len(examples) >= 2
    with answering(vector(native([(0, "0.01", "0.02", "1000")]))) as (url, _):
        monkeypatch.setenv("PROMETHEUS", url)
        for example in examples:
            if example.startswith(f"hancock-latency {DUEL} "):
                continue
            words = shlex.split(os.path.expandvars(example))[1:]
            found = [
                path for word in words for path in (glob.glob(word) if "*" in word else [word])
            ]
            ended = command(*found)
            assert (ended.code, ended.err) == (0, ""), example


@pytest.mark.parametrize("name", [*COMMANDS, DUEL])
def test_the_help_names_every_command(command: Command, name: str) -> None:
    assert re.search(rf"^    {name}\b", command("--help").out, re.MULTILINE)


@pytest.mark.parametrize("name", ["report", "gate"])
def test_the_help_of_what_judges_tells_the_exit_codes(command: Command, name: str) -> None:
    assert command(name, "--help").out.endswith(
        "exit codes: 0 within, 1 exceeded, 2 invalid usage or nothing judged, 3 inconclusive "
        "with --strict\nor with a strict budget\n"
    )


def test_the_version_is_that_of_the_package(command: Command) -> None:
    ended = command("--version")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == f"hancock-latency {version('pytest-hancock-latency')}\n"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["report"], "the following arguments are required: ARTIFACT"),
        (["show"], "the following arguments are required: ARTIFACT"),
        (["merge"], "the following arguments are required: ARTIFACT"),
        (["gate", "a"], "one of the arguments --budgets --budget is required"),
        (
            ["gate", "a", "--budgets", "b", "--budget", "c"],
            "argument --budget: not allowed with argument --budgets",
        ),
        (["suggest", "a", "-o"], "argument -o/--output: expected one argument"),
    ],
)
def test_invalid_usage_has_exit_code_2(command: Command, arguments: list[str], why: str) -> None:
    ended = command(*arguments)
    command_line = f"hancock-latency {arguments[0]}" if arguments else "hancock-latency"
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"usage: {command_line}")
    assert ended.err.endswith(f"{command_line}: error: {why}\n")
