"""The gate for requests without a budget: the table of the performance guide.

    metric            acceptable    investigate
    failure rate      < 0.1 %       > 1 %
    median            < 100 ms      > 500 ms
    p99               < 500 ms      > 2 s
    requests/s        steady        declining

Shown to be acceptable is *within*, shown to be worth investigating is *exceeded*, and anything in
between is *inconclusive*. With two limits per line, this gate fails only on serious problems.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Final

from ..core.budget import LatencyBudget, Limit
from ..core.duration import NS_PER_MS
from ..core.quantile import P50, P99
from ..core.verdict import FailureVerdict, LimitVerdict, Outcome, Reason, ThroughputVerdict, Verdict
from .counts import Tally, judge_counts
from .sequential import Policy

ACCEPTABLE: Final = LatencyBudget(
    (Limit(P50, 100 * NS_PER_MS), Limit(P99, 500 * NS_PER_MS)), errors=Fraction(1, 1000)
)
INVESTIGATE: Final = LatencyBudget(
    (Limit(P50, 500 * NS_PER_MS), Limit(P99, 2000 * NS_PER_MS)), errors=Fraction(1, 100)
)


def judge_by_guide(
    tally: Tally, policy: Policy, throughput: ThroughputVerdict | None = None
) -> Verdict:
    """Return the verdict of the guide's table on a tally."""
    good, bad = (judge_counts(tally, budget, policy) for budget in (ACCEPTABLE, INVESTIGATE))
    pairs = zip(good.limits, bad.limits, strict=True)
    return replace(
        good,
        limits=tuple(_limit(acceptable, investigate) for acceptable, investigate in pairs),
        failures=_failures(good.failures, bad.failures),
        throughput=throughput,
    )


def _limit(acceptable: LimitVerdict, investigate: LimitVerdict) -> LimitVerdict:
    far_ns = investigate.limit.limit_ns
    if investigate.outcome is Outcome.EXCEEDED:
        return replace(investigate, investigate_ns=far_ns)
    if acceptable.outcome is Outcome.EXCEEDED:
        between = replace(acceptable, outcome=Outcome.INCONCLUSIVE, reason=Reason.BETWEEN)
        return replace(between, needed=None, investigate_ns=far_ns)
    return replace(acceptable, investigate_ns=far_ns)


def _failures(acceptable: FailureVerdict, investigate: FailureVerdict) -> FailureVerdict:
    if investigate.outcome is Outcome.EXCEEDED:
        return investigate
    if acceptable.outcome is Outcome.EXCEEDED:
        return replace(acceptable, outcome=Outcome.INCONCLUSIVE)
    return acceptable
