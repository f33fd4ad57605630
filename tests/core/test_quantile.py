"""Quantiles by nearest rank, exact."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_hancock_latency import NothingMeasured, QuantileError, nearest_rank
from pytest_hancock_latency.core.quantile import label, parse_quantile, rank


@pytest.mark.parametrize(
    ("written", "quantile"),
    [
        ("p50", Fraction(1, 2)),
        ("p99_9", Fraction(999, 1000)),
        ("p99.9", Fraction(999, 1000)),
        ("99.9%", Fraction(999, 1000)),
        ("99.9 %", Fraction(999, 1000)),
        ("p99.999999", Fraction(99_999_999, 100_000_000)),
        ("max", Fraction(1)),
        (Fraction(19, 20), Fraction(19, 20)),
    ],
)
def test_a_percentile_is_read_as_an_exact_fraction(written: str, quantile: Fraction) -> None:
    assert parse_quantile(written) == quantile


BETWEEN = "it must lie between p0 and p100 (the largest is 'max')"


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("p101", f"p101 is not a percentile: {BETWEEN}"),
        ("p100", f"p100 is not a percentile: {BETWEEN}"),
        ("p0", f"p0 is not a percentile: {BETWEEN}"),
        ("p99.9999999", "'p99.9999999' is not a percentile: at most 6 decimals"),
        ("99.9999999%", "'99.9999999%' is not a percentile: at most 6 decimals"),
        ("q50", "'q50' is not a percentile: write p99, p99_9 or '99.9%'"),
    ],
)
def test_an_invalid_percentile_is_refused_with_the_reason(written: str, message: str) -> None:
    with pytest.raises(QuantileError) as refused:
        parse_quantile(written)
    assert str(refused.value) == message


@given(st.integers(1, 99_999_999))
def test_a_label_reads_back_as_the_same_quantile(parts: int) -> None:
    quantile = Fraction(parts, 100_000_000)
    assert parse_quantile(label(quantile)) == quantile


def test_the_rank_is_exact_where_floats_are_not() -> None:
    assert rank(Fraction(999, 1000), 1000) == 999


@given(
    st.lists(st.integers(0, 10**12), min_size=1, max_size=300),
    st.fractions(Fraction(1, 1000), Fraction(999, 1000)),
)
def test_the_quantile_is_the_least_observation_that_enough_observations_do_not_exceed(
    observations: list[int], quantile: Fraction
) -> None:
    found = nearest_rank(sorted(observations), quantile)
    share = Fraction(sum(x <= found for x in observations), len(observations))
    below = Fraction(sum(x < found for x in observations), len(observations))
    assert found in observations
    assert share >= quantile > below


def test_the_quantile_of_nothing_is_an_error() -> None:
    with pytest.raises(NothingMeasured) as refused:
        nearest_rank([], Fraction(99, 100))
    assert str(refused.value) == "cannot compute p99: the sample has no observations"
