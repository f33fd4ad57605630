"""Budgets and the terms that they are read from."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from pytest_hancock_latency import BudgetError
from pytest_hancock_latency.core.budget import (
    LatencyBudget,
    Limit,
    describe,
    of_whole_calls,
    parse_scale,
    parse_terms,
    positional_terms,
)

VALID = (
    "valid keywords are p50, p95, p99, any other percentile such as p75 or p99_9, max, "
    "first, gap, clocks, "
    "errors, name, warmup, samples, max_samples, time_limit, least_time, strict, regression, "
    "and rps and tests in a budget file"
)


def test_a_mapping_may_limit_any_percentile() -> None:
    budget = parse_terms({"percentiles": {"p9": 5, "p99": "50ms"}, "p50": 10}).budget()
    assert describe(budget) == "p9 5 ms, p50 10 ms, p99 50 ms"


def test_a_least_time_is_part_of_the_budget() -> None:
    budget = parse_terms({"p99": "50ms", "least_time": "2s"}).budget()
    assert describe(budget) == "p99 50 ms, for at least 2 s"


def test_a_budget_has_no_least_time_by_default() -> None:
    budget = LatencyBudget((Limit(Fraction(1, 2), 10_000_000),))
    assert describe(budget) == "p50 10 ms"


@pytest.mark.parametrize("time_limit", ["2s", "auto"])
def test_a_least_time_may_take_all_of_the_time_limit(time_limit: str) -> None:
    terms = parse_terms({"p99": 5, "least_time": "2s", "time_limit": time_limit})
    assert terms.least_time_ns == 2_000_000_000


def test_a_positional_limit_may_be_left_out() -> None:
    assert positional_terms([None, 20, "50ms"]) == {"p95": 20, "p99": "50ms"}


@pytest.mark.parametrize("scale", ["0.001", "1000", 2])
def test_a_scale_is_a_number_from_a_thousandth_to_a_thousand(scale: object) -> None:
    assert parse_scale(scale) == Fraction(str(scale))


@pytest.mark.parametrize("scale", ["0.0009", "1000.1", "two"])
def test_any_other_scale_is_refused(scale: object) -> None:
    with pytest.raises(BudgetError) as refused:
        parse_scale(scale)
    assert str(refused.value) == (f"{scale!r} is not a factor: write a number from 0.001 to 1000")


def test_limits_are_sorted_by_their_percentile() -> None:
    budget = parse_terms({"p99": "50ms", "p50": 10, "max": "1s", "errors": "0.1%"}).budget()
    assert describe(budget) == "p50 10 ms, p99 50 ms, max 1 s, errors 0.1 %"
    assert describe(parse_terms({"p99": 5, "errors": "1E-3"}).budget()) == "p99 5 ms, errors 0.1 %"


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"p9x": 3}, f"unknown keyword 'p9x' (did you mean \"p99\"?): {VALID}"),
        ({"smaples": 3}, f"unknown keyword 'smaples' (did you mean \"samples\"?): {VALID}"),
        ({"wombats": 3}, f"unknown keyword 'wombats': {VALID}"),
        (
            {"p9": 5},
            'p9=5 would limit the fastest 9 % of the requests (did you mean "p99"?): '
            "write percentiles={'p9': 5} if that is what you want",
        ),
        ({"percentiles": 5}, "percentiles=5 is not a mapping such as {'p10': 5}"),
        (
            {"percentiles": {"p0": 5}},
            "p0 is not a percentile: it must lie between p0 and p100 (the largest is 'max')",
        ),
        ({}, f"no limit is given: {VALID}"),
        ({"samples": 5}, f"no limit is given: {VALID}"),
        ({"p50": -1}, "p50: -1 is not a duration: it must be greater than zero"),
        (
            {"p50": 10, "p95": 5},
            "p95=5 ms is below p50=10 ms: limits must not decrease as percentiles increase",
        ),
        (
            {"p101": 5},
            "p101 is not a percentile: it must lie between p0 and p100 (the largest is 'max')",
        ),
        ({"p99": 5, "samples": 0}, "samples=0 must be a whole number of at least 1"),
        ({"p99": 5, "max_samples": 0}, "max_samples=0 must be a whole number of at least 1"),
        ({"p99": 5, "samples": True}, "samples=True must be a whole number of at least 1"),
        (
            {"p99": 5, "warmup": -1},
            "warmup: -1 is not a warm-up: write a number of calls, a time such as '2s', or 'auto'",
        ),
        ({"p99": 5, "samples": 9, "max_samples": 5}, "samples=9 is above max_samples=5"),
        (
            {"p99": 5, "least_time": "3s", "time_limit": "2s"},
            "least_time=3 s is above time_limit=2 s",
        ),
        ({"p99": 5, "strict": "yes"}, "strict='yes' must be True or False"),
        ({"p99": 5, "name": " "}, "name=' ' must be a non-empty string"),
        (
            {"p99": 5, "errors": "many"},
            "errors='many' is not a share: write a string such as '0.1%'",
        ),
        (
            {"p99": 5, "errors": "100%"},
            "errors='100%' must be at least 0 % and below 100 %: write '1%' or 0.01 for 1 %",
        ),
        (
            {"p99": 5, "errors": "\u0661%"},
            "errors='\u0661%' is not a share: write a string such as '0.1%'",
        ),
        (
            {"p99": 5, "errors": "1e-999999999"},
            "errors='1e-999999999' is not a share: write a string such as '0.1%'",
        ),
        ({"rps": 200}, "rps=200 is not a minimum rate: write a string such as '>= 200'"),
        ({"rps": "<= 200"}, "rps='<= 200' is not a minimum rate: write a string such as '>= 200'"),
        ({"rps": ">= 0"}, "rps='>= 0' is not a minimum rate: write a string such as '>= 200'"),
        ({"p99": 5, "errors": [1]}, "errors=[1] is not a share: write a string such as '0.1%'"),
    ],
)
def test_invalid_input_is_refused_with_the_reason(said: dict[str, Any], message: str) -> None:
    with pytest.raises(BudgetError) as refused:
        parse_terms(said).budget()
    assert str(refused.value) == message


@pytest.mark.parametrize("said", [">= 200", ">=200", " ≥ 200.0 "])
def test_a_least_rate_needs_no_other_limit(said: str) -> None:
    budget = parse_terms({"rps": said}).budget()
    assert (budget.least_per_s, describe(budget)) == (200.0, "requests/s at least 200")


def test_a_least_rate_is_dropped_where_none_is_measured() -> None:
    both = parse_terms({"p99": 5, "rps": ">= 200"})
    assert both.without_rps() == parse_terms({"p99": 5})
    with pytest.raises(BudgetError) as refused:
        replace(parse_terms({"rps": ">= 200"}), budget_name="GET /it").without_rps()
    assert str(refused.value) == (
        'budget "GET /it" limits only rps, '
        "which only Locust runs can measure: add a limit such as p99"
    )


def test_more_than_three_positional_limits_are_refused() -> None:
    with pytest.raises(BudgetError) as refused:
        positional_terms([1, 2, 3, 4])
    assert str(refused.value) == (
        "4 positional arguments: write at most three (p50, p95, p99), or one budget name"
    )


def test_the_nearer_terms_win_limit_by_limit() -> None:
    near = parse_terms({"p99": 40, "samples": 100})
    far = parse_terms({"p50": 10, "p99": 50, "samples": 70, "strict": True})
    both = near.over(far)
    assert both.limits == {Fraction(1, 2): 10_000_000, Fraction(99, 100): 40_000_000}
    assert (both.samples, both.strict) == (100, True)


def test_a_budget_cannot_exist_with_descending_limits() -> None:
    with pytest.raises(BudgetError):
        LatencyBudget((Limit(Fraction(1, 2), 5), Limit(Fraction(9, 10), 4)))


def test_a_budget_cannot_exist_with_one_percentile_twice() -> None:
    with pytest.raises(BudgetError) as refused:
        LatencyBudget((Limit(Fraction(1, 2), 5), Limit(Fraction(1, 2), 6)))
    assert str(refused.value) == "p50 is given twice"


def test_results_without_stages_take_only_limits_of_whole_calls() -> None:
    budgets = {
        "both": parse_terms({"p95": 10, "first": {"p95": 5}}),
        "stages": parse_terms({"first": {"p95": 5}}),
        "rate": parse_terms({"rps": ">= 10"}),
    }
    whole = of_whole_calls(budgets)
    assert list(whole) == ["both", "rate"]
    assert whole["both"] == parse_terms({"p95": 10})


def test_limits_of_stages_are_taken_limit_by_limit() -> None:
    closer = parse_terms({"first": {"p95": 5}, "clocks": {"read": {"p50": 1}}})
    wider = parse_terms({"p95": 100, "first": {"p50": 3, "p95": 9}, "gap": {"max": 50}})
    budget = closer.over(wider).budget()
    assert describe(budget) == (
        "p95 100 ms, first p50 3 ms, first p95 5 ms, gap max 50 ms, read p50 1 ms"
    )
    assert budget.parts == 5


def test_limits_of_stages_are_scaled() -> None:
    scaled = parse_terms({"first": {"p95": 5}}).scaled(Fraction(2))
    assert describe(scaled.budget()) == "first p95 10 ms"
