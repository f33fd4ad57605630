"""The guide's table as a gate, and what closed loops do not see."""

from __future__ import annotations

import pytest

from pytest_hancock_latency.core.budget import describe
from pytest_hancock_latency.core.duration import NS_PER_MS
from pytest_hancock_latency.core.histogram import Histogram, as_if_open, index_of, omitted_requests
from pytest_hancock_latency.core.quantile import P99, label
from pytest_hancock_latency.core.record import Record, quantiles_of
from pytest_hancock_latency.core.record_json import from_plain, to_plain
from pytest_hancock_latency.core.verdict import Outcome, Reason, ThroughputVerdict, Verdict
from pytest_hancock_latency.judging.counts import RunningTally
from pytest_hancock_latency.judging.guide import ACCEPTABLE, INVESTIGATE, judge_by_guide
from pytest_hancock_latency.judging.sequential import Policy


def judged(
    ms_of: list[int], failed: int = 0, throughput: ThroughputVerdict | None = None
) -> Verdict:
    """A run of 25 s in which these latencies come again and again, 40 a second."""
    tally = RunningTally([*ACCEPTABLE.limits, *INVESTIGATE.limits])
    for number in range(1000):
        index = index_of(ms_of[number % len(ms_of)] * NS_PER_MS)
        tally.add(number // 10, {index: 1})
    if failed:
        tally.add_failures(0, {"HTTP 503": failed})
    return judge_by_guide(tally.tally(), Policy(), throughput)


def test_the_limits_are_those_of_the_guide() -> None:
    assert describe(ACCEPTABLE) == "p50 100 ms, p99 500 ms, errors 0.1 %"
    assert describe(INVESTIGATE) == "p50 500 ms, p99 2 s, errors 1 %"


@pytest.mark.parametrize(
    ("expected", "ms_of", "reasons"),
    [
        (Outcome.WITHIN, [50], [Reason.SHOWN, Reason.SHOWN]),
        (Outcome.INCONCLUSIVE, [300], [Reason.BETWEEN, Reason.SHOWN]),
        (Outcome.INCONCLUSIVE, [50] * 9 + [1000], [Reason.SHOWN, Reason.BETWEEN]),
        (Outcome.EXCEEDED, [700], [Reason.SHOWN, Reason.BETWEEN]),
        (Outcome.EXCEEDED, [50] * 9 + [3000], [Reason.SHOWN, Reason.SHOWN]),
    ],
)
def test_acceptable_is_within_and_investigate_is_exceeded(
    expected: Outcome, ms_of: list[int], reasons: list[Reason]
) -> None:
    verdict = judged(ms_of)
    assert expected is verdict.outcome
    assert reasons == [part.reason for part in verdict.limits]


@pytest.mark.parametrize(
    ("expected", "failed"),
    [
        (Outcome.WITHIN, 1),
        (Outcome.INCONCLUSIVE, 5),
        (Outcome.INCONCLUSIVE, 15),
        (Outcome.EXCEEDED, 50),
    ],
)
def test_failures_have_two_limits_as_well(expected: Outcome, failed: int) -> None:
    assert expected is judged([50], failed).failures.outcome


def test_a_declining_pace_is_exceeded() -> None:
    throughput = ThroughputVerdict(Outcome.EXCEEDED, 40.0, 0.5, 0.4, 0.6, 60_000_000_000)
    assert Outcome.EXCEEDED is judged([50], throughput=throughput).outcome


def test_a_limit_says_where_exceeded_begins() -> None:
    assert [part.investigate_ns for part in judged([50]).limits] == [
        500 * NS_PER_MS,
        2000 * NS_PER_MS,
    ]


def test_a_record_keeps_the_verdict_of_the_guide_in_its_plain_form() -> None:
    throughput = ThroughputVerdict(Outcome.WITHIN, 40.0, 0.01, -0.02, 0.03, 60_000_000_000)
    verdict = judged([300], throughput=throughput)
    quantiles_ns = {label(quantile): 5 for quantile in quantiles_of(verdict)}
    record = Record("GET /health", "", 1000, {}, quantiles_ns, {}, verdict=verdict)
    assert record.verdict == from_plain(to_plain(record)).verdict


def test_a_closed_loop_gets_the_requests_that_a_stall_kept_back() -> None:
    """200 quick requests and one of a second, at one per 20 ms: the open loop would see 49 more."""
    counts = {index_of(5 * NS_PER_MS): 200, index_of(1000 * NS_PER_MS): 1}
    closed, interval_ns = Histogram(counts), 20 * NS_PER_MS
    corrected = as_if_open(closed, interval_ns)
    assert 250 == corrected.n == closed.n + omitted_requests(closed, interval_ns)
    assert round(closed.quantile_ns(P99) / NS_PER_MS) == 5
    assert round(corrected.quantile_ns(P99) / NS_PER_MS) == 960


def test_a_request_that_would_have_been_sent_at_the_very_end_of_a_stall_counts() -> None:
    closed = Histogram({index_of(200): 1})
    assert Histogram({index_of(100): 1, index_of(200): 1}) == as_if_open(closed, 100)


def test_without_a_stall_nothing_is_added() -> None:
    closed = Histogram({index_of(5 * NS_PER_MS): 200})
    assert closed == as_if_open(closed, 20 * NS_PER_MS)
    assert closed == as_if_open(closed, 0)
    assert omitted_requests(closed, 0) == 0
