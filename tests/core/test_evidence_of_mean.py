"""Evidence about a mean, and the interval of means that it does not exclude."""

from __future__ import annotations

from itertools import pairwise
from math import inf, log, log1p, pi, sqrt

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pytest_hancock_latency.core.evidence_of_mean import interval_of_mean, log_evidence_of_mean

VALUES = st.lists(st.floats(-1, 1), min_size=2, max_size=30)
MEANS = st.floats(-0.5, 0.5)
PRECISIONS = st.sampled_from([1.0, 0.3, 0.1])


def _by_integration(values: list[float], precision: float) -> float:
    """Log of ∫∫ N(y; δσ, σ²)·N(δ; 0, 1/c²) dδ dσ/σ over ∫ N(y; 0, σ²) dσ/σ, numerically.

    y over σ has a mean δ with a Gaussian prior of variance 1/c²; σ has the right Haar prior.
    """
    y = np.array(values)
    delta = np.linspace(-40, 40, 8001)[:, None]
    log_sigma = np.linspace(-8, 8, 1601)[None, :]
    sigma = np.exp(log_sigma)
    n, total, squares = len(y), y.sum(), (y * y).sum()

    def likelihood(shift: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        exponent = (squares - 2 * shift * sigma * total) / (2 * sigma**2) + n * shift**2 / 2
        return np.asarray(np.exp(-exponent) / sigma**n)

    prior = sqrt(precision / (2 * pi)) * np.exp(-precision * delta**2 / 2)
    steps = delta[1, 0] - delta[0, 0]
    return float(
        log((likelihood(delta) * prior).sum() * steps / likelihood(np.zeros((1, 1))).sum())
    )


@pytest.mark.parametrize("precision", [1.0, 0.3])
@pytest.mark.parametrize("values", [[0.3, 0.5], [1.0, -0.4, 0.7, 0.2], [0.9, 1.0, 1.1, 0.8, 1.2]])
def test_the_evidence_is_the_gaussian_mixture_over_the_effect(
    values: list[float], precision: float
) -> None:
    expected = _by_integration(values, precision)
    assert expected == pytest.approx(log_evidence_of_mean(values, 0, precision), abs=1e-3)


@given(VALUES, MEANS, PRECISIONS)
def test_the_evidence_is_the_same_in_a_mirror(
    values: list[float], mean: float, precision: float
) -> None:
    mirrored = [-value for value in values]
    assert log_evidence_of_mean(values, mean, precision) == log_evidence_of_mean(
        mirrored, -mean, precision
    )


@given(VALUES, MEANS, st.floats(0.001, 1000))
def test_the_evidence_does_not_depend_on_the_unit(
    values: list[float], mean: float, unit: float
) -> None:
    assume(all(abs(value - mean) > 1e-9 for value in values))
    scaled = log_evidence_of_mean([unit * value for value in values], unit * mean, 0.3)
    assert scaled == pytest.approx(log_evidence_of_mean(values, mean, 0.3), abs=1e-4)


@given(VALUES, MEANS, PRECISIONS)
def test_the_evidence_never_exceeds_its_cap(
    values: list[float], mean: float, precision: float
) -> None:
    n = len(values)
    cap = (n - 1) / 2 * log1p(n / precision)
    assert log_evidence_of_mean(values, mean, precision) <= cap + 1e-6


@given(VALUES, st.floats(0.1, 10), PRECISIONS)
def test_the_evidence_against_a_mean_grows_with_the_distance_from_the_estimate(
    values: list[float], enough: float, precision: float
) -> None:
    middle = float(np.mean(values))
    evidence = [log_evidence_of_mean(values, middle + step / 10, precision) for step in range(6)]
    assert all(b >= a - 1e-6 for a, b in pairwise(evidence))


@given(VALUES, st.floats(0.1, 10), PRECISIONS)
def test_the_interval_is_where_the_evidence_reaches_the_level(
    values: list[float], enough: float, precision: float
) -> None:
    low, high = interval_of_mean(values, enough, precision)
    assert low <= high
    assume(1e-6 < high - low < inf)
    for end in (low, high):
        assert enough == pytest.approx(log_evidence_of_mean(values, end, precision), abs=1e-3)


def test_two_values_have_an_interval() -> None:
    low, high = interval_of_mean([0.5, 0.5], enough=0.1, mixture_precision=1.0)
    assert 0.5 == low == high
