"""The rule of a duel: what passes of two versions show about the change between them."""

from __future__ import annotations

from fractions import Fraction
from math import exp, inf, log, log1p
from random import Random

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pytest_hancock_latency.core.evidence_of_mean import log_evidence_of_mean
from pytest_hancock_latency.errors import SettingError
from pytest_hancock_latency.runs.duel import (
    DuelOutcome,
    DuelRule,
    judge_duel,
    log_ratio_of_turns,
    passes_to_settle,
)

VALUES = st.lists(st.floats(-1, 1), min_size=2, max_size=30)
MEANS = st.floats(-0.5, 0.5)
PRECISIONS = st.sampled_from([1.0, 0.3, 0.1])
RULES = st.builds(DuelRule, compared=st.integers(1, 300), passes=st.integers(2, 30))


def passes(change: float, count: int = 30, sd: float = 0.012, seed: int = 1) -> list[float]:
    random = Random(seed)
    return [log1p(change) + random.gauss(0, sd) for _ in range(count)]


@given(VALUES, RULES)
def test_the_interval_contains_the_ratio(values: list[float], rule: DuelRule) -> None:
    verdict = judge_duel(values, rule)
    assert verdict.low <= verdict.ratio * (1 + 1e-12)
    assert verdict.ratio <= verdict.high * (1 + 1e-12)


@given(st.floats(-0.3, 0.4), st.floats(0.001, 0.05), st.integers(0, 10**6), RULES)
def test_the_interval_does_not_contain_what_the_outcome_excludes(
    change: float, sd: float, seed: int, rule: DuelRule
) -> None:
    verdict = judge_duel(passes(change, sd=sd, seed=seed), rule)
    margins = exp(rule.faster_below), exp(rule.slower_above), exp(rule.not_slower_below)
    faster_below, slower_above, not_slower_below = margins
    slack = 1 + 1e-9
    match verdict.outcome:
        case DuelOutcome.SLOWER:
            assert verdict.low * slack >= slower_above
        case DuelOutcome.FASTER:
            assert verdict.high <= faster_below * slack
        case DuelOutcome.NOT_SLOWER:
            assert verdict.high <= not_slower_below * slack
        case DuelOutcome.INCONCLUSIVE:
            assert verdict.low <= slower_above * slack
            assert verdict.high * slack >= not_slower_below


@given(VALUES, RULES)
def test_slower_and_faster_are_mirror_images(values: list[float], rule: DuelRule) -> None:
    verdict = judge_duel(values, rule)
    if verdict.outcome is not DuelOutcome.FASTER:
        return
    mirrored = judge_duel([-value for value in values[: verdict.passes]], rule)
    assert DuelOutcome.SLOWER is mirrored.outcome
    assert 1 / verdict.low == pytest.approx(mirrored.high)


@given(VALUES, st.floats(0, 0.5), RULES)
def test_a_sample_that_is_slower_by_the_evidence_stays_slower_against_a_lower_margin(
    values: list[float], regression: float, rule: DuelRule
) -> None:
    """Judged at the same pass, for a larger regression allowed: never slower only there."""
    middle = float(np.mean(values))
    near, far = sorted([regression, regression / 2])[::-1]
    assume(middle > log1p(near))
    against_far = log_evidence_of_mean(values, log1p(far), rule.mixture_precision)
    assert against_far >= log_evidence_of_mean(values, log1p(near), rule.mixture_precision) - 1e-6


@given(VALUES, st.integers(0, 29))
def test_a_settled_verdict_stays_whatever_comes_later(values: list[float], cut: int) -> None:
    rule = DuelRule()
    early = judge_duel(values[:cut], rule)
    if early.settled:
        assert early == judge_duel(values, rule)


@given(VALUES)
def test_more_samples_compared_never_make_one_slower(values: list[float]) -> None:
    alone, among_many = (judge_duel(values, DuelRule(compared=n)) for n in (1, 200))
    if among_many.outcome is DuelOutcome.SLOWER:
        assert alone.outcome in (DuelOutcome.SLOWER, DuelOutcome.NOT_SLOWER)
        assert alone.passes <= among_many.passes


@given(st.floats(-3, 3))
def test_one_pass_shows_nothing(value: float) -> None:
    verdict = judge_duel([value], DuelRule())
    assert DuelOutcome.INCONCLUSIVE is verdict.outcome
    assert (0.0, inf) == (verdict.low, verdict.high)
    assert not verdict.settled


def test_no_pass_at_all_shows_nothing() -> None:
    verdict = judge_duel([], DuelRule(), ended=True)
    assert (verdict.outcome, verdict.passes, verdict.ratio) == (DuelOutcome.INCONCLUSIVE, 0, 1.0)
    assert verdict.settled


@pytest.mark.parametrize(("compared", "least"), [(1, 5), (20, 7), (200, 8)])
def test_a_doubled_latency_takes_the_least_possible_number_of_passes(
    compared: int, least: int
) -> None:
    verdict = judge_duel(passes(1.0), DuelRule(compared=compared))
    assert (DuelOutcome.SLOWER, least) == (verdict.outcome, verdict.passes)


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        (-0.10, DuelOutcome.FASTER),
        (-0.05, DuelOutcome.FASTER),
        (0.0, DuelOutcome.NOT_SLOWER),
        (0.03, DuelOutcome.NOT_SLOWER),
        (0.05, DuelOutcome.SLOWER),
        (0.10, DuelOutcome.SLOWER),
        (0.25, DuelOutcome.SLOWER),
    ],
)
def test_a_change_gets_its_name(change: float, outcome: DuelOutcome) -> None:
    verdict = judge_duel(passes(change), DuelRule(compared=20))
    assert outcome is verdict.outcome
    assert verdict.ratio == pytest.approx(1 + change, rel=0.02)
    assert verdict.settled


def test_noise_that_hides_the_change_is_inconclusive() -> None:
    verdict = judge_duel(passes(0.04, sd=0.2), DuelRule())
    assert (verdict.outcome, verdict.passes) == (DuelOutcome.INCONCLUSIVE, 30)
    assert verdict.settled


def test_what_may_yet_be_faster_is_not_settled_as_not_slower() -> None:
    values = passes(-0.03, count=12)
    verdict = judge_duel(values, DuelRule())
    assert (verdict.outcome, verdict.settled) == (DuelOutcome.INCONCLUSIVE, False)
    assert DuelOutcome.NOT_SLOWER is judge_duel(values, DuelRule(), ended=True).outcome
    assert DuelOutcome.NOT_SLOWER is judge_duel(values, DuelRule(passes=12)).outcome


def test_a_regression_that_the_budget_allows_replaces_both_margins_of_slower() -> None:
    rule = DuelRule(regression=Fraction(10, 100))
    margins = [rule.slower_above, rule.not_slower_below, rule.faster_below]
    assert [log(1.10), log(1.13), -log(1.02)] == pytest.approx(margins)
    assert DuelOutcome.NOT_SLOWER is judge_duel(passes(0.08), rule).outcome
    assert DuelOutcome.SLOWER is judge_duel(passes(0.16), rule).outcome


def test_passes_beyond_the_greatest_number_are_not_looked_at() -> None:
    rule = DuelRule(passes=3)
    assert judge_duel(passes(0.5, count=3), rule) == judge_duel(passes(0.5, count=30), rule)


@pytest.mark.parametrize("kind", ["normal", "outliers", "two-state"])
def test_identical_code_is_hardly_ever_called_slower_or_faster(kind: str) -> None:
    random = np.random.default_rng(7)
    wrong = 0
    for _ in range(300):
        noise = random.normal(0, 0.012, 30)
        if kind == "outliers":
            noise *= np.where(random.random(30) < 0.08, 4, 1)
        if kind == "two-state":
            noise = 0.012 * random.choice([-1, 1], 30) + noise / 5
        outcome = judge_duel(noise.tolist(), DuelRule()).outcome
        wrong += outcome in (DuelOutcome.SLOWER, DuelOutcome.FASTER)
    assert wrong == 0


def test_at_the_margin_itself_false_alarms_keep_to_their_level() -> None:
    wrong = sum(
        judge_duel(passes(0.02, seed=seed), DuelRule(equivalence_margin=Fraction(9, 10))).outcome
        is DuelOutcome.SLOWER
        for seed in range(1000)
    )
    assert wrong <= 15  # 1 % is promised


@pytest.mark.parametrize(("threshold", "margin"), [(5, 5), (-1, 5), (2, 100)])
def test_margins_in_the_wrong_order_are_refused(threshold: int, margin: int) -> None:
    with pytest.raises(SettingError) as refused:
        DuelRule(noise_threshold=Fraction(threshold, 100), equivalence_margin=Fraction(margin, 100))
    assert str(refused.value) == (
        f"the noise threshold ({threshold} %) must be less than the equivalence margin "
        f"({margin} %), and both must be at least 0 % and below 100 %"
    )


@pytest.mark.parametrize(("compared", "most"), [(0, 30), (1, 1)])
def test_a_duel_of_nothing_is_refused(compared: int, most: int) -> None:
    with pytest.raises(SettingError) as refused:
        DuelRule(compared=compared, passes=most)
    assert str(refused.value) == (
        f"a duel of {compared} samples in at most {most} passes: "
        "at least 1 sample and 2 passes are needed"
    )


def test_outcomes_are_ordered_from_worst_to_best() -> None:
    assert [outcome.value for outcome in sorted(DuelOutcome, key=lambda outcome: outcome.rank)] == [
        "slower",
        "inconclusive",
        "not slower",
        "faster",
    ]


def test_one_pass_that_went_wrong_hides_nothing() -> None:
    values = [0.05, 0.045, 0.055, 0.05, 0.43] + [0.05, 0.045, 0.055] * 5
    verdict = judge_duel(values, DuelRule(compared=5))
    assert DuelOutcome.SLOWER is verdict.outcome
    assert verdict.passes <= 12
    assert 1.02 < verdict.low < verdict.ratio < 1.08


def ratio_after(values: list[float]) -> float:
    """The ratio after all of these passes, which settle nothing."""
    verdict = judge_duel(values, DuelRule(compared=10**6))
    assert not verdict.settled
    assert len(values) == verdict.passes
    return log(verdict.ratio)


def test_a_pass_within_seven_percent_of_the_median_counts_as_it_is() -> None:
    assert ratio_after([0.07, 0.0, 0.0, 0.0]) == pytest.approx(0.07 / 4)


def test_a_pass_beyond_it_counts_as_if_it_was_that_far() -> None:
    assert ratio_after([0.5, 0.0, 0.0, 0.0]) == pytest.approx(0.07 / 4)
    assert ratio_after([-0.5, 0.0, 0.0, 0.0]) == pytest.approx(-0.07 / 4)


def test_passes_within_three_spreads_count_as_they_are() -> None:
    # The median absolute deviation is 0.07, so the spread is 0.104 and the limit 0.311.
    assert ratio_after([-0.07, 0.2, 0.0, 0.07, -0.05]) == pytest.approx(0.15 / 5)
    assert ratio_after([-0.07, 0.4, 0.0, 0.07, -0.05]) == pytest.approx(0.26135 / 5, abs=1e-4)


@pytest.mark.parametrize("change", [0.0, 0.03, 0.05, 0.06, 0.10, -0.05])
@pytest.mark.parametrize("sd", [0.005, 0.01, 0.02])
def test_the_passes_to_settle_are_those_that_it_takes_if_nothing_changes(
    change: float, sd: float
) -> None:
    both = [change + sd, change - sd]
    judged = judge_duel(both * 50, DuelRule(passes=100))
    assert passes_to_settle(both, DuelRule(passes=100)) == pytest.approx(judged.passes, abs=1)


def test_the_ratio_of_a_pass_ignores_a_quarter_of_its_turns_on_either_side() -> None:
    heads = [1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 9.0, 90.0]
    expected = (log(1.2) + log(1.3) + log(1.4) + log(1.5)) / 4
    assert expected == pytest.approx(log_ratio_of_turns([1.0] * 8, heads))


def test_one_pass_does_not_say_how_many_it_takes() -> None:
    assert passes_to_settle([0.5], DuelRule()) == 30


def test_what_is_settled_takes_one_more_pass_at_least() -> None:
    assert passes_to_settle([0.5] * 10, DuelRule()) == 11


def test_noise_that_hides_the_change_takes_all_passes() -> None:
    assert passes_to_settle(passes(0.04, count=5, sd=0.2), DuelRule()) == 30


def test_a_great_change_is_no_outlier() -> None:
    verdict = judge_duel([0.7, 0.72, 0.69, 0.71, 0.7, 0.7], DuelRule())
    assert DuelOutcome.SLOWER is verdict.outcome
    assert 1.9 < verdict.ratio < 2.1
