"""The table of samples as plain text."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_hancock_latency.core.record import Record
from pytest_hancock_latency.core.verdict import Route
from pytest_hancock_latency.reporting.html import report_html
from pytest_hancock_latency.reporting.markdown import summary_markdown
from pytest_hancock_latency.reporting.table import summary_text, table_lines
from pytest_hancock_latency.reporting.wording import explain

from . import gold


def test_a_title_of_hundreds_of_letters_does_not_push_the_figures_away() -> None:
    long = replace(gold.record("health"), test=f"test_it.py::test_it[{'x' * 300}]")
    _, line = table_lines([long])
    assert line.startswith(f"test_it.py::test_it[{'x' * 40}…{'x' * 59}]  354  ")


def test_the_evidence_has_the_whole_title() -> None:
    long = replace(gold.record("became_slow"), test=f"test_it.py::test_it[{'x' * 300}]")
    assert f"\n{long.test}\n" in summary_text([long])


def test_a_line_break_in_a_name_does_not_break_the_row() -> None:
    broken = replace(gold.record("health"), test="test_it.py::test_it", name="large\nnew")
    _, line = table_lines([broken])
    assert line.startswith("test_it.py::test_it [large new]  354  ")


def test_names_that_several_samples_have_say_which_test_they_are_of() -> None:
    health = replace(gold.record("health"), test="t.py::test_a", budget_name="GET /health")
    other = replace(health, test="t.py::test_b")
    assert [line.split("  ")[0] for line in table_lines([health])] == ["sample", "GET /health"]
    assert [line.split("  ")[0] for line in table_lines([health, other])[1:]] == [
        "GET /health (t.py::test_a)",
        "GET /health (t.py::test_b)",
    ]


def by_route(*routes: Route) -> Record:
    """Return a record that is within by these routes, one for each limit."""
    health = gold.record("health")
    assert health.verdict is not None
    parts = zip(health.verdict.limits, routes, strict=True)
    limits = tuple(
        replace(part, route=route, over_at_most=1, undisturbed=80, over_undisturbed=2)
        for part, route in parts
    )
    return replace(health, verdict=replace(health.verdict, limits=limits))


@pytest.mark.parametrize(
    ("routes", "verdict"),
    [
        ((Route.RAW,) * 3, "within"),
        ((Route.RAW, Route.WITHOUT_WAITS, Route.RAW), "within (without waits)"),
        ((Route.RAW, Route.UNDISTURBED, Route.WITHOUT_WAITS), "within (undisturbed)"),
    ],
)
def test_a_verdict_that_the_raw_figures_do_not_show_names_its_route(
    routes: tuple[Route, ...], verdict: str
) -> None:
    record = by_route(*routes)
    assert table_lines([record])[1].endswith(f"  {verdict}")
    assert f"{verdict} |\n" in summary_markdown([record])
    assert f"</span> {verdict.removeprefix('within')} </td>" in report_html([record], {})


def test_the_evidence_has_the_counts_of_each_route() -> None:
    (line,) = explain(by_route(Route.RAW, Route.WITHOUT_WAITS, Route.UNDISTURBED))
    assert line.startswith(
        "within: p50 0 of 354 over 10 ms, p95 0 of 354 over 25 ms, 1 without waiting for a CPU, "
        "p99 0 of 354 over 50 ms, 2 of 80 while the machine was undisturbed"
    )


def test_in_markdown_the_test_is_the_small_print_of_its_budget() -> None:
    health = replace(gold.record("health"), test="t.py::test_a", budget_name="GET /health")
    assert "\n| GET /health<br><sub>t.py::test\\_a</sub> | 354 |" in summary_markdown([health])
