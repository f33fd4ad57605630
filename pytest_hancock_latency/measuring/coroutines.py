"""Taking observations of coroutines in the running loop, one after the other.

No event loop is named: whatever runs the test runs this, asyncio or trio.
"""

from __future__ import annotations

from itertools import repeat

from .taking import Request, Taker


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
