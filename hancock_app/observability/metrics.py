"""What Prometheus is told, by one process or, in multiprocess mode, by all workers together.

Children are bound once per combination of labels and kept: finding one through `labels()` costs
more than counting. No label ever carries text chosen by a client.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MULTIPROCESS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_BACKEND_BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_RESIDENT_PAGES = 1  # the second number of /proc/<pid>/statm
_OUTCOMES = ("answered", "failed", "left")


class Metrics:
    """The metrics of one application, in a registry of its own."""

    def __init__(self, backend: str) -> None:
        self._registry = CollectorRegistry()
        self._durations = Histogram(
            "hancock_request_duration_seconds",
            "Time to answer a request, by route and status",
            ("method", "route", "status"),
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._observers: dict[tuple[str, str, str], Callable[[float], None]] = {}
        answers = Histogram(
            "hancock_backend_duration_seconds",
            "Time that the model took, by backend and outcome",
            ("backend", "outcome"),
            buckets=_BACKEND_BUCKETS,
            registry=self._registry,
        )
        self._askers = {outcome: answers.labels(backend, outcome).observe for outcome in _OUTCOMES}
        self._active = Gauge(
            "hancock_active_connections",
            "Requests being answered now",
            registry=self._registry,
            # What a worker that died was answering is not being answered any more.
            multiprocess_mode="livesum",
        )
        self.started = self._active.inc
        self.rate_limited = self._counter("rate_limited", "Requests refused by the rate limit")
        self.storage_failed = self._counter(
            "storage_failures", "Attempts to reach the shared storage that failed"
        )

    def _counter(self, name: str, documentation: str) -> Callable[[], None]:
        return Counter(f"hancock_{name}", documentation, registry=self._registry).inc

    def finished(self, method: str, route: str, status: str, seconds: float) -> str:
        """Count one answered request; return the method as it was counted."""
        self._active.dec()
        # A client could invent methods until the memory is full of them.
        known = method if method in _METHODS else "other"
        observe = self._observers.get((known, route, status))
        if observe is None:
            observe = self._durations.labels(known, route, status).observe
            self._observers[known, route, status] = observe
        observe(seconds)
        return known

    def asked(self, outcome: str, seconds: float) -> None:
        """Count one question to the model: answered, failed, or its client left in the middle."""
        self._askers[outcome](seconds)

    def text(self) -> bytes:
        """Everything, in Prometheus' text format; raises nothing that a scrape could cause."""
        folder = os.environ.get(MULTIPROCESS_FOLDER)
        if not folder:
            return _with_memory(self._registry, ResidentMemory(this_process))
        workers = CollectorRegistry()
        MultiProcessCollector(workers, folder)  # type: ignore[no-untyped-call]
        return _with_memory(workers, ResidentMemory(partial(live_workers, folder)))


def _with_memory(registry: CollectorRegistry, memory: ResidentMemory) -> bytes:
    asked_now = CollectorRegistry()
    asked_now.register(memory)
    return generate_latest(registry) + generate_latest(asked_now)


class ResidentMemory(Collector):
    """Sums the resident memory of the processes that `pids` gives; pages they share count twice."""

    def __init__(self, pids: Callable[[], Iterable[int]], processes: Path = Path("/proc")) -> None:
        self._pids = pids
        self._processes = processes
        self._page_bytes = os.sysconf("SC_PAGE_SIZE")

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """One gauge; none where the system has no /proc to read it from."""
        pages = [self._resident_pages(pid) for pid in self._pids()]
        if any(pages):
            yield GaugeMetricFamily(
                "hancock_memory_usage_bytes",
                "Resident memory now, of all workers",
                value=sum(pages) * self._page_bytes,
            )

    def _resident_pages(self, pid: int) -> int:
        try:
            numbers = (self._processes / str(pid) / "statm").read_text("ascii").split()
        except OSError:
            # It has ended since it was listed.
            return 0
        return int(numbers[_RESIDENT_PAGES])


def this_process() -> list[int]:
    """The process that is asked."""
    return [os.getpid()]


def live_workers(folder: str) -> list[int]:
    """The processes with a file of live gauges in prometheus-client's multiprocess `folder`."""
    return [int(found.stem.rpartition("_")[2]) for found in Path(folder).glob("gauge_live*_*.db")]
