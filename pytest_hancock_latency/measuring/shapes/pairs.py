"""Measures two requests in pairs, in random order within each pair.

Strict alternation can fall into step with other cycles, such as garbage collections.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from random import Random
from typing import Final

from ...core.judging.sequential import DELETION_WINDOW_NS
from ...core.sample import Measurement, Sample
from ...errors import hides_frame
from ..clock import Clock
from ..diagnosis import slowest
from ..plan import Plan
from ..request import Request
from ..takers import taker_for, why_bare
from ..takers.follower import Follower
from ..takers.gc_freeze import Collector
from ..takers.host_speed import Probe
from ..warming import warm_up
from .finished_load import IntendedStarts, JudgeOf, Part, parts_of

__tracebackhide__ = hides_frame

_SEED: Final = 20_200_420  # the same order in every run; the value does not matter


def measure_pairs(
    requests: tuple[Request, Request], pairs: int, plan: Plan, clock: Clock, judge_of: JudgeOf
) -> tuple[Sample, Sample]:
    """Measure both requests `pairs` times. Exceptions of a request are raised."""
    warmups = tuple(warm_up(request, plan.warmup, clock) for request in requests)
    draw = Random(_SEED)
    with ExitStack() as stack:
        stack.enter_context(Collector(clock))
        probe = Probe(clock)
        follower = stack.enter_context(Follower(clock))
        reason = why_bare(plan, min(warmups))
        kinds = [taker_for(stack, probe, follower, why_bare=reason) for _ in requests]
        takers = [taker for taker, _ in kinds]
        begin = clock()
        for _ in range(pairs):
            probe.run_if_due()
            first = draw.getrandbits(1)
            for at in (first, 1 - first):
                takers[at].take(requests[at], 1, 0)
        follower.finish()
        elapsed = clock() - begin
    parts = parts_of([(taker, IntendedStarts()) for taker in takers])
    pair = object()
    samples = (
        _sample(requests[at], parts[at], judge_of, pair, (warmups[at], elapsed, kinds[at][1]))
        for at in (0, 1)
    )
    first_sample, second_sample = (
        replace(sample, answer=taker.answer) for sample, taker in zip(samples, takers, strict=True)
    )
    return first_sample, second_sample


def _sample(
    request: Request,
    part: Part,
    judge_of: JudgeOf,
    pair: object,
    settings: tuple[tuple[int, ...], int, str | None],
) -> Sample:
    warmup_ns, elapsed_ns, why_no_bracket = settings
    observations = part.observations
    judge = judge_of(len(observations), DELETION_WINDOW_NS)
    return Sample(
        name=request.name,
        observations=observations.without_circumstances(),
        verdict=judge.verdict(observations, 0, elapsed_ns) if judge else None,
        measurement=Measurement(
            loop="pairs",
            bracket=why_no_bracket is None,
            why_no_bracket=why_no_bracket,
            warmup_ns=warmup_ns,
            elapsed_ns=elapsed_ns,
            slowest=slowest(observations, ()),
        ),
        pair=pair,
    )
