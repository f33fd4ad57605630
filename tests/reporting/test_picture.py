"""The picture of a failing sample, and the line of a running one."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pytest_hancock_latency.core.budget import parse_terms
from pytest_hancock_latency.core.record import Record, TestRun, record_of
from pytest_hancock_latency.core.sample import Measurement, Observations, Progress, Sample, Slow
from pytest_hancock_latency.judging.sequential import Policy, SequentialJudge
from pytest_hancock_latency.reporting.picture import picture_lines
from pytest_hancock_latency.reporting.wording import progress_line

MS = 1_000_000


def record(wall: list[int], attributed: list[int], slow: tuple[Slow, ...] = ()) -> Record:
    columns = [np.array(values, dtype=np.int64) for values in (wall, attributed, range(len(wall)))]
    observations = Observations(*columns)
    judge = SequentialJudge(parse_terms({"p50": 3, "p99": 50}).budget(), Policy(least=1))
    judge.look(observations)
    measurement = Measurement(slowest=slow)
    return record_of(
        Sample("", observations, verdict=judge.verdict(observations), measurement=measurement),
        TestRun("test"),
    )


def test_it_shows_the_distribution_its_limits_and_the_slowest() -> None:
    wall = [MS] * 10 + [2 * MS] * 20 + [10 * MS] * 5 + [80 * MS] * 2
    attributed = [*wall[:-1], 10 * MS]
    slow = (
        Slow(36, 1_500_000_000, 80 * MS, 10 * MS, ("preempted", "collector")),
        Slow(35, 900_000_000, 80 * MS, 80 * MS),
    )
    assert picture_lines(record(wall, attributed, slow)) == [
        "distribution of 37 raw latencies (log scale), · = this high only because of the machine",
        "     1 ms  ████████████████████  10",
        "  1.58 ms  ████████████████████████████████████████  20",
        "           ── p50 limit 3 ms ──",
        "    10 ms  ██████████  5",
        "           ── p99 limit 50 ms ──",
        "  63.1 ms  ██··  2",
        "",
        "slowest",
        "    80 ms (code 10 ms)  no. 37 at 1.5 s: preempted, garbage collection",
        "    80 ms  no. 36 at 900 ms: the machine did not interfere: the code is slow",
    ]


def test_no_row_has_latencies_on_both_sides_of_a_limit() -> None:
    wall = [int(2.9 * MS)] * 10 + [3 * MS] * 5 + [int(3.1 * MS)] * 20 + [80 * MS]
    assert picture_lines(record(wall, wall))[1:5] == [
        "  2.51 ms  ██████████████████████████████  15",
        "           ── p50 limit 3 ms ──",
        "     3 ms  ████████████████████████████████████████  20",
        "           ── p99 limit 50 ms ──",
    ]


def test_a_sample_without_observations_has_no_picture() -> None:
    assert picture_lines(record([], [])) == []


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=60))
def test_every_observation_is_in_the_picture_once(wall: list[int]) -> None:
    rows = [line for line in picture_lines(record(wall, wall)) if "█" in line]
    assert sum(int(line.rsplit(" ", 1)[1]) for line in rows) == len(wall)
    assert len(rows) <= 15


def test_progress_tells_the_quantiles_so_far_and_what_is_inconclusive() -> None:
    wall = np.full(1204, 2 * MS)
    limits = parse_terms({"p99": 5, "p99_9": 9}).budget().limits
    progress = Progress("read", Observations(wall, wall, wall), limits, 2_500_000_000)
    assert progress_line("test_chat", progress) == (
        "test_chat [read]: 1204 in 2.5 s, p50 2 ms, p99 2 ms, inconclusive p99 p99.9"
    )


def test_progress_without_an_observation_has_no_quantiles() -> None:
    nothing = np.array([], dtype=np.int64)
    progress = Progress("", Observations(nothing, nothing, nothing), (), MS)
    assert progress_line("test_chat", progress) == "test_chat: 0 in 1 ms"
