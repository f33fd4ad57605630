"""Counts that come in pieces add up, in whatever order they come."""

from __future__ import annotations

import random
from collections import defaultdict
from fractions import Fraction

import pytest

from pytest_hancock_latency.core.budget import LatencyBudget, Limit
from pytest_hancock_latency.core.duration import NS_PER_MS
from pytest_hancock_latency.core.histogram import Histogram, index_of
from pytest_hancock_latency.core.quantile import P95, P99
from pytest_hancock_latency.core.timeline import STRETCHES
from pytest_hancock_latency.core.verdict import Outcome, Reason
from pytest_hancock_latency.judging.counts import RunningTally, judge_counts
from pytest_hancock_latency.judging.sequential import Policy

LIMIT = Limit(P95, 10 * NS_PER_MS)
FAST, SLOW = index_of(1 * NS_PER_MS), index_of(20 * NS_PER_MS)
Piece = tuple[int, dict[int, int]]


def added(pieces: list[Piece]) -> RunningTally:
    tally = RunningTally([LIMIT])
    for window, counts in pieces:
        tally.add(window, counts)
    return tally


def test_pieces_in_any_order_make_the_same_tally() -> None:
    generator = random.Random(3)
    pieces: list[Piece] = [
        (generator.randrange(1000, 3000), {generator.choice((FAST, SLOW)): generator.randrange(9)})
        for _ in range(500)
    ]
    shuffled = generator.sample(pieces, len(pieces))
    one, other = added(pieces), added(shuffled)
    assert one.tally() == other.tally()
    assert one.timeline() == other.timeline()


def test_counts_by_window_add_up_to_the_histogram() -> None:
    tally = added([(10, {FAST: 3, SLOW: 1}), (12, {SLOW: 2})]).tally()
    over_time = tally.over_time[LIMIT]
    assert Histogram({FAST: 3, SLOW: 3}) == tally.raw
    assert over_time.totals == [4, 0, 2]
    assert over_time.exceeding == [1, 0, 2]
    assert tally.elapsed_ns == 750 * NS_PER_MS


def test_the_bucket_of_the_limit_does_not_count_as_over_it() -> None:
    tally = added([(0, {index_of(LIMIT.limit_ns): 5})]).tally()
    assert tally.over_time[LIMIT].exceeding == [0]


def test_failures_are_counted_by_kind_and_separately() -> None:
    tally = added([(0, {FAST: 2})])
    tally.add_failures(0, {"HTTP 503": 2})
    tally.add_failures(3, {"HTTP 503": 1, "ConnectionRefusedError": 1})
    assert tally.failures == {"HTTP 503": 3, "ConnectionRefusedError": 1}
    assert (tally.tally().raw.n, tally.tally().failed) == (2, 4)
    assert (tally.requests, tally.per_window) == (6, {0: 4, 3: 2})


def test_what_is_forgotten_stays_forgotten_when_it_arrives_late() -> None:
    tally = added([(10, {FAST: 3})])
    tally.add_failures(10, {"HTTP 503": 1})
    tally.forget(20)
    tally.add(15, {SLOW: 1})
    tally.add_failures(15, {"HTTP 503": 1})
    tally.add(20, {FAST: 2})
    assert Histogram({FAST: 2}) == tally.histogram
    assert tally.failures == {}


def test_a_single_stall_does_not_exceed_a_limit() -> None:
    budget = LatencyBudget((LIMIT,))
    stalled: list[Piece] = [(at, {FAST: 10}) for at in range(20)]
    verdict = judge_counts(added([*stalled, (7, {SLOW: 40})]).tally(), budget, Policy())
    assert (verdict.outcome, verdict.limits[0].reason) == (Outcome.INCONCLUSIVE, Reason.STALL)


def test_the_same_slowness_spread_over_the_run_exceeds_the_limit() -> None:
    budget = LatencyBudget((LIMIT,))
    slow: list[Piece] = [(at, {FAST: 10, SLOW: 2}) for at in range(20)]
    assert Outcome.EXCEEDED is judge_counts(added(slow).tally(), budget, Policy()).outcome


def test_a_million_slow_requests_are_judged_at_once() -> None:
    """Large counts must not fill tables."""
    budget = LatencyBudget((Limit(Fraction(1, 2), NS_PER_MS), Limit(P99, 10 * NS_PER_MS)))
    tally = RunningTally(budget.limits)
    for window in range(4000):
        tally.add(window, {FAST: 125, SLOW: 125})
    assert Outcome.EXCEEDED is judge_counts(tally.tally(), budget, Policy()).outcome


@pytest.mark.parametrize("windows", [1, STRETCHES, STRETCHES + 1, 1000, 100_000])
def test_the_course_never_has_more_intervals_than_can_be_shown(windows: int) -> None:
    counts: dict[int, int] = defaultdict(int)
    tally = RunningTally()
    for window in range(0, windows, max(1, windows // 500)):
        tally.add(window + 12_345, {FAST: 1})
        counts[window] += 1
    timeline = tally.timeline()
    assert timeline is not None
    assert STRETCHES // 2 - 1 <= len(timeline) <= STRETCHES or len(timeline) == windows
    assert len(counts) == sum(timeline.n)


def test_the_course_shows_when_it_was_slow() -> None:
    timeline = added([(0, {FAST: 9}), (1, {FAST: 4, SLOW: 5}), (3, {SLOW: 1})]).timeline()
    assert timeline is not None
    assert timeline.n == (9, 9, 0, 1)
    fast_ns, slow_ns = timeline.median_ns[0], timeline.max_ns[1]
    assert (fast_ns, slow_ns, 0, slow_ns) == timeline.median_ns
    assert (fast_ns, slow_ns, 0, slow_ns) == timeline.max_ns
    assert (0, 0, 0, 0) == timeline.excused == timeline.collected


def test_nothing_counted_has_neither_course_nor_length() -> None:
    tally = RunningTally([LIMIT])
    assert tally.timeline() is None
    assert (tally.elapsed_ns, tally.requests) == (0, 0)
    assert tally.tally().over_time == {}
