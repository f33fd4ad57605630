"""At least so many requests a second: within, exceeded or neither, and what never fails it."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_hancock_latency.core.histogram import index_of
from pytest_hancock_latency.core.verdict import Outcome, Reason, RpsVerdict
from pytest_hancock_latency.judging.counts import RunningTally
from pytest_hancock_latency.judging.sequential import Policy
from pytest_hancock_latency.judging.throughput_limit import (
    judge_rps,
    reachable_per_s,
    waiting_share,
)
from pytest_hancock_latency.judging.throughput_trend import Steady

ALPHA = 0.01 / 200
WINDOW_NS = 250_000_000
S = 1_000_000_000


def judged(
    per_window: list[int],
    least: float = 200.0,
    strained: set[int] | None = None,
    reachable: float | None = None,
) -> RpsVerdict:
    """A load with these requests in each quarter of a second."""
    steady = Steady(dict(enumerate(per_window)), 0, len(per_window), WINDOW_NS)
    return judge_rps(steady, least, Policy(), ALPHA, strained or set(), reachable)


def poisson(generator: random.Random, mean: float) -> int:
    at, number = generator.expovariate(mean), 0
    while at < 1:
        at, number = at + generator.expovariate(mean), number + 1
    return number


def test_six_seconds_without_a_short_one_are_within() -> None:
    assert (judged([50] * 20).outcome, judged([50] * 20).needed) == (Outcome.INCONCLUSIVE, 6)
    verdict = judged([50] * 24)
    assert (verdict.outcome, verdict.reason) == (Outcome.WITHIN, Reason.SHOWN)
    assert (verdict.per_s, verdict.n, verdict.short, verdict.stretch_ns) == (200.0, 6, 0, S)


def test_nineteen_short_seconds_are_exceeded_and_eighteen_are_not_yet() -> None:
    early = judged([49] * 60)
    assert (early.outcome, early.reason, early.needed) == (Outcome.INCONCLUSIVE, Reason.FEW, 19)
    assert Outcome.INCONCLUSIVE is judged([49] * 72).outcome
    assert Outcome.EXCEEDED is judged([49] * 76).outcome


def test_what_is_not_a_whole_interval_is_left_out() -> None:
    assert judged([50] * 27).n == 6


def test_before_the_end_of_the_ramp_up_nothing_is_known() -> None:
    verdict = judge_rps(Steady({0: 50}, 40, 40, WINDOW_NS), 200.0, Policy(), ALPHA)
    assert (verdict.outcome, verdict.reason, verdict.n) == (Outcome.INCONCLUSIVE, Reason.FEW, 0)


def test_requests_outside_of_the_steady_load_do_not_count() -> None:
    counts = dict.fromkeys(range(-40, 0), 500) | dict.fromkeys(range(100), 40)
    assert judge_rps(Steady(counts, 0, 100, WINDOW_NS), 200.0, Policy(), ALPHA).per_s == 160.0


def test_a_slow_rate_is_judged_by_intervals_of_ten_requests() -> None:
    verdict = judged([1, 0, 0, 0, 0] * 200, least=0.7)
    assert (verdict.stretch_ns, verdict.n) == (14_500_000_000, 17)
    assert Outcome.WITHIN is verdict.outcome


def test_one_long_stall_exceeds_nothing_and_does_not_keep_from_a_pass() -> None:
    assert Outcome.WITHIN is judged([60] * 200 + [0] * 8 + [60] * 200).outcome


def test_an_average_that_reaches_the_limit_is_not_exceeded_however_uneven_it_is() -> None:
    verdict = judged(([40] * 12 + [100] * 4) * 40)
    assert verdict.per_s > 200
    assert (verdict.outcome, verdict.reason) == (Outcome.INCONCLUSIVE, Reason.NEAR)


def test_seconds_short_of_cpu_exceed_nothing() -> None:
    verdict = judged([30] * 240, strained=set(range(0, 240, 4)))
    assert (verdict.outcome, verdict.reason) == (Outcome.INCONCLUSIVE, Reason.MACHINE)
    assert (verdict.short, verdict.strained, verdict.short_strained) == (60, 60, 60)


def test_the_other_seconds_exceed_all_the_same() -> None:
    verdict = judged([30] * 240, strained=set(range(80)))
    assert (verdict.outcome, verdict.strained) == (Outcome.EXCEEDED, 20)


def test_seconds_short_of_cpu_count_for_a_pass() -> None:
    assert Outcome.WITHIN is judged([60] * 240, strained=set(range(240))).outcome


def test_users_that_wait_too_long_to_reach_the_limit_exceed_nothing() -> None:
    verdict = judged([8] * 240, reachable=33.4)
    assert (verdict.outcome, verdict.reason) == (Outcome.INCONCLUSIVE, Reason.LOAD)
    assert Outcome.EXCEEDED is judged([8] * 240, reachable=400.0).outcome
    assert Outcome.EXCEEDED is judged([8] * 240, reachable=200.0).outcome


@given(st.lists(st.integers(0, 120), max_size=300), st.sets(st.integers(0, 299)))
def test_a_verdict_never_contradicts_the_average_next_to_it(
    per_window: list[int], strained: set[int]
) -> None:
    verdict = judged(per_window, strained=strained)
    assert verdict.short_strained <= min(verdict.short, verdict.strained)
    assert max(verdict.short, verdict.strained) <= verdict.n
    if verdict.outcome is Outcome.WITHIN:
        assert verdict.per_s >= 200
    if verdict.outcome is Outcome.EXCEEDED and not verdict.strained:
        assert verdict.per_s < 200


@pytest.mark.parametrize(("mean", "expected"), [(57.0, Outcome.WITHIN), (44.0, Outcome.EXCEEDED)])
def test_an_eighth_above_or_below_the_limit_is_shown_in_a_minute(
    mean: float, expected: Outcome
) -> None:
    generator = random.Random(1)
    runs = [[poisson(generator, mean) for _ in range(240)] for _ in range(100)]
    assert [expected] * 100 == [judged(run).outcome for run in runs]


def test_a_load_just_at_the_limit_is_not_called_exceeded() -> None:
    generator = random.Random(2)
    runs = [[poisson(generator, 50) for _ in range(1200)] for _ in range(100)]
    assert Outcome.EXCEEDED not in [judged(run).outcome for run in runs]


def test_users_who_wait_half_of_the_time_could_make_twice_as_many_requests() -> None:
    tally = RunningTally()
    for window in range(40):  # ten seconds of 10 requests/s, each half a second long, by ten users
        tally.add(window, {index_of(S // 2): 5 if window % 2 else 0})
    waiting = waiting_share([tally], 10)
    assert waiting == pytest.approx(0.5, rel=0.02)
    steady = Steady(tally.answered_per_window, 0, 40, WINDOW_NS)
    assert reachable_per_s(steady, waiting) == pytest.approx(20, rel=0.02)


@pytest.mark.parametrize(("tallies", "users"), [([], 10), ([RunningTally()], 10)])
def test_without_requests_the_share_of_waiting_is_unknown(
    tallies: list[RunningTally], users: int
) -> None:
    assert waiting_share(tallies, users) == 1.0


def test_without_users_the_share_of_waiting_is_unknown() -> None:
    tally = RunningTally()
    tally.add(0, {index_of(S): 1})
    assert waiting_share([tally], 0) == 1.0


def test_users_who_only_wait_have_no_reachable_rate() -> None:
    assert reachable_per_s(Steady({0: 50}, 0, 1, WINDOW_NS), 0.99) is None
