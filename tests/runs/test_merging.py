"""Records put together: counts add up, verdicts are made anew."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_hancock_latency.core.advice import Advice
from pytest_hancock_latency.core.budget import parse_terms
from pytest_hancock_latency.core.histogram import RELATIVE_ERROR, Histogram
from pytest_hancock_latency.core.quantile import P95, rank
from pytest_hancock_latency.core.record import Record, TestRun, record_of
from pytest_hancock_latency.core.sample import (
    REPEATED_BURSTS,
    Burst,
    LoadSample,
    Measurement,
    Observations,
    Sample,
    Slow,
)
from pytest_hancock_latency.core.verdict import (
    Outcome,
    Reason,
    RpsVerdict,
    ThroughputVerdict,
)
from pytest_hancock_latency.errors import ArtifactError
from pytest_hancock_latency.judging.bursts import BurstJudge
from pytest_hancock_latency.judging.counts import Tally
from pytest_hancock_latency.judging.guide import judge_by_guide
from pytest_hancock_latency.judging.sequential import Policy, SequentialJudge
from pytest_hancock_latency.runs.merging import budget_of, judged_anew, merge, merge_unjudged

MS = 1_000_000
SHARDS = st.lists(
    st.lists(st.integers(1, 10**11), min_size=1, max_size=100), min_size=4, max_size=4
)


def record(
    latencies_ns: list[int], test: str = "test", failures: int = 0, **limits: object
) -> Record:
    wall = np.array(latencies_ns, dtype=np.int64)
    observations = Observations(wall, wall, np.arange(len(wall)) * 100 * MS)
    judge = SequentialJudge(parse_terms(limits or {"p50": 10}).budget(), Policy(least=1))
    judge.look(observations, failures)
    return record_of(
        Sample(
            "",
            observations,
            failures={"status 503": failures} if failures else {},
            verdict=judge.verdict(observations, failures, len(wall) * 100 * MS),
            measurement=Measurement(
                elapsed_ns=len(wall) * 100 * MS,
                slowest=(Slow(0, 0, max(latencies_ns), max(latencies_ns)),),
                advice=(Advice.of("clock"),),
            ),
        ),
        TestRun(test),
    )


@given(SHARDS)
def test_four_shards_have_the_histogram_of_one_run_and_its_quantiles(
    shards: list[list[int]],
) -> None:
    together = sorted(ns for shard in shards for ns in shard)
    (merged,) = merge([record(shard) for shard in shards])
    assert merged.histogram == Histogram.of(np.array(together, dtype=np.int64))
    exact = together[rank(P95, len(together)) - 1]
    assert abs(merged.quantiles_ns["p95"] - exact) <= RELATIVE_ERROR * exact
    assert (merged.n, merged.quantiles_ns["max"]) == (len(together), together[-1])


@given(SHARDS)
def test_it_does_not_matter_which_shards_are_merged_first(shards: list[list[int]]) -> None:
    a, b, c, d = (record(shard) for shard in shards)
    (left,) = merge([*merge([a, b]), *merge([c, d])])
    (right,) = merge([d, c, b, a])
    assert left.histogram == right.histogram
    assert left.quantiles_ns == right.quantiles_ns
    assert left.verdict == right.verdict


def test_three_inconclusive_shards_are_one_sample_within() -> None:
    shards = [record([MS] * 3), record([MS] * 3), record([MS] * 3)]
    assert {shard.outcome for shard in shards} == {"inconclusive"}
    (merged,) = merge(shards)
    assert (merged.outcome, merged.n) == ("within", 9)


def test_records_of_different_tests_stay_as_they_are_and_in_order() -> None:
    records = [record([MS] * 9, "b"), record([MS] * 9, "a")]
    assert merge(records) == records


def test_failures_times_slowest_and_advice_are_put_together() -> None:
    (merged,) = merge([record([MS] * 9, failures=2), record([5 * MS] * 9, failures=1)])
    assert merged.failures == {"status 503": 3}
    assert merged.measurement.elapsed_ns == 1800 * MS
    assert [slow.wall_ns for slow in merged.measurement.slowest] == [5 * MS, MS]
    assert merged.measurement.advice == (Advice.of("clock"),)
    assert merged.timeline is None


@pytest.mark.parametrize(
    ("alone", "waited_ns", "merged_alone", "merged_ns"),
    [
        ((True, True), (MS, 2 * MS), True, 3 * MS),
        ((True, False), (MS, 2 * MS), False, 3 * MS),
        ((None, True), (None, MS), True, MS),
        ((None, None), (None, None), None, None),
    ],
)
def test_what_ran_alone_in_every_run_ran_alone(
    alone: tuple[bool | None, ...],
    waited_ns: tuple[int | None, ...],
    merged_alone: bool | None,
    merged_ns: int | None,
) -> None:
    whole = record([MS] * 9)
    shards = [
        replace(whole, measurement=replace(whole.measurement, alone=each, waited_ns=ns))
        for each, ns in zip(alone, waited_ns, strict=True)
    ]
    (merged,) = merge(shards)
    assert (merged.measurement.alone, merged.measurement.waited_ns) == (merged_alone, merged_ns)


def test_time_outs_that_the_machine_may_have_caused_stay_excused_in_each_shard() -> None:
    shards = [record([MS] * 9, failures=2), record([MS] * 9, failures=1)]
    excused = [_excused(shard, shard.failures["status 503"]) for shard in shards]
    (merged,) = merge(excused)
    assert merged.verdict is not None
    assert (merged.verdict.failures.failed, merged.verdict.failures.excused) == (3, 3)
    assert merged.verdict.failures.outcome is Outcome.INCONCLUSIVE


def _excused(shard: Record, count: int) -> Record:
    assert shard.verdict is not None
    failures = replace(shard.verdict.failures, excused=count)
    return replace(shard, verdict=replace(shard.verdict, failures=failures))


def test_the_five_slowest_observations_of_all_are_kept() -> None:
    (merged,) = merge([record([number * MS] * 9) for number in (3, 7, 1, 6, 2, 5, 4)])
    assert [slow.wall_ns // MS for slow in merged.measurement.slowest] == [7, 6, 5, 4, 3]


def test_different_budgets_for_the_same_sample_are_refused() -> None:
    with pytest.raises(ArtifactError) as caught:
        merge([record([MS] * 9, p50=10), record([MS] * 9, p50=11)])
    assert str(caught.value) == (
        "test has different budgets in the artifacts to merge: p50 10 ms / p50 11 ms"
    )


def test_a_record_without_histogram_cannot_be_merged() -> None:
    early = replace(record([MS] * 9), histogram=None)
    with pytest.raises(ArtifactError) as caught:
        merge([early, early])
    assert str(caught.value) == (
        "test has no histogram: it was measured by an early version: measure again"
    )


def test_what_was_not_judged_is_merged_and_still_not_judged() -> None:
    unjudged = record([MS] * 9).without_verdict("no budget")
    (merged,) = merge([unjudged, unjudged])
    assert (merged.outcome, merged.not_judged, merged.n) == ("not judged", "no budget", 18)


def test_another_budget_gives_another_verdict_on_the_same_counts() -> None:
    measured = record([5 * MS] * 400, p50=10)
    budget = parse_terms({"p99": 2, "errors": "1%"}).budget()
    judged = judged_anew(measured, budget, gates=1)
    assert (measured.outcome, judged.outcome) == ("within", "exceeded")
    assert budget_of(judged) == budget


def test_a_single_observation_can_be_judged_anew() -> None:
    judged = judged_anew(record([MS]), parse_terms({"max": 2}).budget(), gates=1)
    assert (judged.outcome, judged.n) == ("within", 1)


def test_a_record_without_observations_can_be_merged() -> None:
    nothing = replace(
        record([MS] * 9), n=0, histogram=Histogram(), quantiles_ns={}, attributed_quantiles_ns={}
    )
    (merged,) = merge([nothing, record([MS] * 9)])
    assert (merged.n, merged.outcome) == (9, "within")
    (empty,) = merge([nothing, nothing])
    assert (empty.n, empty.quantiles_ns, empty.outcome) == (0, {}, "inconclusive")


def by_guide(latencies_ms: list[int], pace: Outcome | None = None) -> Record:
    judged = record([ms * MS for ms in latencies_ms])
    tally = Tally(judged.histogram or Histogram(), judged.histogram or Histogram())
    throughput = ThroughputVerdict(pace, 10.0, 0.3, 0.2, 0.4, 60_000 * MS) if pace else None
    return replace(judged, verdict=judge_by_guide(tally, Policy(least=1), throughput))


def test_what_the_guides_table_judged_is_judged_by_it_again() -> None:
    good, bad = by_guide([1] * 400), by_guide([3_000] * 400)
    assert (good.outcome, bad.outcome) == ("within", "exceeded")
    (merged,) = merge([good, bad])
    assert merged.verdict is not None
    assert [part.investigate_ns for part in merged.verdict.limits] == [500 * MS, 2_000 * MS]
    assert (merged.n, merged.outcome) == (800, "exceeded")


@pytest.mark.parametrize("worst", [Outcome.EXCEEDED, Outcome.INCONCLUSIVE, Outcome.WITHIN])
def test_the_worst_pace_of_several_runs_stands(worst: Outcome) -> None:
    (merged,) = merge([by_guide([1] * 400, Outcome.WITHIN), by_guide([1] * 400, worst)])
    assert merged.outcome == worst.value


def with_rate(outcome: Outcome, least_per_s: float = 200.0) -> Record:
    judged = record([MS] * 9)
    assert judged.verdict is not None
    rate = RpsVerdict(least_per_s, outcome, Reason.SHOWN, 190.0, 1_000 * MS, 60, 50)
    return replace(judged, verdict=replace(judged.verdict, rps=rate))


@pytest.mark.parametrize("worst", [Outcome.EXCEEDED, Outcome.INCONCLUSIVE, Outcome.WITHIN])
def test_the_worst_rate_of_several_runs_stands(worst: Outcome) -> None:
    (merged,) = merge([with_rate(Outcome.WITHIN), with_rate(worst)])
    assert merged.outcome == worst.value


def test_different_rates_for_the_same_sample_are_refused() -> None:
    with pytest.raises(ArtifactError) as caught:
        merge([with_rate(Outcome.WITHIN), with_rate(Outcome.WITHIN, 300.0)])
    assert str(caught.value) == (
        "test has different budgets in the artifacts to merge: p50 10 ms, requests/s at least 200 "
        "/ "
        "p50 10 ms, requests/s at least 300"
    )


def test_pooling_needs_no_budget_that_agrees_and_keeps_every_quantile() -> None:
    (merged,) = merge_unjudged([record([MS] * 9, p75=10), record([MS] * 9, p90=11)])
    assert (merged.n, merged.outcome) == (18, "not judged")
    assert set(merged.bounds_ns) == {"p50", "p75", "p90", "p95", "p99"}


# --- repeated bursts ------------------------------------------------------------------------------


def bursts(*shares: int, **limits: object) -> Record:
    """Bursts of 20 requests, of each of which this many were slow."""
    wall = np.array(
        [ns for slow in shares for ns in [100 * MS] * slow + [MS] * (20 - slow)], dtype=np.int64
    )
    observations = Observations(wall, wall, np.arange(len(wall)) * MS)
    of_sample = tuple(Burst(20, 0, 100 * MS) for _ in shares)
    judge = BurstJudge(parse_terms(limits or {"p95": 10}).budget(), Policy(least=1))
    judge.add_all(observations, of_sample)
    return record_of(
        LoadSample(
            "",
            observations,
            verdict=judge.verdict(),
            measurement=Measurement(loop=REPEATED_BURSTS, elapsed_ns=100 * MS * len(shares)),
            bursts=of_sample,
        ),
        TestRun("test"),
    )


def test_merged_bursts_keep_the_worst_of_their_own_verdicts() -> None:
    shards = [bursts(*[0] * 72), bursts(*[0] * 20), bursts(*[0] * 60)]
    assert [shard.outcome for shard in shards] == ["within", "inconclusive", "inconclusive"]
    (merged,) = merge(shards)
    assert (merged.verdict, merged.n) == (shards[1].verdict, 152 * 20)
    assert merged.histogram == Histogram.sum(s.histogram for s in shards if s.histogram)
    assert merged.bounds_ns == dict.fromkeys(("p50", "p95", "p99"), (None, None))


def test_a_single_burst_merged_with_repeated_ones_adds_no_evidence() -> None:
    (merged,) = merge([record([MS] * 400, p95=10), bursts(*[0] * 20)])
    assert (merged.outcome, merged.is_of_bursts, merged.n) == ("inconclusive", True, 800)


def test_bursts_without_verdicts_are_merged_without_one() -> None:
    (merged,) = merge([bursts(0).without_verdict("no budget"), bursts(0).without_verdict("no")])
    assert (merged.verdict, merged.n) == (None, 40)


@pytest.mark.parametrize(
    ("limits", "outcome"), [({"p95": 10}, "inconclusive"), ({"p95": 20}, "not judged")]
)
def test_only_their_own_budget_judges_bursts_of_an_artifact(
    limits: dict[str, float], outcome: str
) -> None:
    of_bursts = bursts(*[0] * 20)
    judged = judged_anew(of_bursts, parse_terms(limits).budget(), gates=1)
    assert judged.outcome == outcome
    assert judged.not_judged == (
        None
        if judged.verdict
        else "only its test can judge a repeated burst by another budget, because the artifact "
        "does not keep its bursts"
    )
