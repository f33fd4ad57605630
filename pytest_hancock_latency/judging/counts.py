"""Judging existing counts: histograms of an artifact, of shards, or of Locust workers.

Evidence from counts is valid at any stopping time, so also at this one. Where a histogram is
ambiguous, the conservative choice is made: an observation in the bucket of the limit counts as over
it for *within*, and as not over it for *exceeded*. Without counts by time, a single stall of the
machine cannot be distinguished from slow code, so callers pass these counts along if they have
them.

A `RunningTally` adds up counts that arrive in pieces, from one or more processes, in any order. A
piece contains the number of latencies per bucket in one window of 250 ms. Pieces add up to a
histogram, to the exceedances of each limit in each window (a single stall must not decide), and to
the timeline of the run. Memory grows with windows and buckets, not with requests.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from ..core.budget import LatencyBudget, Limit
from ..core.duration import NS_PER_S
from ..core.evidence import boundaries
from ..core.histogram import Histogram, index_of, middle
from ..core.sample import UNDELAYED
from ..core.timeline import STRETCHES, Timeline
from ..core.verdict import LimitVerdict, Outcome, Reason, Verdict
from .limit_judge import (
    LimitCounts,
    Table,
    Tables,
    failure_verdict,
    limit_verdict,
    route_of,
    survives_deletion,
    tables_of,
)
from .sequential import DELETION_WINDOW_NS, Policy


@dataclass(frozen=True, slots=True)
class OverTime:
    """Observations in each deletion window, and how many of them were over one limit.

    Windows in which the load generator waited for a CPU are left out: the generator itself may have
    been slow there.
    """

    totals: Sequence[int]
    exceeding: Sequence[int]


class CountsOver(Protocol):
    """Observations of which it is known how many are over a limit."""

    @property
    def n(self) -> int:
        """Number of observations."""

    def surely_over(self, limit_ns: int) -> int:
        """Return the number of observations that were certainly above the limit."""

    def maybe_over(self, limit_ns: int) -> int:
        """Return the number of observations that may have been above the limit."""


@dataclass(frozen=True, slots=True)
class Tally:
    """All counts of one sample."""

    raw: CountsOver
    attributed: CountsOver
    """The same histogram as ``raw`` if nothing was attributed."""
    failed: int = 0
    elapsed_ns: int = 0
    excused_failures: int = 0
    """Number of failures that are time-outs which the machine may have caused."""
    timeouts: OverTime | None = None
    """The other time-outs in each deletion window; None if unknown."""
    over_time: Mapping[Limit, OverTime] = field(default_factory=dict)
    """Empty if the counts by time are unknown."""
    counts: Mapping[Limit, LimitCounts] = field(default_factory=dict)
    """What was counted while measuring, which is more than histograms know; empty if unknown."""
    spans_windows: bool = False
    """Whether undisturbed calls were spread over enough windows in one of the samples."""
    unmeasured: int = 0
    """Requests that did not fail and have no latency: they count for the share of failures."""
    unfinished: CountsOver = field(default_factory=Histogram)
    """How long requests in progress have taken so far: if that is over a limit, so is the request,
    although it is not among the latencies yet."""


def judge_counts(tally: Tally, budget: LatencyBudget, policy: Policy) -> Verdict:
    """Return the verdict on a tally; valid whenever counting stopped."""
    alpha = policy.alpha_of_part(budget)
    tables = [tables_of(limit.allowed, policy.alpha_within, alpha) for limit in budget.limits]
    failures = boundaries(budget.errors, policy.alpha_within, alpha)
    may_be_stall = bool(budget.errors) and _may_be_one_stall(failures, tally)
    n = tally.raw.n
    return Verdict(
        limits=tuple(
            _judge_limit(limit, table, tally, policy.least, budget.least_time_ns)
            for limit, table in zip(budget.limits, tables, strict=True)
        ),
        failures=failure_verdict(
            failures,
            budget.errors,
            tally.failed,
            n + tally.failed + tally.unmeasured,
            excused=tally.excused_failures,
            is_concentrated=may_be_stall,
        ),
        n=n,
        elapsed_ns=tally.elapsed_ns,
        least_time_ns=budget.least_time_ns,
    )


def _may_be_one_stall(table: Table, tally: Tally) -> bool:
    """Whether too many time-outs may be due to a single stall, if it is known when they began."""
    timeouts = tally.timeouts
    if timeouts is None or not any(timeouts.exceeding):
        return False
    others = tally.failed - tally.excused_failures - sum(timeouts.exceeding)
    return not survives_deletion(table, timeouts.totals, timeouts.exceeding, others)


def _judge_limit(
    limit: Limit, tables: Tables, tally: Tally, least_observations: int, least_time_ns: int
) -> LimitVerdict:
    """Return the verdict on one limit of a tally."""
    limit_ns, table = limit.limit_ns, tables.raw
    windows = tally.over_time.get(limit)
    if windows is None:
        n_attributed, over_attributed = tally.raw.n, tally.attributed.surely_over(limit_ns)
    else:
        n_attributed, over_attributed = sum(windows.totals), sum(windows.exceeding)
    late = tally.unfinished.surely_over(limit_ns)
    counts = LimitCounts(tally.raw.n + late, tally.raw.maybe_over(limit_ns) + late, over_attributed)
    kept = tally.counts.get(limit)
    if kept is not None and kept.n == tally.raw.n:
        counts = kept
        n_attributed, over_attributed = counts.evidence
    outcome = otherwise = None
    if n_attributed and table.shows_exceeded(n_attributed, over_attributed):
        if _is_no_single_stall(limit, table, windows):
            outcome = Outcome.EXCEEDED
        otherwise = Reason.STALL
    route = route_of(tables, counts, least_observations, spans_windows=tally.spans_windows)
    if outcome is None and route is not None:
        if tally.elapsed_ns >= least_time_ns:
            outcome = Outcome.WITHIN
        otherwise = otherwise or Reason.SHORT
    return limit_verdict(
        limit,
        table,
        counts,
        outcome,
        least=least_observations,
        otherwise=otherwise,
        route=route,
    )


def _is_no_single_stall(limit: Limit, table: Table, windows: OverTime | None) -> bool:
    """Whether *exceeded* still holds without the worst two windows, if windows are known."""
    if windows is None or not limit.allowed:
        return True
    return survives_deletion(table, windows.totals, windows.exceeding)


BucketCounts = Mapping[int, int]
"""The number of latencies by bucket."""
_NEVER: Final = -(2**62)
"""A window before all others, so that nothing is dropped."""


class RunningTally:
    """Running counts of one kind of request."""

    def __init__(self, limits: Iterable[Limit] = ()) -> None:
        """Create an empty tally.

        Args:
            limits: all limits that the counts will be judged by.
        """
        self._edges = {limit: index_of(limit.limit_ns) for limit in limits}
        self._from = _NEVER
        self._begin()

    def _begin(self) -> None:
        self._counts: dict[int, int] = defaultdict(int)
        self._totals: dict[int, int] = defaultdict(int)
        self._over: dict[Limit, dict[int, int]] = {e: defaultdict(int) for e in self._edges}
        self._failed_in: dict[int, int] = defaultdict(int)
        self._unmeasured_in: dict[int, int] = defaultdict(int)
        self._timeouts: dict[tuple[int, int], int] = defaultdict(int)
        """By the window in which they began, and the number of windows that they took."""
        self.failures: dict[str, int] = defaultdict(int)
        self._course = _Course()

    def forget(self, until: int) -> None:
        """Start over: pieces of windows before this one are ignored, even if they arrive later."""
        self._from = until
        self._begin()

    def add(self, window: int, counts: BucketCounts) -> None:
        """Add a piece.

        Args:
            window: number of the window in which the requests started.
        """
        if window < self._from:
            return
        add_counts(self._counts, counts)
        self._totals[window] += sum(counts.values())
        for limit, edge in self._edges.items():
            over = sum(count for index, count in counts.items() if index > edge)
            if over:
                self._over[limit][window] += over
        self._course.add(window, counts)

    def add_failures(self, window: int, kinds: Mapping[str, int]) -> None:
        """Add the number of failed requests by kind."""
        if window < self._from:
            return
        for kind, count in kinds.items():
            self.failures[kind] += count
            self._failed_in[window] += count

    def add_timeouts(self, window: int, lengths: Mapping[int, int]) -> None:
        """Add the number of failed requests that timed out, by the windows that they took."""
        if window >= self._from:
            for length, count in lengths.items():
                self._timeouts[window, length] += count

    def add_unmeasured(self, window: int, count: int) -> None:
        """Add a number of answered requests without a latency."""
        if window >= self._from:
            self._unmeasured_in[window] += count

    @property
    def requests(self) -> int:
        """Number of answered and failed requests."""
        return sum(self.answered_per_window.values()) + sum(self.failures.values())

    @property
    def unmeasured(self) -> int:
        """Number of answered requests without a latency."""
        return sum(self._unmeasured_in.values())

    @property
    def elapsed_ns(self) -> int:
        """Time from the first window with a request to the last one, both included."""
        windows = self.per_window.keys()
        return (max(windows) - min(windows) + 1) * DELETION_WINDOW_NS if windows else 0

    @property
    def started_unix_s(self) -> float | None:
        """Start of the first window with a request; windows are based on wall-clock time."""
        windows = self.per_window.keys()
        return min(windows) * DELETION_WINDOW_NS / NS_PER_S if windows else None

    @property
    def ended_unix_s(self) -> float | None:
        """End of the last window with a request."""
        windows = self.per_window.keys()
        return (max(windows) + 1) * DELETION_WINDOW_NS / NS_PER_S if windows else None

    @property
    def per_window(self) -> Mapping[int, int]:
        """Return the requests in each window, including failed ones."""
        return _added(self.answered_per_window, self._failed_in)

    @property
    def answered_per_window(self) -> Mapping[int, int]:
        """Return the requests in each window that did not fail."""
        return _added(self._totals, self._unmeasured_in)

    @property
    def histogram(self) -> Histogram:
        """Return the histogram of all latencies."""
        return Histogram(self._counts)

    def tally(self, starved: Collection[int] = ()) -> Tally:
        """Return the counts as they can be judged.

        Args:
            starved: windows in which the load generator waited for a CPU.
        """
        histogram = self.histogram
        blamed = self._blamed_timeouts(starved)
        return Tally(
            raw=histogram,
            attributed=histogram,
            failed=sum(self.failures.values()),
            unmeasured=self.unmeasured,
            elapsed_ns=self.elapsed_ns,
            excused_failures=sum(self._timeouts.values()) - sum(blamed.values()),
            timeouts=_over_time(self.per_window, blamed) if blamed else None,
            over_time={
                limit: _over_time(self._totals, over, starved) for limit, over in self._over.items()
            }
            if self._totals
            else {},
        )

    def _blamed_timeouts(self, starved: Collection[int]) -> dict[int, int]:
        """Return the time-outs, by window, that the load generator had no share in."""
        blamed: dict[int, int] = defaultdict(int)
        for (window, length), count in self._timeouts.items():
            late = sum(window <= at <= window + length for at in starved)
            if late <= (1 - UNDELAYED) * (length + 1):
                blamed[window] += count
        return blamed

    def timeline(self) -> Timeline | None:
        """Return the timeline of the run; None before the first latency."""
        return self._course.timeline()


def _over_time(
    counts: Mapping[int, int], over: Mapping[int, int], left_out: Container[int] = ()
) -> OverTime:
    """Return the windows with requests, and one empty window for each gap between them."""
    totals, exceeding, before = [], [], None
    for window in sorted(counts):
        if window in left_out:
            continue
        if before is not None and window > before + 1:
            totals.append(0)
            exceeding.append(0)
        totals.append(counts[window])
        exceeding.append(over.get(window, 0))
        before = window
    return OverTime(totals, exceeding)


def _added(first: Mapping[int, int], second: Mapping[int, int]) -> Mapping[int, int]:
    """Return the sums of two counts by window."""
    if not second:
        return first
    return {window: first.get(window, 0) + second.get(window, 0) for window in {**first, **second}}


class _Course:
    """Histograms of intervals that double in length whenever there are too many."""

    def __init__(self) -> None:
        self._windows = 1
        """Number of windows in one interval."""
        self._stretches: dict[int, dict[int, int]] = {}

    def add(self, window: int, counts: BucketCounts) -> None:
        add_counts(self._stretches.setdefault(window // self._windows, {}), counts)
        while self._length > STRETCHES:
            self._double()

    @property
    def _length(self) -> int:
        return max(self._stretches) - min(self._stretches) + 1

    def _double(self) -> None:
        merged: dict[int, dict[int, int]] = {}
        for at, counts in self._stretches.items():
            add_counts(merged.setdefault(at // 2, {}), counts)
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


def add_counts(counts: dict[int, int], piece: BucketCounts) -> None:
    """Add a piece to counts by bucket, or by window, in place."""
    for index, count in piece.items():
        counts[index] = counts.get(index, 0) + count


def _median(counts: BucketCounts) -> int:
    remaining = (sum(counts.values()) + 1) // 2
    for index in sorted(counts):
        remaining -= counts[index]
        if remaining <= 0:
            return middle(index)
    return 0
