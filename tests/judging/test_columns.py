"""Counts of long columns: the same as those of pieces, in less memory."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_hancock_latency.core.budget import parse_terms
from pytest_hancock_latency.core.histogram import index_of
from pytest_hancock_latency.judging.columns import (
    MOST_FAILURES,
    OTHER_FAILURES,
    ColumnTally,
    Occurrences,
)
from pytest_hancock_latency.judging.counts import RunningTally

LIMITS = parse_terms({"p50": 10, "p99": 50}).budget().limits
REQUESTS = st.lists(st.tuples(st.integers(-50, 50), st.integers(0, 2**40)), min_size=1)


@given(st.lists(REQUESTS, min_size=1, max_size=4))
def test_columns_are_counted_like_pieces(parts: list[list[tuple[int, int]]]) -> None:
    pieces, columns = RunningTally(LIMITS), ColumnTally(LIMITS)
    for requests in parts:
        for window, latency_ns in requests:
            pieces.add(window, {index_of(latency_ns): 1})
        windows, latencies = (np.array(column, np.int64) for column in zip(*requests, strict=True))
        columns.add(latencies, windows)
    assert pieces.tally().raw == columns.tally().raw
    exact, grouped = pieces.timeline(), columns.timeline()
    assert exact
    assert grouped
    assert (exact.stretch_ns, exact.n) == (grouped.stretch_ns, grouped.n)
    assert exact.median_ns == pytest.approx(grouped.median_ns, rel=0.004)
    assert exact.max_ns == pytest.approx(grouped.max_ns, rel=0.004)
    assert (pieces.elapsed_ns, pieces.started_unix_s, pieces.ended_unix_s) == (
        columns.elapsed_ns,
        columns.started_unix_s,
        columns.ended_unix_s,
    )


@given(REQUESTS)
def test_latencies_over_a_limit_are_counted_exactly(requests: list[tuple[int, int]]) -> None:
    """Also those that share the bucket of the limit."""
    tally = ColumnTally(LIMITS)
    near = [(window, LIMITS[0].limit_ns + latency_ns % 3 - 1) for window, latency_ns in requests]
    windows, latencies = (np.array(column, np.int64) for column in zip(*near, strict=True))
    tally.add(latencies, windows)
    counted = tally.tally()
    over = sum(latency_ns > LIMITS[0].limit_ns for _, latency_ns in near)
    assert [counted.counts[limit].over for limit in LIMITS] == [over, 0]
    assert sum(counted.over_time[LIMITS[0]].exceeding) == over


@given(st.lists(REQUESTS, min_size=1, max_size=4))
def test_the_sum_of_several_kinds_is_what_counting_them_together_gives(
    kinds: list[list[tuple[int, int]]],
) -> None:
    together, parts = ColumnTally(LIMITS), []
    for requests in kinds:
        windows, latencies = (np.array(column, np.int64) for column in zip(*requests, strict=True))
        parts.append(ColumnTally(LIMITS))
        for tally in (parts[-1], together):
            tally.add(latencies, windows)
            tally.add_failures({"HTTP 503": 2}, windows[:1])
    total = ColumnTally.sum(parts, LIMITS)
    assert total.tally() == together.tally()
    assert total.timeline() == together.timeline()
    assert total.failures == together.failures


def test_without_starts_there_is_only_a_histogram() -> None:
    tally = ColumnTally(LIMITS)
    tally.add(np.array([5, 5, 7]), None)
    assert tally.tally().raw.counts == {5: 2, 7: 1}
    assert tally.tally().over_time == {}
    assert (
        tally.elapsed_ns,
        tally.started_unix_s,
        tally.ended_unix_s,
        tally.timeline(),
    ) == (0, None, None, None)


def test_a_failed_request_extends_the_run() -> None:
    tally = ColumnTally(LIMITS)
    tally.add(np.array([5]), np.array([8]))
    tally.add_failures({"HTTP 503": 2}, np.array([3, 4]))
    assert (tally.tally().failed, tally.elapsed_ns) == (2, 6 * 250_000_000)
    assert (tally.started_unix_s, tally.ended_unix_s) == (0.75, 2.25)


def test_failures_with_endless_texts_are_counted_together() -> None:
    tally = ColumnTally()
    for number in range(MOST_FAILURES + 7):
        tally.add_failures({f"port {number}": 1}, None)
    assert len(tally.failures) == MOST_FAILURES + 1
    assert tally.failures[OTHER_FAILURES] == 7


@given(st.lists(st.lists(st.integers(-20, 20))))
def test_occurrences_are_those_of_all_values(columns: list[list[int]]) -> None:
    occurrences = Occurrences()
    for column in columns:
        occurrences.add(np.array(column, np.int64))
    values, counts = np.unique(
        np.array([value for column in columns for value in column], np.int64), return_counts=True
    )
    assert (values.tolist(), counts.tolist()) == tuple(
        column.tolist() for column in occurrences.columns()
    )
