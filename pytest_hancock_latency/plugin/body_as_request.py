"""The whole test as the request: its body is called repeatedly, its fixtures are set up once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

from ..errors import hides_frame
from ..measuring.request import is_coroutine_function
from .sampler import Sampler

__tracebackhide__ = hides_frame


def measured(body: Callable[..., Any], sampler: Sampler) -> Callable[..., Any]:
    """Return a test body that measures the given one; a coroutine function if that is one.

    It replaces the original body for pytest, unittest, or an async plugin, whose own event loop
    then awaits all calls.
    """
    if is_coroutine_function(body):

        @wraps(body)
        async def awaiting(*args: Any, **kwargs: Any) -> None:
            await sampler(_noting_coroutine(partial(body, *args, **kwargs)))

        return awaiting

    @wraps(body)
    def calling(*args: Any, **kwargs: Any) -> None:
        sampler(_noting(partial(body, *args, **kwargs)))

    return calling


def _noting(body: Callable[[], Any]) -> Callable[[], Any]:
    calls = 0

    def noted() -> Any:
        nonlocal calls
        calls += 1
        try:
            return body()
        except Exception as error:
            _note(error, calls)
            raise

    return noted


def _noting_coroutine(body: Callable[[], Any]) -> Callable[[], Any]:
    calls = 0

    async def noted() -> Any:
        nonlocal calls
        calls += 1
        try:
            return await body()
        except Exception as error:
            _note(error, calls)
            raise

    return noted


def _note(error: Exception, calls: int) -> None:
    """Add a note to a failure that did not occur in the first call."""
    if calls > 1:
        error.add_note(
            f"This was call no. {calls} of the test body; earlier calls passed. A test with a "
            "latency budget and no sampling fixture is called repeatedly, with its fixtures set up "
            "once. If it cannot be, measure only the request: sample(function, ...), or a single "
            "run: "
            '@latency_budget(max="2s", warmup=0, samples=1, max_samples=1).'
        )
