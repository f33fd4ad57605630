"""What may end a run, and what an inconclusive run lacks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_hancock_latency.core.budget import parse_terms
from pytest_hancock_latency.core.histogram import Histogram, index_of
from pytest_hancock_latency.core.verdict import Outcome, Reason, RpsVerdict, Verdict
from pytest_hancock_latency.judging.counts import Tally, judge_counts
from pytest_hancock_latency.judging.deciding import (
    Undecided,
    not_within,
    shows_exceeded,
    undecided,
)
from pytest_hancock_latency.judging.sequential import Policy

MS, S = 1_000_000, 1_000_000_000
RATE = RpsVerdict(200.0, Outcome.WITHIN, Reason.SHOWN, 250.0, S, n=20, short=0)


def verdict_on(
    fast: int, slow: int = 0, failed: int = 0, unfinished_ms: tuple[int, ...] = (), **terms: object
) -> Verdict:
    """The verdict on calls of 1 ms and of a second, made in ten seconds."""
    latencies = Histogram({index_of(MS): fast, index_of(S): slow})
    open_requests = Histogram({index_of(ms * MS): 1 for ms in unfinished_ms})
    tally = Tally(latencies, latencies, failed, 10 * S, unfinished=open_requests)
    return judge_counts(tally, parse_terms(terms).budget(), Policy())


@pytest.mark.parametrize(("calls", "missing"), [(365, ["p99"]), (366, [])])
def test_a_limit_ends_a_run_when_it_is_shown(calls: int, missing: list[str]) -> None:
    assert not_within(verdict_on(calls, p50=10, p99=10)) == missing


def test_one_part_that_is_exceeded_is_enough() -> None:
    assert shows_exceeded(verdict_on(50, slow=150, p50=10, p99=2000))
    assert shows_exceeded(verdict_on(1, failed=1, p99=10))
    assert not shows_exceeded(verdict_on(366, p99=10))


@pytest.mark.parametrize(
    ("attempts", "failed", "missing"),
    [(400, 4, ["errors"]), (353, 0, ["errors"]), (354, 0, []), (2000, 8, [])],
)
def test_allowed_errors_end_a_run_by_evidence_and_not_by_a_share_that_is_low_just_now(
    attempts: int, failed: int, missing: list[str]
) -> None:
    """The verdict on a whole run calls one failure in a hundred within if 1 % is allowed."""
    verdict = verdict_on(attempts - failed, failed=failed, p95=10, errors="1%")
    assert verdict.outcome is Outcome.WITHIN
    assert not_within(verdict) == missing


def test_what_nothing_may_exceed_holds_for_the_requests_that_were_made() -> None:
    assert not_within(verdict_on(72, p95=10, max=50)) == []


def test_a_request_in_progress_counts_as_slow_once_it_takes_longer_than_the_limit() -> None:
    assert not_within(verdict_on(366, p99=10, unfinished_ms=(9,))) == []
    assert not_within(verdict_on(366, p99=10, unfinished_ms=(11,))) == ["p99"]
    assert not_within(verdict_on(366, max=10, unfinished_ms=(11,))) == ["max"]
    assert not shows_exceeded(verdict_on(366, p50=10, unfinished_ms=tuple(range(20, 800))))


def test_a_rate_is_within_only_after_the_whole_run() -> None:
    rated = replace(verdict_on(366, p99=10), rps=RATE)
    assert (rated.outcome, not_within(rated)) == (Outcome.WITHIN, ["requests/s"])
    assert shows_exceeded(replace(rated, rps=replace(RATE, outcome=Outcome.EXCEEDED)))


def test_a_decided_verdict_lacks_nothing() -> None:
    assert undecided(verdict_on(366, p99=10)) == []
    assert undecided(verdict_on(100, slow=50, p95=10, p99=2000)) == []


def test_too_few_requests_lack_some_at_the_pace_so_far() -> None:
    assert undecided(verdict_on(100, p50=10, p99=10)) == [
        Undecided("p99", Reason.FEW, 266, 26_600_000_000)
    ]


def test_a_share_at_the_limit_is_not_decided_by_more_requests() -> None:
    assert undecided(verdict_on(990, slow=10, p99=10)) == [Undecided("p99", Reason.NEAR)]


def test_least_time_lacks_time() -> None:
    assert undecided(verdict_on(366, p99=10, least_time="25s")) == [
        Undecided("p99", Reason.SHORT, None, 15 * S)
    ]


def test_without_an_observation_nothing_can_be_forecast() -> None:
    assert undecided(verdict_on(0, p99=10)) == [Undecided("p99", Reason.FEW)]


def test_more_errors_than_allowed_lack_the_requests_that_would_show_it() -> None:
    (errors,) = undecided(verdict_on(485, failed=15, p95=10, errors="1%"))
    assert errors == Undecided("errors", Reason.FEW, errors.more_requests, errors.more_ns)
    assert errors.more_requests is not None
    verdict = verdict_on(485, failed=15, p95=10, errors="1%")
    assert errors.more_ns == errors.more_requests * verdict.elapsed_ns // 500
    later = 1 + (errors.more_requests + 500) * 15 // 500
    enough = verdict_on(500 + errors.more_requests - later, failed=later, p95=10, errors="1%")
    assert not not_within(enough) or shows_exceeded(enough)


def test_errors_near_what_is_allowed_are_not_decided_by_more_requests() -> None:
    (errors,) = undecided(verdict_on(989, failed=11, p95=10, errors="1%"))
    assert errors == Undecided("errors", Reason.NEAR)


def test_time_outs_that_the_machine_may_have_caused_cannot_be_forecast() -> None:
    verdict = verdict_on(366, p99=10)
    failures = replace(verdict.failures, outcome=Outcome.INCONCLUSIVE, failed=1, excused=1)
    assert undecided(replace(verdict, failures=failures)) == [Undecided("errors", Reason.MACHINE)]


@pytest.mark.parametrize(
    ("rps", "expected"),
    [
        (
            replace(RATE, reason=Reason.FEW, n=3, needed=6),
            Undecided("requests/s", Reason.FEW, None, 3 * S),
        ),
        (replace(RATE, reason=Reason.NEAR), Undecided("requests/s", Reason.NEAR)),
        (replace(RATE, reason=Reason.LOAD, needed=9), Undecided("requests/s", Reason.LOAD)),
    ],
)
def test_a_rate_lacks_the_intervals_that_would_show_it(
    rps: RpsVerdict, expected: Undecided
) -> None:
    verdict = replace(verdict_on(366, p99=10), rps=replace(rps, outcome=Outcome.INCONCLUSIVE))
    assert undecided(verdict) == [expected]
