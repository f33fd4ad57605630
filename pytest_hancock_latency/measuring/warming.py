"""Warm-up: calls before measuring starts, as long as the plan requires."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Final

from ..core.warmup import MOST_CALLS, Warmup, WarmupRule, calls_to_make
from ..errors import hides_frame
from .answers import Look
from .clock import Clock
from .request import Request
from .takers.bare import BareTaker

__tracebackhide__ = hides_frame

_NEVER: Final = 2**62


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

    @property
    def latencies_ns(self) -> tuple[int, ...]:
        """Latencies of the last calls, at most `MOST_CALLS`: there can be millions."""
        return tuple(self._latest)

    def steps(self) -> Iterator[tuple[int, int]]:
        """Yield repeatedly how many calls to make next, and until when at the latest."""
        begin = self._clock()
        end = begin + self._warmup.time_ns if isinstance(self._warmup, WarmupRule) else _NEVER
        while count := calls_to_make(self._warmup, self._latest, self.calls, self._clock() - begin):
            self.taker = BareTaker(self._clock)
            yield count, end
            self.calls += len(self.taker)
            self._latest.extend(self.taker.walls)

    def note_first(self, look: Look) -> None:
        """Note the latency of the first call, unless it is explained or no longer known."""
        if self.calls <= MOST_CALLS and self._latest and not look.has_imported:
            look.first_ns = self._latest[0]


def warm_up(request: Request, warmup: Warmup, clock: Clock) -> tuple[int, ...]:
    """Warm up, from the first call of the request on; return the latencies in ns.

    Raises:
        Unfinished: the first answer has not run yet, so nothing would be measured.
    """
    warming, unchecked = WarmingUp(warmup, clock), request.warming_up()
    request.look.begin()
    for count, until in warming.steps():
        warming.taker.take(unchecked, count, until)
    warming.note_first(request.look)
    return warming.latencies_ns
