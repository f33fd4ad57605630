"""``hancock-latency suggest --ratchet``: limits that only go down."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_hancock_latency.core.record import Record
from pytest_hancock_latency.core.sample import Measurement

from .conftest import Command
from .making import record, written

pytest.importorskip("tomlkit")

QUIET_NS, BUSY_NS = 1_000, 2_000
BUDGETS = """\
# Agreed with the shop.
[budgets.search]
p50 = 40  # most of them
p95 = "80ms"
"""
SESSION: dict[str, Any] = {
    "machine": {"cpu": "a CPU", "cores": 2, "python": "3.12.1"},
    "speed": {"cpu": "a CPU", "python": "3.12.1", "arithmetic_ns": QUIET_NS, "memory_ns": 5_000},
}
PATCH = """\
--- a/budgets.toml
+++ b/budgets.toml
@@ -1,4 +1,4 @@
 # Agreed with the shop.
 [budgets.search]
-p50 = 40  # most of them
-p95 = "80ms"
+p50 = 15  # most of them
+p95 = "15ms"
"""


def search(latency_ms: float, probe_ns: int = QUIET_NS) -> Record:
    measured = record(*[latency_ms] * 200, budget={"p50": 40, "p95": 80})
    return replace(measured, budget_name="search", measurement=Measurement(probe_ns=probe_ns))


def kept(folder: Path, *records: Record) -> Path:
    """Write a history of a run for each record, and the budget file next to it."""
    for at, each in enumerate(records):
        written(folder / "history" / f"run-202607{at + 1:02}T000000Z-{at:08}.json", [each], SESSION)
    folder.joinpath("budgets.toml").write_text(BUDGETS, encoding="utf-8")
    return folder


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twenty-five runs, one of them on a busy machine, which took three times as long."""
    monkeypatch.chdir(tmp_path)
    runs = [search(10 + at % 3) for at in range(25)]
    runs[20] = search(30, BUSY_NS)
    return kept(tmp_path, *runs)


RATCHET = ("suggest", "--ratchet", "--history", "history", "--budgets", "budgets.toml")


def test_lower_limits_are_proposed_as_a_patch(command: Command, history: Path) -> None:
    ended = command(*RATCHET)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == (
        '# "search": 1 run on a disturbed machine left out\n'
        '# "search" p50: 40 ms -> 15 ms, as in the last 20 runs within\n'
        '# "search" p95: 80 ms -> 15 ms, as in the last 20 runs within\n' + PATCH
    )
    assert history.joinpath("budgets.toml").read_text(encoding="utf-8") == BUDGETS


def test_the_proposal_is_applied_on_request(command: Command, history: Path) -> None:
    assert command(*RATCHET, "--write").out.endswith(PATCH)
    path = history / "budgets.toml"
    assert path.read_text(encoding="utf-8") == (
        BUDGETS.replace("p50 = 40", "p50 = 15").replace("80ms", "15ms")
    )
    again = command(*RATCHET, "--write")
    assert (
        again.out == '# "search": 1 run on a disturbed machine left out\n# no limit can be lower\n'
    )


def test_few_runs_propose_nothing(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    kept(tmp_path, *[search(10)] * 4)
    assert command(*RATCHET).out == (
        '# "search" stays as it is: 4 runs within, and it takes 5\n# no limit can be lower\n'
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--ratchet"], "--ratchet needs --history DIR, the folder of --latency-history"),
        (
            ["--ratchet", "--history", "history", "a.json"],
            "--ratchet reads a history: leave out the artifacts",
        ),
        (["--write", "a.json"], "--history and --write are for --ratchet: add it"),
        (["--history", "history"], "--history and --write are for --ratchet: add it"),
        ([], "no artifact is given: hancock-latency suggest ARTIFACT"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    command: Command, arguments: list[str], message: str
) -> None:
    ended = command("suggest", *arguments)
    assert (ended.code, ended.out, ended.err) == (2, "", f"hancock-latency: {message}\n")
