"""A sample: any percentile by nearest rank, from any of its ways."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_hancock_latency import LatencyError, NothingMeasured, nearest_rank
from pytest_hancock_latency.core.paired import Pair, log_ratios
from pytest_hancock_latency.core.sample import Observations, Sample

QUANTILES = st.sampled_from([500, 950, 990]) | st.integers(1, 999)
QUANTILES = QUANTILES.map(lambda tenths: Fraction(tenths, 1000))


def sample_of(wall: list[int], attributed: list[int] | None = None) -> Sample:
    walls = np.array(wall, dtype=np.int64)
    attributed_ns = walls if attributed is None else np.array(attributed, dtype=np.int64)
    return Sample("s", Observations(walls, attributed_ns, np.arange(len(walls))))


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=60), QUANTILES)
def test_any_quantile_is_that_of_the_nearest_rank(wall: list[int], quantile: Fraction) -> None:
    assert nearest_rank(sorted(wall), quantile) == sample_of(wall).quantile_ns(quantile)


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=60), QUANTILES)
def test_attributed_latency_has_quantiles_of_its_own(wall: list[int], quantile: Fraction) -> None:
    halves = [ns // 2 for ns in wall]
    expected = nearest_rank(sorted(halves), quantile)
    assert expected == sample_of(wall, halves).attributed_quantile_ns(quantile)


def test_any_percentile_is_an_attribute() -> None:
    sample = sample_of([n * 1_000_000 for n in range(1, 1001)])
    assert (sample.p42_ms, sample.p42_ns) == (420.0, 420_000_000)
    assert (sample.p99_9_ms, sample.max_ms) == (999.0, 1000.0)
    with pytest.raises(AttributeError, match=r"^'Sample' object has no attribute 'p50_s'$"):
        _ = sample.p50_s


def test_samples_are_compared_if_they_were_measured_in_turns_with_each_other() -> None:
    key = object()
    fast, slow = (np.full(100, ns, dtype=np.int64) for ns in (1000, 2000))
    one = replace(sample_of([1]), pair=Pair(key, fast))
    other = replace(sample_of([1]), pair=Pair(key, slow))
    assert (bool(one.faster_than(other)), bool(other.faster_than(one))) == (True, False)
    assert one.faster_than(other).ratio == 0.5
    stranger = replace(sample_of([1]), pair=Pair(object(), slow))
    for first, second in ((one, sample_of([1])), (sample_of([1]), one), (one, stranger)):
        with pytest.raises(LatencyError) as refused:
            first.faster_than(second)
        assert str(refused.value) == (
            "'s' and 's' were not measured in pairs: use sample.pairs(one, other)"
        )


@pytest.mark.parametrize("off", [True, False])
def test_without_a_verdict_a_sample_is_within_only_if_all_is_switched_off(off: bool) -> None:
    wall = np.array([1], dtype=np.int64)
    assert off is Sample("s", Observations(wall, wall, wall), is_switched_off=off).within


def test_nothing_has_no_quantile_and_takes_no_time() -> None:
    nothing = sample_of([])
    assert (nothing.n, nothing.observations.span_ns) == (0, 0)
    with pytest.raises(NothingMeasured) as refused:
        nothing.quantile_ns("p99")
    assert str(refused.value) == "cannot compute p99 of 's': it has no observations"


def test_a_sample_spans_the_time_to_the_end_of_its_last_observation() -> None:
    wall, start = np.array([50, 3]), np.array([10, 20])
    assert Observations(wall, wall, start).span_ns == 60


def test_the_ratio_of_a_turn_is_that_of_the_medians_of_its_calls() -> None:
    one = np.array([[1, 2, 9], [4, 4, 4]]) * 1_000_000
    other = np.array([[1, 1, 1], [2, 8, 1]]) * 1_000_000
    assert [log(2), log(2)] == pytest.approx(log_ratios(one, other))
