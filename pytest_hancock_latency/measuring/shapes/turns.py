"""Requests measured in turns: several calls of one, then several of another, in random order.

Strict alternation is a trap: it locks onto rhythms such as the garbage collector's. The first call
of a turn is not counted: the other request has just filled the caches with something else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fractions import Fraction
from math import inf
from random import Random
from typing import TYPE_CHECKING, Final, Self

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

SEED: Final = 20_200_420  # the same orders in every run; any number will do


@dataclass(frozen=True, slots=True)
class TurnPlan:
    """When there are enough turns."""

    most: int = 20
    """Turns of each request."""
    least: int = 5
    """Turns of each request, however long they take."""
    longest_s: float = inf
    """No further turns begin after this time."""


@dataclass(frozen=True, slots=True)
class Turn:
    """The calls of one turn of a request."""

    counted: int = TURN
    """Calls that count."""
    dropped: int = 1
    """Calls at its beginning that do not count."""

    @property
    def calls(self) -> int:
        """All calls."""
        return self.dropped + self.counted

    def latencies_ns(self, observations: Observations) -> Nanoseconds:
        """Return comparable latencies in ns of those that count, of shape (turns, counted)."""
        return observations.comparable_ns.reshape(-1, self.calls)[:, self.dropped :]

    def counted_of(self, observations: Observations) -> Observations:
        """Return the observations that count."""
        is_counted = np.arange(len(observations)) % self.calls >= self.dropped
        return Observations(
            wall_ns=observations.wall_ns[is_counted],
            attributed_ns=observations.attributed_ns[is_counted],
            start_ns=observations.start_ns[is_counted],
            excused_ns={cause: ns[is_counted] for cause, ns in observations.excused_ns.items()},
        )


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredInTurns:
    """What was measured of one of the requests."""

    observations: Observations
    """Those that count, in order."""
    taker: Taker
    warmup_ns: tuple[int, ...]
    elapsed_ns: int
    why_no_bracket: str | None
    followed: tuple[str, ...] = ()


class InTurns:
    """The measuring of requests in turns: whose turn it is, and when there is enough.

    It makes no calls itself, so that functions and coroutines can share it.
    """

    def __init__(  # noqa: PLR0913 - all by name but the first
        self,
        requests: Sequence[Request],
        warmups: Sequence[tuple[int, ...]],
        *,
        turns: TurnPlan,
        plan: Plan,
        clock: Clock,
        draw: Random,
        is_enough: Callable[[Sequence[Nanoseconds]], bool] = lambda _: False,
        turn_of_each: Sequence[Turn] = (),
        why_bare: str | None,
    ) -> None:
        """Prepare all requests.

        Args:
            warmups: latencies of their warm-ups in ns.
            why_bare: why calls are not worth a bracket; None if they are. All have one or none has,
                so that they can be compared.
            turn_of_each: the calls of a turn of each request; by default six for all.
            is_enough: returns whether to stop, from the comparable latencies of each request so far
                in ns, of shape (turns, counted calls).
        """
        self._requests, self._warmups = requests, warmups
        self._turns, self._plan, self._clock, self._draw = turns, plan, clock, draw
        self._is_enough, self._why_bare = is_enough, why_bare
        self._turn_of_each = turn_of_each or [Turn()] * len(requests)
        self._stack = ExitStack()
        self._elapsed = 0

    def __enter__(self) -> Self:
        self._stack.enter_context(Collector(self._clock))
        self._probes = Probes(self._clock)
        self._follower = self._stack.enter_context(Follower(self._clock))
        speed, reason = self._plan.speed, self._why_bare
        self._pairs = [
            taker_for(self._stack, self._probes, self._follower, speed, why_bare=reason)
            for _ in self._requests
        ]
        return self

    def __exit__(self, *raised: object) -> None:
        self._stack.close()

    def steps(self) -> Iterator[tuple[Taker, Request, int]]:
        """Yield repeatedly which taker is to take how many calls of which request."""
        turns, takers, begin = self._turns, [taker for taker, _ in self._pairs], self._clock()
        for number in range(turns.most):
            if number >= turns.least and self._clock() - begin > turns.longest_s * NS_PER_S:
                break
            self._probes.run_if_due()
            for at in self._draw.sample(range(len(takers)), len(takers)):
                end = len(takers[at]) + self._turn_of_each[at].calls
                # A call that blocks ends the tight loop of a taker early.
                while (missing := end - len(takers[at])) > 0 and not takers[at].failures:
                    yield takers[at], self._requests[at], missing
            if any(taker.failures for taker in takers):
                break
            if self._is_enough(
                [
                    turn.latencies_ns(taker.observations())
                    for turn, taker in zip(self._turn_of_each, takers, strict=True)
                ]
            ):
                break
        self._follower.finish()
        self._elapsed = self._clock() - begin

    def measured(self) -> list[MeasuredInTurns]:
        """Return what was measured of each, after the last step."""
        parts = parts_of([(taker, IntendedStarts()) for taker, _ in self._pairs])
        return [
            MeasuredInTurns(
                observations=turn.counted_of(part.observations),
                taker=taker,
                warmup_ns=warmup,
                elapsed_ns=self._elapsed,
                why_no_bracket=why_no_bracket,
                followed=self._follower.words,
            )
            for part, (taker, why_no_bracket), warmup, turn in zip(
                parts, self._pairs, self._warmups, self._turn_of_each, strict=True
            )
        ]


def measure_in_turns(  # noqa: PLR0913 - all by name but the first
    requests: tuple[Request, Request],
    *,
    turns: TurnPlan,
    plan: Plan,
    clock: Clock,
    draw: Random,
    is_enough: Callable[[Sequence[Nanoseconds]], bool] = lambda _: False,
) -> tuple[MeasuredInTurns, MeasuredInTurns]:
    """Measure both until there is enough; a failed request ends it. Whatever one raises is raised.

    Args:
        is_enough: as of `InTurns`.
    """
    longest_ns = plan.longest_warmup_ns // len(requests)
    warmups = [warm_up(request, plan.warmup, clock, longest_ns) for request in requests]
    in_turns = InTurns(
        requests,
        warmups,
        turns=turns,
        plan=plan,
        clock=clock,
        draw=draw,
        is_enough=is_enough,
        why_bare=why_bare(plan, min(warmups)),
    )
    with in_turns:
        for taker, request, calls in in_turns.steps():
            taker.take(request, calls, NEVER)
    first, second = in_turns.measured()
    return first, second


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

    def is_enough(latencies: Sequence[Nanoseconds]) -> bool:
        first, second = latencies
        return is_decided(log_ratios(first, second), by)

    measured = measure_in_turns(
        requests,
        turns=turns,
        plan=plan,
        clock=clock,
        draw=Random(SEED),
        is_enough=is_enough,
    )
    key = object()
    first_sample, second_sample = (
        _sample(request, part, judge_of, Pair(key, part.observations.comparable_ns))
        for request, part in zip(requests, measured, strict=True)
    )
    return first_sample, second_sample


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
