"""Diagnosis of a sample: its slowest observations with their causes, and advice."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from statistics import median
from typing import TYPE_CHECKING, Final

from ..core.advice import Advice
from ..core.attribution import COLLECTOR, THROTTLED
from ..core.duration import NS_PER_S
from ..core.late_numpy import np
from ..core.sample import Observations, Slow
from ..core.verdict import Outcome, Reason, Verdict
from .environment import allowed_cpus, cpu_quota
from .inputs import ITERATOR_LIMIT, Inputs
from .own_modules import own_time
from .tracers import tracers

if TYPE_CHECKING:
    from ..core.attribution import Nanoseconds
    from ..core.undisturbed import ProbeTimes
    from ..judging.bursts import BurstJudge
    from ..judging.sequential import SequentialJudge
    from .plan import Plan
    from .session_speed import SessionSpeed

_LONG_NS: Final = 10 * NS_PER_S
"""Without a message, ten seconds of silence look like a test that hangs."""
_SLOWEST_COUNT: Final = 5
_WORTH_NAMING: Final = 0.1
_FIRST_CALL_TIMES: Final = 10
_ALONE_TIMES: Final = 100
"""A first call that took so much longer than the median may have done the work for all others."""
_ALONE_NS: Final = 1_000_000
"""Shorter first calls say nothing: filling the caches of the CPU and of the interpreter takes
microseconds, and without it a function may take only some tens of nanoseconds."""
_COARSE_CLOCK_S: Final = 1e-6
_UNSTABLE: Final = 2
_THROTTLED_PERCENT: Final = 1
_FEWEST_PROBES: Final = 20


def slowest(observations: Observations, collections: Sequence[int]) -> tuple[Slow, ...]:
    """Return the slowest observations, slowest first, each with its causes.

    Args:
        collections: start of each garbage collection, in ns from the start of measuring, ascending.
    """
    if not len(observations):
        return ()
    n = len(observations)
    rest = n - min(_SLOWEST_COUNT, n)
    # Only these few are sorted: a full sort would be the most expensive step for a sample.
    largest = np.argpartition(observations.wall_ns, rest)[rest:]
    order = largest[np.lexsort((largest, observations.wall_ns[largest]))][::-1]
    return tuple(_slow(observations, int(i), collections) for i in order)


def _slow(observations: Observations, position: int, collections: Sequence[int]) -> Slow:
    start, wall = int(observations.start_ns[position]), int(observations.wall_ns[position])
    attributed = int(observations.attributed_ns[position])
    causes = [
        cause
        for cause, excused_ns in observations.excused_ns.items()
        if excused_ns[position] > _WORTH_NAMING * wall
    ]
    at = bisect_left(collections, start)
    if at < len(collections) and collections[at] <= start + wall:
        causes.append(COLLECTOR)
    return Slow(position, start, wall, attributed, tuple(causes))


def pace_ns(warmup: Sequence[int]) -> int:
    """Return the median latency of the warm-up, in ns; 0 without a warm-up."""
    return int(median(warmup)) if warmup else 0


def advice_before(
    judge: SequentialJudge, plan: Plan, time_limit_ns: int, warmup: Sequence[int]
) -> Advice | None:
    """Return advice if the plan leaves no room for a pass; None if it does."""
    observations, limit = judge.least_to_pass(), judge.highest_limit
    if observations > plan.max_samples:
        return Advice.of(
            "cap-samples", limit=limit, needed=observations, max_samples=plan.max_samples
        )
    interval_ns = pace_ns(warmup)
    if not interval_ns or observations * interval_ns <= time_limit_ns:
        return None
    return Advice.of(
        "cap-time",
        limit=limit,
        needed=observations,
        fitting=time_limit_ns // interval_ns,
        time_limit_ns=time_limit_ns,
    )


def as_it_came(early: Advice | None, calls: int) -> tuple[Advice, ...]:
    """Return advice from before measuring, with the number of calls that did fit.

    Args:
        early: advice of `advice_before`.
        calls: number of calls that were made.
    """
    if early is None:
        return ()
    figures = early.figures
    if early.kind != "cap-time" or calls <= int(figures["fitting"] or 0):
        return (early,)
    return (Advice.of(early.kind, **{**figures, "fitting": calls}),)


def advice_on_long(judge: SequentialJudge, warmup: Sequence[int]) -> Advice | None:
    """Return advice if a sample will take conspicuously long; otherwise None."""
    interval_ns = pace_ns(warmup)
    observations = judge.least_to_pass()
    if observations * interval_ns <= _LONG_NS:
        return None
    label = judge.highest_limit
    return Advice.of("takes-long", limit=label, needed=observations, interval_ns=interval_ns)


def advice_on_inputs(
    inputs: Inputs | None, calls: int, verdict: Verdict | None
) -> Iterator[Advice]:
    """Yield what a verdict does not say about inputs: their order, and that some were not called.

    Args:
        calls: number of calls of the sample.
    """
    if inputs is None or verdict is None:
        return
    if inputs.endless is not None and inputs.order == "shuffled":
        yield Advice.of("inputs-in-order", inputs=ITERATOR_LIMIT)
    if verdict.outcome is Outcome.WITHIN and calls < len(inputs):
        yield Advice.of("some-inputs", called=calls, inputs=len(inputs))


def advice_before_bursts(
    judge: BurstJudge, plan: Plan, requests: int, times: int | None
) -> Advice | None:
    """Return advice if the bursts to be made leave no room for a pass; None if they do.

    Args:
        requests: number of requests of a burst.
        times: number of bursts; None for as many as a verdict takes.
    """
    bursts, limit = judge.least_to_pass()
    if times is not None:
        if bursts <= times:
            return None
        return Advice.of("few-bursts", limit=limit, needed=bursts, bursts=times)
    if bursts * requests <= plan.max_samples:
        return None
    return Advice.of(
        "cap-samples", limit=limit, needed=bursts, max_samples=plan.max_samples, requests=requests
    )


def advice_on_pace_of_bursts(
    judge: BurstJudge, requests: int, interval_ns: int, time_limit_ns: int
) -> Advice | None:
    """Return advice if the time limit leaves no room for a pass; None if it does.

    Args:
        requests: number of requests of a burst.
        interval_ns: time from one burst to the next.
    """
    bursts, limit = judge.least_to_pass()
    if bursts * interval_ns <= time_limit_ns:
        return None
    return Advice.of(
        "cap-time",
        limit=limit,
        needed=bursts,
        fitting=time_limit_ns // interval_ns,
        time_limit_ns=time_limit_ns,
        requests=requests,
    )


def advice_on_long_bursts(judge: BurstJudge, requests: int, interval_ns: int) -> Advice | None:
    """Return advice if a verdict will take conspicuously long; otherwise None."""
    bursts, limit = judge.least_to_pass()
    if bursts * interval_ns <= _LONG_NS:
        return None
    return Advice.of(
        "takes-long", limit=limit, needed=bursts, interval_ns=interval_ns, requests=requests
    )


def advice_on(
    observations: Observations,
    warmup: Sequence[int],
    probes: Sequence[int] | Nanoseconds,
    first_ns: int | None = None,
) -> tuple[Advice, ...]:
    """Return all advice about how this sample was measured.

    Args:
        first_ns: latency of the first call of the warm-up, if it called what was measured.
    """
    return (
        *_about_calls(observations),
        *_about_first_call(observations, warmup, first_ns),
        *_about_machine(probes),
    )


def advice_on_speed(
    verdict: Verdict | None, speed: SessionSpeed, times: ProbeTimes
) -> Iterator[Advice]:
    """Yield advice on what is known, or believed, of the machine's speed.

    Args:
        times: the probes of the sample.
    """
    own, known = speed.own_with(times), speed.known
    if verdict is None or known.shown(own) is None:
        return
    if known.of_limits is not None and known.is_wrong(own):
        of_limits = known.of_limits.speed
        yield Advice.of(
            "wrong-speed",
            arithmetic_ns=round(of_limits.arithmetic_ns),
            memory_ns=round(of_limits.memory_ns),
        )
    if not any(part.reason is Reason.MACHINE and part.counted for part in verdict.limits):
        return
    reference = known.reference(own)
    if reference is not None and not reference.source:
        yield Advice.of("no-reference-speed", margin=reference.margin)
    share = known.share_of_limits(own)
    if share is not None:
        yield Advice.of("slower-machine", percent=round(100 * share))


def usual_probe_ns(times: ProbeTimes) -> int | None:
    """Return the median CPU time of the arithmetic probe; None if there are too few probes."""
    return int(np.median(times.arithmetic_ns)) if len(times) >= _FEWEST_PROBES else None


def _about_calls(observations: Observations) -> Iterator[Advice]:
    if tools := tracers():
        yield Advice.of("tracer", tools=" and ".join(tool.name for tool in tools))
    throttled_ns = observations.excused_ns.get(THROTTLED, np.zeros(1)).sum()
    percent = round(100 * float(throttled_ns) / max(1, int(observations.wall_ns.sum())))
    if percent >= _THROTTLED_PERCENT:
        yield Advice.of("throttled", percent=percent)


def _about_first_call(
    observations: Observations, warmup: Sequence[int], first_ns: int | None
) -> Iterator[Advice]:
    """Yield advice if only the first call did the work, or had more to do than all others."""
    if len(observations) < _FIRST_CALL_TIMES:
        return
    median_ns = int(np.median(observations.wall_ns))
    if not warmup:
        first_ns = int(observations.wall_ns[0])
    if first_ns is None:
        return
    if first_ns >= max(_ALONE_NS, _ALONE_TIMES * median_ns):
        warmed = bool(warmup)
        yield Advice.of(
            "first-call", first_ns=first_ns, median_ns=median_ns, alone=True, warmed=warmed
        )
    elif not warmup and first_ns > _FIRST_CALL_TIMES * median_ns:
        yield Advice.of("first-call", first_ns=first_ns, median_ns=median_ns)


def _about_machine(probes: Sequence[int] | Nanoseconds) -> Iterator[Advice]:
    if own_time.get_clock_info("perf_counter").resolution > _COARSE_CLOCK_S:
        yield Advice.of("clock")
    if len(allowed_cpus()) == 1:
        yield Advice.of("single-core")
    quota = cpu_quota()
    if quota is not None and quota < 1:
        yield Advice.of("quota", cpus=quota)
    if len(probes) >= _FEWEST_PROBES:
        low, high = np.quantile(np.array(probes), (0.1, 0.9))
        if high > _UNSTABLE * low:
            yield Advice.of("unsteady-speed", factor=round(float(high / low), 2))
