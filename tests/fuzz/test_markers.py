"""Arguments of the marker: a valid budget, exactly as written, or one line that names the test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example
from hypothesis import strategies as st

from pytest_hancock_latency import latency_budget
from pytest_hancock_latency.core.budget import Terms, describe, parse_terms
from pytest_hancock_latency.errors import BudgetError
from pytest_hancock_latency.plugin.marker import terms_of

from .fuzzing import fuzzed, json_values, odd_words

KEYWORDS = (
    *("p50", "p75", "p90", "p95", "p99", "p99_9", "p99_99", "p10", "max", "percentiles", "errors"),
    *("name", "warmup", "samples", "max_samples", "time_limit", "least_time", "strict", "rps"),
    *("regression", "tests", "p0", "p100", "P99", "p99.9", "p_", "q50"),
)
NAMED = {"GET /health": parse_terms({"p50": 10, "p99": "50ms"})}


class Budgets:
    """What a session has of a budget file."""

    def get(self, name: str) -> Terms:
        if name not in NAMED:
            raise BudgetError(f'unknown budget "{name}"')
        return NAMED[name]


@dataclass(frozen=True)
class Item:
    """A test with markers, the closest first."""

    marks: Sequence[pytest.Mark]
    nodeid: str = "test_it.py::test_health"

    def iter_markers(self, name: str) -> Sequence[pytest.Mark]:
        return self.marks


numbers = st.integers(-5, 10**6) | st.just(10**5000) | st.floats() | st.fractions() | st.decimals()
durations = st.builds(
    "{}{}{}".format,
    st.integers(0, 10**6) | st.floats(0, 1e9),
    st.sampled_from(("", " ")),
    st.sampled_from(("", "ns", "us", "µs", "ms", "s", "min", "h", "MS", "%")),
)
values = st.one_of(
    numbers,
    durations,
    odd_words,
    json_values,
    st.just("GET /health"),
    st.dictionaries(st.sampled_from(KEYWORDS) | st.integers(), numbers | durations, max_size=3),
    st.booleans(),
)
keywords = st.dictionaries(
    st.sampled_from(KEYWORDS) | st.text(min_size=1, max_size=5), values, max_size=4
)
marks = st.builds(
    lambda args, kwargs: latency_budget(*args, **kwargs).mark,
    st.lists(values.filter(lambda value: not callable(value)), max_size=4),
    keywords,
)


def terms_of_marks(found: Sequence[pytest.Mark]) -> Terms:
    item: Any = Item(found)
    budgets: Any = Budgets()
    return terms_of(item, budgets)


@example([latency_budget("GET\r\n/health").mark])
@fuzzed("markers", st.lists(marks, min_size=1, max_size=2))
def test_any_markers_are_a_budget_or_one_line_with_the_test(found: list[pytest.Mark]) -> None:
    try:
        terms = terms_of_marks(found)
    except BudgetError as error:
        message = str(error)
        assert message.startswith("test_it.py::test_health: latency_budget: ")
        assert "\n" not in message
        return
    budget = terms.budget()
    limits = [limit.limit_ns for limit in budget.limits]
    assert limits
    assert limits == sorted(limits)
    assert min(limits) >= 1
    assert all(0 < limit.quantile <= 1 for limit in budget.limits)
    assert 0 <= budget.errors < 1
    assert describe(budget)


UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "min": 60 * 10**9}
QUANTILES: Mapping[str, Fraction] = {
    "p50": Fraction(1, 2),
    "p75": Fraction(3, 4),
    "p95": Fraction(95, 100),
    "p99": Fraction(99, 100),
    "p99_9": Fraction(999, 1000),
    "max": Fraction(1),
}
written_limits = st.lists(
    st.tuples(st.integers(1, 500_000), st.sampled_from(tuple(UNITS))),
    min_size=len(QUANTILES),
    max_size=len(QUANTILES),
).map(lambda pairs: sorted(pairs, key=lambda pair: pair[0] * UNITS[pair[1]]))


@fuzzed(
    "markers",
    written_limits,
    st.sets(st.sampled_from(tuple(QUANTILES)), min_size=1),
    st.booleans(),
    st.integers(1, 10_000),
)
@example([(1, "ns")] * 6, {"p50"}, False, 1)
def test_a_valid_marker_has_the_limits_that_were_written(
    limits: list[tuple[int, str]], labels: set[str], as_number: bool, samples: int
) -> None:
    expected, arguments = {}, {}
    for (number, unit), label in zip(limits, QUANTILES, strict=True):
        if label not in labels:
            continue
        expected[QUANTILES[label]] = number * UNITS[unit]
        is_ms = unit == "ms" and as_number
        arguments[label] = number if is_ms else f"{number}{unit}"
    mark = latency_budget(**arguments, samples=samples).mark
    terms = terms_of_marks([mark])
    assert expected == terms.limits
    assert samples == terms.samples


def test_the_item_of_these_tests_is_like_those_of_pytest(request: pytest.FixtureRequest) -> None:
    ours = SimpleNamespace(**dict.fromkeys(("nodeid", "iter_markers"), 1))
    assert all(hasattr(request.node, name) for name in vars(ours))
