"""The rule for growth: the last two steps must agree."""

from __future__ import annotations

from math import inf, log
from random import Random

import pytest

from pytest_hancock_latency.core.verdict import Outcome, Reason
from pytest_hancock_latency.judging.growth import Ratios, is_settled, judge_growth

ALPHA = 1e-4


def step(growth: float, turns: int = 20, noise: float = 0.05, size: int = 100) -> Ratios:
    draw = Random(growth)
    values = [growth * log(2) + draw.gauss(0, noise) for _ in range(turns)]
    return Ratios(size, 2 * size, values)


def steps_of(growths: tuple[float, ...]) -> list[Ratios]:
    return [step(growth, size=100 * 2**at) for at, growth in enumerate(growths)]


def outcome_of(growths: tuple[float, ...], at_most: str) -> Outcome:
    return judge_growth(steps_of(growths), at_most, ALPHA, []).outcome


@pytest.mark.parametrize(
    ("growths", "at_most", "outcome"),
    [
        ((1.0, 1.0), "n", Outcome.WITHIN),
        ((1.1, 1.1), "n", Outcome.WITHIN),
        ((2.0, 2.0), "n^2", Outcome.WITHIN),
        ((0.0, 0.1), "log n", Outcome.WITHIN),
        ((9.0, 1.0, 1.0), "n", Outcome.WITHIN),
        ((1.0, 1.9), "n", Outcome.INCONCLUSIVE),
        ((1.9, 1.0), "n", Outcome.INCONCLUSIVE),
        ((1.3, 1.3), "n", Outcome.INCONCLUSIVE),
        ((2.0,), "n", Outcome.INCONCLUSIVE),
        ((), "n", Outcome.INCONCLUSIVE),
        ((2.0,) * 6, "n", Outcome.EXCEEDED),
        ((1.5,) * 6, "n log n", Outcome.EXCEEDED),
        ((1.0,) * 6, "1", Outcome.EXCEEDED),
        ((1.4, 1.6, 1.4, 1.6, 2.0, 2.0), "n", Outcome.EXCEEDED),
        ((1.0, 2.0, 2.0, 2.0, 2.0, 2.0), "n", Outcome.INCONCLUSIVE),
        ((1.2, 1.2, 1.3, 2.6, 1.5, 1.5), "n", Outcome.INCONCLUSIVE),
        ((2.0,) * 5, "n", Outcome.INCONCLUSIVE),
        ((1.0, 3.0, 3.0), "n", Outcome.EXCEEDED),
        ((3.0, 8.0), "n^2", Outcome.EXCEEDED),
        ((2.0, 8.0), "n", Outcome.INCONCLUSIVE),
    ],
)
def test_the_last_two_steps_decide_unless_caches_could_explain_them(
    growths: tuple[float, ...], at_most: str, outcome: Outcome
) -> None:
    assert outcome_of(growths, at_most) is outcome


@pytest.mark.parametrize(
    ("growths", "reason"),
    [
        ((1.0, 1.0), Reason.SHOWN),
        ((2.0,) * 6, Reason.SHOWN),
        ((1.0, 1.9), Reason.NEAR),
        ((2.0, 2.0), Reason.SPAN),
        ((2.0,), Reason.FEW),
        ((), Reason.FEW),
    ],
)
def test_the_reason_says_why(growths: tuple[float, ...], reason: Reason) -> None:
    assert judge_growth(steps_of(growths), "n", ALPHA, []).reason is reason


@pytest.mark.parametrize(
    ("growths", "is_enough"),
    [
        ((1.0, 1.0), True),
        ((1.0, 1.9), True),  # they will not agree
        ((1.3, 1.0), False),
        ((1.0,), False),
        ((), False),
        ((2.0,) * 6, True),
        ((2.0, 2.0), True),  # too short a range, however many turns
        ((1.0, 2.0, 2.0, 2.0, 2.0, 2.0), True),
        ((1.31, 1.31, 1.31, 1.31, 2.0, 2.0), False),  # the first ones may be above
    ],
)
def test_turns_end_where_more_of_them_change_nothing(
    growths: tuple[float, ...], is_enough: bool
) -> None:
    assert is_settled(steps_of(growths), "n", ALPHA) is is_enough


def test_a_single_pair_of_turns_shows_nothing() -> None:
    assert step(9.0, turns=1).is_above(1.3, ALPHA) is None
    shown = step(9.0, turns=1).step()
    assert (shown.low, shown.high) == (-inf, inf)


def test_below_is_shown_sooner_than_above() -> None:
    distance = 0.3
    few = 5
    assert step(1.3 - distance, few, noise=0.01).is_above(1.3, 1e-9) is False
    assert step(1.3 + distance, few, noise=0.01).is_above(1.3, 1e-9) is None


def test_growth_is_the_exponent_whatever_the_ratio_of_the_sizes() -> None:
    assert Ratios(100, 200, [log(4), log(4)]).step().growth == pytest.approx(2)
    assert Ratios(100, 1000, [log(10), log(10)]).step().growth == pytest.approx(1)


def test_the_interval_contains_the_growth() -> None:
    shown = step(1.5).step()
    assert shown.low < 1.5 < shown.high
    assert shown.high - shown.low < 0.2
    assert (shown.smaller, shown.larger, shown.pairs) == (100, 200, 20)


def test_the_growth_of_both_steps_counts_each_by_its_size() -> None:
    steps = [Ratios(1, 2, [log(2)] * 5), Ratios(2, 8, [log(16)] * 5)]
    growth = judge_growth(steps, "n", ALPHA, [(1, 1), (2, 2), (8, 32)])
    assert growth.growth == pytest.approx(5 / 3)  # 32 times as long at 8 times the size
    assert growth.anchor == (1, 1)


def test_without_a_step_there_is_no_growth() -> None:
    growth = judge_growth([], "n", ALPHA, [(4, 100)])
    assert growth.growth is None
    assert growth.anchor == (4, 100)


def test_a_function_at_its_bound_is_hardly_ever_decided() -> None:
    wrong = 0
    for seed in range(300):
        draw = Random(seed)
        values = [1.3 * log(2) + draw.gauss(0, 0.05) for _ in range(100)]
        verdicts = {Ratios(1, 2, values[:n]).is_above(1.3, 0.01) for n in range(2, 101)}
        wrong += True in verdicts
    assert wrong <= 8  # 1 % is 3; more than 8 come once in 250 times, and the seeds are fixed
