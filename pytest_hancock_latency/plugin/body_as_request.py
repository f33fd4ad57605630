"""The whole test as the request: its body is called repeatedly, its fixtures are set up once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from typing import Any

import pytest

from ..errors import hides_frame
from ..measuring.request import is_coroutine_function
from .sampler import Sampler

__tracebackhide__ = hides_frame


def measured(
    body: Callable[..., Any], sampler: Sampler, soft_failures: Callable[[], int]
) -> Callable[..., Any]:
    """Return a test body that measures the given one; a coroutine function if that is one.

    It replaces the original body for pytest, unittest, or an async plugin, whose own event loop
    then awaits all calls.

    Args:
        body: of the test.
        sampler: of the test.
        soft_failures: returns how many subtests and soft checks have failed so far.
    """
    if is_coroutine_function(body):

        @wraps(body)
        async def awaiting(*args: Any, **kwargs: Any) -> None:
            calls = _Calls(sampler, soft_failures)

            async def call() -> Any:
                with calls.noted():
                    return await body(*args, **kwargs)

            with suppress(_NoRequest):
                await sampler(call)

        return awaiting

    @wraps(body)
    def calling(*args: Any, **kwargs: Any) -> None:
        calls = _Calls(sampler, soft_failures)

        def call() -> Any:
            with calls.noted():
                return body(*args, **kwargs)

        with suppress(_NoRequest):
            sampler(call)

    return calling


class _NoRequest(BaseException):
    """The body is not to be called again."""


class _Calls:
    """The calls of one body."""

    def __init__(self, sampler: Sampler, soft_failures: Callable[[], int]) -> None:
        self._sampler = sampler
        self._soft_failures = soft_failures
        self._failures = soft_failures()
        self._calls = 0

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Note a failure of a later call, and end measuring when there is no request to measure.

        That is so if the body asked for the fixture, or if it failed in a way that raises nothing:
        a subtest or a soft check would be reported for each call.
        """
        self._calls += 1
        try:
            yield
        except Exception as error:
            _note(error, self._calls)
            raise
        if self._sampler.is_requested:
            raise _NoRequest
        if self._soft_failures() != self._failures:
            self._sampler.give_up()
            raise _NoRequest


def soft_failures_of(item: pytest.Item) -> Callable[[], int]:
    """Return what counts the failed subtests and soft checks of a session."""
    check_log = sys.modules.get("pytest_check.check_log")
    failures = getattr(check_log, "get_failures", list)
    return lambda: item.session.testsfailed + len(failures())


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
