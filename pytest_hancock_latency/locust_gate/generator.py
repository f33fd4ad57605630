"""How strained the load generator itself is: a busy one measures its own queue.

All users of a process share one thread. When its core is full, answers wait to be noticed, and that
waiting is in every latency. Two things tell: the share of a core that the process uses, and by how
much a greenlet that sleeps wakes up late.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import gevent

from ..core.duration import NS_PER_S
from ..core.histogram import index_of

NAP_S: Final = 0.05
BUSY: Final = 0.9
"""Share of a core from which a second counts as busy."""


@dataclass(slots=True)
class Strain:
    """What was seen of a generator."""

    seconds: int = 0
    busy_seconds: int = 0
    greenlet_lags: dict[int, int] = field(default_factory=dict)
    """How late a napping greenlet woke up, as counts by bucket."""

    def add(self, other: Strain) -> None:
        """Take in what was seen later, or elsewhere."""
        self.seconds += other.seconds
        self.busy_seconds += other.busy_seconds
        for index, count in other.greenlet_lags.items():
            self.greenlet_lags[index] = self.greenlet_lags.get(index, 0) + count


class Watch:
    """Watches this process; a greenlet that naps twenty times a second."""

    def __init__(
        self,
        clock: Callable[[], float] = time.perf_counter,
        cpu: Callable[[], float] = time.process_time,
    ) -> None:
        self._clock, self._cpu = clock, cpu
        self._strain = Strain()
        self._began, self._cpu_s = clock(), cpu()
        self._greenlet: gevent.Greenlet | None = None

    def start(self) -> None:
        """Watch from now on; what was seen before is dropped."""
        self.stop()
        self.take()
        self._began, self._cpu_s = self._clock(), self._cpu()
        self._greenlet = gevent.spawn(self._watch)

    def stop(self) -> None:
        """Watch no more."""
        if self._greenlet is not None:
            self._greenlet.kill(block=False)
            self._greenlet = None

    def take(self) -> Strain:
        """What was seen since the last call."""
        strain, self._strain = self._strain, Strain()
        return strain

    def _watch(self) -> None:
        while True:
            before = self._clock()
            gevent.sleep(NAP_S)
            self.woke(self._clock() - before - NAP_S)

    def woke(self, late_s: float) -> None:
        """Note one awakening, and a second if one has passed."""
        lags, index = self._strain.greenlet_lags, index_of(int(late_s * NS_PER_S))
        lags[index] = lags.get(index, 0) + 1
        passed = self._clock() - self._began
        if passed >= 1:
            busy = (self._cpu() - self._cpu_s) / passed >= BUSY
            self._strain.seconds += int(passed)
            self._strain.busy_seconds += int(passed) if busy else 0
            self._began, self._cpu_s = self._clock(), self._cpu()
