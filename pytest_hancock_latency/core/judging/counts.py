"""The verdict on what was counted already: histograms of an artifact, of shards, of Locust workers.

Evidence from counts is valid at any stopping time, so also at this one. What a histogram cannot
tell is decided against the easy answer: an observation in the bucket of the limit counts as over
it for *within*, and as not over it for *exceeded*. Without counts by time, one stall of the machine
cannot be told from slow code; whoever has them passes them along.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from ..budget import LatencyBudget, Limit
from ..histogram import Histogram, highest, index_of, lowest, middle
from ..timeline import STRETCHES, Timeline
from .evidence import boundaries
from .limit_judge import Table, failure_verdict, needed, survives_deletion, why_undecided
from .sequential import DELETION_WINDOW_NS, Policy
from .verdict import LimitVerdict, Outcome, Reason, Verdict


@dataclass(frozen=True, slots=True)
class OverTime:
    """Observations in each deletion window, and those of them that were over one limit."""

    everyone: Sequence[int]
    exceeding: Sequence[int]


@dataclass(frozen=True, slots=True)
class Tally:
    """All that was counted of one sample."""

    raw: Histogram
    attributed: Histogram
    """The same histogram as ``raw`` where nothing was attributed."""
    failed: int = 0
    elapsed_ns: int = 0
    over_time: Mapping[Limit, OverTime] = field(default_factory=dict)
    """Empty where the counts by time are unknown."""


def judge_histogram(tally: Tally, budget: LatencyBudget, policy: Policy) -> Verdict:
    """The verdict on a tally; valid whenever counting stopped."""
    alpha = policy.alpha_exceeded / len(budget.limits)
    tables = [boundaries(limit.allowed, policy.alpha_within, alpha) for limit in budget.limits]
    failures = boundaries(budget.errors, policy.alpha_within, policy.alpha_exceeded)
    n = tally.raw.n
    return Verdict(
        limits=tuple(
            _LimitOnTally(limit, table, tally).verdict(policy.least)
            for limit, table in zip(budget.limits, tables, strict=True)
        ),
        failures=failure_verdict(failures, budget.errors, tally.failed, n + tally.failed),
        n=n,
        elapsed_ns=tally.elapsed_ns,
    )


class _LimitOnTally:
    """One limit and the counts that speak about it."""

    def __init__(self, limit: Limit, table: Table, tally: Tally) -> None:
        self._limit, self._table, self._tally = limit, table, tally
        self._n = tally.raw.n
        sure, maybe = _over(tally.raw, limit.limit_ns)
        self._over = maybe
        self._over_attributed = sure
        if tally.attributed is not tally.raw:
            self._over_attributed, _ = _over(tally.attributed, limit.limit_ns)

    def verdict(self, least: int) -> LimitVerdict:
        outcome, reason = self._decide(least)
        more = self._needed() if outcome is Outcome.INCONCLUSIVE else None
        low, high = self._bounds()
        return LimitVerdict(
            limit=self._limit,
            outcome=outcome,
            reason=reason,
            n=self._n,
            over=self._over,
            over_attributed=self._over_attributed,
            observed_ns=self._quantile(self._tally.raw),
            observed_attributed_ns=self._quantile(self._tally.attributed),
            low_ns=low,
            high_ns=high,
            needed=None if more is None else max(least, more),
        )

    def _needed(self) -> int | None:
        return needed(self._table, self._limit, self._n, (self._over, self._over_attributed))

    def _decide(self, least: int) -> tuple[Outcome, Reason]:
        k, n = self._over_attributed, self._n
        counts_exceed = self._table.shows_exceeded(n, k)
        if counts_exceed and self._no_single_stall():
            return Outcome.EXCEEDED, Reason.SHOWN
        if n >= least and self._table.shows_within(n, self._over):
            return Outcome.WITHIN, Reason.SHOWN
        if counts_exceed:
            return Outcome.INCONCLUSIVE, Reason.STALL
        return Outcome.INCONCLUSIVE, why_undecided(self._limit, n, self._over, k)

    def _no_single_stall(self) -> bool:
        """Whether *exceeded* stands without the worst two windows, where those are known."""
        known = self._tally.over_time.get(self._limit)
        if known is None or not self._limit.allowed:
            return True
        return survives_deletion(self._table, known.everyone, known.exceeding)

    def _quantile(self, histogram: Histogram) -> int:
        return histogram.quantile_ns(self._limit.quantile) if histogram.n else 0

    def _bounds(self) -> tuple[int | None, int | None]:
        """The quantile of what the code took is at least, that of raw latency is at most."""
        n, raw, attributed = self._n, self._tally.raw, self._tally.attributed
        if not n or not self._limit.allowed:
            return None, None
        most, least = self._table.most_within(n), self._table.least_exceeded(n)
        low = lowest(attributed.bucket_of_rank(n - least + 1)) if least <= n else None
        high = highest(raw.bucket_of_rank(n - most)) if most >= 0 else None
        return low, high


def _over(histogram: Histogram, limit_ns: int) -> tuple[int, int]:
    """Observations that were above a limit for sure, and those that may have been."""
    edge = index_of(limit_ns)
    sure = sum(count for index, count in histogram.counts.items() if index > edge)
    at_edge = histogram.counts.get(edge, 0) if highest(edge) > limit_ns else 0
    return sure, sure + at_edge


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
