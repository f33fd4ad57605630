"""Short calls, which are measured in groups in the probing phase."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pytest_hancock_latency import ManualClock
from pytest_hancock_latency.core.machine_speed import KnownSpeed
from pytest_hancock_latency.core.undisturbed import SUFFERS_MORE, ReferenceSpeed
from pytest_hancock_latency.measuring.request import Request
from pytest_hancock_latency.measuring.session_speed import SessionSpeed
from pytest_hancock_latency.measuring.stages import StagedWindow
from pytest_hancock_latency.measuring.takers import grouped
from pytest_hancock_latency.measuring.takers.grouped import GroupedTaker, without_off_time
from pytest_hancock_latency.measuring.takers.probes import Probes

US = 1_000
MS = 1_000_000
NEVER = 2**62
REFERENCE = ReferenceSpeed(70.0 * US, 50.0 * US, "earlier sessions")


class Machine:
    """A clock, a CPU clock, and probes that take a given time."""

    def __init__(self) -> None:
        self.clock = ManualClock(5 * MS)
        self.cpu = self.others = self.blocked = 0
        self.arithmetic_ns = 70 * US

    def spend(self, ns: int, *, off: int = 0, others: int = 0) -> None:
        """Let a call compute, and be off the CPU for a while."""
        self.clock.advance(ns + off)
        self.cpu += ns
        self.others += others

    def probe(self, probes: Probes) -> None:
        self.spend(self.arithmetic_ns + 50 * US)
        probes._keep(self.arithmetic_ns, 50 * US)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()

    def run(probes: Probes) -> None:
        made.probe(probes)

    monkeypatch.setattr(grouped, "thread_cpu", lambda: made.cpu)
    monkeypatch.setattr(grouped, "process_cpu", lambda: made.cpu + made.others)
    monkeypatch.setattr(Probes, "run", run)
    return made


@pytest.fixture
def taker(machine: Machine) -> GroupedTaker:
    speed = (Probes(machine.clock), SessionSpeed(lambda: KnownSpeed(REFERENCE)))
    made = GroupedTaker(machine.clock, speed, lambda: machine.blocked)
    made.expect_probing()
    return made


def take(taker: GroupedTaker, call: Any, count: int) -> None:
    taker.take(Request(call), count, NEVER)


def probed(taker: GroupedTaker) -> Any:
    found = taker.observations().probed
    assert found is not None
    return found


def test_before_the_probing_phase_no_call_counts(machine: Machine, taker: GroupedTaker) -> None:
    take(taker, lambda: machine.spend(10 * US), 5)
    found = taker.observations()
    assert found.attributed_ns is found.wall_ns
    assert probed(taker).counts.tolist() == [False] * 5


def test_calls_count_half_a_second_after_the_phase_began(
    machine: Machine, taker: GroupedTaker
) -> None:
    taker.start_probing()
    machine.clock.advance(499 * MS)
    take(taker, lambda: machine.spend(10 * US), 400)
    counts = probed(taker).counts
    assert not counts[0]
    assert counts[-1]


def test_the_probes_run_around_each_millisecond(machine: Machine, taker: GroupedTaker) -> None:
    taker.start_probing()
    before = len(taker._probes)
    take(taker, lambda: machine.spend(10 * US), 250)
    assert len(taker) == 250
    assert len(taker._probes) - before == 3 + 1
    assert probed(taker).undisturbed_after.all()


def test_calls_are_divided_by_the_slowness_around_their_group(
    machine: Machine, taker: GroupedTaker
) -> None:
    taker.start_probing()
    machine.arithmetic_ns = 140 * US
    take(taker, lambda: machine.spend(10 * US), 5)
    found = taker.observations()
    assert found.attributed_ns.tolist() == [round(10 * US / 2**SUFFERS_MORE)] * 5
    assert found.at_most_ns is not None
    assert found.at_most_ns.tolist() == [10 * US] * 5
    assert not probed(taker).undisturbed_before.any()


def test_time_off_the_cpu_is_taken_off_the_slowest_call_but_passes_none(
    machine: Machine, taker: GroupedTaker
) -> None:
    taker.start_probing()
    offs = iter([0, 0, 0, 400 * US, 0, 0])  # the first call only fills the caches
    take(taker, lambda: machine.spend(10 * US, off=next(offs)), 5)
    found = taker.observations()
    assert found.wall_ns.tolist() == [10 * US, 10 * US, 410 * US, 10 * US, 10 * US]
    assert found.attributed_ns.tolist() == [10 * US] * 5
    assert found.at_most_ns is not None
    assert found.at_most_ns.tolist() == found.wall_ns.tolist()
    assert not probed(taker).undisturbed_after.any()


@pytest.mark.parametrize("reason", ["blocked", "other threads"])
def test_what_the_test_did_itself_is_not_taken_off(
    machine: Machine, taker: GroupedTaker, reason: str
) -> None:
    taker.start_probing()

    def call() -> None:
        machine.spend(10 * US, off=100 * US, others=0 if reason == "blocked" else 100 * US)
        machine.blocked += reason == "blocked"

    take(taker, call, 5)
    assert taker.observations().attributed_ns.tolist() == [110 * US] * 5


def test_a_failed_request_ends_a_take(machine: Machine, taker: GroupedTaker) -> None:
    taker.start_probing()
    request = Request(lambda: machine.spend(10 * US), check=lambda _: len(taker) < 3)
    taker.take(request, 10, NEVER)
    assert (len(taker), taker.failures.total()) == (3, 1)


def test_off_time_is_taken_off_down_to_the_median() -> None:
    wall = np.array([10, 50, 30, 10, 10, 10, 90, 10])
    found = without_off_time(wall, np.array([0, 5]), np.array([50, 500]))
    assert found.tolist() == [10, 10, 20, 10, 10, 10, 10, 10]


def test_a_window_that_is_timed_elsewhere_is_a_group_of_its_own(
    machine: Machine, taker: GroupedTaker
) -> None:
    with StagedWindow(taker, None):
        machine.spend(10 * US)
    taker.start_probing()
    machine.clock.advance(500 * MS)
    before = len(taker._probes)
    for off in (0, 300 * US):
        with StagedWindow(taker, None):
            machine.spend(10 * US, off=off)
    assert len(taker._probes) - before == 2
    found = taker.observations()
    assert found.wall_ns.tolist() == [10 * US, 10 * US, 310 * US]
    assert probed(taker).counts.tolist() == [False, True, True]
    assert probed(taker).undisturbed_before.tolist() == [False, True, True]
    assert probed(taker).undisturbed_after.tolist() == [False, True, False]
