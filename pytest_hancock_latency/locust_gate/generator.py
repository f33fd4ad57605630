"""How loaded the load generator itself is: an overloaded one measures its own queue.

All users of a process share one thread. When its core is fully used, responses wait to be
processed, and this wait is part of every latency. Two measurements show it: the share of a core
that the process uses, and how late a sleeping greenlet wakes up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, Final

import gevent

from ..core.duration import NS_PER_S
from ..core.histogram import index_of
from ..judging.counts import add_counts
from ..judging.sequential import DELETION_WINDOW_NS
from ..measuring.takers.local_server import LocalServer, local_servers
from ..measuring.takers.schedstat import NoScheduler, Scheduler

NAP_S: Final = 0.05
WINDOWS_PER_S: Final = NS_PER_S // DELETION_WINDOW_NS
BUSY: Final = 0.9
"""Share of a core from which a second counts as busy."""
STARVED: Final = 0.05
"""Share of a window above which waiting for a CPU makes it unusable for *exceeded*: the wait is
part of each latency, and p95 allows a twentieth of them to be slow."""
_MOST_WINDOWS: Final = 240
"""A minute: a clock adjusted during the run must not cause a loop over years."""
_LEAST_WAIT_NS: Final = 100_000
"""Shorter waits are normal and not reported."""


def window_at(unix_s: float) -> int:
    """Return the window of a moment. Windows use wall-clock time, so processes can be compared."""
    return int(unix_s * WINDOWS_PER_S)


@dataclass(slots=True)
class Strain:
    """Measurements of a load generator."""

    seconds: int = 0
    busy_seconds: int = 0
    greenlet_lags: dict[int, int] = field(default_factory=dict)
    """Wake-up delays of a sleeping greenlet, as counts by bucket."""
    waits: dict[int, int] = field(default_factory=dict)
    """Time that the thread of all users waited for a CPU, in ns, by window."""
    busy: set[int] = field(default_factory=set)
    """Windows of the seconds in which it fully used its core."""
    server_starved: set[int] = field(default_factory=set)
    """Windows in which others kept the server on its machine from a CPU."""

    def add(self, measurements: Strain) -> None:
        """Add later measurements, or those of another process."""
        self.seconds += measurements.seconds
        self.busy_seconds += measurements.busy_seconds
        add_counts(self.greenlet_lags, measurements.greenlet_lags)
        add_counts(self.waits, measurements.waits)
        self.busy |= measurements.busy
        self.server_starved |= measurements.server_starved

    @property
    def starved(self) -> frozenset[int]:
        """Windows in which it waited too long for a CPU to blame the server."""
        longest_ns = STARVED * DELETION_WINDOW_NS
        return frozenset(at for at, wait_ns in self.waits.items() if wait_ns > longest_ns)


class Watch:
    """Monitors this process, with a greenlet that sleeps twenty times per second."""

    def __init__(
        self,
        clock: Callable[[], float] = time.perf_counter,
        cpu: Callable[[], float] = time.process_time,
        waited_ns: Callable[[], int] | None = None,
        unix_s: Callable[[], float] = time.time,
    ) -> None:
        """Prepare to watch this process.

        Args:
            clock: time in seconds.
            cpu: CPU time of this process in seconds.
            waited_ns: returns how long this thread has waited for a CPU; by default from Linux.
            unix_s: time in seconds since 1970.
        """
        self._clock, self._cpu, self._unix_s = clock, cpu, unix_s
        self._waited_ns = waited_ns or _run_queue_reader()
        self._waited, self._noted_s = self._waited_ns(), self._unix_s()
        self._strain = Strain()
        self._began, self._cpu_s = clock(), cpu()
        self._greenlet: gevent.Greenlet | None = None
        self._urls: Collection[str] = ()
        self._servers: list[LocalServer] | None = None
        """Those of the URLs on this machine; None before they are looked for."""

    def start(self, urls: Collection[str] = ()) -> None:
        """Start monitoring this process and the servers of these URLs.

        Earlier measurements are dropped.
        """
        self.stop()
        self._urls, self._servers = urls, None
        self.take()
        self._began, self._cpu_s = self._clock(), self._cpu()
        self._waited, self._noted_s = self._waited_ns(), self._unix_s()
        self._greenlet = gevent.spawn(self._watch)

    def stop(self) -> None:
        """Stop monitoring."""
        if self._greenlet is not None:
            self._greenlet.kill(block=False)
            self._greenlet = None

    def take(self) -> Strain:
        """Return the measurements since the last call."""
        strain, self._strain = self._strain, Strain()
        return strain

    def _watch(self) -> None:
        while True:
            before = self._clock()
            gevent.sleep(NAP_S)
            self.woke(self._clock() - before - NAP_S)

    def woke(self, late_s: float) -> None:
        """Record a wake-up, and a second if one has passed."""
        lags, index = self._strain.greenlet_lags, index_of(int(late_s * NS_PER_S))
        lags[index] = lags.get(index, 0) + 1
        self._note_wait()
        passed = self._clock() - self._began
        if passed >= 1:
            self._note_second(passed)
            self._began, self._cpu_s = self._clock(), self._cpu()

    def _note_second(self, passed: float) -> None:
        """Record whether this process or a server was short of CPU since the last second."""
        now = window_at(self._unix_s())
        first = now - min(int(passed * WINDOWS_PER_S), _MOST_WINDOWS)
        self._strain.seconds += int(passed)
        if (self._cpu() - self._cpu_s) / passed >= BUSY:
            self._strain.busy_seconds += int(passed)
            self._strain.busy.update(range(first, now + 1))
        if self._servers is None:
            self._servers = local_servers(self._urls)
        kept_waiting_ns = [server.kept_waiting_ns() for server in self._servers]
        if max(kept_waiting_ns, default=0) > STARVED * passed * NS_PER_S:
            # A request from just before it was still running, and one from just after it queued.
            self._strain.server_starved.update(range(first - 1, now + 2))

    def _note_wait(self) -> None:
        """Record the wait, spread over the windows since the last time."""
        now_s, waited_ns = self._unix_s(), self._waited_ns()
        first, last = window_at(min(self._noted_s, now_s)), window_at(now_s)
        wait_ns = (waited_ns - self._waited) // (last - first + 1)
        self._noted_s, self._waited = now_s, waited_ns
        if wait_ns < _LEAST_WAIT_NS:
            return
        windows = range(max(first, last - _MOST_WINDOWS), last + 1)
        add_counts(self._strain.waits, dict.fromkeys(windows, wait_ns))


def servers_of(environment: Any) -> set[str]:
    """Return the URLs of the servers that receive the requests, as far as they are configured."""
    hosts = [user_class.host for user_class in environment.user_classes]
    return {environment.host} if environment.host else {*filter(None, hosts)}


def _run_queue_reader() -> Callable[[], int]:
    """Return a reader of the thread's run-queue wait; always 0 if the kernel lacks it."""
    try:
        scheduler = Scheduler()
    except NoScheduler:
        return lambda: 0
    return lambda: int(scheduler.read().split()[1])
