"""Totals of all processes, judged by the budgets of the file or by the guide's table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_hancock_latency.core.budget import parse_terms
from pytest_hancock_latency.core.histogram import index_of
from pytest_hancock_latency.core.record import Record
from pytest_hancock_latency.locust_gate.listener import Counted
from pytest_hancock_latency.locust_gate.participants import Participant
from pytest_hancock_latency.locust_gate.run_judge import Load, Totals, exit_code

MS = 1_000_000
BUDGETS = {"GET /it": replace(parse_terms({"p95": 10}), budget_name="GET /it")}


def counted(ms: float, windows: int = 40, each: int = 5, name: str = "/it") -> Counted:
    cells = {("GET", name, window): {index_of(int(ms * MS)): each} for window in range(windows)}
    return Counted(latencies=cells)


def record(made: Counted, *, strict: bool = False, load: Load | None = None) -> Record:
    totals = Totals(BUDGETS, strict=strict)
    totals.add(made)
    (found,) = totals.records(load or Load())
    return found


def failed(count: int) -> Counted:
    return Counted(failures={("GET", "/it", 0): {"HTTP 503": count}})


@pytest.mark.parametrize(("expected", "ms"), [("within", 9.9), ("exceeded", 10.1)])
def test_a_budget_of_the_file_judges_the_request_of_its_name(expected: str, ms: float) -> None:
    found = record(counted(ms))
    assert ("GET /it", "GET /it", expected) == (found.test, found.budget_name, found.outcome)
    assert 200 == found.n


def test_a_request_that_no_budget_names_is_judged_by_the_guide() -> None:
    found = record(counted(9.9, name="/other"))
    assert found.budget_name is None
    assert found.verdict is not None
    assert ["p50", "p99"] == [part.limit.label for part in found.verdict.limits]


def test_one_failure_breaks_a_budget_that_allows_none() -> None:
    totals = Totals(BUDGETS)
    assert 200 == totals.add(counted(5))
    assert 1 == totals.add(failed(1))
    (found,) = totals.records(Load())
    assert ("exceeded", {"HTTP 503": 1}) == (found.outcome, found.failures)


def test_what_came_before_the_end_of_the_ramp_can_be_left_out() -> None:
    totals = Totals(BUDGETS)
    totals.add(counted(50, windows=10))
    totals.forget(20)
    assert 0 == totals.add(counted(50, windows=10))
    assert [] == totals.records(Load())
    assert 100 == totals.add(counted(5))
    assert ["within"] == [each.outcome for each in totals.records(Load())]


def test_a_declining_pace_is_exceeded_where_the_guide_judges() -> None:
    cells = {("GET", "/other", at): {index_of(MS): 60 - at // 4} for at in range(200)}
    totals = Totals(BUDGETS)
    totals.add(Counted(latencies=cells))
    (found,) = totals.records(Load(steady_from=0, until=200))
    assert found.verdict is not None
    assert found.verdict.pace is not None
    assert ("exceeded", "exceeded") == (found.outcome, found.verdict.pace.outcome.value)


def test_an_open_loop_says_so_with_its_send_lag() -> None:
    made = counted(5)
    made.send_lags = {("GET", "/it", 0): {index_of(60 * MS): 200}}
    found = record(made)
    assert "open" == found.measurement.loop
    assert found.measurement.send_lag_ns == pytest.approx(60 * MS, rel=0.0005)
    assert ["saturated"] == [advice.code for advice in found.measurement.advice]


def test_a_record_says_how_many_processes_its_requests_came_from() -> None:
    load = Load(
        participants=(Participant("a", requests=3), Participant("b"), Participant("c", requests=1))
    )
    assert 2 == record(counted(5), load=load).workers


def test_strict_can_be_said_by_the_option_or_by_the_budget() -> None:
    assert record(counted(5, name="/other"), strict=True).strict
    totals = Totals({"GET /it": parse_terms({"p95": 10, "strict": True})})
    totals.add(counted(5))
    assert totals.records(Load())[0].strict


@pytest.mark.parametrize(
    ("expected", "made", "strict"),
    [
        (0, counted(5), False),
        (1, counted(20), False),
        (0, counted(5, windows=2), False),
        (3, counted(5, windows=2), True),
        (1, failed(3), False),
    ],
)
def test_the_verdict_alone_makes_the_exit_code(expected: int, made: Counted, strict: bool) -> None:
    assert expected == exit_code([record(made, strict=strict)])


def test_nothing_measured_never_passes() -> None:
    assert 2 == exit_code([])
    only_few_failures = Totals({})
    only_few_failures.add(failed(2))
    found = only_few_failures.records(Load())
    assert "inconclusive" == found[0].outcome
    assert 2 == exit_code(found)
