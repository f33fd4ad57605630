"""Steady or declining: requests/s under a steady load."""

from __future__ import annotations

import random

import pytest

from pytest_hancock_latency.core.judging.throughput_trend import Steady, judge_throughput
from pytest_hancock_latency.core.judging.verdict import Outcome

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


def test_nothing_is_said_about_less_than_half_a_minute() -> None:
    assert judge_throughput(steady([10] * 119), ALPHA) is None


def test_nothing_is_said_where_nothing_was_requested() -> None:
    assert judge_throughput(steady([0] * 400), ALPHA) is None


def test_a_constant_pace_is_steady() -> None:
    verdict = judge_throughput(steady([10] * 240), ALPHA)
    assert verdict is not None
    assert (Outcome.WITHIN, 40.0, 0.0) == (verdict.outcome, verdict.per_s, verdict.fall)
    assert 60_000_000_000 == verdict.judged_ns


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


def test_few_requests_leave_much_to_chance() -> None:
    generator = random.Random(5)
    found = [outcome([poisson(generator, 2) for _ in range(140)]) for _ in range(50)]
    assert 30 <= found.count(Outcome.INCONCLUSIVE)
    assert Outcome.EXCEEDED not in found


def test_a_steady_pace_with_chance_in_it_is_never_called_declining() -> None:
    generator = random.Random(7)
    found = [outcome([poisson(generator, 30) for _ in range(240)]) for _ in range(100)]
    assert Outcome.EXCEEDED not in found
    assert 90 <= found.count(Outcome.WITHIN)


def test_phases_of_a_machine_are_not_called_declining() -> None:
    """Ten seconds of one speed, ten of another: neighbours are alike, and there is no trend."""
    generator = random.Random(11)
    found = []
    for _ in range(100):
        phases = [generator.choice((30, 40)) for _ in range(6)]
        counts = [poisson(generator, mean) for mean in phases for _ in range(40)]
        found.append(outcome(counts))
    assert 2 >= found.count(Outcome.EXCEEDED)
