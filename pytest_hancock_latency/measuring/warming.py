"""Warm-up: calls before measuring, kept in the record and never judged."""

from __future__ import annotations

import inspect
from typing import Any

from ..errors import LatencyError
from .clock import Clock
from .taking import BareTaker, Call, Request


def warm_up(call: Call, times: int, clock: Clock) -> tuple[int, ...]:
    """Latencies in ns of `times` calls.

    Raises:
        LatencyError: the call gives a coroutine, so nothing of the request would be measured.
    """
    taker, request = BareTaker(clock), Request(call, check=refuse_coroutine)
    for _ in range(times):
        taker.take(request, 1, 0)
    return taker.walls


def refuse_coroutine(answer: Any) -> None:
    """Raise LatencyError for an answer that has to be awaited: the request is not made yet."""
    if inspect.iscoroutine(answer):
        answer.close()
        raise LatencyError(
            "the call gave a coroutine that nobody awaits: "
            "pass the coroutine function itself, and await the sample"
        )
