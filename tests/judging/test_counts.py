"""Verdicts on counts agree with verdicts on observations, and never claim more."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_hancock_latency.core.budget import LatencyBudget, parse_terms
from pytest_hancock_latency.core.histogram import Histogram
from pytest_hancock_latency.core.record import bounds_in_histograms
from pytest_hancock_latency.core.sample import Observations
from pytest_hancock_latency.core.verdict import Outcome, Reason, Verdict
from pytest_hancock_latency.judging.counts import OverTime, Tally, judge_counts
from pytest_hancock_latency.judging.sequential import Policy, SequentialJudge

MS = 1_000_000
POLICY = Policy(least=1)


def budget(**limits: object) -> LatencyBudget:
    return parse_terms(limits).budget()


def histogram(latencies_ms: list[float]) -> Histogram:
    return Histogram.of(np.array([round(ms * MS) for ms in latencies_ms], dtype=np.int64))


def verdict_on(latencies_ms: list[float], failed: int = 0, **limits: object) -> Verdict:
    counted = histogram(latencies_ms)
    return judge_counts(Tally(counted, counted, failed), budget(**limits), POLICY)


@pytest.mark.parametrize(("percentile", "n"), [("p50", 6), ("p95", 72), ("p99", 366)])
def test_a_pass_takes_as_many_counts_as_it_takes_observations(percentile: str, n: int) -> None:
    few, enough = (verdict_on([1.0] * count, **{percentile: 10}) for count in (n - 1, n))
    assert (few.outcome, enough.outcome) == (Outcome.INCONCLUSIVE, Outcome.WITHIN)
    assert few.limits[0].needed == n


@pytest.mark.parametrize(("least", "outcome"), [(80, Outcome.WITHIN), (81, Outcome.INCONCLUSIVE)])
def test_a_pass_takes_at_least_as_many_counts_as_the_policy_asks_for(
    least: int, outcome: Outcome
) -> None:
    counted = histogram([1.0] * 80)
    verdict = judge_counts(Tally(counted, counted), budget(p95=10), Policy(least=least))
    assert outcome is verdict.outcome


@given(st.lists(st.sampled_from([1.0, 9.0, 11.0, 30.0]), min_size=1, max_size=400))
def test_away_from_the_bucket_of_the_limit_counts_decide_like_observations(
    latencies_ms: list[float],
) -> None:
    column = np.array([round(ms * MS) for ms in latencies_ms], dtype=np.int64)
    seconds_apart = np.arange(len(column), dtype=np.int64) * 1_000 * MS
    judge = SequentialJudge(budget(p50=10, p95=20), POLICY)
    judge.look(observed := Observations(column, column, seconds_apart))
    by_observations = judge.verdict(observed)
    by_counts = verdict_on(latencies_ms, p50=10, p95=20)
    within = [part.outcome is Outcome.WITHIN for part in by_observations.limits]
    assert within == [part.outcome is Outcome.WITHIN for part in by_counts.limits]
    assert [(p.over, p.n) for p in by_observations.limits] == [
        (p.over, p.n) for p in by_counts.limits
    ]


def test_a_latency_in_the_bucket_of_the_limit_speaks_for_neither_answer() -> None:
    on_the_limit = verdict_on([10.0] * 400, p99=10)
    part = on_the_limit.limits[0]
    assert (part.over, part.over_attributed) == (400, 0)
    assert on_the_limit.outcome is Outcome.INCONCLUSIVE


def test_146_ms_exceeds_a_limit_of_145_ms_and_144_ms_is_within() -> None:
    assert verdict_on([146.0] * 400, p95=145).outcome is Outcome.EXCEEDED
    assert verdict_on([144.0] * 400, p95=145).outcome is Outcome.WITHIN


def test_the_bound_of_what_exceeds_lies_above_the_limit() -> None:
    counted = histogram([30.0] * 400)
    low_ns, _ = bounds_in_histograms([Fraction(95, 100)], counted, counted)["p95"]
    assert low_ns is not None
    assert 29.9 * MS < low_ns <= 30 * MS


def test_exceedances_of_a_single_stall_decide_nothing() -> None:
    counted = histogram([1.0] * 380 + [30.0] * 20)
    limit = budget(p99=10).limits[0]
    stall = OverTime(totals=[20] * 20, exceeding=[0] * 10 + [10, 10] + [0] * 8)
    spread = OverTime(totals=[20] * 20, exceeding=[1] * 20)
    outcomes = {}
    for name, over_time in (("stall", stall), ("spread", spread)):
        tally = Tally(counted, counted, over_time={limit: over_time})
        part = judge_counts(tally, budget(p99=10), POLICY).limits[0]
        outcomes[name] = (part.outcome, part.reason)
    assert outcomes == {
        "stall": (Outcome.INCONCLUSIVE, Reason.STALL),
        "spread": (Outcome.EXCEEDED, Reason.SHOWN),
    }


def test_what_only_the_machine_took_is_never_exceeded() -> None:
    raw, attributed = histogram([30.0] * 400), histogram([1.0] * 400)
    part = judge_counts(Tally(raw, attributed), budget(p99=10), POLICY).limits[0]
    assert (part.outcome, part.reason) == (Outcome.INCONCLUSIVE, Reason.MACHINE)


def test_no_observation_is_never_within() -> None:
    assert verdict_on([], p99=10).outcome is Outcome.INCONCLUSIVE


def test_failures_have_a_verdict_of_their_own() -> None:
    verdict = verdict_on([1.0] * 400, failed=40, p99=10, errors="1%")
    assert (verdict.failures.outcome, verdict.outcome) == (Outcome.EXCEEDED, Outcome.EXCEEDED)


def test_one_observation_over_the_largest_allowed_is_exceeded() -> None:
    assert verdict_on([1.0] * 400 + [30.0], max=10).outcome is Outcome.EXCEEDED
