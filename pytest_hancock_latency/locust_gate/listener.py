"""Counts the requests of this process that Locust reports, by name and window of 250 ms.

This runs for each request, in the greenlet that made it, so it does as little as possible: it finds
a bucket and adds one. Limits, percentiles and verdicts are computed later from the counts, three
seconds later or on another machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gevent import getcurrent

from ..core.duration import NS_PER_S
from ..core.histogram import index_of
from ..core.pattern import shortened
from ..judging.counts import add_counts
from ..measuring.request import is_timeout
from .generator import WINDOWS_PER_S, Strain, window_at

ARRIVAL: Final = "hancock_latency_arrival"
"""Key of the request's context under which an open loop stores the intended start."""
_NS_PER_MS: Final = 1e6
_LOWEST_ERROR: Final = 400
INVALID: Final = "invalid measurement"
"""The kind of failure of a request whose latency or start time is invalid."""
LONGEST_MS: Final = 1e9
"""Eleven days: longer latencies are invalid."""
_LATEST_UNIX_S: Final = 2.0**40
"""Tens of thousands of years: window numbers up to here fit into the 64 bits of reports."""
_LARGEST_INDEX: Final = index_of(int(2 * LONGEST_MS * 1e6))

Cell = tuple[str, str, int]
"""Method, name and window."""


@dataclass(slots=True)
class RequestCounts:
    """Counts since they were last taken."""

    latencies: dict[Cell, dict[int, int]] = field(default_factory=dict)
    failures: dict[Cell, dict[str, int]] = field(default_factory=dict)
    send_lags: dict[Cell, dict[int, int]] = field(default_factory=dict)
    timeouts: dict[Cell, dict[int, int]] = field(default_factory=dict)
    """Of the failures, those that timed out, by the number of windows that they took."""
    unmeasured: dict[Cell, int] = field(default_factory=dict)
    """Requests without a latency, which Locust counts for requests/s and the share of failures."""
    unfinished: dict[int, int] = field(default_factory=dict)
    """How long users have been at what they had not finished when this was taken, by bucket."""

    def __bool__(self) -> bool:
        return bool(self.latencies or self.failures or self.unmeasured)


class Listener:
    """Listens to Locust's ``request`` event."""

    def __init__(self) -> None:
        self._counted = RequestCounts()
        self._latencies = self._counted.latencies
        self._finished_s: dict[Any, float] = {}

    def on_request(  # noqa: PLR0913, PLR0917 - Locust's signature
        self,
        request_type: str,
        name: str,
        response_time: float | None,
        exception: BaseException | None = None,
        start_time: float | None = None,
        context: Mapping[str, Any] | None = None,
        response: object = None,
        **_extras: Any,
    ) -> None:
        """Count one request; an invalid latency counts as a failure."""
        self._finished_s[getcurrent()] = time.time()
        are_strings = type(name) is type(request_type) is str
        if not (are_strings and name.isascii() and request_type.isascii()):
            request_type, name = text_of(request_type), text_of(name)
        if response_time is None and exception is None:
            cell = request_type, name, _window_or_now(start_time)
            unmeasured = self._counted.unmeasured
            unmeasured[cell] = unmeasured.get(cell, 0) + 1
            return
        try:
            if start_time is None:
                start_time = time.time() - (response_time or 0) / 1000
            if not -_LATEST_UNIX_S < start_time < _LATEST_UNIX_S:
                raise ValueError
            window = int(start_time * 4)  # 4 = WINDOWS_PER_S
            if exception is not None:
                cell = request_type, name, window
                self._count_failure(cell, kind_of(exception, response))
                if is_timeout(exception):
                    self._count_timeout(cell, start_time, response_time)
                return
            if not -LONGEST_MS < response_time < LONGEST_MS:  # type: ignore[operator]
                raise ValueError
            ns = int(response_time * _NS_PER_MS)  # type: ignore[operator]
            if context and ARRIVAL in context:
                lag_ns, start_time = self._lag(request_type, name, start_time, context[ARRIVAL])
                ns += lag_ns
                window = int(start_time * 4)
        except (TypeError, ValueError, OverflowError):  # an invalid number from a client
            kind = INVALID if exception is None else kind_of(exception, response)
            self._count_failure((request_type, name, _window_or_now(start_time)), kind)
            return
        cell = request_type, name, window
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
        """Return all counts since the last call."""
        counts, self._counted = self._counted, RequestCounts()
        self._latencies = self._counted.latencies
        return counts

    def take_finished(self) -> dict[Any, float]:
        """Return when each greenlet last finished a request, of those since the last call."""
        finished_s, self._finished_s = self._finished_s, {}
        return finished_s

    def _lag(self, method: str, name: str, start_s: float, intended_s: float) -> tuple[int, float]:
        """Return how late a request of an open loop started, and its intended start.

        Raises:
            ValueError: no request can have been intended for that time.
        """
        lag_ns = max(0, int((start_s - intended_s) * NS_PER_S))
        # The master refuses a report with a number that is too large, and all counts in it.
        if lag_ns > LONGEST_MS * _NS_PER_MS or not abs(intended_s) < _LATEST_UNIX_S:
            raise ValueError
        cell = (method, name, window_at(intended_s))
        lags, index = self._counted.send_lags.setdefault(cell, {}), index_of(lag_ns)
        lags[index] = lags.get(index, 0) + 1
        return lag_ns, intended_s

    def _count_failure(self, cell: Cell, kind: str) -> None:
        kinds = self._counted.failures.setdefault(cell, {})
        kinds[kind] = kinds.get(kind, 0) + 1

    def _count_timeout(self, cell: Cell, start_s: float, response_time: object) -> None:
        if not isinstance(response_time, int | float) or not 0 <= response_time < LONGEST_MS:
            return
        length = window_at(start_s + response_time / 1000) - cell[2]
        add_counts(self._counted.timeouts.setdefault(cell, {}), {length: 1})


def _window_or_now(start_time: object) -> int:
    """Return the window of a moment; the current one if it is invalid."""
    if isinstance(start_time, int | float) and abs(start_time) < _LATEST_UNIX_S:
        return window_at(start_time)
    return window_at(time.time())


def kind_of(exception: BaseException, response: object) -> str:
    """Return the kind of a failure: its status, else the class of the exception.

    Messages are ignored, so that there are few kinds to count.
    """
    status = getattr(response, "status_code", None)
    if isinstance(status, int) and status >= _LOWEST_ERROR:
        return f"HTTP {status}"
    return type(exception).__name__


def text_of(reported: object) -> str:
    """Convert a reported name to a string for reports and artifacts; None becomes empty."""
    if reported is None:
        return ""
    try:
        text = str(reported, errors="replace") if isinstance(reported, bytes) else str(reported)
        return text if text.isascii() else text.encode(errors="replace").decode()
    except Exception:  # a name of a custom type whose conversion fails
        return f"<{type(reported).__name__}>"


def label_of(method: str, name: str) -> str:
    """Return the name of a request's budget: ``GET /health``."""
    is_whole = not method or name.startswith(f"{method} ")
    return shortened(name if is_whole else f"{method} {name}")


KEY: Final = "hancock_latency"
"""Key of the counts in a report."""


def increment_to_plain(counted: RequestCounts, strain: Strain) -> dict[str, Any]:
    """Convert an increment to its plain form."""
    return {
        "latencies": _cells(counted.latencies),
        "failures": _cells(counted.failures),
        "send_lags": _cells(counted.send_lags),
        "timeouts": _cells(counted.timeouts),
        "unmeasured": [[*cell, count] for cell, count in counted.unmeasured.items()],
        "unfinished": counted.unfinished,
        "seconds": strain.seconds,
        "busy_seconds": strain.busy_seconds,
        "greenlet_lags": strain.greenlet_lags,
        "waits": strain.waits,
        "server_starved": sorted(strain.server_starved),
        "busy": sorted(strain.busy),
    }


def increment_from_plain(plain: Any) -> tuple[RequestCounts, Strain]:
    """Make an increment from its plain form; older workers may omit fields.

    Raises:
        ValueError: it is invalid; the text says why.
    """
    if not isinstance(plain, Mapping):
        raise ValueError("not a mapping")
    counted = RequestCounts(
        latencies=_from_cells(plain, "latencies", _is_index),
        failures=_from_cells(plain, "failures", _is_text),
        send_lags=_from_cells(plain, "send_lags", _is_index),
        timeouts=_from_cells(plain, "timeouts", _is_index),
        unmeasured=_unmeasured(plain),
        unfinished=_counts(plain.get("unfinished", {}), "unfinished", _is_index),
    )
    seconds, busy = plain.get("seconds", 0), plain.get("busy_seconds", 0)
    if not (_is_count(seconds) and _is_count(busy)):
        raise ValueError("seconds is not a count")
    lags = _counts(plain.get("greenlet_lags", {}), "greenlet_lags", _is_index)
    waits = _counts(plain.get("waits", {}), "waits", _is_window)
    return counted, Strain(
        seconds, busy, lags, waits, _windows(plain, "busy"), _windows(plain, "server_starved")
    )


def _cells(cells: Mapping[tuple[str, str, int], Mapping[Any, int]]) -> list[list[Any]]:
    return [[*cell, counts] for cell, counts in cells.items()]


def _from_cells(
    plain: Mapping[str, Any], field: str, is_key: Callable[[object], bool]
) -> dict[Cell, Any]:
    cells: dict[Cell, Any] = {}
    for cell, counts in _plain_cells(plain, field):
        add_counts(cells.setdefault(cell, {}), _counts(counts, field, is_key))
    return cells


def _unmeasured(plain: Mapping[str, Any]) -> dict[Cell, int]:
    field = "unmeasured"
    cells: dict[Cell, int] = {}
    for cell, count in _plain_cells(plain, field):
        if not _is_count(count):
            raise ValueError(f"{field}: not a count")
        cells[cell] = cells.get(cell, 0) + count
    return cells


def _plain_cells(plain: Mapping[str, Any], field: str) -> Iterator[tuple[Cell, Any]]:
    """Yield each cell of a field, with what was counted in it."""
    plain_cells = plain.get(field, [])
    if not isinstance(plain_cells, list | tuple):
        raise ValueError(f"{field}: not a list of cells")
    for cell in plain_cells:
        if not isinstance(cell, list | tuple) or len(cell) != 4:  # noqa: PLR2004 - as in `_cells`
            raise ValueError(f"{field}: not a cell of method, name, window and counts")
        method, name, window, counted = cell
        if not (_is_text(method) and _is_text(name) and _is_window(window)):
            raise ValueError(f"{field}: not a method, a name and a window")
        yield (method, name, window), counted


def _counts(counts: Any, field: str, is_key: Callable[[object], bool]) -> dict[Any, int]:
    if not isinstance(counts, Mapping):
        raise ValueError(f"{field}: not counts")
    for key, count in counts.items():
        if not (is_key(key) and _is_count(count)):
            raise ValueError(f"{field}: not a count")
    return dict(counts)


def _windows(plain: Mapping[str, Any], field: str) -> set[int]:
    windows = plain.get(field, [])
    if not isinstance(windows, list | tuple) or not all(map(_is_window, windows)):
        raise ValueError(f"{field}: not a list of windows")
    return set(windows)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53


def _is_index(value: object) -> bool:
    return isinstance(value, int) and 0 <= value <= _LARGEST_INDEX


def _is_window(value: object) -> bool:
    return isinstance(value, int) and abs(value) <= WINDOWS_PER_S * _LATEST_UNIX_S
