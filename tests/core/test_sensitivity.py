"""What the sessions of a test show: the powers of the probes, and the memory probe's reference."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_hancock_latency.core.sensitivity import (
    LEAST_BLOCKS,
    LEAST_CALLS,
    LEAST_SESSIONS,
    MOST_BLOCKS,
    ProbedSession,
    known_test,
)
from pytest_hancock_latency.core.undisturbed import LEAST_PROBES, KnownTest, Surroundings

ADDED = 0.1
powers = st.tuples(st.floats(0, 1.4), st.floats(0, 1.1))
levels = st.lists(st.floats(10, 20), min_size=3, max_size=8)
seeds = st.integers(0, 2**32 - 1)


def session(
    draw: np.random.Generator, ab: tuple[float, float], level: float = 13.0, noise: float = 0.01
) -> ProbedSession:
    """Return a session in which the CPU time follows these powers of the probes."""
    p, m = draw.uniform(0, 0.6, MOST_BLOCKS), draw.uniform(0, 1.2, MOST_BLOCKS)
    cpu = level + ab[0] * p + ab[1] * m + draw.normal(0, noise, MOST_BLOCKS)
    return ProbedSession(tuple(zip(p.tolist(), m.tolist(), cpu.tolist(), strict=True)), None)


def with_slow_paths(plain: ProbedSession, draw: np.random.Generator) -> ProbedSession:
    """Return the session with a tenth of its blocks 2 to 20 times as slow."""
    points = list(plain.points)
    for at in draw.choice(len(points), len(points) // 10, replace=False).tolist():
        p, m, cpu = points[at]
        points[at] = (p, m, cpu + float(draw.uniform(0.7, 3)))
    return replace(plain, points=tuple(points))


def around(p: Any, m: Any) -> Surroundings:
    no = np.zeros(len(p), bool)
    return Surroundings(np.array(p), np.array(m), np.ones(len(p)), np.ones(len(p)), no, no)


@given(powers, levels, seeds)
def test_planted_powers_are_found_and_a_tenth_is_added(
    ab: tuple[float, float], session_levels: list[float], seed: int
) -> None:
    draw = np.random.default_rng(seed)
    known = known_test([session(draw, ab, level) for level in session_levels])
    assert known.powers == pytest.approx([power + ADDED for power in ab], abs=0.04)


@given(powers, levels, seeds)
def test_slow_paths_in_a_tenth_of_the_blocks_hardly_change_the_powers(
    ab: tuple[float, float], session_levels: list[float], seed: int
) -> None:
    draw = np.random.default_rng(seed)
    plain = [session(draw, ab, level) for level in session_levels]
    known = known_test([with_slow_paths(each, draw) for each in plain])
    assert known.powers == pytest.approx([power + ADDED for power in ab], abs=0.08)


@given(levels, seeds)
def test_each_session_has_a_level_of_its_own(session_levels: list[float], seed: int) -> None:
    draw = np.random.default_rng(seed)
    plain = [session(draw, (0.8, 0.3)) for _ in session_levels]
    moved = [
        replace(each, points=tuple((p + 1.0, m - 2.0, cpu + level) for p, m, cpu in each.points))
        for each, level in zip(plain, session_levels, strict=True)
    ]
    assert known_test(moved).powers == pytest.approx(known_test(plain).powers, abs=1e-6)


@given(st.floats(2, 5), st.floats(-5, -1), seeds)
def test_powers_are_neither_negative_nor_larger_than_any_real_work_has(
    large: float, negative: float, seed: int
) -> None:
    draw = np.random.default_rng(seed)
    assert known_test([session(draw, (large, large)) for _ in range(3)]).powers == (1.5, 1.2)
    assert known_test([session(draw, (negative, negative)) for _ in range(3)]).powers == (0, 0)


def test_fewer_than_three_sessions_determine_nothing() -> None:
    draw = np.random.default_rng(1)
    sessions = [session(draw, (1, 0)) for _ in range(LEAST_SESSIONS - 1)]
    assert known_test([]) == known_test(sessions) == KnownTest()
    assert known_test([*sessions, ProbedSession((), None)]) == KnownTest()


@pytest.mark.parametrize(
    ("p", "m"),
    [(1.0, 0.02), (0.02, 1.0), (0.0, 1.0), (1.0, 0.0), (0.0, 0.0)],
    ids=["m hardly varies", "p hardly varies", "p is constant", "m is constant", "both are"],
)
def test_a_probe_that_hardly_varied_determines_nothing(p: float, m: float) -> None:
    draw = np.random.default_rng(1)
    narrow = [
        replace(each, points=tuple((p * x, m * y, cpu) for x, y, cpu in each.points))
        for each in (session(draw, (1, 1)) for _ in range(4))
    ]
    assert known_test(narrow).powers is None


def test_probes_that_vary_only_together_determine_nothing() -> None:
    draw = np.random.default_rng(1)
    together = [
        replace(each, points=tuple((x, 2 * x, cpu) for x, _, cpu in each.points))
        for each in (session(draw, (1, 1)) for _ in range(4))
    ]
    assert known_test(together).powers is None


def test_a_session_is_kept_as_medians_over_blocks_of_calls() -> None:
    count = MOST_BLOCKS * LEAST_CALLS
    p = np.repeat(np.linspace(1, 2, MOST_BLOCKS), LEAST_CALLS)
    p[::LEAST_CALLS] *= 3  # a single odd probe in each block
    found = ProbedSession.of(
        np.full(count, 1000), around(p, np.full(count, 1.5)), np.full(count, 50)
    )
    assert found is not None
    expected = np.log(np.linspace(1, 2, MOST_BLOCKS)).round(3)
    assert [point[0] for point in found.points] == expected.tolist()
    assert {point[1:] for point in found.points} == {(0.405, 6.908)}
    assert found.memory_ns == 50


def test_too_few_calls_have_no_points_and_too_few_probes_no_reference() -> None:
    count = LEAST_BLOCKS * LEAST_CALLS
    assert count < LEAST_PROBES
    one = np.ones(count)
    enough = ProbedSession.of(np.full(count, 1000), around(one, one), np.full(count, 50))
    assert enough is not None
    assert (len(enough.points), enough.memory_ns) == (LEAST_BLOCKS, None)
    assert ProbedSession.of(np.full(count - 1, 1000), around(one[1:], one[1:]), one[1:]) is None


def test_calls_that_disturbed_their_own_probes_are_not_kept() -> None:
    count = LEAST_PROBES
    p, memory_ns = np.array([0.0, 1.0] * count), np.array([10, 50] * count)
    found = ProbedSession.of(np.full(2 * count, 1000), around(p, p), memory_ns)
    assert found is not None
    assert {point[0] for point in found.points} == {0.0}
    assert found.memory_ns == 50


@pytest.mark.parametrize(
    ("references", "expected"),
    [
        ((60.0, 50.0), None),
        ((60.0, 50.0, 70.0), 50.0),
        ((60.0, 50.0, 70.0, 80.0), 50.0),
        ((60.0, 50.0, 70.0, 80.0, 90.0), 60.0),
    ],
    ids=["two", "three", "four", "five"],
)
def test_of_five_sessions_the_second_fastest_is_the_reference_of_the_memory_probe(
    references: tuple[float, ...], expected: float | None
) -> None:
    sessions = [ProbedSession((), memory_ns) for memory_ns in references]
    assert known_test([*sessions, ProbedSession((), None)]).memory_ns == expected


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 1e300, -101.0])
def test_what_is_not_a_logarithm_of_a_time_is_refused(number: float) -> None:
    with pytest.raises(ValueError, match="not logarithms of probes and CPU times"):
        ProbedSession(((0.0, number, 0.0),), None)


@pytest.mark.parametrize("memory_ns", [float("nan"), float("inf"), 0.0, -1.0])
def test_what_is_not_a_time_of_a_probe_is_refused(memory_ns: float) -> None:
    with pytest.raises(ValueError, match="not the time of a memory probe"):
        ProbedSession((), memory_ns)
