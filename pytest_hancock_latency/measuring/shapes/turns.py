"""Two requests measured in turns: several calls of one, then several of the other, in random order.

Strict alternation is a trap: it locks onto rhythms such as the garbage collector's. The first call
of a turn is not counted: the other request has just filled the caches with something else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fractions import Fraction
from math import inf
from random import Random
from typing import TYPE_CHECKING, Final

from ...core.budget import AUTO_TIME
from ...core.duration import NS_PER_S
from ...core.late_numpy import np
from ...core.paired import TURN, Pair, is_decided, log_ratios
from ...core.sample import Measurement, Observations, Sample
from ...errors import hides_frame
from ...judging.sequential import DELETION_WINDOW_NS
from ..clock import NEVER, Clock
from ..diagnosis import slowest
from ..plan import Plan
from ..request import Request
from ..takers import taker_for, why_bare
from ..takers.bare import Taker
from ..takers.follower import Follower
from ..takers.gc_freeze import Collector
from ..takers.probes import Probes
from ..warming import warm_up
from .finished_load import IntendedStarts, JudgeOf, parts_of

if TYPE_CHECKING:
    from ...core.attribution import Nanoseconds

__tracebackhide__ = hides_frame

_SEED: Final = 20_200_420  # the same orders in every run; any number will do
_DROPPED: Final = 1
"""Calls at the beginning of a turn that are not counted."""
_CALLS: Final = _DROPPED + TURN
"""Calls of a turn."""


@dataclass(frozen=True, slots=True)
class TurnPlan:
    """When there are enough turns."""

    most: int = 20
    """TurnPlan of each request."""
    least: int = 5
    """TurnPlan of each request, however long they take."""
    longest_s: float = inf
    """No further turns begin after this time."""


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredInTurns:
    """What was measured of one of the two requests."""

    observations: Observations
    """Those that count, in order."""
    taker: Taker
    warmup_ns: tuple[int, ...]
    elapsed_ns: int
    why_no_bracket: str | None


def measure_in_turns(  # noqa: PLR0913 - all by name but the first
    requests: tuple[Request, Request],
    *,
    turns: TurnPlan,
    plan: Plan,
    clock: Clock,
    draw: Random,
    is_enough: Callable[[tuple[Nanoseconds, Nanoseconds]], bool] = lambda _: False,
) -> tuple[MeasuredInTurns, MeasuredInTurns]:
    """Measure both until there is enough; a failed request ends it. Whatever one raises is raised.

    Args:
        is_enough: returns whether to stop, from both attributed latencies so far in ns, each of
            shape (turns, counted calls).
    """
    longest_ns = plan.longest_warmup_ns // len(requests)
    warmups = tuple(warm_up(request, plan.warmup, clock, longest_ns) for request in requests)
    with ExitStack() as stack:
        stack.enter_context(Collector(clock))
        probes = Probes(clock)
        follower = stack.enter_context(Follower(clock))
        reason = why_bare(plan, min(warmups))
        pairs = [taker_for(stack, probes, follower, plan.speed, why_bare=reason) for _ in requests]
        takers = [taker for taker, _ in pairs]
        begin = clock()
        for number in range(turns.most):
            if number >= turns.least and clock() - begin > turns.longest_s * NS_PER_S:
                break
            probes.run_if_due()
            first = draw.getrandbits(1)
            for at in (first, 1 - first):
                _take_turn(takers[at], requests[at], _CALLS)
            if any(taker.failures for taker in takers):
                break
            if is_enough(_by_turn([taker.observations() for taker in takers])):
                break
        follower.finish()
        elapsed = clock() - begin
    parts = parts_of([(taker, IntendedStarts()) for taker in takers])
    first_measured, second_measured = (
        MeasuredInTurns(_counted(part.observations), taker, tuple(warmup), elapsed, why_no_bracket)
        for part, (taker, why_no_bracket), warmup in zip(parts, pairs, warmups, strict=True)
    )
    return first_measured, second_measured


def measure_pairs(  # noqa: PLR0913 - all by name but the first
    requests: tuple[Request, Request],
    *,
    most_turns: int,
    by: Fraction,
    plan: Plan,
    clock: Clock,
    judge_of: JudgeOf,
) -> tuple[Sample, Sample]:
    """Measure both in turns until it is known whether the first is faster than the second.

    Args:
        most_turns: maximum number of turns of each.
        by: the question is whether the first is faster by more than this share.
    """
    limit_ns = plan.longest_ns if plan.time_limit_ns == AUTO_TIME else plan.time_limit_ns
    turns = TurnPlan(most=most_turns, longest_s=limit_ns / NS_PER_S)

    def is_enough(latencies: tuple[Nanoseconds, Nanoseconds]) -> bool:
        return is_decided(log_ratios(*latencies), by)

    measured = measure_in_turns(
        requests,
        turns=turns,
        plan=plan,
        clock=clock,
        draw=Random(_SEED),
        is_enough=is_enough,
    )
    key = object()
    first_sample, second_sample = (
        _sample(request, part, judge_of, Pair(key, part.observations.comparable_ns))
        for request, part in zip(requests, measured, strict=True)
    )
    return first_sample, second_sample


def _take_turn(taker: Taker, request: Request, calls: int) -> None:
    end = len(taker) + calls
    while len(taker) < end and not taker.failures:  # a call that blocks ends the tight loop
        taker.take(request, end - len(taker), NEVER)


def _by_turn(pair: Sequence[Observations]) -> tuple[Nanoseconds, Nanoseconds]:
    first, second = (
        observations.comparable_ns.reshape(-1, _CALLS)[:, _DROPPED:] for observations in pair
    )
    return first, second


def _counted(observations: Observations) -> Observations:
    """Without the calls of each turn that do not count."""
    is_counted = np.arange(len(observations)) % _CALLS >= _DROPPED
    return Observations(
        wall_ns=observations.wall_ns[is_counted],
        attributed_ns=observations.attributed_ns[is_counted],
        start_ns=observations.start_ns[is_counted],
        excused_ns={cause: ns[is_counted] for cause, ns in observations.excused_ns.items()},
    )


def _sample(request: Request, measured: MeasuredInTurns, judge_of: JudgeOf, pair: Pair) -> Sample:
    observations = measured.observations
    judge = judge_of(request.name, len(observations), DELETION_WINDOW_NS)
    sample = Sample(
        name=request.name,
        observations=observations.without_circumstances(),
        verdict=judge.verdict(observations, 0, measured.elapsed_ns) if judge else None,
        measurement=Measurement(
            loop="pairs",
            bracket=measured.why_no_bracket is None,
            why_no_bracket=measured.why_no_bracket,
            warmup_ns=measured.warmup_ns,
            elapsed_ns=measured.elapsed_ns,
            slowest=slowest(observations, ()),
            advice=request.look.advice,
        ),
        pair=pair,
    )
    return replace(sample, answer=measured.taker.answer)
