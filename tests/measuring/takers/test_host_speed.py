"""When the reference probe runs."""

from __future__ import annotations

import pytest

from pytest_hancock_latency import ManualClock
from pytest_hancock_latency.measuring.takers import host_speed
from pytest_hancock_latency.measuring.takers.host_speed import Probe

MS = 1_000_000


@pytest.fixture
def probe(monkeypatch: pytest.MonkeyPatch) -> Probe:
    """A probe whose work takes 70 µs of CPU time."""
    times = iter(range(MS, 10 * MS, 70_000))
    monkeypatch.setattr(host_speed, "thread_cpu", lambda: next(times))
    return Probe(ManualClock(3 * MS))


def test_the_work_of_a_probe_is_fixed() -> None:
    assert [host_speed.spin(spins) for spins in range(4)] == [1, 6, 31, 156]


def test_the_first_probe_is_due_at_once(probe: Probe) -> None:
    assert probe.last == -1
    assert probe.run_if_due() == 8 * MS
    assert (probe.last, list(probe.durations)) == (0, [70_000])


def test_the_next_probe_is_due_after_five_milliseconds(probe: Probe) -> None:
    clock = probe._clock
    assert isinstance(clock, ManualClock)
    probe.run_if_due()
    clock.advance(5 * MS - 1)
    assert probe.run_if_due() == 8 * MS
    assert probe.last == 0
    clock.advance(1)
    assert probe.run_if_due() == 13 * MS
    assert probe.last == 1
