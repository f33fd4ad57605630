"""The whole test as the request: its body is called repeatedly, its fixtures are set up once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from traceback import walk_tb
from typing import Any, Final

import pytest

from ..core.advice import Advice
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

            for measure in calls.parts():
                with calls.ending():
                    await measure(call)

        return awaiting

    @wraps(body)
    def calling(*args: Any, **kwargs: Any) -> None:
        calls = _Calls(sampler, soft_failures)

        def call() -> Any:
            with calls.noted():
                return body(*args, **kwargs)

        for measure in calls.parts():
            with calls.ending():
                measure(call)

    return calling


class _NoRequest(BaseException):
    """The body is not to be called again."""


class _NotRepeatable(_NoRequest):
    """A later call of the body failed where the first had passed."""

    def __init__(self, failure: str) -> None:
        super().__init__(failure)
        self.failure = failure


class _Calls:
    """The calls of one body: the first decides the outcome of the test, whatever later ones do."""

    def __init__(self, sampler: Sampler, soft_failures: Callable[[], int]) -> None:
        self._sampler = sampler
        self._soft_failures = soft_failures
        self._failures = soft_failures()
        self._calls = 0
        self._has_ended = False

    def parts(self) -> Iterator[Callable[[Callable[..., Any]], Any]]:
        """Yield what measures the first call, then what measures those after it."""
        if self._sampler.duel_test:  # in turns with the other side, from the first call on
            yield self._sampler
            return
        yield self._sampler.first_call
        if not self._has_ended and not self._sampler.settings.is_of_one_call:
            yield self._sampler.further_calls

    @contextmanager
    def ending(self) -> Iterator[None]:
        """End measuring where the body is not to be called again."""
        try:
            yield
        except _NotRepeatable as error:
            self._has_ended = True
            self._sampler.keep_first_call(
                Advice.of("not-repeatable", call=self._calls, failure=error.failure)
            )
        except _NoRequest:
            self._has_ended = True

    @contextmanager
    def noted(self) -> Iterator[None]:
        """End measuring if there is nothing to measure, or if the body cannot be called again.

        There is nothing if the body asked for the fixture, or if its first call failed in a way
        that raises nothing: a subtest or a soft check would be reported for each call.
        """
        self._calls += 1
        self._sampler.is_called_again = self._calls > 1
        try:
            yield
        except (Exception, *_OUTCOMES) as error:
            if self._calls == 1 or _ends_the_test(error):
                raise
            raise _NotRepeatable(type(error).__name__) from error
        finally:
            self._sampler.is_called_again = False
        if self._sampler.is_requested:
            raise _NoRequest
        if self._sampler.has_failed_softly or self._soft_failures() != self._failures:
            if self._calls > 1:
                raise _NotRepeatable("a subtest or a soft check")
            self._sampler.give_up()
            raise _NoRequest


_OUTCOMES: Final = (pytest.fail.Exception, pytest.skip.Exception)
"""What pytest raises to end a test; they are no subclasses of Exception."""


def _ends_the_test(error: BaseException) -> bool:
    """Whether an exception is not about the body: the session ends, or the test ran out of time."""
    if isinstance(error, pytest.exit.Exception):
        return True
    frames = walk_tb(error.__traceback__)
    return any(frame.f_globals.get("__name__") == "pytest_timeout" for frame, _ in frames)


def soft_failures_of(item: pytest.Item) -> Callable[[], int]:
    """Return what counts the failed subtests and soft checks of a session."""
    check_log = sys.modules.get("pytest_check.check_log")
    failures = getattr(check_log, "get_failures", list)
    return lambda: item.session.testsfailed + len(failures())
