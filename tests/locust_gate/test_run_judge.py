"""Counts of all processes, judged by the budgets of the file or by the guide's table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_hancock_latency.core.budget import parse_terms
from pytest_hancock_latency.core.histogram import index_of
from pytest_hancock_latency.core.record import Record, exit_code_of
from pytest_hancock_latency.locust_gate.listener import RequestCounts
from pytest_hancock_latency.locust_gate.participants import Added, Participant
from pytest_hancock_latency.locust_gate.run_judge import (
    MOST_NAMES,
    OTHERS,
    RunJudge,
    RunState,
    Span,
)

MS = 1_000_000
BUDGETS = {"GET /it": replace(parse_terms({"p95": 10}), budget_name="GET /it")}


def counted(ms: float, windows: int = 40, each: int = 5, name: str = "/it") -> RequestCounts:
    cells = {("GET", name, window): {index_of(int(ms * MS)): each} for window in range(windows)}
    return RequestCounts(latencies=cells)


def record(made: RequestCounts, *, strict: bool = False, state: RunState | None = None) -> Record:
    run_judge = RunJudge(BUDGETS, strict=strict)
    run_judge.add(made)
    (found,) = run_judge.records(state or RunState())
    return found


def failed(count: int) -> RequestCounts:
    return RequestCounts(failures={("GET", "/it", 0): {"HTTP 503": count}})


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
    run_judge = RunJudge(BUDGETS)
    assert Added(200, 0) == run_judge.add(counted(5))
    assert Added(1, 0) == run_judge.add(failed(1))
    (found,) = run_judge.records(RunState())
    assert ("exceeded", {"HTTP 503": 1}) == (found.outcome, found.failures)


def test_what_came_before_the_end_of_the_ramp_can_be_left_out() -> None:
    run_judge = RunJudge(BUDGETS)
    run_judge.add(counted(50, windows=10))
    run_judge.forget(20)
    assert run_judge.add(counted(50, windows=10)).requests == 0
    assert [] == run_judge.records(RunState())
    assert run_judge.add(counted(5)).requests == 100
    assert ["within"] == [each.outcome for each in run_judge.records(RunState())]


def test_a_declining_pace_is_exceeded_where_the_guide_judges() -> None:
    cells = {("GET", "/other", at): {index_of(MS): 60 - at // 4} for at in range(200)}
    run_judge = RunJudge(BUDGETS)
    run_judge.add(RequestCounts(latencies=cells))
    (found,) = run_judge.records(RunState(steady_from=0, until=200))
    assert found.verdict is not None
    assert found.verdict.throughput is not None
    assert ("exceeded", "exceeded") == (found.outcome, found.verdict.throughput.outcome.value)


def test_an_open_loop_says_so_with_its_send_lag() -> None:
    made = counted(5)
    made.send_lags = {("GET", "/it", 0): {index_of(60 * MS): 200}}
    found = record(made)
    assert "open" == found.measurement.loop
    assert found.measurement.send_lag_ns == pytest.approx(60 * MS, rel=0.0005)
    assert ["saturated-generator"] == [advice.kind for advice in found.measurement.advice]


def test_a_record_says_how_many_processes_its_requests_came_from() -> None:
    load = RunState(
        participants=(Participant("a", requests=3), Participant("b"), Participant("c", requests=1))
    )
    assert 2 == record(counted(5), state=load).workers


def test_strict_can_be_said_by_the_option_or_by_the_budget() -> None:
    assert record(counted(5, name="/other"), strict=True).strict
    run_judge = RunJudge({"GET /it": parse_terms({"p95": 10, "strict": True})})
    run_judge.add(counted(5))
    assert run_judge.records(RunState())[0].strict


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
def test_the_verdict_alone_makes_the_exit_code_of(
    expected: int, made: RequestCounts, strict: bool
) -> None:
    assert expected == exit_code_of([record(made, strict=strict)])


def test_nothing_measured_never_passes() -> None:
    assert 2 == exit_code_of([])
    only_few_failures = RunJudge({})
    only_few_failures.add(failed(2))
    found = only_few_failures.records(RunState())
    assert "inconclusive" == found[0].outcome
    assert 2 == exit_code_of(found)


def test_a_request_outside_of_the_run_s_time_is_counted_at_its_edge() -> None:
    run_judge = RunJudge(BUDGETS)
    cells = {("GET", "/it", window): {index_of(5 * MS): 1} for window in (-(2**62), 3, 2**62)}
    added = run_judge.add(RequestCounts(latencies=cells), Span(0, 10))
    assert added == Added(requests=3, displaced=2)
    (found,) = run_judge.records(RunState())
    assert (found.n, found.measurement.elapsed_ns) == (3, 11 * 250 * MS)


def test_windows_far_apart_are_judged_as_fast_as_neighbours() -> None:
    run_judge = RunJudge(BUDGETS)
    for window in (0, 2**40):
        run_judge.add(RequestCounts(latencies={("GET", "/it", window): {index_of(MS): 200}}))
    (found,) = run_judge.records(RunState())
    assert (found.n, found.outcome) == (400, "within")


def test_more_names_than_are_judged_apart_are_one_group() -> None:
    run_judge = RunJudge(BUDGETS)
    for number in range(MOST_NAMES + 50):
        run_judge.add(counted(5, windows=1, name=f"/items/{number}"))
    run_judge.add(counted(5, windows=1))
    found = {each.test: each for each in run_judge.records(RunState())}
    assert (len(found), found[OTHERS].n) == (MOST_NAMES + 2, 50 * 5)
    assert found["GET /it"].budget_name == "GET /it"
    assert [advice.kind for advice in found[OTHERS].measurement.advice] == ["many-names"]


def test_windows_in_which_the_generator_starved_convict_nothing() -> None:
    all_windows = frozenset(range(40))
    assert record(counted(20)).outcome == "exceeded"
    starved = record(counted(20), state=RunState(starved=all_windows))
    assert starved.verdict is not None
    (part,) = starved.verdict.limits
    assert (starved.outcome, part.reason, part.excused) == ("inconclusive", "machine", 200)


def test_windows_in_which_the_generator_did_not_starve_convict_all_the_same() -> None:
    found = record(counted(20), state=RunState(starved=frozenset(range(0, 40, 2))))
    assert found.outcome == "exceeded"


def test_budgets_that_no_request_matched_are_known_by_their_names() -> None:
    of_a_test = {"parsing": BUDGETS["GET /it"]}
    run_judge = RunJudge({**BUDGETS, "GET /typo": BUDGETS["GET /it"], **of_a_test})
    run_judge.add(counted(5))
    assert run_judge.unmatched == ("GET /typo",)
