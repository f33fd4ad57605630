"""The clock of the system, and the one that moves by hand."""

from __future__ import annotations

import time

import pytest

from pytest_hancock_latency import ManualClock
from pytest_hancock_latency.measuring.clock import sleep_of_threads, system_clock
from pytest_hancock_latency.measuring.own_modules import own_time


def test_it_begins_at_zero() -> None:
    assert ManualClock()() == 0


def test_it_stands_still_until_it_is_moved() -> None:
    clock = ManualClock(7)
    assert [clock(), clock()] == [7, 7]
    clock.advance(3)
    assert clock() == 10


def test_it_never_goes_back() -> None:
    with pytest.raises(ValueError, match=r"^cannot move a monotonic clock by -1 ns$"):
        ManualClock().advance(-1)


def test_the_clocks_are_functions_that_replacing_those_of_time_does_not_reach() -> None:
    assert isinstance(system_clock, type(time.perf_counter_ns))
    assert system_clock is not time.perf_counter_ns
    before = time.perf_counter_ns()
    assert before <= system_clock() <= time.perf_counter_ns()


def test_threads_sleep_by_the_clock_that_cannot_be_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    assert sleep_of_threads() is own_time.sleep


def test_threads_of_gevent_sleep_by_gevent(monkeypatch: pytest.MonkeyPatch) -> None:
    def sleep(_: float) -> None: ...

    sleep.__module__ = "gevent.hub"
    monkeypatch.setattr(time, "sleep", sleep)
    assert sleep_of_threads() is sleep
