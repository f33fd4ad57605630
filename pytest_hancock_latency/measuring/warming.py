"""Warm-up: calls before measuring starts, as long as the plan requires."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Final, Self

from ..core.warmup import MOST_CALLS, Warmup, WarmupRule, calls_to_make
from ..errors import hides_frame
from .answers import Look
from .clock import Clock
from .request import Request
from .takers.bare import BareTaker
from .takers.schedstat import NoScheduler, Scheduler, process_cpu, thread_cpu, times_blocked

__tracebackhide__ = hides_frame

_NEVER: Final = 2**62
_ALONE_NS: Final = 20_000
"""CPU time of the other threads of the process up to which none of them worked for the call: waking
one up takes half of it, and reading the two clocks some more."""


def import_early() -> None:
    """Import what the first sample of a process would import, if other processes wait for it."""
    import numpy as np

    np.quantile(np.zeros(2), 0.5)  # imports some more of numpy


class WarmingUp:
    """The warm-up of one sample: how many calls to make, and which latencies to keep.

    It makes no calls itself, so that functions, coroutines and blocks can share it.
    """

    def __init__(self, warmup: Warmup, clock: Clock) -> None:
        self._warmup, self._clock = warmup, clock
        self._latest: deque[int] = deque(maxlen=MOST_CALLS)
        self.taker = BareTaker(clock)
        """Taker of the current step."""
        self.calls = 0
        self.first_ns: int | None = None
        """What the first call took without the waits of this thread for a CPU; None if unknown."""

    @property
    def latencies_ns(self) -> tuple[int, ...]:
        """Latencies of the last calls, at most `MOST_CALLS`: there can be millions."""
        return tuple(self._latest)

    def steps(self) -> Iterator[tuple[int, int]]:
        """Yield repeatedly how many calls to make next, and until when at the latest."""
        begin = self._clock()
        end = begin + self._warmup.time_ns if isinstance(self._warmup, WarmupRule) else _NEVER
        while count := calls_to_make(self._warmup, self._latest, self.calls, self._clock() - begin):
            if not self.calls:
                with OwnTime() as own:
                    yield from self._step(1, end)
                self.first_ns = own.of(sum(self._latest))
                count -= 1
            if count and self._clock() < end:
                yield from self._step(count, end)

    def _step(self, count: int, end: int) -> Iterator[tuple[int, int]]:
        self.taker = BareTaker(self._clock)
        yield count, end
        self.calls += len(self.taker)
        self._latest.extend(self.taker.walls)


class OwnTime:
    """Tells how much of a call the machine did not take, where that is certain; a context manager.

    The counters are read around the whole step, not right around the call: at the scale of the
    milliseconds that matter here, the difference does not.
    """

    def __init__(self) -> None:
        self._blocked = times_blocked()
        self._stack = ExitStack()
        self._scheduler: Scheduler | None = None
        with suppress(NoScheduler):
            self._scheduler = self._stack.enter_context(Scheduler())

    def __enter__(self) -> Self:
        self._before = self._readings()
        return self

    def __exit__(self, *raised: object) -> None:
        self._after = self._readings()
        self._stack.close()

    def of(self, wall_ns: int) -> int | None:
        """Return the time in ns that the call took itself; None if other threads had a part in it.

        A call that waits for another thread of the process may wait for that one to get a CPU.
        """
        if self._blocked is None or self._scheduler is None:
            return None
        thread_ns, process_ns, times, waited_ns = (
            after - before for before, after in zip(self._before, self._after, strict=True)
        )
        if process_ns - thread_ns > _ALONE_NS:
            return None
        return max(0, wall_ns - waited_ns) if times else min(wall_ns, thread_ns)

    def _readings(self) -> tuple[int, int, int, int]:
        """Return CPU times of thread and process, how often it blocked, and run-queue wait."""
        times = self._blocked() if self._blocked else 0
        waited_ns = int(self._scheduler.read().split()[1]) if self._scheduler else 0
        return thread_cpu(), process_cpu(), times, waited_ns


def warm_up(request: Request, warmup: Warmup, clock: Clock) -> tuple[int, ...]:
    """Warm up, from the first call of the request on; return the latencies in ns.

    Raises:
        Unfinished: the first answer has not run yet, so nothing would be measured.
    """
    warming, unchecked = WarmingUp(warmup, clock), request.warming_up()
    request.look.begin()
    for count, until in warming.steps():
        warming.taker.take(unchecked, count, until)
    note_first(warming, request.look)
    return warming.latencies_ns


def note_first(warming: WarmingUp, look: Look) -> None:
    """Note what the first call took, unless it imported modules, which explains it."""
    look.first_ns = None if look.has_imported else warming.first_ns
