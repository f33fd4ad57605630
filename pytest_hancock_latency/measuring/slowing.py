"""Calls that are slowed down on purpose, to find out whether a gate notices.

A call takes longer by a share of what it took: of its CPU time by computing, of the time in which
it blocked by sleeping. So a busy machine delays the added part as it does the call itself.
"""

from __future__ import annotations

import sys
from asyncio import sleep as sleep_in_asyncio  # tests replace the attribute
from collections.abc import Awaitable, Callable
from typing import Any, Final

from ..core.duration import NS_PER_S
from .clock import sleep_of_threads, system_clock, thread_cpu
from .inputs import Call

SLEPT_NS: Final = 200_000
"""A shorter time is spun by the clock instead of slept."""
_LATE_NS: Final = 100_000
"""By how much a sleep may take longer than asked; it ends that much earlier, and spins the rest."""


def slowed(share: float) -> Callable[[Call], Call]:
    """Return what slows down a call.

    Args:
        share: how much longer a call takes: 0.3 for 30 % longer.
    """

    def slow(call: Call) -> Call:
        def slower() -> Any:
            took = Took()
            answer = call()
            took.make_longer(share)
            return answer

        return slower

    return slow


def slowed_coroutine(share: float) -> Callable[[Call], Call]:
    """Return what slows down a call of a coroutine function; the event loop goes on meanwhile."""

    def slow(call: Call) -> Call:
        async def slower() -> Any:
            took = Took()
            answer = await call()
            await took.make_longer_awaiting(share)
            return answer

        return slower

    return slow


class Took:
    """What a call takes: CPU time, and the time in which it blocks."""

    __slots__ = ("_cpu", "_start")

    def __init__(self) -> None:
        self._cpu, self._start = thread_cpu(), system_clock()

    def make_longer(self, share: float) -> None:
        """Let it take longer by a share."""
        blocked_until, computing_ns = self._added(share)
        if (left_ns := blocked_until - system_clock()) >= SLEPT_NS:
            sleep_of_threads()((left_ns - _LATE_NS) / NS_PER_S)
        _spin(blocked_until, computing_ns)

    async def make_longer_awaiting(self, share: float) -> None:
        """Let a coroutine take longer by a share."""
        blocked_until, computing_ns = self._added(share)
        if (left_ns := blocked_until - system_clock()) >= SLEPT_NS:
            await _sleep((left_ns - _LATE_NS) / NS_PER_S)
        _spin(blocked_until, computing_ns)

    def _added(self, share: float) -> tuple[int, int]:
        """Return until when on the clock it is to block, and for how long in ns to compute."""
        end = system_clock()
        cpu_ns = thread_cpu() - self._cpu
        blocked_ns = max(0, end - self._start - cpu_ns)
        return end + round(share * blocked_ns), round(share * cpu_ns)


def _spin(blocked_until: int, computing_ns: int) -> None:
    while system_clock() < blocked_until:
        pass
    until = thread_cpu() + computing_ns
    while thread_cpu() < until:
        pass


def _sleep(seconds: float) -> Awaitable[None]:
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_run():
        sleeping: Awaitable[None] = trio.sleep(seconds)
        return sleeping
    return sleep_in_asyncio(seconds)
