"""Suggested limits: above what was seen by an explained margin, and never a guess."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_hancock_latency.core.budget import parse_terms
from pytest_hancock_latency.core.machine_speed import MachineKind, MachineSpeed
from pytest_hancock_latency.core.record import Artifact, Record, TestRun, record_of
from pytest_hancock_latency.core.sample import Measurement, Observations, Sample
from pytest_hancock_latency.core.undisturbed import ReferenceSpeed
from pytest_hancock_latency.runs.suggestion import machine_of, rounded_up, suggest, suggest_for

MS = 1_000_000


def record(latencies_ms: list[float]) -> Record:
    wall = np.array([round(ms * MS) for ms in latencies_ms], dtype=np.int64)
    return record_of(Sample("", Observations(wall, wall, wall)), TestRun("test_it.py::test_health"))


@pytest.mark.parametrize(
    ("ns", "rounded"), [(1, 1), (99, 99), (100, 100), (101, 110), (1_234_567, 1_300_000)]
)
def test_limits_are_rounded_up_to_two_digits(ns: int, rounded: int) -> None:
    assert rounded_up(Fraction(ns)) == rounded


def test_a_limit_is_the_upper_bound_of_its_quantile_and_a_quarter() -> None:
    suggestion = suggest(record([4.0] * 354))
    assert [limit.percentile for limit in suggestion.limits] == ["p50", "p95", "p99"]
    for limit in suggestion.limits:
        assert limit.limit_ns == rounded_up(limit.bound_ns * Fraction(5, 4))
        assert limit.bound_ns == pytest.approx(4 * MS, rel=1e-3)


def test_a_percentile_that_too_little_is_known_of_is_left_out() -> None:
    suggestion = suggest(record([4.0] * 100))
    assert [limit.percentile for limit in suggestion.limits] == ["p50", "p95"]
    assert suggestion.unknown == [("p99", 354)]


def test_undisturbed_calls_are_nearer_to_what_the_code_takes() -> None:
    disturbed = replace(record([9.0] * 354), undisturbed_bounds_ns={"p95": 4 * MS, "p99": 10 * MS})
    limits = {limit.percentile: limit for limit in suggest(disturbed).limits}
    assert {name: (limit.bound_ns, limit.is_undisturbed) for name, limit in limits.items()} == {
        "p50": (pytest.approx(9 * MS, rel=1e-3), False),
        "p95": (4 * MS, True),
        "p99": (pytest.approx(9 * MS, rel=1e-3), False),
    }


KIND = MachineKind("a CPU, 2 cores", "cpython 3.12.1, main, probes 1")
MACHINE = MachineSpeed(KIND, ReferenceSpeed(66_000.0, 44_000.0))


def probed(probe_ns: int | None, **changes: Any) -> Record:
    return replace(record([4.0] * 354), measurement=Measurement(probe_ns=probe_ns), **changes)


def test_limits_from_a_slow_machine_say_so() -> None:
    assert suggest(probed(132_000), machine=MACHINE).slowness == pytest.approx(2)
    assert suggest(probed(82_000), machine=MACHINE).slowness is None
    assert suggest(probed(None), machine=MACHINE).slowness is None
    assert suggest(probed(132_000)).slowness is None


def test_limits_from_undisturbed_calls_alone_have_no_warning() -> None:
    bounds_ns = dict.fromkeys(("p50", "p95", "p99"), 3 * MS)
    undisturbed = probed(132_000, undisturbed_bounds_ns=bounds_ns)
    assert suggest(undisturbed, machine=MACHINE).slowness is None


def test_the_slowest_of_several_runs_is_named() -> None:
    suggestions = suggest_for([probed(66_000), probed(132_000)], machine=MACHINE)
    assert [suggestion.slowness for suggestion in suggestions] == [pytest.approx(2)]


def test_the_speed_of_the_machine_is_the_best_of_all_runs() -> None:
    sessions = [{"speed": MACHINE.plain()}, {"speed": {**MACHINE.plain(), "memory_ns": 40_000}}, {}]
    artifacts = [Artifact(session, []) for session in sessions]
    assert machine_of(artifacts) == MachineSpeed(KIND, ReferenceSpeed(66_000, 40_000))
    assert machine_of(artifacts[2:]) is None


@given(st.lists(st.floats(0.01, 1000), min_size=6, max_size=400))
def test_limits_never_get_smaller_and_make_a_budget(latencies_ms: list[float]) -> None:
    suggestion = suggest(record(latencies_ms), Fraction(0))
    terms = {limit.percentile: f"{limit.limit_ns}ns" for limit in suggestion.limits}
    assert parse_terms(terms).budget().limits


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"budget_name": "GET /health", "name": "warm"}, "GET /health"),
        ({"name": "warm"}, "test_it.py::test_health"),
        ({}, "test_it.py::test_health"),
    ],
)
def test_a_budget_is_called_by_the_nearest_name(changes: dict[str, str], name: str) -> None:
    named = replace(record([1.0]), **changes)
    assert suggest(named).name == name


def test_of_several_runs_the_largest_bound_counts() -> None:
    slow, fast = record([20.0] * 400), record([10.0] * 4000)
    (suggestion,) = suggest_for([fast, slow])
    bounds = {limit.percentile: limit.bound_ns for limit in suggestion.limits}
    assert bounds["p50"] == pytest.approx(20 * MS, rel=0.001)
    (of_fast,) = suggest_for([fast])
    assert of_fast.limits[0].bound_ns == pytest.approx(10 * MS, rel=0.001)


def test_runs_that_are_too_short_for_a_percentile_show_it_together() -> None:
    (alone,) = suggest_for([record([10.0] * 200)])
    (both,) = suggest_for([record([10.0] * 200), record([10.0] * 200)])
    assert "p99" in dict(alone.unknown)
    assert "p99" in {limit.percentile for limit in both.limits}
