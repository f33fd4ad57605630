"""Steady or declining: requests/s under a steady load."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
import pytest
from scipy.stats import norm, rankdata

from pytest_hancock_latency.core.verdict import Outcome
from pytest_hancock_latency.judging.throughput_trend import Steady, judge_throughput

ALPHA = 0.01 / 200
WINDOW_NS = 250_000_000


def steady(counts: list[int]) -> Steady:
    return Steady(dict(enumerate(counts)), 0, len(counts), WINDOW_NS)


def poisson(generator: random.Random, mean: float) -> int:
    at, number = generator.expovariate(mean), 0
    while at < 1:
        at, number = at + generator.expovariate(mean), number + 1
    return number


def outcome(counts: list[int]) -> Outcome | None:
    verdict = judge_throughput(steady(counts), ALPHA)
    return verdict.outcome if verdict else None


@dataclass(frozen=True)
class Line:
    """Sen's line through counts, with the variance of Hamed and Rao."""

    slope: float
    low: float
    high: float
    """Bounds of the slope at 95 %."""
    chance: float
    """Of such a fall without a trend, by Kendall's S."""


def by_definition(counts: list[int]) -> Line:
    n = len(counts)
    i, j = np.triu_indices(n, 1)
    values = np.array(counts, dtype=float)
    slopes = np.sort((values[j] - values[i]) / (j - i))
    slope = slopes[len(slopes) // 2]
    _, ties = np.unique(values, return_counts=True)
    variance = n * (n - 1) * (2 * n + 5) / 18 - (ties * (ties - 1) * (2 * ties + 5)).sum() / 18
    ranks = rankdata(values - slope * np.arange(n), method="ordinal") - (n + 1) / 2
    correlations = np.correlate(ranks, ranks, "full")[n:] / (ranks**2).sum()
    lags = np.arange(1, n)
    weights = (n - lags) * (n - lags - 1) * (n - lags - 2)
    counted = (np.abs(correlations) > 1.96 / np.sqrt(n)) * weights * correlations
    factor = max(1, 1 + 2 * counted.sum() / (n * (n - 1) * (n - 2)))
    deviation = np.sqrt(variance * factor)
    middle, reach = len(slopes) / 2, 1.96 * deviation / 2
    return Line(
        slope,
        slopes[max(0, round(middle - reach))],
        slopes[min(len(slopes) - 1, round(middle + reach))],
        norm.cdf((np.sign(values[j] - values[i]).sum() + 1) / deviation),
    )


def by_second(counts: list[int]) -> Steady:
    """Windows of a second, each an interval of its own."""
    return Steady(dict(enumerate(counts)), 0, len(counts), 1_000_000_000)


def drawn(seed: int, correlation: float, fall: float, sd: float) -> list[int]:
    """Forty counts that fall from a thousand, rounded so that some are equal."""
    generator = random.Random(seed)
    counts, noise = [], 0.0
    for at in range(40):
        noise = correlation * noise + generator.gauss(0, sd)
        counts.append(10 * round((1000 - fall * at + noise) / 10))
    return counts


@pytest.mark.parametrize("correlation", [0.0, 0.4, 0.6, 1.0])
@pytest.mark.parametrize("seed", range(5))
def test_the_fall_and_its_bounds_are_those_of_the_definition(correlation: float, seed: int) -> None:
    counts = drawn(seed, correlation, fall=2, sd=20)
    line, middle, half = by_definition(counts), sorted(counts)[20], 39 / 2
    slopes = (line.slope, line.low, line.high)
    falls = [-slope * 2 * half / (middle - slope * half) for slope in slopes]
    verdict = judge_throughput(by_second(counts), ALPHA)
    assert verdict is not None
    found = [verdict.fall, verdict.most_fall, verdict.least_fall]
    assert falls == pytest.approx(found, abs=1e-4)
    assert [round(fall, 4) for fall in found] == found


@pytest.mark.parametrize("correlation", [0.0, 0.4])
@pytest.mark.parametrize("seed", range(5))
def test_a_fall_is_declining_if_its_chance_is_at_most_alpha(correlation: float, seed: int) -> None:
    counts = drawn(seed, correlation, fall=8, sd=40)
    chance = by_definition(counts).chance
    outcomes = []
    for alpha in (chance * 1.001, chance * 0.999):
        verdict = judge_throughput(by_second(counts), alpha)
        assert verdict is not None
        outcomes.append(verdict.outcome)
    assert outcomes == [Outcome.EXCEEDED, Outcome.INCONCLUSIVE]


def test_only_the_steady_part_of_a_load_is_judged() -> None:
    counts = dict.fromkeys(range(100, 340), 10)
    around = dict.fromkeys(range(90, 100), 500) | dict.fromkeys(range(340, 350), 500)
    load = Steady(counts | around, 100, 340, WINDOW_NS)
    assert (load.requests, load.length_ns) == (2400, 60_000_000_000)
    assert load.stretches() == [40] * 60
    verdict = judge_throughput(load, ALPHA)
    assert verdict is not None
    assert (verdict.per_s, verdict.fall) == (40.0, 0.0)


def test_windows_that_fill_no_interval_are_left_out_at_the_beginning() -> None:
    counts = {100: 999} | dict.fromkeys(range(101, 221), 30)
    assert Steady(counts, 100, 221, WINDOW_NS).stretches() == [60] * 60


def test_a_growing_pace_falls_by_less_than_nothing() -> None:
    verdict = judge_throughput(by_second([100 + at for at in range(40)]), ALPHA)
    assert verdict is not None
    # The line goes through the 21st count, 120, in the middle of the 40.
    assert (-0.3881, -0.3881) == (verdict.fall, verdict.least_fall) == (round(-39 / 100.5, 4),) * 2


def test_a_few_requests_are_one_interval() -> None:
    assert Steady({2: 1, 7: 2}, 0, 10, WINDOW_NS).stretches() == [3]


def test_a_load_that_has_not_begun_has_no_length() -> None:
    assert 0 == Steady({}, 40, 40, WINDOW_NS).length_ns == Steady({}, 40, 30, WINDOW_NS).length_ns


def test_nothing_is_said_about_less_than_half_a_minute() -> None:
    assert judge_throughput(steady([10] * 119), ALPHA) is None


def test_half_a_minute_suffices() -> None:
    assert judge_throughput(steady([10] * 120), ALPHA) is not None


def test_nothing_is_said_where_nothing_was_requested() -> None:
    assert judge_throughput(steady([0] * 400), ALPHA) is None


def test_a_constant_pace_is_steady() -> None:
    verdict = judge_throughput(steady([10] * 240), ALPHA)
    assert verdict is not None
    assert (verdict.outcome, verdict.per_s, verdict.fall) == (Outcome.WITHIN, 40.0, 0.0)
    assert verdict.judged_ns == 60_000_000_000


def test_a_pace_that_halves_slowly_is_declining() -> None:
    assert Outcome.EXCEEDED is outcome([200 - at // 2 for at in range(200)])


def test_one_step_down_settles_nothing() -> None:
    """A machine has phases; one change of phase is no trend."""
    assert Outcome.INCONCLUSIVE is outcome([40] * 120 + [20] * 120)


def test_a_pace_that_loses_a_tenth_is_steady() -> None:
    assert Outcome.WITHIN is outcome([1000 - at // 2 for at in range(200)])


def test_a_growing_pace_is_steady() -> None:
    assert Outcome.WITHIN is outcome([100 + at for at in range(240)])


def test_a_pace_that_stops_is_declining() -> None:
    verdict = judge_throughput(steady([50 - at // 4 for at in range(200)]), ALPHA)
    assert verdict is not None
    assert verdict.outcome is Outcome.EXCEEDED
    assert verdict.fall == pytest.approx(1.0, abs=0.05)


def test_nothing_is_said_about_less_than_two_hundred_requests() -> None:
    assert judge_throughput(steady([1] * 199 + [0] * 100), ALPHA) is None


def test_two_hundred_requests_suffice() -> None:
    assert judge_throughput(steady([1] * 200), ALPHA) is not None


def test_a_pace_that_falls_in_its_second_half_alone_is_not_called_declining() -> None:
    first = [1000 - 4 * at for at in range(20)]  # loses 8 %, and a tenth would count
    verdict = judge_throughput(by_second([*first, *(920 - 15 * at for at in range(20))]), ALPHA)
    assert verdict is not None
    assert verdict.fall > 0.2
    assert Outcome.INCONCLUSIVE is verdict.outcome


def test_few_requests_leave_much_to_chance() -> None:
    generator = random.Random(5)
    found = [outcome([poisson(generator, 2) for _ in range(140)]) for _ in range(50)]
    assert found.count(Outcome.INCONCLUSIVE) >= 30
    assert Outcome.EXCEEDED not in found


def test_a_steady_pace_with_chance_in_it_is_never_called_declining() -> None:
    generator = random.Random(7)
    found = [outcome([poisson(generator, 30) for _ in range(240)]) for _ in range(100)]
    assert Outcome.EXCEEDED not in found
    assert found.count(Outcome.WITHIN) >= 90


def test_phases_of_a_machine_are_not_called_declining() -> None:
    """Ten seconds of one speed, ten of another: neighbours are alike, and there is no trend."""
    generator = random.Random(11)
    found = []
    for _ in range(100):
        phases = [generator.choice((30, 40)) for _ in range(6)]
        counts = [poisson(generator, mean) for mean in phases for _ in range(40)]
        found.append(outcome(counts))
    assert found.count(Outcome.EXCEEDED) <= 2
