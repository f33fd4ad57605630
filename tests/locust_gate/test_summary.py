"""The end of a run, its tab in the web page, and its JUnit document."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import pytest

from pytest_hancock_latency.core.advice import Advice
from pytest_hancock_latency.core.histogram import index_of
from pytest_hancock_latency.core.record import Record
from pytest_hancock_latency.core.verdict import (
    Outcome,
    Reason,
    RpsVerdict,
    ThroughputVerdict,
)
from pytest_hancock_latency.locust_gate.listener import RequestCounts
from pytest_hancock_latency.locust_gate.participants import Participant, State
from pytest_hancock_latency.locust_gate.run_judge import RunJudge, RunState
from pytest_hancock_latency.locust_gate.summary import summary_lines
from pytest_hancock_latency.locust_gate.web import structure, table
from pytest_hancock_latency.reporting.html import report_html
from pytest_hancock_latency.reporting.json_artifact import artifact_in, json_text
from pytest_hancock_latency.reporting.junit import junit_properties, junit_text
from pytest_hancock_latency.reporting.markdown import summary_markdown
from pytest_hancock_latency.reporting.table import rows, summary_text
from pytest_hancock_latency.reporting.wording import about_throughput, explain, headline

MS, S = 1_000_000, 1_000_000_000


def records(ms: float = 5, advice: tuple[Advice, ...] = ()):
    cells = {("GET", "/it", window): {index_of(int(ms * MS)): 10} for window in range(40)}
    run_judge = RunJudge({})
    run_judge.add(RequestCounts(latencies=cells))
    return run_judge.records(RunState(advice=advice))


def test_a_run_without_requests_is_reported() -> None:
    assert summary_lines([], []) == [
        "",
        "latency budgets",
        "no requests were made: nothing was measured, so nothing passes",
    ]


def test_the_end_shows_table_evidence_advice_and_workers() -> None:
    workers = [Participant("a", state=State.FINISHED), Participant("b", 5.0, State.LOST)]
    found = records(700, advice=(Advice.of("clock"),))
    assert summary_lines(found, workers)[:6] == [
        "",
        "latency budgets",
        "sample     n  p50  p95  p99  limits (ms)                     verdict",
        "GET /it  400  700  700  700  p50 500, p99 500, errors 0.1 %  exceeded p50",
        "1 exceeded (latencies in ms, raw, by nearest rank)",
        "GET /it: exceeded p50: 400 of 400 over 500 ms (100 %, allowed 50 %); p50 ≥ 700 ms",
    ]
    assert summary_lines(found, workers)[-2:] == [
        "advice for GET /it: the clock is coarser than 1 µs: short latencies are rounded (clock)",
        "2 workers: 1 finished, 1 lost, 1 joined late",
    ]
    assert "judged by built-in limits, because no budget has their name: GET /it" in (
        summary_lines(found, workers)
    )


@pytest.mark.parametrize(
    ("requests", "strict", "is_said"), [(3, False, True), (3, True, False), (400, False, False)]
)
def test_a_run_in_which_everything_is_inconclusive_ends_with_that(
    requests: int, strict: bool, is_said: bool
) -> None:
    run_judge = RunJudge({})
    cells = {("GET", "/it", window): {index_of(5 * MS): requests} for window in range(1)}
    run_judge.add(RequestCounts(latencies=cells))
    found = [replace(record, strict=strict) for record in run_judge.records(RunState())]
    last = summary_lines(found, [Participant("a", state=State.FINISHED)])[-1]
    text = (
        "nothing was shown: every budget is inconclusive, which exit code 0 does not say; "
        "--latency-strict makes it 3"
    )
    assert (last == text) == is_said


def test_a_budget_that_no_request_matched_is_one_line() -> None:
    lines = summary_lines(records(), [], ["GET /typo", "other"])
    assert 'budgets that no request matched: "GET /typo", "other"' in lines


def test_the_tab_has_a_cell_for_every_column() -> None:
    (row,) = table(records())
    assert [column["key"] for column in structure()] == list(row)
    assert (row["sample"], row["n"], row["verdict"]) == ("GET /it", "400", "✅ within")


def test_junit_has_a_failure_for_what_is_exceeded() -> None:
    (suite,) = ElementTree.fromstring(junit_text([*records(700), *records(5)]))
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    slow, quick = suite
    failure = slow.find("failure")
    assert failure is not None
    assert failure.get("message") == "p50 700 ms > 500 ms, 400 of 400 over"
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
            "inconclusive requests/s: could be steady or declining (a fall of 38 % to 52 % at 95 % "
            "confidence); 120/s on average over 60 s",
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


def test_a_steady_throughput_is_not_mentioned() -> None:
    (record,) = records()
    assert record.verdict is not None
    pace = ThroughputVerdict(Outcome.WITHIN, 120.0, 0.0, -0.05, 0.05, 60_000_000_000)
    paced = replace(record, verdict=replace(record.verdict, throughput=pace))
    assert explain(record) == explain(paced)
    assert (
        (about_throughput(pace))
        == "within requests/s: steady (a fall of −5 % to 5 % at 95 % confidence); "
        "120/s on average over 60 s"
    )


RATE = RpsVerdict(200.0, Outcome.EXCEEDED, Reason.SHOWN, 143.27, S, 58, 57)


@pytest.mark.parametrize(
    ("expected", "rate"),
    [
        (
            "exceeded requests/s: 143/s on average over 58 s, below 200/s in 57 of 58 s",
            RATE,
        ),
        (
            "exceeded requests/s: 199.96/s on average over 58 s, below 200/s in 57 of 58 s; not "
            "counting 4 s in which the load generator or the server was short of CPU",
            replace(RATE, per_s=199.96, strained=4, short_strained=3),
        ),
        (
            "inconclusive requests/s: the load has not been steady for 1 s yet",
            replace(RATE, outcome=Outcome.INCONCLUSIVE, reason=Reason.FEW, n=0, short=0, needed=6),
        ),
        (
            "inconclusive requests/s: 143/s on average over 8 s, below 200/s in 8 of 8 s; "
            "needs about 21 s",
            replace(RATE, outcome=Outcome.INCONCLUSIVE, reason=Reason.FEW, n=8, short=8, needed=21),
        ),
        (
            "inconclusive requests/s: 201/s on average over 58 s, below 200/s in 30 of 58 s; "
            "too near the limit to tell",
            replace(RATE, outcome=Outcome.INCONCLUSIVE, reason=Reason.NEAR, per_s=201.2, short=30),
        ),
        (
            "inconclusive requests/s (machine): 5217/s on average over 58 s, below 6000/s in 57 of "
            "58 s, in 51 of them the load generator or the server was short of CPU",
            replace(
                RATE,
                outcome=Outcome.INCONCLUSIVE,
                reason=Reason.MACHINE,
                least_per_s=6000.0,
                per_s=5217.2,
                strained=52,
                short_strained=51,
            ),
        ),
        (
            "inconclusive requests/s: 0.332/s on average over 290 s, below 2/s in 57 of 58 "
            "intervals of 5 s; the users' wait times allow only about 0.334/s, however fast the "
            "responses are: add users or shorten the waits",
            replace(
                RATE,
                outcome=Outcome.INCONCLUSIVE,
                reason=Reason.LOAD,
                least_per_s=2.0,
                per_s=0.332,
                stretch_ns=5 * S,
                reachable_per_s=0.334,
            ),
        ),
    ],
)
def test_a_rate_that_is_not_within_is_explained(expected: str, rate: RpsVerdict) -> None:
    found = with_rate(rate)
    assert ([expected], expected) == (explain(found), headline(found))
    (row,) = rows([found])
    assert f"{rate.outcome} requests/s" == row.verdict


def test_a_rate_that_is_within_is_listed_with_the_other_counts() -> None:
    found = with_rate(replace(RATE, outcome=Outcome.WITHIN, per_s=231.0, short=2))
    assert explain(found) == [
        "within: p50 0 of 400 over 100 ms, p99 0 of 400 over 500 ms, "
        "requests/s 231, below 200/s in 2 of 58 s; measured for 10 s"
    ]
    (row,) = rows([found])
    assert row.limits == "p50 100, p99 500, errors 0.1 %, ≥ 200/s"


def test_every_format_shows_a_rate() -> None:
    found = with_rate(RATE)
    evidence = "143/s on average over 58 s, below 200/s in 57 of 58 s"
    assert all(evidence in text for text in (summary_text([found]), report_html([found])))
    assert evidence in summary_markdown([found])
    properties = dict(junit_properties(found))
    assert (
        properties["latency.rps"],
        properties["latency.limit_rps"],
    ) == ("143.270000", "200.000000")


def test_a_rate_survives_the_json_artifact() -> None:
    found = with_rate(replace(RATE, strained=4, short_strained=3, reachable_per_s=900.0))
    (again,) = artifact_in(json_text([found], {"machine": {}}).encode()).records
    assert again.verdict == found.verdict


def test_a_budget_with_nothing_but_a_rate_has_all_artifacts() -> None:
    (record,) = records()
    assert record.verdict is not None
    found = replace(record, verdict=replace(record.verdict, limits=(), rps=RATE))
    assert "exceeded requests/s" in report_html([found])
    assert "≥ 200/s" in summary_text([found])
    (again,) = artifact_in(json_text([found], {"machine": {}}).encode()).records
    assert again.verdict == found.verdict


def with_rate(rate: RpsVerdict) -> Record:
    (record,) = records()
    assert record.verdict is not None
    return replace(record, verdict=replace(record.verdict, rps=rate))


def test_what_lies_between_the_two_limits_is_explained() -> None:
    (record,) = records(300)
    assert explain(record) == [
        "inconclusive p50: 400 of 400 over 100 ms (100 %, allowed 50 %); more than acceptable, but "
        "not shown to be more than 500 ms"
    ]


def test_names_of_requests_cannot_steer_the_terminal() -> None:
    odd = [replace(record, test="GET /\x1b[2J\u202e") for record in records(700)]
    lines = summary_lines(odd, [])
    assert all(line.isprintable() for line in lines)
    assert r"GET /\x1b[2J\u202e: exceeded p50" in lines[5]
