"""Counts of latencies that arrive as long columns, such as those of another tool's raw results.

A `ColumnTally` counts what a `RunningTally` counts, and for the same reasons, but keeps arrays
where the latter keeps dictionaries: a run of ten million requests has a million different windows
and buckets, which as dictionaries take ten times the memory and most of the time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Self

from ..core.budget import Limit
from ..core.duration import NS_PER_S
from ..core.histogram import Histogram, indexes_of, middle
from ..core.late_numpy import np
from ..core.timeline import STRETCHES, Timeline
from .counts import OverTime, Tally
from .limit_judge import LimitCounts
from .sequential import DELETION_WINDOW_NS

if TYPE_CHECKING:
    from ..core.attribution import Nanoseconds

MOST_FAILURES: Final = 50
"""Kinds of failure counted separately. More are usually texts with a port or an id in them."""
OTHER_FAILURES: Final = "(all other failures)"
"""All further kinds together."""
_BUCKET_BITS: Final = 20
"""Bits of a bucket in a number that has an interval and a bucket: a latency of 2⁶² ns, the longest,
is in bucket 54 271."""
_BUCKETS: Final = 1 << _BUCKET_BITS
_EXACT_BELOW: Final = 2048
"""Buckets of the timeline that are kept apart, all of latencies below 2.048 µs."""
_GROUP: Final = 8
"""Further buckets of the timeline are kept in groups of so many. That makes it accurate to 0.4 %,
less than a pixel of its charts, and takes an eighth of the memory, which it uses most of."""


class Occurrences:
    """How often each integer occurs, in memory for two integers for each different value."""

    def __init__(self) -> None:
        self._parts: list[tuple[Nanoseconds, Nanoseconds]] = []
        """Different values in ascending order, and their counts. The first part is the largest: the
        others are merged into it once they are as long, so that adding takes linear time."""

    def add(self, values: Nanoseconds) -> None:
        """Add values, which may repeat."""
        if not len(values):
            return
        self.add_counted(*np.unique(values, return_counts=True))

    def add_counted(self, values: Nanoseconds, counts: Nanoseconds) -> None:
        """Add different values in ascending order, each so many times."""
        if not len(values):
            return
        self._parts.append((values, counts))
        if sum(len(part) for part, _ in self._parts[1:]) > len(self._parts[0][0]):
            self._merge()

    def columns(self) -> tuple[Nanoseconds, Nanoseconds]:
        """Return the different values in ascending order, and the count of each."""
        self._merge()
        if self._parts:
            return self._parts[0]
        return np.empty(0, np.int64), np.empty(0, np.int64)

    def change(self, values: Nanoseconds) -> None:
        """Replace the different values, as `columns` returned them; equal ones are added up."""
        _, counts = self.columns()
        self._parts = [_added_up(values, counts)] if len(values) else []

    def _merge(self) -> None:
        if len(self._parts) > 1:
            values, counts = (np.concatenate(column) for column in zip(*self._parts, strict=True))
            self._parts = [_added_up(values, counts)]


def _added_up(values: Nanoseconds, counts: Nanoseconds) -> tuple[Nanoseconds, Nanoseconds]:
    """Return the different values in ascending order, and the sum of the counts of each."""
    order = np.argsort(values, kind="stable")  # of ascending pieces: one pass to merge them
    values, counts = values[order], counts[order]
    starts = np.flatnonzero(np.diff(values, prepend=values[0] - 1))
    return values[starts], np.add.reduceat(counts, starts)


class ColumnTally:
    """Running counts of one kind of request."""

    def __init__(self, limits: Iterable[Limit] = ()) -> None:
        """Create an empty tally.

        Args:
            limits: all limits that the counts will be judged by.
        """
        self._limits = tuple(limits)
        self._buckets = Occurrences()
        self._windows = Occurrences()
        self._over = {limit: Occurrences() for limit in self._limits}
        """Windows of the latencies over each limit, if they are known."""
        self._count_over = dict.fromkeys(self._limits, 0)
        self._course = _Course()
        self._ends: tuple[int, int] | None = None
        """The first and the last window with a request; None if no start is known."""
        self.failures: dict[str, int] = defaultdict(int)

    def add(self, latencies_ns: Nanoseconds, windows: Nanoseconds | None) -> None:
        """Add latencies, each with its window; None if their start is unknown.

        Those over a limit are counted by their latency, and not by its bucket: a log in whole
        milliseconds has many that are exactly as long as the limit.
        """
        buckets = indexes_of(latencies_ns)
        self._buckets.add(buckets)
        over = {limit: latencies_ns > limit.limit_ns for limit in self._limits}
        for limit, flags in over.items():
            self._count_over[limit] += int(flags.sum())
        if windows is None or not len(windows):
            return
        self._windows.add(windows)
        for limit, flags in over.items():
            self._over[limit].add(windows[flags])
        self._extend(*_ends(windows))
        self._course.add(windows, buckets)

    @classmethod
    def sum(cls, parts: Sequence[ColumnTally], limits: Iterable[Limit]) -> Self:
        """Return the counts of several kinds of request together.

        Args:
            limits: all limits that they will be judged by, which all parts have counted.
        """
        total = cls(limits)
        for part in parts:
            total._buckets.add_counted(*part._buckets.columns())
            total._windows.add_counted(*part._windows.columns())
            for limit in total._limits:
                total._count_over[limit] += part._count_over[limit]
                total._over[limit].add_counted(*part._over[limit].columns())
            if part._ends is not None:
                total._extend(*part._ends)
            total._course.add_all(part._course)
            total.add_failures(part.failures, None)
        return total

    def add_failures(self, kinds: Mapping[str, int], windows: Nanoseconds | None) -> None:
        """Add the number of failed requests by kind, and the windows in which they started."""
        for kind, count in kinds.items():
            is_separate = kind in self.failures or len(self.failures) < MOST_FAILURES
            self.failures[kind if is_separate else OTHER_FAILURES] += count
        if windows is not None and len(windows):
            self._extend(*_ends(windows))

    def _extend(self, first: int, last: int) -> None:
        if self._ends is not None:
            first, last = min(first, self._ends[0]), max(last, self._ends[1])
        self._ends = first, last

    @property
    def elapsed_ns(self) -> int:
        """Time from the first window with a request to the last one; 0 if starts are unknown."""
        if self._ends is None:
            return 0
        return (self._ends[1] - self._ends[0] + 1) * DELETION_WINDOW_NS

    @property
    def started_unix_s(self) -> float | None:
        """Start of the first window with a request."""
        return None if self._ends is None else self._ends[0] * DELETION_WINDOW_NS / NS_PER_S

    @property
    def ended_unix_s(self) -> float | None:
        """End of the last window with a request."""
        return None if self._ends is None else (self._ends[1] + 1) * DELETION_WINDOW_NS / NS_PER_S

    @property
    def histogram(self) -> Histogram:
        """Return the histogram of all latencies."""
        buckets, counts = self._buckets.columns()
        return Histogram(dict(zip(buckets.tolist(), counts.tolist(), strict=True)))

    def tally(self) -> Tally:
        """Return the counts as they can be judged."""
        histogram = self.histogram
        windows, totals = self._windows.columns()
        over_time = {limit: _over_time(windows, totals, over) for limit, over in self._over.items()}
        counts = {
            limit: LimitCounts(histogram.n, over, over) for limit, over in self._count_over.items()
        }
        return Tally(
            raw=histogram,
            attributed=histogram,
            failed=sum(self.failures.values()),
            elapsed_ns=self.elapsed_ns,
            over_time=over_time if len(windows) else {},
            counts=counts,
        )

    def timeline(self) -> Timeline | None:
        """Return the timeline of the run; None if no start of a latency is known."""
        return self._course.timeline()


def _over_time(windows: Nanoseconds, totals: Nanoseconds, over: Occurrences) -> OverTime:
    """Return the windows with observations, and one empty window for each gap between them."""
    exceeding = np.zeros_like(totals)
    windows_over, counts = over.columns()
    exceeding[np.searchsorted(windows, windows_over)] = counts
    gaps = np.flatnonzero(np.diff(windows) > 1) + 1
    return OverTime(
        np.insert(totals, gaps, 0).tolist(),
        np.insert(exceeding, gaps, 0).tolist(),
    )


def _ends(windows: Nanoseconds) -> tuple[int, int]:
    """Return the first and the last of these windows."""
    return int(windows.min()), int(windows.max())


class _Course:
    """Buckets by intervals that double in length whenever there are too many of them."""

    def __init__(self) -> None:
        self._windows = 1
        """Number of windows in one interval."""
        self._ends: tuple[int, int] | None = None
        """The first and the last window."""
        self._cells = Occurrences()
        """Numbers of intervals, times `_BUCKETS`, plus the middle bucket of a group."""

    def add(self, windows: Nanoseconds, buckets: Nanoseconds) -> None:
        length = self._extend(*_ends(windows))
        groups = buckets - buckets % _GROUP + _GROUP // 2
        buckets = np.where(buckets < _EXACT_BELOW, buckets, groups)
        self._cells.add(((windows // length) << _BUCKET_BITS) + buckets)

    def add_all(self, course: _Course) -> None:
        """Add all that another one has; it is changed."""
        if course._ends is None:
            return
        self._lengthen(max(self._windows, course._windows))
        self._extend(*course._ends)
        course._lengthen(self._windows)
        self._cells.add_counted(*course._cells.columns())

    def _extend(self, first: int, last: int) -> int:
        """Include these windows; return the number of windows in an interval."""
        if self._ends is not None:
            first, last = min(first, self._ends[0]), max(last, self._ends[1])
        self._ends = first, last
        length = self._windows
        while last // length - first // length >= STRETCHES:
            length *= 2
        self._lengthen(length)
        return length

    def _lengthen(self, length: int) -> None:
        if length == self._windows:
            return
        cells, _ = self._cells.columns()
        intervals = (cells >> _BUCKET_BITS) // (length // self._windows)
        self._cells.change((intervals << _BUCKET_BITS) + cells % _BUCKETS)
        self._windows = length

    def timeline(self) -> Timeline | None:
        if self._ends is None:
            return None
        cells, counts = self._cells.columns()
        first, last = (window // self._windows for window in self._ends)
        edges = np.searchsorted(cells, np.arange(first, last + 2) << _BUCKET_BITS)
        n, medians, longest = [], [], []
        for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            buckets, cumulated = cells[start:end] % _BUCKETS, np.cumsum(counts[start:end])
            total = int(cumulated[-1]) if end > start else 0
            n.append(total)
            median = int(np.searchsorted(cumulated, (total + 1) // 2))
            medians.append(middle(int(buckets[median])) if total else 0)
            longest.append(middle(int(buckets[-1])) if total else 0)
        empty = (0,) * len(n)
        return Timeline(
            stretch_ns=self._windows * DELETION_WINDOW_NS,
            n=tuple(n),
            median_ns=tuple(medians),
            max_ns=tuple(longest),
            excused=empty,
            collected=empty,
        )
