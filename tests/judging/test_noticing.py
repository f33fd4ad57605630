"""What a gate would have noticed, by the distribution that was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_hancock_latency.core.budget import parse_terms
from pytest_hancock_latency.core.record import Record, TestRun, record_of
from pytest_hancock_latency.core.sample import Measurement, Observations, Sample
from pytest_hancock_latency.judging.noticing import noticed_by, slowdown_of
from pytest_hancock_latency.judging.sequential import Policy, SequentialJudge

MS = 1_000_000
ROOMY = Measurement(room=1_000_000, max_samples=20_000)


def record(
    latencies_ms: list[float], limits: Mapping[str, object], measurement: Measurement = ROOMY
) -> Record:
    wall = np.array([round(ms * MS) for ms in latencies_ms], dtype=np.int64)
    observations = Observations(wall, wall, np.arange(len(wall)) * 10 * MS)
    judge = SequentialJudge(parse_terms(limits).budget(), Policy(most=max(1, len(wall))))
    sample: Sample[None] = Sample(
        "", observations, verdict=judge.verdict(observations), measurement=measurement, answer=None
    )
    return record_of(sample, TestRun("test_it.py::test"))


@pytest.mark.parametrize(
    ("limit_ms", "slowdown"), [(11, 0.1), (12, 0.2), (15, 0.5), (20, 1.0), (250, 24.0)]
)
def test_calls_of_one_latency_are_noticed_once_they_reach_the_limit(
    limit_ms: float, slowdown: float
) -> None:
    assert slowdown_of(record([10] * 400, {"p95": limit_ms})) == pytest.approx(slowdown, rel=0.01)


def test_a_limit_that_is_exceeded_notices_everything() -> None:
    assert slowdown_of(record([10] * 400, {"p95": 5})) == 0


def test_a_limit_that_no_slowdown_reaches_is_none() -> None:
    assert slowdown_of(record([0.01] * 400, {"p95": "60s"})) is None


def test_the_most_sensitive_limit_counts() -> None:
    wide_and_tight = record([10] * 400, {"p50": 12, "p95": 50})
    assert [each.slowdown for each in noticed_by(wide_and_tight)] == [
        pytest.approx(0.2, rel=0.01),
        pytest.approx(4, rel=0.01),
    ]
    assert slowdown_of(wide_and_tight) == pytest.approx(0.2, rel=0.01)


def test_how_much_of_a_limit_is_in_use() -> None:
    (noticed,) = noticed_by(record([10] * 400, {"p95": 40}))
    assert noticed.in_use == 0.25


def test_a_tail_is_noticed_by_a_high_percentile_alone() -> None:
    latencies = [10] * 1000
    (p99,) = noticed_by(record(latencies, {"p99": 20}))
    (p95,) = noticed_by(record(latencies, {"p95": 20}))
    assert (p99.notices_tail, p95.notices_tail) == (True, False)


def test_a_tail_that_stays_below_the_limit_is_not_noticed() -> None:
    (noticed,) = noticed_by(record([10] * 1000, {"p99": 31}))
    assert not noticed.notices_tail


def test_few_calls_notice_less_than_many() -> None:
    spread = [10 + at / 10 for at in range(100)]
    few = record(spread, {"p95": 25}, Measurement(room=60, max_samples=20_000))
    many = record(spread, {"p95": 25}, Measurement(room=20_000, max_samples=20_000))
    slow_few, slow_many = slowdown_of(few), slowdown_of(many)
    assert slow_few is not None
    assert slow_many is not None
    assert slow_few > slow_many


def test_calls_that_are_slower_are_fewer_in_the_same_time() -> None:
    # Seven calls at least show p95 to be exceeded, if all of them are over it.
    assert slowdown_of(record([10] * 7, {"p95": 20}, Measurement(room=8))) is None


def test_a_maximum_is_noticed_by_the_slowest_call() -> None:
    assert slowdown_of(record([10, 10, 40], {"max": 60})) == pytest.approx(0.5, rel=0.01)


def test_what_the_machine_may_excuse_has_to_be_exceeded_as_well() -> None:
    excused = replace(ROOMY, cpu_share=1.0, slowness=1.6)
    assert slowdown_of(record([10] * 400, {"p95": 15}, excused)) == pytest.approx(1.4, rel=0.01)
    waiting = replace(ROOMY, cpu_share=0.0, slowness=1.6)
    assert slowdown_of(record([10] * 400, {"p95": 15}, waiting)) == pytest.approx(0.5, rel=0.01)


def test_without_a_histogram_nothing_is_known() -> None:
    assert noticed_by(replace(record([10] * 50, {"p95": 20}), histogram=None)) == []
    assert noticed_by(record([10] * 50, {"p95": 20}).without_verdict("no budget")) == []


@given(
    latencies=st.lists(st.floats(0.1, 100), min_size=50, max_size=200),
    limit_ms=st.floats(1, 1000),
)
def test_a_higher_limit_never_notices_more(latencies: list[float], limit_ms: float) -> None:
    lower = slowdown_of(record(latencies, {"p90": limit_ms}))
    higher = slowdown_of(record(latencies, {"p90": limit_ms * 1.5}))
    assert higher is None or (lower is not None and lower <= higher * 1.001)
