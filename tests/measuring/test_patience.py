"""Waiting for a calm moment, on a clock that moves by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_hancock_latency import ManualClock
from pytest_hancock_latency.measuring.clock import system_clock
from pytest_hancock_latency.measuring.patience import Patience, others_run, patience_of

MS = 1_000_000
LONG = 10_000 * MS


class Machine:
    """A machine that is busy at some times."""

    def __init__(self, is_busy_at: Callable[[int], bool]) -> None:
        self.clock = ManualClock()
        self.pauses: list[float] = []
        self.patience = Patience(self.clock, self._sleep, lambda: is_busy_at(self.clock() // MS))

    def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.clock.advance(round(seconds * 1e9))


def on_and_off(ms: int) -> bool:
    return ms % 600 < 300


def test_on_a_calm_machine_nothing_is_waited_for() -> None:
    machine = Machine(lambda _: False)
    assert not machine.patience.wait(LONG)
    assert machine.pauses == []


def test_a_pause_ends_soon_after_the_machine_is_calm() -> None:
    machine = Machine(on_and_off)
    assert machine.patience.wait(LONG)
    assert 300 <= machine.clock() / MS < 340
    assert machine.patience.paused_ns == machine.clock()
    assert not machine.patience.wait(LONG)


def test_pauses_have_different_lengths() -> None:
    machine = Machine(on_and_off)
    machine.patience.wait(LONG)
    assert len(set(machine.pauses)) == len(machine.pauses) > 5
    assert 0.004 <= min(machine.pauses) <= max(machine.pauses) <= 0.04


def test_a_machine_without_calm_moments_is_given_up_after_a_second() -> None:
    machine = Machine(lambda _: True)
    assert not machine.patience.wait(LONG)
    assert 1000 <= machine.clock() / MS < 1040
    waited = len(machine.pauses)
    assert not machine.patience.wait(LONG)
    assert len(machine.pauses) == waited


def test_all_pauses_together_take_no_longer_than_allowed() -> None:
    machine = Machine(on_and_off)
    for _ in range(20):
        machine.patience.wait(700 * MS)
        machine.clock.advance(290 * MS)
    assert 700 * MS <= machine.patience.paused_ns < 740 * MS


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("0.52 0.49 0.20 1/123 4567\n", False),
        ("0.52 0.49 0.20 2/123 4567\n", True),
        ("0.52 0.49 0.20 33/123 4567\n", True),
        ("", False),
        ("nonsense\n", False),
        ("0.52 0.49 0.20 many/123 4567\n", False),
    ],
)
def test_others_run_if_the_kernel_counts_more_than_this_task(
    tmp_path: Path, content: str, expected: bool
) -> None:
    file = tmp_path / "loadavg"
    file.write_text(content)
    assert others_run(file) is expected


def test_without_the_file_nobody_else_is_known_to_run(tmp_path: Path) -> None:
    assert not others_run(tmp_path / "missing")


def test_nothing_waits_on_a_clock_that_moves_by_hand() -> None:
    assert patience_of(ManualClock()) is None
    assert isinstance(patience_of(system_clock), Patience)
