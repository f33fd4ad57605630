"""Two requests measured in pairs, in random order within each.

Strict alternation is a trap: it locks onto rhythms such as the garbage collector's.
"""

from __future__ import annotations

from contextlib import ExitStack
from random import Random
from typing import Final

from ...core.judging.sequential import DELETION_WINDOW_NS, judged
from ...core.sample import Measurement, Sample
from ..clock import Clock
from ..diagnosis import slowest
from ..plan import Plan
from ..request import Request
from ..takers import taker_for
from ..takers.bare import Taker, warm_up
from ..takers.gc_freeze import Collector
from ..takers.host_speed import Probe
from .finished_load import JudgeOf

_SEED: Final = 20_200_420  # the same orders in every run; any number will do


def measure_pairs(
    requests: tuple[Request, Request], pairs: int, plan: Plan, clock: Clock, judge_of: JudgeOf
) -> tuple[Sample, Sample]:
    """Measure both requests `pairs` times. Whatever a request raises is raised."""
    warm = tuple(warm_up(request.call, plan.warmup, clock) for request in requests)
    draw = Random(_SEED)
    with ExitStack() as stack:
        stack.enter_context(Collector(clock))
        probe = Probe(clock)
        kinds = [
            taker_for(stack, clock, probe, min(warm), attribution=plan.attribution)
            for _ in requests
        ]
        takers = [taker for taker, _ in kinds]
        begin = clock()
        for _ in range(pairs):
            probe.run_if_due()
            first = draw.getrandbits(1)
            for at in (first, 1 - first):
                takers[at].take(requests[at], 1, 0)
        elapsed = clock() - begin
    pair = object()
    one, other = (
        _sample(requests[at], takers[at], judge_of, pair, (warm[at], elapsed, kinds[at][1]))
        for at in (0, 1)
    )
    return one, other


def _sample(
    request: Request,
    taker: Taker,
    judge_of: JudgeOf,
    pair: object,
    how: tuple[tuple[int, ...], int, str | None],
) -> Sample:
    warm, elapsed, why = how
    seen = taker.observations()
    judge = judge_of(len(seen), DELETION_WINDOW_NS)
    return Sample(
        name=request.name,
        observations=seen.without_circumstances(),
        verdict=judged(judge, seen, 0, elapsed),
        measurement=Measurement(
            loop="pairs",
            bracket=why is None,
            why_no_bracket=why,
            warmup_ns=warm,
            elapsed_ns=elapsed,
            slowest=slowest(seen, ()),
        ),
        pair=pair,
    )
