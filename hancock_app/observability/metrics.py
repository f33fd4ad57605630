"""Metrics for Prometheus, of one process or, in multiprocess mode, of all workers together.

Each child metric is looked up once and cached: `labels()` costs more than counting. No label ever
contains text chosen by a client.
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

# The version of Prometheus' text format that every scraper understands.
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# Read by prometheus-client as well, when it is imported.
MULTIPROCESS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"

# Any other method is counted as "other": a client could invent a new one for every request.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# From a fixed response (under 1 ms) to a slow answer, finest around the latency budgets, which are
# between 10 and 500 ms.
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
# Models take from about 10 ms (canned) to twice the default timeout.
_BACKEND_BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
# "left": the client disconnected in the middle of a stream.
_OUTCOMES = ("answered", "failed", "left")
# The position of the resident pages in /proc/<pid>/statm, see proc(5).
_RESIDENT_PAGES = 1


class Metrics:
    """The metrics of one application, in a registry of its own."""

    def __init__(self, backend: str) -> None:
        self._registry = CollectorRegistry()
        self._requests = Histogram(
            "hancock_request_duration_seconds",
            "Time to answer a request, by route and status",
            ("method", "route", "status"),
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._request_observers: dict[tuple[str, str, str], Callable[[float], None]] = {}
        model_calls = Histogram(
            "hancock_backend_duration_seconds",
            "Time that the model took, by backend and outcome",
            ("backend", "outcome"),
            buckets=_BACKEND_BUCKETS,
            registry=self._registry,
        )
        self._model_call_observers = {
            outcome: model_calls.labels(backend, outcome).observe for outcome in _OUTCOMES
        }
        self._active = Gauge(
            "hancock_active_connections",
            "Requests in progress",
            registry=self._registry,
            # Only of live workers: the requests of a worker that died are no longer active.
            multiprocess_mode="livesum",
        )
        self.request_started = self._active.inc
        self.rate_limited = self._counter("rate_limited", "Requests refused by the rate limit")
        self.storage_failed = self._counter(
            "storage_failures", "Attempts to reach the shared storage that failed"
        )

    def _counter(self, name: str, documentation: str) -> Callable[[], None]:
        return Counter(f"hancock_{name}", documentation, registry=self._registry).inc

    def request_finished(self, method: str, route: str, status: str, seconds: float) -> str:
        """Count a finished request; returns the method label it was counted under."""
        self._active.dec()
        method_label = method if method in _METHODS else "other"
        observe = self._request_observers.get((method_label, route, status))
        if observe is None:
            observe = self._requests.labels(method_label, route, status).observe
            self._request_observers[method_label, route, status] = observe
        observe(seconds)
        return method_label

    def model_call_finished(self, outcome: str, seconds: float) -> None:
        """Count a call of the model; `outcome` is answered, failed or left."""
        self._model_call_observers[outcome](seconds)

    def text(self) -> bytes:
        """All metrics in Prometheus' text format."""
        folder = os.environ.get(MULTIPROCESS_FOLDER)
        if not folder:
            return _text_of(self._registry, ResidentMemory(this_process))
        workers = CollectorRegistry()
        MultiProcessCollector(workers, folder)  # type: ignore[no-untyped-call]
        return _text_of(workers, ResidentMemory(partial(live_workers, folder)))


def _text_of(registry: CollectorRegistry, memory: ResidentMemory) -> bytes:
    memory_registry = CollectorRegistry()
    memory_registry.register(memory)
    return generate_latest(registry) + generate_latest(memory_registry)


class ResidentMemory(Collector):
    """The resident memory of the processes `pids()`; shared pages count once per process."""

    def __init__(self, pids: Callable[[], Iterable[int]], proc: Path = Path("/proc")) -> None:
        self._pids = pids
        self._proc = proc
        self._page_bytes = os.sysconf("SC_PAGE_SIZE")

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield one gauge, or none on systems without /proc."""
        pages = [self._resident_pages(pid) for pid in self._pids()]
        if any(pages):
            yield GaugeMetricFamily(
                "hancock_memory_usage_bytes",
                "Resident memory of all workers",
                value=sum(pages) * self._page_bytes,
            )

    def _resident_pages(self, pid: int) -> int:
        try:
            columns = (self._proc / str(pid) / "statm").read_text("ascii").split()
        except OSError:
            # The process has ended since it was listed.
            return 0
        return int(columns[_RESIDENT_PAGES])


def this_process() -> list[int]:
    """The process id of the current process."""
    return [os.getpid()]


def live_workers(folder: str) -> list[int]:
    """The process ids that have a live gauge in prometheus-client's multiprocess `folder`."""
    return [int(path.stem.rpartition("_")[2]) for path in Path(folder).glob("gauge_live*_*.db")]
