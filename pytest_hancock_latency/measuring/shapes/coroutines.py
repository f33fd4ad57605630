"""Bursts and open loops of coroutines, as asyncio tasks of the running loop."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import repeat

from ...core.duration import NS_PER_S
from ...errors import LatencyError
from ..clock import Clock
from ..plan import Plan
from ..request import Attempts, Load, Request
from ..takers import taker_for
from ..takers.bare import Taker
from ..takers.host_speed import Probe
from .finished_load import Finished, Pace, part_of


async def _take_one(taker: Taker, request: Request) -> bool:
    """One observation of a load; whether it is one. Nothing is awaited after its answer."""
    opening = taker.opening()
    t0 = taker.clock()
    answer = await request.call()
    t1 = taker.clock()
    closed = taker.closing(opening, t0, t1)
    if taker.refuses(request, answer):
        return False
    taker.keep(closed)
    return True


async def burst_awaiting(load: Load, concurrency: int, plan: Plan, clock: Clock) -> Finished:
    """The burst of coroutines: `concurrency` tasks, all released at once."""
    _require_asyncio()
    attempts, positions = load.attempts(), iter(range(len(load.calls)))
    release = asyncio.Event()

    async def work(taker: Taker) -> None:
        await release.wait()
        for position in positions:
            await _take_one(taker, attempts.coroutine(position))

    with ExitStack() as stack:
        taker, why = _shared_taker(stack, clock, plan)
        size = min(concurrency, len(load.calls))
        tasks = [asyncio.ensure_future(work(taker)) for _ in range(size)]
        await asyncio.sleep(0)
        begin = clock()
        release.set()
        await _all_done(tasks)
    return _finished(load, attempts, taker, Pace(), (begin, concurrency, why))


async def at_rate_awaiting(load: Load, starts: Sequence[int], plan: Plan, clock: Clock) -> Finished:
    """The open loop of coroutines: a task for each request, at its intended start."""
    _require_asyncio()
    attempts, pace = load.attempts(), Pace()

    async def work(taker: Taker, position: int, due: int, late: int) -> None:
        if await _take_one(taker, attempts.coroutine(position)):
            pace.due.append(due)
            pace.woken_late.append(late)

    with ExitStack() as stack:
        taker, why = _shared_taker(stack, clock, plan)
        begin = clock()
        tasks = []
        for position, start in enumerate(starts):
            waited = taker.waited_ns()
            early = begin + start - clock()
            await asyncio.sleep(max(0, early) / NS_PER_S)
            late = taker.waited_ns() - waited
            tasks.append(asyncio.ensure_future(work(taker, position, begin + start, late)))
        await _all_done(tasks)
    return _finished(load, attempts, taker, pace, (begin, 0, why))


def _require_asyncio() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise LatencyError("bursts and rates of coroutines need a running asyncio loop") from None


def _shared_taker(stack: ExitStack, clock: Clock, plan: Plan) -> tuple[Taker, str | None]:
    return taker_for(stack, clock, Probe(clock), (), attribution=plan.attribution)


async def _all_done(tasks: Sequence[asyncio.Future[None]]) -> None:
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


def _finished(
    load: Load,
    attempts: Attempts,
    taker: Taker,
    pace: Pace,
    how: tuple[int, int, str | None],
) -> Finished:
    begin, concurrency, why = how
    return Finished(
        name=load.name,
        parts=[part_of(taker, pace)],
        begin=begin,
        elapsed_ns=taker.clock() - begin,
        failures=dict(taker.failures),
        answers=tuple(attempts.answers),
        concurrency=concurrency,
        why_no_bracket=why,
    )


async def take_awaiting(taker: Taker, request: Request, count: int, until: int) -> None:
    """Take up to `count` observations of a coroutine function, one after the other."""
    clock, call, checked = taker.clock, request.call, request.is_checked
    for _ in repeat(None, count):
        opening = taker.opening()
        t0 = clock()
        answer = await call()
        t1 = clock()
        closed = taker.closing(opening, t0, t1)
        if checked and taker.refuses(request, answer):
            return
        del answer  # freed here, not inside the next window
        taker.keep(closed)
        if t1 >= until:
            return
