"""Evidence of shares, against its definition and against the evidence of counts."""

from __future__ import annotations

from fractions import Fraction
from math import exp, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_hancock_latency.core.evidence import EXCEEDED, WITHIN, EProcess, Mixture
from pytest_hancock_latency.core.evidence_of_share import ShareProcess

ALPHA = 0.01 / 200
RATES = [Fraction(1, 2), Fraction(1, 20), Fraction(1, 100), Fraction(1, 1000)]
MIXTURES = [WITHIN, EXCEEDED]

allowed_shares = st.sampled_from(RATES)
mixtures = st.sampled_from(MIXTURES)
shares = st.floats(0, 1)


def process_of(
    values: list[float], allowed: Fraction, mixture: Mixture = EXCEEDED, alpha: float = ALPHA
) -> ShareProcess:
    process = ShareProcess(allowed, mixture, alpha)
    for value in values:
        process.add(value)
    return process


def evidence_of(values: list[float], allowed: Fraction, mixture: Mixture) -> float:
    return exp(process_of(values, allowed, mixture).log_evidence)


@given(allowed_shares, mixtures, st.lists(shares, max_size=5), st.floats(0, 1), st.floats(0, 1))
def test_a_mean_at_the_allowed_share_multiplies_the_evidence_by_1_on_average(
    allowed: Fraction, mixture: Mixture, earlier: list[float], below: float, above: float
) -> None:
    mean = float(allowed)
    low, high = mean * below, mean + (1 - mean) * above
    probability_of_high = 1.0 if high == low else (mean - low) / (high - low)
    average = probability_of_high * evidence_of([*earlier, high], allowed, mixture) + (
        1 - probability_of_high
    ) * evidence_of([*earlier, low], allowed, mixture)
    if high > low:
        assert average == pytest.approx(evidence_of(earlier, allowed, mixture), rel=1e-9)


@given(allowed_shares, mixtures, st.lists(st.booleans(), min_size=1, max_size=60))
def test_bursts_of_one_request_have_the_evidence_of_the_count(
    allowed: Fraction, mixture: Mixture, over: list[bool]
) -> None:
    counted = EProcess(allowed, mixture).log_evidence(len(over), sum(over))
    measured = process_of([float(each) for each in over], allowed, mixture).log_evidence
    assert measured == pytest.approx(counted, rel=1e-9, abs=1e-9)


@given(allowed_shares, mixtures, st.lists(shares, max_size=20))
def test_many_shares_at_once_give_the_same_answer(
    allowed: Fraction, mixture: Mixture, values: list[float]
) -> None:
    process = process_of(values, allowed, mixture)
    if abs(process.log_evidence + log(ALPHA)) > 1e-6:
        expected = ShareProcess(allowed, mixture, ALPHA).would_show(np.array(values))
        assert expected is process.is_shown


@given(allowed_shares, st.lists(shares, min_size=3, max_size=20))
def test_deletion_leaves_out_each_pair_of_adjacent_shares(
    allowed: Fraction, values: list[float]
) -> None:
    without = [
        process_of([*values[:at], *values[at + 2 :]], allowed) for at in range(len(values) - 1)
    ]
    if min(abs(process.log_evidence + log(ALPHA)) for process in without) > 1e-6:
        survives = process_of(values, allowed).survives_deletion()
        assert survives is all(process.is_shown for process in without)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_two_shares_or_fewer_never_survive_deletion(count: int) -> None:
    process = process_of([1.0] * count, Fraction(1, 1000), alpha=0.5)
    assert not process.survives_deletion()


@pytest.mark.parametrize(("allowed", "needed"), [*zip(RATES, (6, 72, 366, 3672), strict=True)])
def test_without_a_request_over_the_limit_a_pass_takes_as_many_bursts_as_calls(
    allowed: Fraction, needed: int
) -> None:
    process = ShareProcess(allowed, WITHIN, 0.045)
    while not process.is_shown:
        process.add(0.0)
    assert needed == len(process)


@pytest.mark.parametrize(("allowed", "needed"), [*zip(RATES[:3], (17, 5, 4), strict=True)])
def test_with_every_request_over_the_limit_exceeded_takes_few_bursts(
    allowed: Fraction, needed: int
) -> None:
    process = ShareProcess(allowed, EXCEEDED, ALPHA)
    while not process.is_shown:
        process.add(1.0)
    assert needed == len(process)


def test_the_forecast_is_where_the_same_shares_suffice() -> None:
    assert process_of([0.0] * 10, Fraction(1, 20), WITHIN, 0.045).shown_at_rate(10_000) == 72
    assert process_of([0.4, 0.2], Fraction(1, 20)).shown_at_rate(10_000) == 8
    assert not process_of([0.4, 0.2] * 3, Fraction(1, 20)).is_shown
    assert process_of([0.4, 0.2] * 4, Fraction(1, 20)).is_shown


@pytest.mark.parametrize(
    ("values", "farthest"), [([], 10_000), ([0.0] * 5, 71), ([0.05] * 5, 10_000)]
)
def test_there_is_no_forecast_without_shares_too_far_or_at_the_allowed_share(
    values: list[float], farthest: int
) -> None:
    assert process_of(values, Fraction(1, 20), WITHIN, 0.045).shown_at_rate(farthest) is None
