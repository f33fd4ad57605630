"""Tools that trace every line or call, and how many times slower they make code at worst."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

C_TRACER: Final = "coverage.py, C tracer"
MONITORING: Final = "coverage.py, sys.monitoring"
C_PROFILER: Final = "cProfile"
FACTORS: Final = {C_TRACER: 30.0, MONITORING: 30.0, C_PROFILER: 10.0}
"""The slowdown at worst, on all versions of Python (`benchmarks/tracers.py`), rounded up. That of a
debugger, of another profiler, or of coverage without its C extension has no bound."""
_MONITORING_TOOLS: Final = {"coverage.py": MONITORING, "cProfile": C_PROFILER}
"""By the name that they give themselves."""


@dataclass(frozen=True, slots=True)
class Tracer:
    """A tool that is active in this thread."""

    name: str
    factor: float
    """How many times slower it makes code at worst; infinite if that is unknown."""


def tracers() -> tuple[Tracer, ...]:
    """Return the tools that currently trace every line or call of this thread."""
    return tuple(_tracers())


def slowness() -> float:
    """Return how many times slower the active tools make code at worst; 1 without any."""
    return math.prod(tracer.factor for tracer in tracers())


def _tracers() -> Iterator[Tracer]:
    if (trace := sys.gettrace()) is not None:
        is_coverage = type(trace).__name__ == "CTracer"
        yield Tracer("sys.settrace", FACTORS[C_TRACER] if is_coverage else math.inf)
    profile: Any = sys.getprofile()
    if profile is not None:
        is_in_c = type(profile).__module__ in {"_lsprof", "cProfile"}
        yield Tracer("sys.setprofile", FACTORS[C_PROFILER] if is_in_c else math.inf)
    monitoring = getattr(sys, "monitoring", None)  # Python 3.12 and later
    if monitoring is None:
        return
    for name in filter(None, map(monitoring.get_tool, range(6))):
        factor = FACTORS.get(_MONITORING_TOOLS.get(name, ""), math.inf)
        yield Tracer(f"sys.monitoring ({name})", factor)
