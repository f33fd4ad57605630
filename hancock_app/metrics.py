"""What Prometheus is told.

Children are bound once per combination of labels and kept: finding one through `labels()` costs
more than counting. No label ever carries text chosen by a client.
"""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_BACKEND_BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
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
        self._active = Gauge(
            "hancock_active_connections",
            "Requests being answered now",
            registry=self._registry,
        )
        self._limited = Counter(
            "hancock_rate_limited", "Requests refused by the rate limit", registry=self._registry
        )
        self._storage_failures = Counter(
            "hancock_storage_failures",
            "Attempts to reach the shared storage that failed",
            registry=self._registry,
        )
        self._answers = Histogram(
            "hancock_backend_duration_seconds",
            "Time that the model took, by backend and outcome",
            ("backend", "outcome"),
            buckets=_BACKEND_BUCKETS,
            registry=self._registry,
        )
        self._askers = {
            outcome: self._answers.labels(backend, outcome).observe for outcome in _OUTCOMES
        }
        self.started = self._active.inc
        self.storage_failed = self._storage_failures.inc
        self.rate_limited = self._limited.inc

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
        """Everything, in Prometheus' text format."""
        return generate_latest(self._registry)
