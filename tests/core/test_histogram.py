"""Histograms: counts are exact, quantiles are as exact as stated, merging is addition."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_hancock_latency.core.histogram import (
    RELATIVE_ERROR,
    Histogram,
    highest,
    index_of,
    lowest,
    middle,
)
from pytest_hancock_latency.core.quantile import P50, P95, P99, rank

NS = st.integers(0, 2**50)
LATENCIES = st.lists(NS, min_size=1, max_size=300)


def histogram_of(latencies: list[int]) -> Histogram:
    return Histogram.of(np.array(latencies, dtype=np.int64))


@given(NS)
def test_every_latency_lies_in_its_bucket(ns: int) -> None:
    assert lowest(index_of(ns)) <= ns <= highest(index_of(ns))


@given(NS)
def test_the_middle_of_a_bucket_is_as_near_as_stated(ns: int) -> None:
    assert abs(middle(index_of(ns)) - ns) <= RELATIVE_ERROR * ns


def test_the_stated_error_is_not_larger_than_need_be() -> None:
    # The first bucket of two latencies is that of 2048 and 2049, and its middle is 2048.
    assert Fraction(1, 2049) == Fraction(2049 - middle(index_of(2049)), 2049)
    assert Fraction(1, 2048) == RELATIVE_ERROR


@given(st.integers(0, 50_000))
def test_buckets_leave_no_gap(index: int) -> None:
    assert lowest(index + 1) == highest(index) + 1
    assert index_of(lowest(index)) == index == index_of(highest(index))


@given(LATENCIES)
def test_a_column_and_single_latencies_are_counted_alike(latencies: list[int]) -> None:
    assert histogram_of(latencies).counts == Counter(map(index_of, latencies))


@given(LATENCIES, st.sampled_from([P50, P95, P99, Fraction(999, 1000), Fraction(1)]))
def test_a_quantile_is_the_observation_of_that_rank_within_the_error(
    latencies: list[int], quantile: Fraction
) -> None:
    exact = sorted(latencies)[rank(quantile, len(latencies)) - 1]
    assert abs(histogram_of(latencies).quantile_ns(quantile) - exact) <= RELATIVE_ERROR * exact


@given(st.lists(LATENCIES, min_size=4, max_size=4))
def test_the_sum_of_four_shards_is_the_histogram_of_one_run(shards: list[list[int]]) -> None:
    together = [ns for shard in shards for ns in shard]
    assert Histogram.sum(map(histogram_of, shards)) == histogram_of(together)


@given(LATENCIES, NS)
def test_the_true_number_over_a_limit_lies_between_the_sure_and_the_possible(
    latencies: list[int], limit_ns: int
) -> None:
    histogram = histogram_of(latencies)
    over = sum(ns > limit_ns for ns in latencies)
    assert histogram.surely_over(limit_ns) <= over <= histogram.maybe_over(limit_ns)


def test_nothing_in_the_bucket_of_a_limit_is_over_its_largest_latency() -> None:
    histogram = histogram_of([5000, 9000])
    assert (lowest(index_of(5000)), highest(index_of(5000))) == (5000, 5003)
    assert (histogram.surely_over(5003), histogram.maybe_over(5003)) == (1, 1)
    assert (histogram.surely_over(5002), histogram.maybe_over(5002)) == (1, 2)


def test_the_ends_are_those_of_the_outer_buckets() -> None:
    assert (lowest(index_of(5001)), highest(index_of(9001))) == histogram_of([9001, 5001]).ends_ns


def test_an_empty_histogram_has_no_ends() -> None:
    with pytest.raises(ValueError, match=r"^an empty histogram has no ends$"):
        _ = Histogram().ends_ns


def test_observations_before_a_bucket_are_counted_without_it() -> None:
    histogram = histogram_of([3, 3, 5])
    assert [histogram.before(index) for index in (0, 3, 4, 5, 6)] == [0, 0, 2, 2, 3]


def test_an_empty_histogram_has_no_quantile() -> None:
    with pytest.raises(ValueError, match=r"^rank 0 of 0 observations$"):
        Histogram().quantile_ns(P50)


def test_a_latency_below_zero_counts_as_zero() -> None:
    assert histogram_of([-5, 3]).counts == {0: 1, 3: 1} == {index_of(-5): 1, index_of(3): 1}


def test_negative_counts_are_refused() -> None:
    with pytest.raises(ValueError, match=r"neither negative buckets nor negative counts"):
        Histogram({3: -1})


@given(st.lists(st.integers(1, 10**12), min_size=2, max_size=200))
def test_mean_deviation_and_least_are_as_exact_as_each_latency(latencies: list[int]) -> None:
    column = np.array(latencies, dtype=np.int64)
    histogram = Histogram.of(column)
    error_ns = float(RELATIVE_ERROR) * max(latencies) + 1
    assert histogram.mean_ns == pytest.approx(column.mean(), rel=float(RELATIVE_ERROR), abs=1)
    assert histogram.least_ns == pytest.approx(min(latencies), rel=float(RELATIVE_ERROR), abs=1)
    assert histogram.stddev_ns == pytest.approx(column.std(ddof=1), abs=2 * error_ns)


def test_a_single_observation_does_not_deviate() -> None:
    assert Histogram.of(np.array([5])).stddev_ns == 0
