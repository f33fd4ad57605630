"""Counts that come in pieces, from one process or many, in any order.

A piece says how many latencies fell into which bucket in one window of 250 ms. Pieces add up to a
histogram, to what is over each limit in each window (so that one stall convicts nobody), and to the
course of the run. What is kept grows with windows and buckets, not with requests.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

from .budget import Limit
from .histogram import Histogram, index_of, middle
from .judge import DELETION_WINDOW_NS
from .judge_histogram import OverTime, Tally
from .timeline import STRETCHES, Timeline

Counts = Mapping[int, int]
"""How many latencies fell into which bucket."""
_NEVER: Final = -(2**62)


class RunningTally:
    """All that is counted of one kind of request."""

    def __init__(self, limits: Iterable[Limit] = ()) -> None:
        """limits: all that the counts will be judged by."""
        self._edges = {limit: index_of(limit.limit_ns) for limit in limits}
        self._from = _NEVER
        self._begin()

    def _begin(self) -> None:
        self._counts: dict[int, int] = defaultdict(int)
        self._everyone: dict[int, int] = defaultdict(int)
        self._over: dict[Limit, dict[int, int]] = {e: defaultdict(int) for e in self._edges}
        self._failed_in: dict[int, int] = defaultdict(int)
        self.failures: dict[str, int] = defaultdict(int)
        self._course = _Course()

    def forget(self, until: int) -> None:
        """Start anew: pieces of windows before this one no longer count, whenever they arrive."""
        self._from = until
        self._begin()

    def add(self, window: int, counts: Counts) -> None:
        """Take in a piece. window: when the requests started, in whole windows."""
        if window < self._from:
            return
        for index, count in counts.items():
            self._counts[index] += count
        self._everyone[window] += sum(counts.values())
        for limit, edge in self._edges.items():
            over = sum(count for index, count in counts.items() if index > edge)
            if over:
                self._over[limit][window] += over
        self._course.add(window, counts)

    def add_failures(self, window: int, kinds: Mapping[str, int]) -> None:
        """Take in how many requests failed in which way."""
        if window < self._from:
            return
        for kind, count in kinds.items():
            self.failures[kind] += count
            self._failed_in[window] += count

    @property
    def requests(self) -> int:
        """Answered and failed ones."""
        return sum(self._everyone.values()) + sum(self.failures.values())

    @property
    def elapsed_ns(self) -> int:
        """From the first window that has a request to the last one, both included."""
        windows = self.per_window.keys()
        return (max(windows) - min(windows) + 1) * DELETION_WINDOW_NS if windows else 0

    @property
    def per_window(self) -> dict[int, int]:
        """Requests in each window, failed ones too."""
        seen = dict(self._everyone)
        for window, count in self._failed_in.items():
            seen[window] = seen.get(window, 0) + count
        return seen

    @property
    def histogram(self) -> Histogram:
        """Of all latencies."""
        return Histogram(self._counts)

    def tally(self) -> Tally:
        """What can be judged."""
        histogram = self.histogram
        windows = self._everyone
        return Tally(
            raw=histogram,
            attributed=histogram,
            failed=sum(self.failures.values()),
            elapsed_ns=self.elapsed_ns,
            over_time={limit: self._over_time(limit) for limit in self._edges} if windows else {},
        )

    def timeline(self) -> Timeline | None:
        """The course of the run; None before the first latency."""
        return self._course.timeline()

    def _over_time(self, limit: Limit) -> OverTime:
        windows, over = self._everyone, self._over[limit]
        span = range(min(windows), max(windows) + 1)
        return OverTime(
            everyone=[windows.get(window, 0) for window in span],
            exceeding=[over.get(window, 0) for window in span],
        )


class _Course:
    """Histograms of stretches that double in length whenever there are too many of them."""

    def __init__(self) -> None:
        self._windows = 1
        """In one stretch."""
        self._stretches: dict[int, dict[int, int]] = {}

    def add(self, window: int, counts: Counts) -> None:
        _add_to(self._stretches.setdefault(window // self._windows, {}), counts)
        while self._length > STRETCHES:
            self._double()

    @property
    def _length(self) -> int:
        return max(self._stretches) - min(self._stretches) + 1

    def _double(self) -> None:
        merged: dict[int, dict[int, int]] = {}
        for at, counts in self._stretches.items():
            _add_to(merged.setdefault(at // 2, {}), counts)
        self._windows, self._stretches = 2 * self._windows, merged

    def timeline(self) -> Timeline | None:
        if not self._stretches:
            return None
        first = min(self._stretches)
        parts = [self._stretches.get(first + i, {}) for i in range(self._length)]
        n = tuple(sum(part.values()) for part in parts)
        empty = (0,) * len(parts)
        return Timeline(
            stretch_ns=self._windows * DELETION_WINDOW_NS,
            n=n,
            median_ns=tuple(_median(part) for part in parts),
            max_ns=tuple(middle(max(part)) if part else 0 for part in parts),
            excused=empty,
            collected=empty,
        )


def _add_to(counts: dict[int, int], piece: Counts) -> None:
    for index, count in piece.items():
        counts[index] = counts.get(index, 0) + count


def _median(counts: Counts) -> int:
    left = (sum(counts.values()) + 1) // 2
    for index in sorted(counts):
        left -= counts[index]
        if left <= 0:
            return middle(index)
    return 0
