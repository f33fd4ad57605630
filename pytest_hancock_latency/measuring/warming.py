"""Warm-up: calls before measuring starts, as long as the plan requires."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Final, Self

from ..core.late_numpy import np
from ..core.warmup import MOST_CALLS, Warmup, WarmupRule, calls_to_make
from ..errors import hides_frame
from .clock import NEVER, Clock, process_cpu, thread_cpu
from .own_modules import own_os
from .request import Request, require_process
from .takers.bare import BareTaker
from .takers.schedstat import NoScheduler, Scheduler, times_blocked

__tracebackhide__ = hides_frame

_ALONE_NS: Final = 20_000
"""CPU time of the other threads of the process up to which none of them worked for the call: waking
one up takes half of it, and reading the two clocks some more."""


def import_early() -> None:
    """Import what the first sample of a process would import, before a test replaces modules."""
    numbers = np.zeros(2)
    of_numbers = (numbers.all, numbers.any, numbers.max, numbers.mean, numbers.min, numbers.sum)
    for reduction in of_numbers:  # each imports some more of numpy
        reduction()
    np.quantile(numbers.clip(0, 1), 0.5)


class WarmingUp:
    """The warm-up of one sample: how many calls to make, and which latencies to keep.

    It makes no calls itself, so that functions, coroutines and blocks can share it.
    """

    def __init__(self, warmup: Warmup, clock: Clock, longest_ns: int = NEVER) -> None:
        self._warmup, self._clock, self._longest_ns = warmup, clock, longest_ns
        self._latest: deque[int] = deque(maxlen=MOST_CALLS)
        self.taker = BareTaker(clock)
        """Taker of the current step."""
        self.calls = 0
        self.first_ns: int | None = None
        """What the first call took itself, see `OwnTime`; None if that is unknown."""

    @property
    def latencies_ns(self) -> tuple[int, ...]:
        """Latencies of the last calls, at most `MOST_CALLS`: there can be millions."""
        return tuple(self._latest)

    def steps(self) -> Iterator[tuple[int, int]]:
        """Yield repeatedly how many calls to make next, and until when at the latest."""
        begin, process = self._clock(), own_os.getpid()
        warmup, is_rule = self._warmup, isinstance(self._warmup, WarmupRule)
        time_ns = warmup.time_ns if isinstance(warmup, WarmupRule) else self._longest_ns
        end = begin + time_ns
        while count := calls_to_make(warmup, self._latest, self.calls, self._clock() - begin):
            if not self.calls:
                self.taker = BareTaker(self._clock)
                with OwnTime() as own:
                    yield 1, end
                self._keep(process)
                self.first_ns = own.of(sum(self._latest))
                # In a new process, looking at the first answer may take longer than the warm-up.
                begin = self._clock() - sum(self._latest)
                end = begin + time_ns
                count -= 1
            if self._clock() >= end and not is_rule:
                return
            if count and self._clock() < end:
                self.taker = BareTaker(self._clock)
                yield count, end
                self._keep(process)

    def _keep(self, process: int) -> None:
        require_process(process)
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
        """Return the time in ns that the call took itself; None if that is not all it did.

        A call that blocks for another thread of the process may wait for that one to get a CPU, and
        one that imported modules has a good reason to take longer than those after it. What never
        blocked waited for nobody, whatever the other threads did meanwhile.
        """
        if self._blocked is None or self._scheduler is None:
            return None
        thread_ns, process_ns, times, waited_ns, imported = (
            after - before for before, after in zip(self._before, self._after, strict=True)
        )
        if imported:
            return None
        if not times:
            return min(wall_ns, thread_ns)
        return None if process_ns - thread_ns > _ALONE_NS else max(0, wall_ns - waited_ns)

    def _readings(self) -> tuple[int, ...]:
        """Return CPU times, how often the thread blocked, its run-queue wait, and all imports."""
        times = self._blocked() if self._blocked else 0
        waited_ns = int(self._scheduler.read().split()[1]) if self._scheduler else 0
        return thread_cpu(), process_cpu(), times, waited_ns, len(sys.modules)


def warm_up(
    request: Request, warmup: Warmup, clock: Clock, longest_ns: int = NEVER
) -> tuple[int, ...]:
    """Warm up, from the first call of the request on; return the latencies in ns.

    Args:
        request: what is called.
        warmup: number of calls, or a rule.
        clock: in ns.
        longest_ns: time at which a number of calls ends as well.

    Raises:
        Unfinished: the first answer has not run yet, so nothing would be measured.
    """
    warming, unchecked = WarmingUp(warmup, clock, longest_ns), request.warming_up()
    for count, until in warming.steps():
        warming.taker.take(unchecked, count, until)
    request.look.first_ns = warming.first_ns
    return warming.latencies_ns
