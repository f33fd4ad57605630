"""Tools that trace every line or call, and the slowdown that is known of each."""

from __future__ import annotations

import cProfile
import math
import sys
from types import SimpleNamespace

import pytest

from pytest_hancock_latency.measuring import tracers as tracing
from pytest_hancock_latency.measuring.tracers import Tracer, slowness, tracers


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """What the interpreter says is active; nothing, whatever runs these tests."""
    monkeypatch.setattr(sys, "gettrace", lambda: None)
    monkeypatch.setattr(sys, "getprofile", lambda: None)
    monkeypatch.setattr(sys, "monitoring", None, raising=False)
    return monkeypatch


class CTracer:
    """Has the name of that of coverage."""


def test_without_a_tool_code_is_as_fast_as_it_is(traced: pytest.MonkeyPatch) -> None:
    assert tracers() == ()
    assert slowness() == 1


def test_of_a_debugger_and_a_profiler_in_python_no_bound_is_known(
    traced: pytest.MonkeyPatch,
) -> None:
    traced.setattr(sys, "gettrace", lambda: print)
    assert tracers() == (Tracer("sys.settrace", math.inf),)
    traced.setattr(sys, "getprofile", lambda: print)
    assert tracers() == (Tracer("sys.settrace", math.inf), Tracer("sys.setprofile", math.inf))


def test_the_bounds_of_coverage_and_of_a_profiler_in_c_are_known(
    traced: pytest.MonkeyPatch,
) -> None:
    traced.setattr(sys, "gettrace", CTracer)
    assert tracers() == (Tracer("sys.settrace", 30),)
    traced.setattr(sys, "getprofile", cProfile.Profile)
    assert slowness() == 300


@pytest.mark.parametrize(
    ("name", "factor"), [("coverage.py", 30), ("cProfile", 10), ("a debugger", math.inf)]
)
def test_tools_that_monitor_are_known_by_their_names(
    traced: pytest.MonkeyPatch, name: str, factor: float
) -> None:
    monitoring = SimpleNamespace(get_tool=[*[None] * 5, name].__getitem__)
    traced.setattr(sys, "monitoring", monitoring, raising=False)
    assert tracers() == (Tracer(f"sys.monitoring ({name})", factor),)


def test_each_tool_that_monitors_has_a_factor() -> None:
    assert set(tracing.FACTORS) == {tracing.C_TRACER, tracing.MONITORING, tracing.C_PROFILER}
