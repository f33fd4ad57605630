"""Calls that are slowed down on purpose."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from pytest_hancock_latency.measuring import slowing
from pytest_hancock_latency.measuring.slowing import (
    SLEPT_NS,
    Took,
    slowed,
    slowed_coroutine,
)
from pytest_hancock_latency.measuring.stages import SlowedWindow, StagedWindow, Stages
from pytest_hancock_latency.measuring.takers.bare import BareTaker

MS, READING = 1_000_000, 1_000
"""A reading of a clock takes 1 µs, so that whatever spins comes to an end."""


class Machine:
    """The clocks of a thread, in ns, and how long it was asked to sleep."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0
        self.slept: list[float] = []

    def system_clock(self) -> int:
        self.compute(READING)
        return self.wall

    def thread_cpu(self) -> int:
        self.compute(READING)
        return self.cpu

    def compute(self, ns: int) -> None:
        self.wall += ns
        self.cpu += ns

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.wall += round(seconds * 1e9)

    async def sleep_in_a_loop(self, seconds: float) -> None:
        self.sleep(seconds)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    monkeypatch.setattr(slowing, "system_clock", made.system_clock)
    monkeypatch.setattr(slowing, "thread_cpu", made.thread_cpu)
    monkeypatch.setattr(slowing, "sleep_of_threads", lambda: made.sleep)
    monkeypatch.setattr(slowing, "sleep_in_asyncio", made.sleep_in_a_loop)
    return made


def about(ns: int) -> Any:
    return pytest.approx(ns, abs=30 * READING)


def test_computing_is_added_to_a_call_that_computes(machine: Machine) -> None:
    slowed(0.3)(lambda: machine.compute(10 * MS))()
    assert (machine.wall, machine.cpu) == (about(13 * MS), about(13 * MS))
    assert machine.slept == []


def test_sleep_is_added_to_a_call_that_blocks(machine: Machine) -> None:
    slowed(0.5)(lambda: machine.sleep(0.010))()
    assert machine.wall == about(15 * MS)
    assert len(machine.slept) == 2
    assert machine.slept[1] == pytest.approx(0.0049, rel=0.01)


def test_both_are_added_to_a_call_that_does_both(machine: Machine) -> None:
    def call() -> None:
        machine.compute(4 * MS)
        machine.sleep(0.010)

    slowed(0.5)(call)()
    assert machine.wall == about(21 * MS)
    assert machine.cpu == about(4 * MS + 2 * MS + 100_000)  # the end of a sleep is spun


def test_a_short_time_is_spun_since_no_sleep_is_so_short(machine: Machine) -> None:
    slowed(1.0)(lambda: machine.sleep((SLEPT_NS - 10_000) / 1e9))()
    assert len(machine.slept) == 1
    assert machine.wall == about(2 * SLEPT_NS - 20_000)


def test_the_answer_of_a_call_is_returned(machine: Machine) -> None:
    assert slowed(0.3)(lambda: "answer")() == "answer"


def test_a_call_that_raises_is_not_slowed_down(machine: Machine) -> None:
    def fail() -> None:
        machine.compute(10 * MS)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        slowed(9.0)(fail)()
    assert machine.wall == about(10 * MS)


def test_a_coroutine_is_slowed_down(machine: Machine) -> None:
    async def call() -> str:
        machine.compute(4 * MS)
        machine.sleep(0.010)
        return "answer"

    assert asyncio.run(slowed_coroutine(0.5)(call)()) == "answer"
    assert machine.wall == about(21 * MS)


@pytest.mark.parametrize("library", ["asyncio", "trio"])
def test_the_event_loop_goes_on_meanwhile(library: str) -> None:
    """On the real clocks: another task gets its turn while the call sleeps."""
    turns = []

    async def watch() -> None:
        took = Took()
        took._start -= 20 * MS  # as if it had blocked for 20 ms
        await took.make_longer_awaiting(1.0)
        turns.append("slowed")

    async def other(sleep: Callable[[float], Awaitable[object]]) -> None:
        await sleep(0)
        turns.append("other")

    async def with_asyncio() -> None:
        await asyncio.gather(watch(), other(asyncio.sleep))

    if library == "asyncio":
        asyncio.run(with_asyncio())
    else:
        trio = pytest.importorskip("trio")

        async def with_trio() -> None:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(watch)
                nursery.start_soon(other, trio.sleep)

        trio.run(with_trio)
    assert turns == ["other", "slowed"]


def test_a_block_and_its_stages_are_slowed_down_inside_of_the_window(machine: Machine) -> None:
    taker = BareTaker(machine.system_clock)
    stages = Stages(taker)
    with SlowedWindow(StagedWindow(taker, stages), 0.5) as call:
        machine.compute(10 * MS)
        call.mark("connected")
        machine.compute(4 * MS)
    assert stages.observations("connected").wall_ns.tolist() == [about(15 * MS)]
    assert taker.walls == (about(21 * MS),)


def test_a_block_that_raises_is_not_slowed_down(machine: Machine) -> None:
    taker = BareTaker(machine.system_clock)

    def block() -> None:
        with SlowedWindow(StagedWindow(taker, None), 9.0):
            machine.compute(10 * MS)
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        block()
    assert machine.wall == about(10 * MS)
    assert len(taker) == 0
