"""Counts every request of this process, as Locust reports it: by name and window of 250 ms.

This runs once for each request, inside the greenlet that made it, so it does next to nothing: it
finds a bucket and adds one. Limits, percentiles and verdicts are the business of whoever takes the
counts, three seconds later or on another machine.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ..core.duration import NS_PER_S
from ..core.histogram import index_of
from ..core.judging.sequential import DELETION_WINDOW_NS
from .generator import Strain

ARRIVAL: Final = "hancock_latency_arrival"
"""Key of the request's context under which an open loop leaves the intended start."""
WINDOWS_PER_S: Final = NS_PER_S // DELETION_WINDOW_NS
_NS_PER_MS: Final = 1e6
_LOWEST_ERROR: Final = 400

Cell = tuple[str, str, int]
"""Method, name and window."""


@dataclass(slots=True)
class RequestCounts:
    """What was counted since the last time that somebody took it."""

    latencies: dict[Cell, dict[int, int]] = field(default_factory=dict)
    failures: dict[Cell, dict[str, int]] = field(default_factory=dict)
    send_lags: dict[Cell, dict[int, int]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.latencies or self.failures)


def window_at(unix_s: float) -> int:
    """The window in which this moment lies. Windows are of wall clock time, hence comparable."""
    return int(unix_s * WINDOWS_PER_S)


class Listener:
    """Listens to Locust's ``request`` event."""

    def __init__(self) -> None:
        self._counted = RequestCounts()
        self._latencies = self._counted.latencies

    def on_request(  # noqa: PLR0913, PLR0917 - Locust's signature
        self,
        request_type: str,
        name: str,
        response_time: float | None,
        exception: BaseException | None = None,
        start_time: float | None = None,
        context: Mapping[str, Any] | None = None,
        response: object = None,
        **_others: Any,
    ) -> None:
        """Count one request."""
        if response_time is None:
            return  # not a request with a latency
        if start_time is None:
            start_time = time.time() - response_time / 1000
        if exception is not None:
            self._count_failure((request_type, name, int(start_time * 4)), exception, response)
            return
        ns = int(response_time * _NS_PER_MS)
        if context and ARRIVAL in context:
            lag_ns, start_time = self._lag(request_type, name, start_time, context[ARRIVAL])
            ns += lag_ns
        cell = (request_type, name, int(start_time * 4))  # 4 = WINDOWS_PER_S
        if ns < 2048:  # noqa: PLR2004 - `index_of`, without the call
            index = max(0, ns)
        else:
            shift = ns.bit_length() - 11
            index = (shift << 10) + (ns >> shift)
        try:
            counts = self._latencies[cell]
        except KeyError:
            counts = self._latencies[cell] = {}
        counts[index] = counts.get(index, 0) + 1

    def take(self) -> RequestCounts:
        """All counts since the last call."""
        counts, self._counted = self._counted, RequestCounts()
        self._latencies = self._counted.latencies
        return counts

    def _lag(self, method: str, name: str, start_s: float, intended_s: float) -> tuple[int, float]:
        """By how much a request of an open loop started late, and when it should have started."""
        lag_ns = max(0, int((start_s - intended_s) * NS_PER_S))
        cell = (method, name, window_at(intended_s))
        lags, index = self._counted.send_lags.setdefault(cell, {}), index_of(lag_ns)
        lags[index] = lags.get(index, 0) + 1
        return lag_ns, intended_s

    def _count_failure(self, cell: Cell, exception: BaseException, response: object) -> None:
        kinds, kind = self._counted.failures.setdefault(cell, {}), kind_of(exception, response)
        kinds[kind] = kinds.get(kind, 0) + 1


def kind_of(exception: BaseException, response: object) -> str:
    """In which way a request failed: by its status, else by the class of the exception.

    Few kinds, whatever the messages say: they are counted by kind.
    """
    status = getattr(response, "status_code", None)
    if isinstance(status, int) and status >= _LOWEST_ERROR:
        return f"HTTP {status}"
    return type(exception).__name__


def label_of(method: str, name: str) -> str:
    """The name of the budget of a request: ``GET /health``."""
    if not method or name.startswith(f"{method} "):
        return name
    return f"{method} {name}"


KEY: Final = "hancock_latency"
"""Under which it stands in a report."""


def increment_to_plain(counted: RequestCounts, strain: Strain) -> dict[str, Any]:
    """The plain form of an increment."""
    return {
        "latencies": _cells(counted.latencies),
        "failures": _cells(counted.failures),
        "send_lags": _cells(counted.send_lags),
        "seconds": strain.seconds,
        "busy_seconds": strain.busy_seconds,
        "greenlet_lags": strain.greenlet_lags,
    }


def increment_from_plain(plain: Mapping[str, Any]) -> tuple[RequestCounts, Strain]:
    """An increment from its plain form."""
    counted = RequestCounts(
        latencies=_from_cells(plain["latencies"]),
        failures=_from_cells(plain["failures"]),
        send_lags=_from_cells(plain["send_lags"]),
    )
    return counted, Strain(plain["seconds"], plain["busy_seconds"], plain["greenlet_lags"])


def _cells(cells: Mapping[tuple[str, str, int], Mapping[Any, int]]) -> list[list[Any]]:
    return [[*cell, counts] for cell, counts in cells.items()]


def _from_cells(cells: list[list[Any]]) -> dict[tuple[str, str, int], Any]:
    return {(method, name, window): counts for method, name, window, counts in cells}
