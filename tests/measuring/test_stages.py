"""Stages within calls, and what is excused of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pytest_hancock_latency.core.attribution import SLOW_MACHINE, WAITED
from pytest_hancock_latency.core.sample import Observations, Probed
from pytest_hancock_latency.errors import LatencyError
from pytest_hancock_latency.measuring.clock import ManualClock
from pytest_hancock_latency.measuring.stages import StagedWindow, Stages
from pytest_hancock_latency.measuring.takers.bare import BareTaker

MS = 1_000_000


class Measured(BareTaker):
    """A taker of calls of 100 ms, of which the machine took some."""

    def __init__(self, *excused_ms: float) -> None:
        super().__init__(ManualClock())
        self.excused = np.array(excused_ms) * MS

    def having(self, stages: Stages, *reached_ms: Mapping[str, float]) -> Stages:
        """Keep a call for each of these stages."""
        for reached in reached_ms:
            stages.keep(self, {name: round(ms * MS) for name, ms in reached.items()})
            self.keep((0, 100 * MS))
        return stages

    def everything(self) -> Observations:
        n = len(self.excused)
        wall, yes = np.full(n, 100 * MS), np.ones(n, bool)
        return Observations(
            wall,
            (wall - self.excused).astype(np.int64),
            np.arange(n) * 200 * MS,
            {WAITED: self.excused},
            provisional=yes,
            at_most_ns=wall,
            probed=Probed(yes, yes, yes),
        )


def test_all_that_the_machine_took_of_a_call_is_excused_of_its_stage() -> None:
    taker = Measured(0, 10, 50)
    stages = taker.having(Stages(taker), *[{"first": 30}] * 3)
    first = stages.observations("first")
    assert first.wall_ns.tolist() == [30 * MS] * 3
    assert first.attributed_ns.tolist() == [30 * MS, 20 * MS, 0]
    assert first.excused_ns[WAITED].tolist() == [0, 10 * MS, 30 * MS]
    assert first.start_ns.tolist() == [0, 200 * MS, 400 * MS]
    assert first.at_most_ns is first.wall_ns


def test_a_slow_machine_slows_a_stage_down_by_as_much_as_the_call() -> None:
    class Slowed(Measured):
        def everything(self) -> Observations:
            made = super().everything()
            slowed = {SLOW_MACHINE: self.excused}
            return replace(made, excused_ns=slowed, slowness=np.full(len(made), 2.0))

    taker = Slowed(50, 5)
    stages = taker.having(Stages(taker), *[{"first": 30}] * 2)
    first = stages.observations("first")
    assert first.attributed_ns.tolist() == [15 * MS, 25 * MS]
    assert first.excused_ns[SLOW_MACHINE].tolist() == [15 * MS, 5 * MS]


def test_a_stage_belongs_to_the_calls_that_reached_it() -> None:
    taker = Measured(0, 10, 20)
    stages = taker.having(Stages(taker), {"first": 30}, {}, {"first": 40, "gap": 5})
    assert stages.observations("first").attributed_ns.tolist() == [30 * MS, 20 * MS]
    assert stages.observations("gap").start_ns.tolist() == [400 * MS]
    assert len(stages.observations("parsed")) == 0
    assert stages.names == ("first", "gap")


def test_a_call_that_is_not_counted_has_no_stages() -> None:
    taker, uncounted = Measured(), BareTaker(ManualClock())
    stages = Stages(taker)
    with StagedWindow(uncounted, stages) as call:
        call.mark("connected")
    assert (len(uncounted), stages.names) == (1, ())


def marked(*names: str) -> tuple[Stages, Any]:
    clock = ManualClock()
    taker = BareTaker(clock)
    stages = Stages(taker)
    with StagedWindow(taker, stages) as call:
        for name in names:
            clock.advance(10 * MS)
            call.mark(name)
        clock.advance(5 * MS)
    return stages, call


def test_a_mark_ends_a_stage_that_began_with_the_call() -> None:
    stages, _ = marked("connected", "parsed")
    assert stages.observations("connected").wall_ns.tolist() == [10 * MS]
    assert stages.observations("parsed").wall_ns.tolist() == [20 * MS]


def test_a_call_that_raises_has_no_stages() -> None:
    taker = BareTaker(ManualClock())
    stages = Stages(taker)

    def fail() -> None:
        with StagedWindow(taker, stages) as call:
            call.mark("connected")
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    assert (len(taker), stages.names) == (0, ())


def test_a_mark_outside_of_the_block_is_an_error() -> None:
    _, call = marked("connected")
    with pytest.raises(LatencyError) as refused:
        call.mark("parsed")
    assert str(refused.value) == (
        "call.mark('parsed') came outside of `with sample.observe() as call:`: mark stages inside "
        "the block"
    )


def test_a_mark_that_came_already_is_an_error() -> None:
    with pytest.raises(LatencyError) as refused:
        marked("connected", "connected")
    assert str(refused.value) == (
        "call.mark('connected') came twice in a call: give each its own name"
    )


@pytest.mark.parametrize("name", ["", " ", "first", "gap", "total", 3])
def test_a_mark_has_a_name_of_its_own(name: Any) -> None:
    with pytest.raises(LatencyError) as refused:
        marked(name)
    assert str(refused.value) == (
        f"{name!r} cannot be the name of a stage: it is a text, and first, gap and total have a "
        "meaning of their own"
    )
