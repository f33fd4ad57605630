"""What users give us to call, as calls without arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from ..errors import LatencyError
from .taking import Call

Function = Callable[..., Any]


def called_with(function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Call:
    """A call without arguments; the bare function where there are none, for the least cost."""
    return partial(function, *args, **kwargs) if args or kwargs else function


def is_coroutine_function(function: Any) -> bool:
    """Whether calling it gives something to await; looks through `functools.partial`."""
    while hasattr(function, "func"):  # of functools.partial
        function = function.func
    called = getattr(function, "__call__", None)  # noqa: B004 - its type is asked for, not it
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(called)


def calls_of(
    function: Function | Iterable[Function],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    requests: int | None,
) -> list[Call]:
    """The calls of a burst: one function several times, or an iterable of calls.

    Raises:
        LatencyError: there is nothing to call.
    """
    if callable(function):
        if requests is None or requests < 1:
            raise LatencyError("burst(function) needs requests=, a whole number from 1 up")
        return [called_with(function, args, kwargs)] * requests
    calls = list(function)
    if not calls:
        raise LatencyError("burst() has nothing to call: the iterable is empty")
    if requests is not None or args or kwargs:
        raise LatencyError("burst(calls) takes neither requests= nor arguments for the calls")
    return calls


def name_of(function: Function) -> str:
    """How a function is called in a report."""
    while hasattr(function, "func"):  # of functools.partial
        function = function.func
    return getattr(function, "__name__", type(function).__name__)
