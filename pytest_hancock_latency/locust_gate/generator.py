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
from ..core.judging.counts import add_counts
from ..core.judging.sequential import DELETION_WINDOW_NS
from ..measuring.takers.schedstat import NoScheduler, Scheduler

NAP_S: Final = 0.05
WINDOWS_PER_S: Final = NS_PER_S // DELETION_WINDOW_NS
BUSY: Final = 0.9
"""Share of a core from which a second counts as busy."""
STARVED: Final = 0.05
"""Share of a window above which waiting for a core makes it one of the generator's own latencies:
it is in each of them, and a p95 has a twentieth of them to give away."""
_MOST_WINDOWS: Final = 240
"""A minute: a clock that is set in mid-run must not make a walk of years."""
_LEAST_WAIT_NS: Final = 100_000
"""Shorter waits happen everywhere; they are not worth a place in a report."""


def window_at(unix_s: float) -> int:
    """The window in which this moment lies. Windows are of wall clock time, hence comparable."""
    return int(unix_s * WINDOWS_PER_S)


@dataclass(slots=True)
class Strain:
    """What was seen of a generator."""

    seconds: int = 0
    busy_seconds: int = 0
    greenlet_lags: dict[int, int] = field(default_factory=dict)
    """How late a napping greenlet woke up, as counts by bucket."""
    waits: dict[int, int] = field(default_factory=dict)
    """For how long the thread of all users waited for a core, in ns, by window."""
    busy: set[int] = field(default_factory=set)
    """Windows of the seconds in which it filled its core."""

    def add(self, other: Strain) -> None:
        """Take in what was seen later, or elsewhere."""
        self.seconds += other.seconds
        self.busy_seconds += other.busy_seconds
        add_counts(self.greenlet_lags, other.greenlet_lags)
        add_counts(self.waits, other.waits)
        self.busy |= other.busy

    @property
    def starved(self) -> frozenset[int]:
        """The windows in which it waited for a core for too long to say that a server was slow."""
        longest_ns = STARVED * DELETION_WINDOW_NS
        return frozenset(at for at, wait_ns in self.waits.items() if wait_ns > longest_ns)


class Watch:
    """Watches this process; a greenlet that naps twenty times a second."""

    def __init__(
        self,
        clock: Callable[[], float] = time.perf_counter,
        cpu: Callable[[], float] = time.process_time,
        waited_ns: Callable[[], int] | None = None,
        unix_s: Callable[[], float] = time.time,
    ) -> None:
        """waited_ns: for how long this thread has waited for a core; by default as Linux has it."""
        self._clock, self._cpu, self._unix_s = clock, cpu, unix_s
        self._waited_ns = waited_ns or _run_queue_reader()
        self._waited, self._noted_s = self._waited_ns(), self._unix_s()
        self._strain = Strain()
        self._began, self._cpu_s = clock(), cpu()
        self._greenlet: gevent.Greenlet | None = None

    def start(self) -> None:
        """Watch from now on; what was seen before is dropped."""
        self.stop()
        self.take()
        self._began, self._cpu_s = self._clock(), self._cpu()
        self._waited, self._noted_s = self._waited_ns(), self._unix_s()
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
        self._note_wait()
        passed = self._clock() - self._began
        if passed >= 1:
            busy = (self._cpu() - self._cpu_s) / passed >= BUSY
            self._strain.seconds += int(passed)
            if busy:
                self._strain.busy_seconds += int(passed)
                now = window_at(self._unix_s())
                first = now - min(int(passed * WINDOWS_PER_S), _MOST_WINDOWS)
                self._strain.busy.update(range(first, now + 1))
            self._began, self._cpu_s = self._clock(), self._cpu()

    def _note_wait(self) -> None:
        """Spread over the windows since the last note: a starved greenlet wakes up late."""
        now_s, waited_ns = self._unix_s(), self._waited_ns()
        first, last = window_at(min(self._noted_s, now_s)), window_at(now_s)
        wait_ns = (waited_ns - self._waited) // (last - first + 1)
        self._noted_s, self._waited = now_s, waited_ns
        if wait_ns < _LEAST_WAIT_NS:
            return
        windows = range(max(first, last - _MOST_WINDOWS), last + 1)
        add_counts(self._strain.waits, dict.fromkeys(windows, wait_ns))


def _run_queue_reader() -> Callable[[], int]:
    """A reader of the calling thread's run-queue wait; always 0 where the kernel does not tell."""
    try:
        scheduler = Scheduler()
    except NoScheduler:
        return lambda: 0
    return lambda: int(scheduler.read().split()[1])
