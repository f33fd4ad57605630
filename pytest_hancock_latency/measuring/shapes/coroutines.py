"""Measuring coroutines one after another, in bursts, or at a rate, in the running event loop.

One after another works in any event loop, asyncio or trio. Bursts and rates use asyncio tasks. The
takers for threads have their own tight loops, which cannot await; everything else is shared.
"""

from __future__ import annotations

from asyncio import Event, Future, ensure_future, gather, sleep  # tests replace the attributes
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import count
from typing import NamedTuple

from ...core.duration import NS_PER_S
from ...errors import LatencyError, hides_frame
from ..clock import Clock
from ..plan import Plan
from ..request import Attempts, Load, Request, is_in_asyncio
from ..takers import taker_for, why_bare
from ..takers.bare import Taker
from ..takers.follower import Follower
from ..takers.probes import Probes
from .finished_load import Finished, IntendedStarts, parts_of

__tracebackhide__ = hides_frame


async def take_awaiting(taker: Taker, request: Request, count: int, until: int) -> int:
    """Take up to `count` observations of a coroutine function; return how many were taken.

    Ends early if time is up or a request fails. Nothing is awaited after the last answer.
    """
    clock, checked = taker.clock, request.is_checked
    observed = 0
    taker.has_late = False
    taker.answer = answer = None
    for call in request.calls(count):
        answer = None  # frees the previous answer outside the timed window
        opening = taker.opening()
        t0 = clock()
        answer = await call()
        t1 = clock()
        closed = taker.closing(opening, t0, t1)
        if checked and taker.refuses(request, answer, t1 - t0):
            break
        taker.keep(closed)
        observed += 1
        if t1 >= until or taker.has_late:
            break
    taker.answer = answer
    return observed


async def burst_awaiting(load: Load, concurrency: int, plan: Plan, clock: Clock) -> Finished:
    """Make a burst of coroutines: `concurrency` tasks, all released at once."""
    _require_asyncio()
    attempts, positions = load.attempts(), iter(range(len(load.calls)))
    release, finished = Event(), count()

    async def work(taker: Taker) -> None:
        await release.wait()
        for position in positions:
            if clock() >= plan.load_until_ns:
                break
            await take_awaiting(taker, attempts.coroutine(position), 1, 0)
            next(finished)

    with ExitStack() as stack:
        taker, how = _shared_taker(stack, clock, plan)
        size = min(concurrency, len(load.calls))
        tasks = [ensure_future(work(taker)) for _ in range(size)]
        await sleep(0)
        begin = clock()
        release.set()
        await _all_done(tasks)
        how.follower.finish()
    plan.require_all(len(load.calls), next(finished))
    return _finished(
        attempts, taker, IntendedStarts(), how._replace(begin=begin, concurrency=concurrency)
    )


async def at_rate_awaiting(load: Load, starts: Sequence[int], plan: Plan, clock: Clock) -> Finished:
    """Make an open loop of coroutines: a task for each request, at its intended start."""
    _require_asyncio()
    attempts, intended = load.attempts(), IntendedStarts(is_queue=False)

    async def work(taker: Taker, position: int, due: int, woken_late: int) -> None:
        if await take_awaiting(taker, attempts.coroutine(position), 1, 0):
            intended.add(due, woken_late)

    with ExitStack() as stack:
        taker, how = _shared_taker(stack, clock, plan)
        begin = clock()
        tasks = []
        for position, start in enumerate(starts):
            waited = taker.waited_ns()
            early = begin + start - clock()
            await sleep(max(0, early) / NS_PER_S)
            woken_late = taker.waited_ns() - waited
            tasks.append(ensure_future(work(taker, position, begin + start, woken_late)))
        await _all_done(tasks)
        how.follower.finish()
    return _finished(attempts, taker, intended, how._replace(begin=begin))


def _require_asyncio() -> None:
    if not is_in_asyncio():
        raise LatencyError("bursts and rates of coroutines need a running asyncio event loop")


class _How(NamedTuple):
    """The circumstances of a load of coroutines."""

    follower: Follower
    why_no_bracket: str | None
    begin: int = 0
    concurrency: int = 0


def _shared_taker(stack: ExitStack, clock: Clock, plan: Plan) -> tuple[Taker, _How]:
    """Return one taker for all tasks, because one thread runs them."""
    follower = stack.enter_context(Follower(clock))
    reason = why_bare(plan, ())
    if reason is None:
        follower.start()
    probes = Probes(clock)
    taker, why_no_bracket = taker_for(
        stack, probes, follower, plan.speed, follows=True, why_bare=reason
    )
    return taker, _How(follower, why_no_bracket)


async def _all_done(tasks: Sequence[Future[None]]) -> None:
    try:
        await gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


def _finished(attempts: Attempts, taker: Taker, intended: IntendedStarts, how: _How) -> Finished:
    return Finished(
        name=attempts.load.name,
        parts=parts_of([(taker, intended)]),
        begin=how.begin,
        elapsed_ns=taker.clock() - how.begin,
        failures=dict(taker.failures),
        answers=tuple(attempts.answers),
        concurrency=how.concurrency,
        why_no_bracket=how.why_no_bracket,
        followed=how.follower.words,
        advice=attempts.load.look.advice,
    )
