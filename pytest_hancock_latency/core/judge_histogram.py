"""The verdict on what was counted already: histograms of an artifact, of shards, of Locust workers.

Evidence from counts is valid at any stopping time, so also at this one. What a histogram cannot
tell is decided against the easy answer: an observation in the bucket of the limit counts as over
it for *within*, and as not over it for *exceeded*. Without counts by time, one stall of the machine
cannot be told from slow code; whoever has them passes them along.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .budget import LatencyBudget, Limit
from .evidence import boundaries
from .histogram import Histogram, highest, index_of, lowest
from .judge import Policy
from .trial import Table, failure_verdict, needed, survives_deletion, why_undecided
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
