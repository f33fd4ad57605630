"""When a sample is decided, on latencies made up by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pytest_hancock_latency.core.budget import parse_terms
from pytest_hancock_latency.core.record import TestRun, record_of
from pytest_hancock_latency.core.sample import Observations, Sample
from pytest_hancock_latency.core.verdict import Outcome, Reason, Verdict
from pytest_hancock_latency.judging.sequential import Earlier, Policy, SequentialJudge

MS = 1_000_000
FAST, SLOW = 1 * MS, 100 * MS


def seen(
    wall: list[int], attributed: list[int] | None = None, *, every: int = 10 * MS
) -> Observations:
    """Observations that start `every` ns."""
    walls = np.array(wall, dtype=np.int64)
    attributed_ns = walls if attributed is None else np.array(attributed, dtype=np.int64)
    return Observations(walls, attributed_ns, np.arange(len(walls), dtype=np.int64) * every)


def judge_of(
    least: int = 1, most: int = 20_000, earlier: Earlier | None = None, **limits: Any
) -> SequentialJudge:
    return SequentialJudge(parse_terms(limits).budget(), Policy(least=least, most=most), earlier)


def verdict_on(judge: SequentialJudge, observations: Observations, failed: int = 0) -> Verdict:
    judge.look(observations, failed)
    return judge.verdict(observations, failed, elapsed_ns=len(observations) * 10 * MS)


@pytest.mark.parametrize(
    ("limits", "n"),
    [
        ({"p50": 10}, 6),
        ({"p95": 10}, 72),
        ({"p99": 10}, 366),
        ({"p99_9": 10}, 3672),
        ({"p50": 10, "p95": 20, "p99": 30}, 366),
        ({"max": 10}, 1),
    ],
)
def test_far_inside_its_limits_a_sample_is_within_at_exactly_this_many(
    limits: dict[str, int], n: int
) -> None:
    judge, n_observations = judge_of(**limits), 0
    while steps := judge.look(seen([FAST] * n_observations)):
        n_observations += steps
    assert n_observations == n
    assert judge.verdict(seen([FAST] * n_observations)).outcome is Outcome.WITHIN


def test_an_earlier_sample_of_the_same_request_adds_its_evidence() -> None:
    earlier = Earlier(seen([FAST] * 40), failed=0, elapsed_ns=400 * MS)
    judge = judge_of(p95=10, earlier=earlier)
    assert judge.look(seen([FAST] * 31)) == 1
    assert judge.look(seen([FAST] * 32)) == 0
    verdict = judge.verdict(seen([FAST] * 32), elapsed_ns=320 * MS)
    assert (verdict.outcome, verdict.n, verdict.elapsed_ns) == (Outcome.WITHIN, 72, 720 * MS)


def test_what_an_earlier_sample_decided_is_still_measured_again() -> None:
    earlier = Earlier(seen([FAST] * 80), failed=0, elapsed_ns=800 * MS)
    judge = judge_of(least=50, p95=10, earlier=earlier)
    assert (judge.look(seen([])), judge.look(seen([FAST] * 49))) == (50, 1)
    assert judge.look(seen([FAST] * 50)) == 0


def test_the_most_observations_are_those_of_the_present_sample() -> None:
    earlier = Earlier(seen([FAST] * 100), failed=0, elapsed_ns=1000 * MS)
    judge = judge_of(most=100, p99=10, earlier=earlier)
    assert (judge.look(seen([FAST] * 90)), judge.look(seen([FAST] * 100))) == (10, 0)


def test_failed_requests_of_an_earlier_sample_count_as_well() -> None:
    earlier = Earlier(seen([FAST] * 10), failed=1, elapsed_ns=100 * MS)
    judge = judge_of(p50=10, earlier=earlier)
    verdict = judge.verdict(seen([FAST] * 10))
    assert (verdict.failures.outcome, verdict.failures.failed) == (Outcome.EXCEEDED, 1)
    assert verdict.failures.attempts == 21


def test_no_sample_is_within_before_it_spans_the_least_time() -> None:
    judge, n_observations = judge_of(p95=10, least_time="2s"), 72
    judge.look(seen([FAST] * 72))
    while judge.look(seen([FAST] * n_observations)):
        n_observations += 1
    assert n_observations == 201  # one observation each 10 ms, from 0 on, takes 1 ms
    assert judge.verdict(seen([FAST] * n_observations)).outcome is Outcome.WITHIN


def test_a_sample_that_ends_before_the_least_time_says_so() -> None:
    judge = judge_of(p95=10, least_time="2s")
    (part,) = verdict_on(judge, seen([FAST] * 72)).limits
    assert (part.outcome, part.reason) == (Outcome.INCONCLUSIVE, Reason.SHORT)


def test_code_over_its_limit_is_exceeded_before_the_least_time() -> None:
    judge = judge_of(p95=10, least_time="10s")
    assert verdict_on(judge, seen([SLOW] * 100)).outcome is Outcome.EXCEEDED


def test_no_sample_is_within_before_the_least_number_of_observations() -> None:
    judge = judge_of(least=50, p50=10)
    assert judge.look(seen([FAST] * 49)) == 1
    assert judge.look(seen([FAST] * 50)) == 0


def test_the_fewest_observations_for_a_pass_are_known_before_measuring() -> None:
    assert judge_of(p50=10, p99=20).least_to_pass() == 366
    assert judge_of(least=500, p50=10, p99=20).least_to_pass() == 500


def test_a_limit_that_every_call_breaks_is_exceeded_after_two_windows_and_a_few_calls() -> None:
    calls = next(
        n for n in range(1, 200) if judge_of(p99=10).look(seen([SLOW] * n, every=100 * MS)) == 0
    )
    assert calls == 5 + 4  # the worst two adjacent windows hold five; four more show *exceeded*


def test_a_single_stall_of_the_host_does_not_exceed_a_limit() -> None:
    stalled = [FAST] * 100 + [SLOW] * 40 + [FAST] * 100
    part = verdict_on(judge_of(p95=10), seen(stalled)).limits[0]
    assert (part.outcome, part.reason) == (Outcome.INCONCLUSIVE, Reason.STALL)


def test_the_same_exceedances_spread_over_time_exceed_the_limit() -> None:
    spread = ([FAST] * 5 + [SLOW]) * 40
    verdict = verdict_on(judge_of(p95=10), seen(spread))
    assert verdict.outcome is Outcome.EXCEEDED
    assert (verdict.limits[0].over, verdict.limits[0].n) == (40, 240)


def test_what_the_machine_took_is_excused_but_never_makes_a_pass() -> None:
    wall, attributed = ([FAST] * 5 + [SLOW]) * 40, [FAST] * 240
    verdict = verdict_on(judge_of(p95=10), seen(wall, attributed))
    part = verdict.limits[0]
    assert (part.outcome, part.reason) == (Outcome.INCONCLUSIVE, Reason.MACHINE)
    assert part.excused == 40


def test_sampling_stops_when_only_the_machine_is_in_the_way() -> None:
    wall, attributed = ([FAST] * 5 + [SLOW]) * 15, [FAST] * 90
    assert judge_of(p95=10).look(seen(wall, attributed)) == 0


def test_a_few_excused_observations_are_waited_for() -> None:
    wall, attributed = [FAST] * 71 + [SLOW], [FAST] * 72
    assert judge_of(p95=10).look(seen(wall, attributed)) > 0


def test_a_limit_once_shown_to_hold_stays_within() -> None:
    judge = judge_of(p50=10, p99=1000)
    judge.look(seen([FAST] * 6))
    verdict = verdict_on(judge, seen([FAST] * 6 + [SLOW] * 60))
    assert verdict.limits[0].outcome is Outcome.WITHIN


def test_the_maximum_is_exceeded_by_one_observation_and_by_a_stall_too() -> None:
    assert verdict_on(judge_of(max=10), seen([FAST] * 9 + [SLOW])).outcome is Outcome.EXCEEDED


def test_the_maximum_is_not_within_for_good_while_other_limits_are_measured() -> None:
    judge = judge_of(max=10, p99=5)
    judge.look(seen([FAST] * 100))
    assert verdict_on(judge, seen([FAST] * 200 + [SLOW])).outcome is Outcome.EXCEEDED


def test_a_maximum_broken_by_the_machine_alone_is_inconclusive() -> None:
    verdict = verdict_on(judge_of(max=10), seen([FAST, SLOW], [FAST, FAST]))
    assert verdict.outcome is Outcome.INCONCLUSIVE


def excused(final: int = 100) -> Observations:
    """A hundred observations, a fifth over by raw latency, all of them excused so far."""
    walls = np.array([FAST, FAST, FAST, FAST, SLOW] * 20, dtype=np.int64)
    starts = np.arange(100, dtype=np.int64) * 10 * MS
    return Observations(walls, np.minimum(walls, FAST), starts, provisional=np.arange(100) >= final)


def test_measuring_ends_when_the_machine_is_in_the_way_for_good() -> None:
    judge = judge_of(p95=10)
    assert judge.look(excused()) == 0
    part = judge.verdict(excused()).limits[0]
    assert (part.outcome, part.reason) == (Outcome.INCONCLUSIVE, Reason.MACHINE)


def test_the_machine_is_in_the_way_from_the_least_number_of_observations_on() -> None:
    slow, fast = [SLOW] * 50, [FAST] * 50
    assert judge_of(least=100, p50=10).look(seen(slow, fast)) > 0
    assert judge_of(least=50, p50=10).look(seen(slow, fast)) == 0


def test_measuring_goes_on_while_an_excuse_may_still_be_taken_back() -> None:
    assert judge_of(p95=10).look(excused(final=50)) > 0


@pytest.mark.parametrize(("room", "goes_on"), [(1_000, True), (130, False)])
def test_measuring_goes_on_while_a_pass_fits_into_the_time_that_is_left(
    room: int, goes_on: bool
) -> None:
    walls = np.array([FAST] * 98 + [SLOW] * 2, dtype=np.int64)
    starts = np.arange(100, dtype=np.int64) * 10 * MS
    noisy = Observations(walls, np.minimum(walls, FAST), starts)
    assert (judge_of(p95=10).look(noisy, room=room) > 0) is goes_on


def test_without_any_limit_on_failures_the_first_failure_decides() -> None:
    judge = judge_of(p99=10)
    assert judge.look(seen([FAST] * 3), failed=1) == 0
    verdict = judge.verdict(seen([FAST] * 3), failed=1)
    assert verdict.outcome is Outcome.EXCEEDED
    assert (verdict.failures.failed, verdict.failures.attempts) == (1, 4)


def test_more_failures_than_allowed_are_measured_until_they_are_shown() -> None:
    judge = judge_of(p50=10, errors="1%")
    fast = [FAST] * 70
    more = judge.look(seen(fast), failed=7)
    assert more == 33  # 10 of 110 are shown to be more than 1 %, at the rate of 7 of 77
    longer = [FAST] * (70 + more)
    assert judge.look(seen(longer), failed=7 + round(more / 10)) == 0
    assert judge.verdict(seen(longer), failed=7 + round(more / 10)).outcome is Outcome.EXCEEDED


@pytest.mark.parametrize(("failed", "room"), [(1, 20_000), (7, 71)])
def test_failures_that_are_allowed_or_take_too_long_end_nothing_later(
    failed: int, room: int
) -> None:
    judge = judge_of(p50=10, errors="1%" if failed > 1 else "2%")
    assert judge.look(seen([FAST] * 72), failed=failed, room=room) == 0


def test_a_share_of_failures_may_be_allowed() -> None:
    assert verdict_on(judge_of(p50=10, errors="5%"), seen([FAST] * 99), 1).outcome is Outcome.WITHIN


def test_more_failures_than_allowed_without_evidence_are_inconclusive() -> None:
    verdict = verdict_on(judge_of(p50=10, errors="5%"), seen([FAST] * 15), 1)
    assert verdict.outcome is Outcome.INCONCLUSIVE


def test_far_more_failures_than_allowed_are_exceeded() -> None:
    verdict = verdict_on(judge_of(p50=10, errors="5%"), seen([FAST] * 15), 15)
    assert verdict.outcome is Outcome.EXCEEDED


TIME_OUT = 50 * MS


def timing_out(count: int, *, taken: int, of: int = 60) -> Observations:
    """Calls of which the first `count` timed out, having taken so much of that time themselves."""
    fast = [FAST] * (of - count)
    walls = np.array([*[TIME_OUT] * count, *fast], dtype=np.int64)
    attributed = np.array([*[taken] * count, *fast], dtype=np.int64)
    starts = np.arange(of, dtype=np.int64) * 50 * MS
    return Observations(walls, attributed, starts, timed_out=np.arange(of) < count)


@pytest.mark.parametrize(
    ("taken", "outcome"), [(TIME_OUT * 8 // 10, Outcome.INCONCLUSIVE), (TIME_OUT, Outcome.EXCEEDED)]
)
@pytest.mark.parametrize("errors", [0, "1%"])
def test_a_time_out_counts_against_the_code_unless_the_machine_delayed_it(
    errors: Any, taken: int, outcome: Outcome
) -> None:
    judge = judge_of(p50=40, errors=errors)
    verdict = verdict_on(judge, timing_out(20, taken=taken), failed=20)
    assert verdict.failures.outcome is outcome
    assert verdict.failures.excused == (20 if outcome is Outcome.INCONCLUSIVE else 0)


def test_other_failures_count_whatever_the_machine_did() -> None:
    delayed = timing_out(20, taken=FAST)
    assert verdict_on(judge_of(p50=40), delayed, failed=21).outcome is Outcome.EXCEEDED


def test_time_outs_of_half_a_second_may_be_a_single_stall_where_some_are_allowed() -> None:
    judge = judge_of(p50=40, errors="1%")
    stalled = timing_out(10, taken=TIME_OUT, of=200)
    assert judge.look(stalled, failed=10) > 0
    assert judge.verdict(stalled, failed=10).failures.outcome is Outcome.INCONCLUSIVE
    longer = timing_out(30, taken=TIME_OUT, of=200)
    assert judge.verdict(longer, failed=30).failures.outcome is Outcome.EXCEEDED


def test_failures_that_are_no_time_outs_are_in_no_stall() -> None:
    stalled = timing_out(10, taken=TIME_OUT, of=200)
    verdict = verdict_on(judge_of(p50=40, errors="1%"), stalled, failed=40)
    assert verdict.failures.outcome is Outcome.EXCEEDED


def test_the_most_observations_end_the_measuring() -> None:
    judge = judge_of(most=100, p99=10)
    assert judge.look(seen([FAST] * 60)) == 40
    assert judge.look(seen([FAST] * 100)) == 0
    part = judge.verdict(seen([FAST] * 100)).limits[0]
    assert (part.reason, part.needed) == (Reason.FEW, 366)


def test_a_rate_too_near_the_allowed_one_is_named_so() -> None:
    near = ([FAST] * 19 + [SLOW]) * 10
    part = verdict_on(judge_of(p95=10), seen(near)).limits[0]
    assert (part.outcome, part.reason) == (Outcome.INCONCLUSIVE, Reason.NEAR)


def test_bounds_hold_the_quantile_between_two_observations() -> None:
    rising = [(i + 1) * MS for i in range(500)]
    record = record_of(Sample("", seen(rising)), TestRun("test"))
    low_ns, high_ns = record.bounds_ns["p50"]
    assert low_ns is not None
    assert high_ns is not None
    assert low_ns < record.quantiles_ns["p50"] == 250 * MS < high_ns


def test_without_a_time_a_verdict_says_none() -> None:
    assert judge_of(p50=10).verdict(seen([FAST])).elapsed_ns == 0


def test_nothing_measured_is_never_within() -> None:
    assert verdict_on(judge_of(p50=10), seen([])).outcome is Outcome.INCONCLUSIVE
    assert verdict_on(judge_of(max=10), seen([])).outcome is Outcome.INCONCLUSIVE


def test_a_gate_may_spend_all_of_its_chance_of_a_false_alarm_by_default() -> None:
    assert Policy().alpha_exceeded == 0.01 / 200
    assert (Policy().least, Policy().most) == (50, 20_000)


@pytest.mark.parametrize(("errors", "parts"), [(0, 3), ("1%", 4)])
def test_limits_and_failures_share_the_chance_of_a_false_alarm(errors: Any, parts: int) -> None:
    budget = parse_terms({"p50": 1, "p95": 2, "p99": 3, "errors": errors}).budget()
    policy = Policy(gates=200, share=0.5)
    assert policy.alpha_of_part(budget) * parts == pytest.approx(0.01 / 200 / 2)
