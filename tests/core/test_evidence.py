"""Boundaries of the sequential evidence, against exact computation."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import comb, exp, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_hancock_latency.core.evidence import (
    EXCEEDED,
    VERSION,
    WITHIN,
    Boundaries,
    EProcess,
    Mixture,
    alpha_of_gate,
    boundaries,
    share_of_sample,
    shown_quantile,
)

ALPHA_WITHIN = 0.05
ALPHA_EXCEEDED = 0.01 / 200
RATES = [Fraction(1, 2), Fraction(1, 20), Fraction(1, 100), Fraction(1, 1000)]


@pytest.mark.parametrize(("allowed", "n"), [*zip(RATES, (6, 70, 354, 3550), strict=True)])
def test_without_an_exceedance_within_comes_at_exactly_this_many(allowed: Fraction, n: int) -> None:
    assert boundaries(allowed, ALPHA_WITHIN, ALPHA_EXCEEDED).within_from(0) == n


@pytest.mark.parametrize(("allowed", "n"), [(Fraction(1, 100), 4), (Fraction(1, 2), 19)])
def test_when_everything_exceeds_exceeded_comes_after_this_many(allowed: Fraction, n: int) -> None:
    three_limits = boundaries(allowed, ALPHA_WITHIN, ALPHA_EXCEEDED / 3)
    soonest = next(k for k in range(1, 100) if three_limits.exceeded_until(k) >= k)
    assert soonest == n


@pytest.mark.parametrize(
    ("allowed", "within_from", "exceeded_until"),
    [
        (Fraction(1, 2), [6, 10, 24, 65], [0, 0, 33, 141]),
        (Fraction(1, 20), [70, 118, 287, 752], [0, 25, 208, 1133]),
        (Fraction(1, 100), [354, 596, 1452, 3795], [7, 113, 1014, 5603]),
        (Fraction(1, 1000), [3550, 5979, 14560, 38031], [66, 1110, 10077, 55905]),
    ],
)
def test_equal_counts_get_an_equal_verdict_as_long_as_the_version_stays(
    allowed: Fraction, within_from: list[int], exceeded_until: list[int]
) -> None:
    table = boundaries(allowed, ALPHA_WITHIN, ALPHA_EXCEEDED / 3)
    assert VERSION == 2
    assert within_from == [table.within_from(k) for k in (0, 1, 5, 20)]
    assert exceeded_until == [table.exceeded_until(k) for k in (4, 10, 30, 100)]


def _log_evidence(n: int, k: int, allowed: Fraction, mixture: Mixture) -> float:
    """The definition, term by term, as a mixture of likelihood ratios of Bernoulli trials."""
    odds = float(allowed / (1 - allowed))
    total = 0.0
    for ratio, weight in mixture:
        rate = odds * ratio / (1 + odds * ratio)
        against = float(allowed)
        total += weight * (rate / against) ** k * ((1 - rate) / (1 - against)) ** (n - k)
    return log(total)


@given(st.integers(1, 80), st.data(), st.sampled_from(RATES))
def test_evidence_is_the_mixture_of_likelihood_ratios(
    n: int, data: st.DataObject, allowed: Fraction
) -> None:
    k = data.draw(st.integers(0, n))
    for mixture in (WITHIN, EXCEEDED):
        expected = _log_evidence(n, k, allowed, mixture)
        assert EProcess(allowed, mixture).log_evidence(n, k) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("allowed", RATES)
@pytest.mark.parametrize("mixture", [WITHIN, EXCEEDED])
def test_on_the_boundary_the_evidence_is_one_on_average(
    allowed: Fraction, mixture: Mixture
) -> None:
    n, rate = 40, float(allowed)
    process = EProcess(allowed, mixture)
    mean = sum(
        comb(n, k) * rate**k * (1 - rate) ** (n - k) * exp(process.log_evidence(n, k))
        for k in range(n + 1)
    )
    assert mean == pytest.approx(1.0)


def chance_of_ever(crossed: Callable[[int, int], bool], rate: float, most: int) -> float:
    """Exact chance that k of n ever crosses, by following the distribution of k."""
    alive = np.zeros(most + 2)
    alive[0], gone = 1.0, 0.0
    for n in range(1, most + 1):
        alive[1:] = alive[1:] * (1 - rate) + alive[:-1] * rate
        alive[0] *= 1 - rate
        for k in np.flatnonzero(alive[: n + 1] > 1e-300):
            if crossed(n, int(k)):
                gone += alive[k]
                alive[k] = 0.0
    return gone


@pytest.mark.parametrize("allowed", [Fraction(1, 2), Fraction(1, 20), Fraction(1, 100)])
def test_a_budget_that_just_holds_is_called_exceeded_with_at_most_the_chance_promised(
    allowed: Fraction,
) -> None:
    table = boundaries(allowed, ALPHA_WITHIN, 0.01)
    chance = chance_of_ever(lambda n, k: table.exceeded_until(k) >= n, float(allowed), 400)
    assert 0 < chance <= 0.01


@pytest.mark.parametrize("allowed", [Fraction(1, 2), Fraction(1, 20)])
def test_a_budget_that_just_fails_is_called_within_with_at_most_the_chance_promised(
    allowed: Fraction,
) -> None:
    table = boundaries(allowed, ALPHA_WITHIN, ALPHA_EXCEEDED)
    chance = chance_of_ever(lambda n, k: n >= table.within_from(k), float(allowed), 400)
    assert 0 < chance <= ALPHA_WITHIN


def test_a_clear_pass_at_p99_takes_464_observations_on_average() -> None:
    table = boundaries(Fraction(1, 100), ALPHA_WITHIN, ALPHA_EXCEEDED)
    rate, alive, mean = 0.001, {0: 1.0}, 0.0
    for n in range(1, 20_000):
        grown: dict[int, float] = {}
        for k, chance in alive.items():
            grown[k] = grown.get(k, 0.0) + chance * (1 - rate)
            grown[k + 1] = grown.get(k + 1, 0.0) + chance * rate
        mean += n * sum(chance for k, chance in grown.items() if n >= table.within_from(k))
        alive = {k: c for k, c in grown.items() if n < table.within_from(k) and c > 1e-12}
        if not alive:
            break
    assert mean == pytest.approx(464, abs=1)


@given(st.sampled_from(RATES), st.integers(1, 3000))
def test_the_tables_by_count_and_the_boundaries_by_number_agree(allowed: Fraction, n: int) -> None:
    table = boundaries(allowed, ALPHA_WITHIN, ALPHA_EXCEEDED)
    a, b = table.most_within(n), table.least_exceeded(n)
    assert a < 0 or table.within_from(a) <= n
    assert table.within_from(a + 1) > n
    assert b > n or table.exceeded_until(b) >= n
    assert table.exceeded_until(b - 1) < n


@given(st.sampled_from(RATES), st.integers(0, 300))
def test_more_exceedances_never_need_fewer_observations(allowed: Fraction, k: int) -> None:
    table = boundaries(allowed, ALPHA_WITHIN, ALPHA_EXCEEDED)
    assert table.within_from(k + 1) > table.within_from(k)
    assert table.exceeded_until(k + 1) >= table.exceeded_until(k)


def test_how_far_a_rate_is_from_showing_within_is_found_without_counting_up_to_it() -> None:
    table = Boundaries(Fraction(1, 2), ALPHA_WITHIN, ALPHA_EXCEEDED)
    assert table.within_at_rate(1000, 426, 10_000_000) == 25_319
    assert table.within_at_rate(1000, 428, 10_000_000) is None
    assert not table._within_from


def test_where_nothing_may_exceed_the_first_exceedance_decides() -> None:
    table = boundaries(Fraction(0), ALPHA_WITHIN, ALPHA_EXCEEDED)
    assert table.within_from(0) == 1
    assert table.within_from(1) > 10**15
    assert table.exceeded_until(0) == 0
    assert table.exceeded_until(1) > 10**15
    assert tuple(table.within_at_rate(9, k, 10**6) for k in (0, 1)) == (1, None)
    assert tuple(table.exceeded_at_rate(9, k, 10**6) for k in (0, 1)) == (None, 9)


def test_the_chance_of_a_false_alarm_is_shared_by_all_gates_of_a_large_build() -> None:
    assert alpha_of_gate(1) == 0.01 / 200
    assert alpha_of_gate(1000) == 0.01 / 1000


@pytest.mark.parametrize(("n", "k", "shown"), [(50, 0, "0.931"), (120, 0, "0.97"), (3, 3, "0")])
def test_the_highest_percentile_that_counts_can_show(n: int, k: int, shown: str) -> None:
    assert shown_quantile(n, k) == Fraction(shown)


@pytest.mark.parametrize("n", range(40, 60))
def test_no_higher_percentile_is_shown_than_the_counts_allow(n: int) -> None:
    shown = shown_quantile(n, 0)
    tenth = Fraction(1, 1000)
    assert boundaries(1 - shown, ALPHA_WITHIN, ALPHA_EXCEEDED).shows_within(n, 0)
    assert not boundaries(1 - shown - tenth, ALPHA_WITHIN, ALPHA_EXCEEDED).shows_within(n, 0)


@pytest.mark.parametrize("allowed", [*RATES, Fraction(0)])
def test_no_observation_shows_nothing(allowed: Fraction) -> None:
    table = boundaries(allowed, ALPHA_WITHIN, ALPHA_EXCEEDED)
    assert (table.shows_within(0, 0), table.shows_exceeded(0, 0)) == (False, False)
    assert table.most_within(0) == -1


@pytest.mark.parametrize("allowed", [*RATES, Fraction(0)])
def test_asking_about_one_count_says_what_the_tables_say(allowed: Fraction) -> None:
    table = boundaries(allowed, 0.05, 0.00005)
    for n in (1, 5, 70, 354, 4000):
        for k in range(min(n, 60)):
            assert (n >= table.within_from(k)) is table.shows_within(n, k)
            assert (k > 0 and table.exceeded_until(k) >= n) is table.shows_exceeded(n, k)


@pytest.mark.parametrize(("k", "n"), [(16, 16), (9, 12), (2, 3)])
def test_as_many_observations_as_it_takes_at_this_rate_show_exceeded_and_hardly_fewer(
    k: int, n: int
) -> None:
    table = Boundaries(Fraction(1, 2), 0.05, 1e-4)
    least = table.exceeded_at_rate(n, k, 10**6)
    assert least is not None
    assert table.shows_exceeded(least, k * least // n)
    assert not table.shows_exceeded(least - 1, k * (least - 1) // n)


def test_a_rate_that_is_allowed_never_shows_exceeded() -> None:
    assert Boundaries(Fraction(1, 2), 0.05, 1e-4).exceeded_at_rate(100, 50, 10**6) is None


def test_all_samples_of_a_test_together_spend_its_chance_of_a_false_alarm_once() -> None:
    shares = [share_of_sample(earlier) for earlier in range(1000)]
    assert shares[:3] == [1 / 2, 1 / 6, 1 / 12]
    assert sum(shares) == pytest.approx(1 - 1 / 1001)
