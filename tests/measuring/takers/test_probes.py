"""When the probes run, and what they keep."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pytest_hancock_latency import ManualClock
from pytest_hancock_latency.measuring.takers import probes as module
from pytest_hancock_latency.measuring.takers.probes import Probes, copy, spin

MS = 1_000_000


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(3 * MS)


@pytest.fixture
def probes(monkeypatch: pytest.MonkeyPatch, clock: ManualClock) -> Probes:
    """Probes of which each reading of the CPU clock is 70 µs after the last one."""
    times = iter(range(MS, 100 * MS, 70_000))
    monkeypatch.setattr(module, "thread_cpu", lambda: next(times))
    return Probes(clock)


def others_use(monkeypatch: pytest.MonkeyPatch, ns: int) -> None:
    """Let other threads of the process use this CPU time while both probes run."""
    readings: Iterator[int] = iter([0, 3 * 70_000 + ns])
    monkeypatch.setattr(module, "process_cpu", lambda: next(readings))


def test_the_work_of_a_probe_is_fixed() -> None:
    assert [spin(steps) for steps in range(4)] == [1, 6, 31, 156]


def test_a_copy_takes_the_whole_of_its_source() -> None:
    copy()
    source, target = module._buffers()
    assert source == target


def test_the_first_probe_is_due_at_once(probes: Probes) -> None:
    assert probes.last == -1
    assert probes.run_if_due() == 8 * MS
    assert probes.last == 0
    assert probes.times.arithmetic_ns.tolist() == [70_000]
    assert probes.times.memory_ns.tolist() == [0]


def test_the_next_probe_is_due_after_five_milliseconds(probes: Probes, clock: ManualClock) -> None:
    probes.run_if_due()
    clock.advance(5 * MS - 1)
    assert probes.run_if_due() == 8 * MS
    assert len(probes) == 1
    clock.advance(1)
    assert probes.run_if_due() == 13 * MS
    assert len(probes) == 2


def test_of_the_memory_probe_only_the_second_pass_counts(
    probes: Probes, monkeypatch: pytest.MonkeyPatch
) -> None:
    readings = iter([0, 66_000, 166_000, 210_000])
    monkeypatch.setattr(module, "thread_cpu", lambda: next(readings))
    probes.run()
    assert probes.times.arithmetic_ns.tolist() == [66_000]
    assert probes.times.memory_ns.tolist() == [44_000]


@pytest.mark.parametrize(("ns", "is_disturbed"), [(0, False), (10_000, False), (60_000, True)])
def test_a_probe_next_to_threads_of_the_test_is_marked(
    probes: Probes, monkeypatch: pytest.MonkeyPatch, ns: int, is_disturbed: bool
) -> None:
    others_use(monkeypatch, ns)
    probes.run()
    assert probes.times.is_disturbed.tolist() == [is_disturbed]
