"""What surrounded the observations: the slowest ones with their causes, and advice."""

from __future__ import annotations

import sys
import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from statistics import median
from typing import TYPE_CHECKING, Final

from ..core.advice import Advice
from ..core.duration import format_duration, format_exactly
from ..core.sample import Observations, Slow
from .environment import cores, cpu_quota

if TYPE_CHECKING:
    from ..core.judging.sequential import Judge
    from .plan import Plan

_SHOWN: Final = 5
_WORTH_NAMING: Final = 0.1
_FIRST_CALL_TIMES: Final = 10
_COARSE_CLOCK_S: Final = 1e-6
_UNSTABLE: Final = 2
_FEWEST_PROBES: Final = 20


def slowest(seen: Observations, collections: Sequence[int]) -> tuple[Slow, ...]:
    """The slowest observations, slowest first, each with what happened in it.

    collections: when each garbage collection began, in ns from the start of measuring, ascending.
    """
    import numpy as np

    if not len(seen):
        return ()
    shown = min(_SHOWN, len(seen))
    # Only these few are sorted: a whole sort would be the dearest thing done to a sample.
    largest = np.argpartition(seen.wall_ns, len(seen) - shown)[len(seen) - shown :]
    order = largest[np.lexsort((largest, seen.wall_ns[largest]))][::-1]
    return tuple(_slow(seen, int(i), collections) for i in order)


def _slow(seen: Observations, position: int, collections: Sequence[int]) -> Slow:
    start, wall = int(seen.start_ns[position]), int(seen.wall_ns[position])
    attributed = int(seen.attributed_ns[position])
    waited = int(seen.wait_ns[position]) if seen.wait_ns is not None else 0
    causes = []
    if waited > _WORTH_NAMING * wall:
        causes.append("preempted")
    if wall - waited - attributed > _WORTH_NAMING * wall:
        causes.append("slow host")
    at = bisect_left(collections, start)
    if at < len(collections) and collections[at] <= start + wall:
        causes.append("collector")
    return Slow(position, start, wall, attributed, tuple(causes))


def advice_before(judge: Judge, plan: Plan, warmup: Sequence[int]) -> Advice | None:
    """What tells before measuring that the plan leaves no room for a pass, or None."""
    needed, hardest = judge.least_to_pass(), judge.budget.limits[-1].label
    if needed > plan.max_samples:
        return Advice(
            "cap",
            f"{hardest} needs {needed} observations, max_samples={plan.max_samples} allows no "
            "more: raise it, or expect an inconclusive verdict",
        )
    pace = median(warmup) if warmup else 0
    if not pace or needed * pace <= plan.time_limit_ns:
        return None
    fit, time_limit = plan.time_limit_ns // int(pace), format_exactly(plan.time_limit_ns)
    return Advice(
        "cap",
        f"{hardest} needs {needed} observations, about {fit} fit into {time_limit}: "
        "raise time_limit, or expect an inconclusive verdict",
    )


def tracers() -> list[str]:
    """What watches every line or call of this thread just now."""
    found = []
    if sys.gettrace() is not None:
        found.append("sys.settrace")
    if sys.getprofile() is not None:
        found.append("sys.setprofile")
    monitoring = getattr(sys, "monitoring", None)  # Python 3.12 and later
    if monitoring is not None:
        tools = (monitoring.get_tool(tool) for tool in range(6))
        found += [f"sys.monitoring ({tool})" for tool in tools if tool]
    return found


def advice_on(
    seen: Observations, warmup: Sequence[int], probes: Sequence[int]
) -> tuple[Advice, ...]:
    """Everything worth telling about how this sample was measured."""
    return (*_about_calls(seen, warmup), *_about_machine(probes))


def _about_calls(seen: Observations, warmup: Sequence[int]) -> Iterator[Advice]:
    import numpy as np

    if found := tracers():
        yield Advice(
            "tracer",
            f"{' and '.join(found)} was active: latencies include its work; "
            "measure without coverage, debugger or profiler",
        )
    if warmup or len(seen) < _FIRST_CALL_TIMES:
        return
    first, usual = int(seen.wall_ns[0]), int(np.median(seen.wall_ns))
    if first > _FIRST_CALL_TIMES * usual:
        yield Advice(
            "first-call",
            f"the first call took {format_duration(first)}, the median {format_duration(usual)}: "
            "warm up, with warmup=5 for example",
        )


def _about_machine(probes: Sequence[int]) -> Iterator[Advice]:
    import numpy as np

    if time.get_clock_info("perf_counter").resolution > _COARSE_CLOCK_S:
        yield Advice("clock", "the clock is coarser than 1 µs: short latencies are rounded")
    if cores() == 1:
        yield Advice(
            "single-core", "only one core may be used: whatever else runs is in the way of the test"
        )
    quota = cpu_quota()
    if quota is not None and quota < 1:
        yield Advice(
            "throttled",
            f"the container may use {quota:.2g} of a CPU: the kernel pauses it when that is spent; "
            "give it a whole one",
        )
    if len(probes) >= _FEWEST_PROBES:
        low, high = np.quantile(np.array(probes), (0.1, 0.9))
        if high > _UNSTABLE * low:
            yield Advice(
                "probe",
                f"the speed of the machine changed by a factor of {high / low:.1f} meanwhile: "
                "another guest of the host, or its clock rate",
            )
