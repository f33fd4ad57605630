"""The rank test, against scipy's."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from pytest_hancock_latency.runs.rank_test import chance_of_difference, chance_of_wins

SMALL_INTEGERS = st.lists(st.integers(0, 9), min_size=1, max_size=40)


def distinct(size: int, seed: int) -> list[float]:
    draw = Random(seed)
    return [draw.random() for _ in range(size)]


@pytest.mark.parametrize("sizes", [(1, 1), (5, 5), (5, 60), (8, 8), (9, 9), (30, 40)])
def test_the_chance_of_a_difference_is_that_of_scipy(sizes: tuple[int, int]) -> None:
    for seed in range(20):
        before, after = distinct(sizes[0], seed), distinct(sizes[1], seed + 1000)
        expected = mannwhitneyu(before, after).pvalue
        assert chance_of_difference(before, after) == pytest.approx(expected, abs=1e-12)


@given(SMALL_INTEGERS, SMALL_INTEGERS)
def test_ties_count_as_in_scipy(before: list[int], after: list[int]) -> None:
    all_equal = len({*before, *after}) == 1
    expected = 1.0 if all_equal else mannwhitneyu(before, after).pvalue
    assert chance_of_difference(before, after) == pytest.approx(expected, abs=1e-12)


def test_five_values_that_are_all_higher_have_the_least_chance() -> None:
    assert chance_of_wins([(1, 0)] * 5 + [(0, 1)] * 5) == pytest.approx(1 / 252)


@given(SMALL_INTEGERS, SMALL_INTEGERS)
def test_the_chance_does_not_depend_on_which_sample_comes_first(
    before: list[int], after: list[int]
) -> None:
    assert chance_of_difference(before, after) == chance_of_difference(after, before)
