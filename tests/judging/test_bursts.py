"""Bursts judged one by one: what decides, what does not, and what would."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pytest_hancock_latency.core.attribution import UNSEEN
from pytest_hancock_latency.core.budget import parse_terms
from pytest_hancock_latency.core.sample import Burst, Observations
from pytest_hancock_latency.core.verdict import Outcome, Reason
from pytest_hancock_latency.judging.bursts import BurstJudge
from pytest_hancock_latency.judging.sequential import Earlier, Policy

MS = 1_000_000
FAST, SLOW = 1 * MS, 100 * MS
EXCEEDED, WITHIN, INCONCLUSIVE = Outcome.EXCEEDED, Outcome.WITHIN, Outcome.INCONCLUSIVE


def judge_of(least: int = 1, **terms: Any) -> BurstJudge:
    return BurstJudge(parse_terms(terms).budget(), Policy(least=least))


def burst(
    slow: int = 0,
    of: int = 20,
    *,
    excused: int = 0,
    unseen: int = 0,
    failed: int = 0,
    timed_out: int = 0,
) -> tuple[Observations, Burst]:
    """One burst in which the slow ones come first, and of these those that are excused."""
    wall = np.array([SLOW] * slow + [FAST] * (of - slow), dtype=np.int64)
    attributed = wall.copy()
    attributed[:excused] = FAST
    excuses = {UNSEEN: np.where(np.arange(of) < unseen, wall, 0)} if unseen else {}
    flags = np.arange(of) < timed_out if timed_out else None
    observations = Observations(
        wall, attributed, np.arange(of) * MS, excused_ns=excuses, timed_out=flags
    )
    return observations, Burst(of, failed, 100 * MS)


def after(judge: BurstJudge, *bursts: tuple[Observations, Burst], times: int = 1) -> BurstJudge:
    for observations, each in bursts * times:
        judge.add(observations, each)
    return judge


@pytest.mark.parametrize(
    ("limits", "slow", "bursts", "outcome"),
    [
        ({"p50": 10}, 0, 5, None),
        ({"p50": 10}, 0, 6, WITHIN),
        ({"p95": 10}, 0, 71, None),
        ({"p95": 10}, 0, 72, WITHIN),
        ({"p50": 10}, 20, 18, None),
        ({"p50": 10}, 20, 19, EXCEEDED),
        ({"p95": 10}, 20, 6, None),
        ({"p95": 10}, 20, 7, EXCEEDED),
        ({"p99": 10}, 20, 6, EXCEEDED),
        ({"p95": 10}, 1, 100, None),
        ({"p50": 10, "p95": 10}, 0, 72, WITHIN),
        ({"max": 10}, 0, 1, WITHIN),
        ({"max": 10}, 1, 1, EXCEEDED),
    ],
)
def test_a_budget_is_decided_at_exactly_this_number_of_bursts(
    limits: dict[str, float], slow: int, bursts: int, outcome: Outcome | None
) -> None:
    judge = after(judge_of(**limits), burst(slow), times=bursts)
    assert judge.is_decided is (outcome is not None)
    assert judge.is_exceeded is (outcome is EXCEEDED)
    assert judge.verdict().outcome is (outcome or INCONCLUSIVE)


def test_requests_of_one_burst_are_one_piece_of_evidence() -> None:
    large = after(judge_of(p95=10), burst(20_000, of=20_000), times=6)
    assert not large.is_decided


def test_a_verdict_has_the_counts_of_all_requests_and_the_number_of_bursts() -> None:
    verdict = after(judge_of(p50=10, p95=10), burst(2), burst(0), times=3).verdict()
    assert (verdict.n, verdict.elapsed_ns) == (120, 600 * MS)
    assert [(part.n, part.over, part.bursts) for part in verdict.limits] == [(120, 6, 6)] * 2


def test_two_adjacent_bursts_of_a_stall_do_not_show_exceeded() -> None:
    quiet, stall = [burst(0)] * 3, [burst(20)] * 7
    assert after(judge_of(p95=10), *stall).is_exceeded
    judge = after(judge_of(p95=10), *quiet, *stall[:6])
    assert judge.is_concentrated
    (part,) = judge.verdict().limits
    assert (part.outcome, part.reason) == (INCONCLUSIVE, Reason.STALL)


def test_exceeded_is_about_attributed_and_within_about_raw_latency() -> None:
    judge = after(judge_of(p95=10), burst(20, excused=20), times=80)
    (part,) = judge.verdict().limits
    assert (part.outcome, part.reason) == (INCONCLUSIVE, Reason.MACHINE)
    assert (part.over, part.over_attributed) == (1600, 0)


def test_waits_for_something_unknown_are_counted() -> None:
    (part,) = after(judge_of(p95=10), burst(3, excused=3, unseen=2), times=2).verdict().limits
    assert part.over_unseen == 4


@pytest.mark.parametrize(
    ("slow", "bursts", "reason", "needed"),
    [
        (0, 20, Reason.FEW, 72),
        (1, 20, Reason.NEAR, None),
        (2, 3, Reason.NEAR, 24),
        (20, 4, Reason.NEAR, 7),
        (0, 0, Reason.FEW, 72),
    ],
)
def test_how_many_bursts_would_settle_a_limit(
    slow: int, bursts: int, reason: Reason, needed: int | None
) -> None:
    (part,) = after(judge_of(p95=10), burst(slow), times=bursts).verdict().limits
    assert (part.reason, part.needed) == (reason, needed)


def test_the_forecast_of_bursts_to_exceeded_comes_true() -> None:
    judge = after(judge_of(p95=10), burst(2), times=23)
    assert not judge.is_decided
    assert after(judge, burst(2)).is_exceeded


@pytest.mark.parametrize(
    ("slow", "most", "expected"), [(2, 100, True), (2, 10, False), (1, 100, False), (0, 100, False)]
)
def test_a_limit_would_be_exceeded_if_more_are_over_than_allowed(
    slow: int, most: int, expected: bool
) -> None:
    assert after(judge_of(p95=10), burst(slow), times=3).would_exceed(most) is expected


def test_within_is_not_kept_if_later_bursts_contradict_it() -> None:
    judge = after(judge_of(p50=10), burst(0), times=6)
    assert judge.is_decided
    assert not after(judge, burst(20), times=6).is_decided


def test_a_limit_that_another_one_made_needless_says_so() -> None:
    judge = after(judge_of(p50=10, p95=10), burst(8), times=12)
    p50, p95 = judge.verdict().limits
    assert (p95.outcome, p50.reason) == (EXCEEDED, Reason.STOPPED)


@pytest.mark.parametrize(
    ("terms", "least", "reason"),
    [({"least_time": "1s"}, 1, Reason.SHORT), ({}, 200, Reason.FEW)],
    ids=["time", "requests"],
)
def test_a_pass_takes_the_least_time_and_number_of_requests(
    terms: dict[str, str], least: int, reason: Reason
) -> None:
    judge = after(judge_of(least, p50=10, **terms), burst(0), times=9)
    assert not judge.is_decided
    assert judge.verdict().limits[0].reason is reason
    assert after(judge, burst(0)).is_decided


def test_a_maximum_that_only_the_machine_exceeded_is_inconclusive() -> None:
    (part,) = after(judge_of(max=10), burst(1, excused=1)).verdict().limits
    assert (part.outcome, part.reason, part.needed) == (INCONCLUSIVE, Reason.MACHINE, None)


def test_a_burst_without_an_answer_is_no_evidence_about_latency() -> None:
    judge = after(judge_of(p95=10, errors="50%"), burst(0, of=0, failed=20), times=80)
    (part,) = judge.verdict().limits
    assert (part.n, part.bursts, part.outcome, part.needed) == (0, 80, INCONCLUSIVE, 72)


@pytest.mark.parametrize(
    ("errors", "failed", "bursts", "outcome"),
    [
        ("0%", 1, 1, EXCEEDED),
        ("0%", 0, 1, WITHIN),
        ("10%", 1, 80, WITHIN),
        ("10%", 10, 3, INCONCLUSIVE),
        ("10%", 10, 40, EXCEEDED),
    ],
)
def test_failures_are_judged_by_their_share_of_each_burst(
    errors: str, failed: int, bursts: int, outcome: Outcome
) -> None:
    judge = after(judge_of(p50=10, errors=errors), burst(failed=failed), times=bursts)
    verdict = judge.verdict().failures
    assert verdict.outcome is outcome
    assert (verdict.failed, verdict.attempts) == (failed * bursts, (20 + failed) * bursts)


def test_bursts_go_on_while_too_many_requests_may_fail() -> None:
    judge = after(judge_of(p50=10, errors="10%"), burst(failed=10), times=8)
    assert judge.inconclusive == ()
    assert not judge.is_decided


def test_timeouts_that_the_machine_may_have_caused_are_not_blamed() -> None:
    timed_out = burst(2, excused=2, failed=2, timed_out=2)
    verdict = after(judge_of(p50=200, errors="1%"), timed_out, times=80).verdict().failures
    assert (verdict.outcome, verdict.excused) == (INCONCLUSIVE, 160)


def test_bursts_that_follow_each_other_are_told_apart() -> None:
    walls = [np.array([slow] * n, dtype=np.int64) for slow, n in ((SLOW, 3), (FAST, 5))]
    wall = np.concatenate(walls * 40)
    observations = Observations(wall, wall, np.arange(len(wall)))
    bursts = [Burst(3, 0, MS), Burst(5, 0, MS)] * 40
    together = judge_of(p50=10)
    together.add_all(observations, bursts)
    apart = judge_of(p50=10)
    for one, each in zip(walls * 40, bursts, strict=True):
        apart.add(Observations(one, one, np.arange(len(one))), each)
    assert together.verdict() == apart.verdict()
    assert together.verdict().limits[0].bursts == 80


def test_bursts_of_an_earlier_sample_count_as_well() -> None:
    wall = np.array([FAST] * 12, dtype=np.int64)
    observations = Observations(wall, wall, np.arange(12))
    budget, policy = parse_terms({"p50": 10}).budget(), Policy(least=1)
    repeated = Earlier(observations, 0, 4 * MS, (Burst(4, 0, MS),) * 3)
    assert BurstJudge(budget, policy, repeated).verdict().limits[0].bursts == 3
    single = BurstJudge(budget, policy, Earlier(observations, 1, 4 * MS)).verdict()
    assert (single.limits[0].bursts, single.failures.failed) == (1, 1)


def test_the_limit_that_needs_the_most_bursts_is_named() -> None:
    judge = judge_of(p50=10, p95=20, max=30)
    assert judge.least_to_pass() == (72, "p95")
    assert judge.with_room() == 166
