"""The end of a run, its tab in the web page, and its JUnit document."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import pytest

from pytest_hancock_latency.core.advice import Advice
from pytest_hancock_latency.core.histogram import index_of
from pytest_hancock_latency.core.judging.verdict import Outcome, ThroughputVerdict
from pytest_hancock_latency.locust_gate.listener import RequestCounts
from pytest_hancock_latency.locust_gate.participants import Participant, State
from pytest_hancock_latency.locust_gate.run_judge import RunJudge, RunState
from pytest_hancock_latency.locust_gate.summary import summary_lines
from pytest_hancock_latency.locust_gate.web import structure, table
from pytest_hancock_latency.reporting.junit import junit_text
from pytest_hancock_latency.reporting.wording import about_throughput, explain, headline

MS = 1_000_000


def records(ms: float = 5, advice: tuple[Advice, ...] = ()):
    cells = {("GET", "/it", window): {index_of(int(ms * MS)): 10} for window in range(40)}
    run_judge = RunJudge({})
    run_judge.add(RequestCounts(latencies=cells))
    return run_judge.records(RunState(advice=advice))


def test_no_request_is_said_aloud() -> None:
    assert [
        "",
        "latency budgets",
        "no request was made: nothing is shown, and nothing passes",
    ] == summary_lines([], [])


def test_the_end_shows_table_evidence_advice_and_workers() -> None:
    workers = [Participant("a", state=State.FINISHED), Participant("b", 5.0, State.LOST)]
    found = records(700, advice=(Advice.of("clock"),))
    assert [
        "",
        "latency budgets",
        "sample     n  p50  p95  p99  limits (ms)                     verdict",
        "GET /it  400  700  700  700  p50 500, p99 500, errors 0.1 %  exceeded p50",
        "1 exceeded (latencies in ms, raw, by nearest rank)",
        "GET /it: exceeded p50: 400 of 400 over 500 ms (100 %, allowed 50 %); p50 ≥ 700 ms",
    ] == summary_lines(found, workers)[:6]
    assert [
        "advice for GET /it: the clock is coarser than 1 µs: short latencies are rounded",
        "2 workers: 1 finished, 1 lost, 1 joined late",
    ] == (summary_lines(found, workers)[-2:])
    assert "judged by built-in limits, since no budget has their name: GET /it" in (
        summary_lines(found, workers)
    )


def test_a_budget_that_no_request_matched_is_one_line() -> None:
    lines = summary_lines(records(), [], ["GET /typo", "other"])
    assert 'budgets that no request matched: "GET /typo", "other"' in lines


def test_the_tab_has_a_cell_for_every_column() -> None:
    (row,) = table(records())
    assert [column["key"] for column in structure()] == list(row)
    assert ("GET /it", "400", "within") == (row["sample"], row["n"], row["verdict"])


def test_junit_has_a_failure_for_what_is_exceeded() -> None:
    (suite,) = ElementTree.fromstring(junit_text([*records(700), *records(5)]))
    assert ("2", "1") == (suite.get("tests"), suite.get("failures"))
    slow, quick = suite
    failure = slow.find("failure")
    assert failure is not None
    assert "p50 700 ms > 500 ms, 400 of 400 over" == failure.get("message")
    assert quick.find("failure") is None


@pytest.mark.parametrize(
    ("expected", "outcome"),
    [
        (
            "exceeded requests/s: declined by 45 % under a steady load "
            "(a fall of 38 % to 52 % at 95 % confidence); 120/s on average over 60 s",
            Outcome.EXCEEDED,
        ),
        (
            "inconclusive requests/s: neither steady nor declining "
            "(a fall of 38 % to 52 % at 95 % confidence); 120/s on average over 60 s",
            Outcome.INCONCLUSIVE,
        ),
    ],
)
def test_a_pace_that_is_not_steady_is_explained(expected: str, outcome: Outcome) -> None:
    (record,) = records()
    assert record.verdict is not None
    pace = ThroughputVerdict(outcome, 120.0, 0.45, 0.38, 0.52, 60_000_000_000)
    paced = replace(record, verdict=replace(record.verdict, throughput=pace))
    assert ([expected], expected) == (explain(paced), headline(paced))


def test_a_steady_pace_is_no_news() -> None:
    (record,) = records()
    assert record.verdict is not None
    pace = ThroughputVerdict(Outcome.WITHIN, 120.0, 0.0, -0.05, 0.05, 60_000_000_000)
    paced = replace(record, verdict=replace(record.verdict, throughput=pace))
    assert explain(record) == explain(paced)
    assert (
        "within requests/s: steady (a fall of −5 % to 5 % at 95 % confidence); "
        "120/s on average over 60 s" == (about_throughput(pace))
    )


def test_what_lies_between_the_two_limits_is_explained() -> None:
    (record,) = records(300)
    assert [
        "inconclusive p50: 400 of 400 over 100 ms (100 %, allowed 50 %); "
        "more than is acceptable, and not shown to be more than 500 ms"
    ] == explain(record)


def test_names_of_requests_cannot_steer_the_terminal() -> None:
    odd = [replace(record, test="GET /\x1b[2J\u202e") for record in records(700)]
    lines = summary_lines(odd, [])
    assert all(line.isprintable() for line in lines)
    assert r"GET /\x1b[2J\u202e: exceeded p50" in lines[5]
