"""Clocks, which are passed in: any callable that returns integer nanoseconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from .own_modules import own_time, own_unless_gevent

NEVER: Final = 2**62
"""A time that no clock ever reaches."""

Clock = Callable[[], int]

system_clock: Clock = own_time.perf_counter_ns
thread_cpu: Clock = own_time.thread_time_ns
process_cpu: Clock = own_time.process_time_ns
wall_clock: Callable[[], float] = own_time.time
"""Seconds since 1970."""


def sleep_of_threads() -> Callable[[float], None]:
    """Return what lets other threads run for some seconds."""
    return own_unless_gevent(own_time.sleep, time.sleep)


class ManualClock:
    """A clock that moves only when told to; public, for tests.

    >>> clock = ManualClock()
    >>> clock.advance(5_000_000)
    >>> clock()
    5000000
    """

    def __init__(self, now_ns: int = 0) -> None:
        self.now_ns = now_ns

    def __call__(self) -> int:
        return self.now_ns

    def advance(self, ns: int) -> None:
        """Move forward by `ns` nanoseconds.

        Raises:
            ValueError: `ns` is negative; a monotonic clock never goes back.
        """
        if ns < 0:
            raise ValueError(f"cannot move a monotonic clock by {ns} ns")
        self.now_ns += ns
