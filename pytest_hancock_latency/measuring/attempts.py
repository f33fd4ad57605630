"""Requests of a load: their answers in order, their failures apart.

Under a load an exception is an answer like others: the request failed. Its class of failure is the
name of its type. One that timed out is counted as a failure and as an observation as well, for the
time that it took: leaving out the slowest requests would flatter the latency.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .taking import Call, Check, Request
from .warming import refuse_coroutine


@dataclass(frozen=True, slots=True)
class Load:
    """Requests to be made concurrently, and what becomes of their answers."""

    calls: Sequence[Call]
    name: str = ""
    check: Check | None = None

    def attempts(self) -> Attempts:
        """A fresh place for the answers."""
        return Attempts(self, [None] * len(self.calls))


@dataclass(frozen=True, slots=True, eq=False)
class Attempts:
    """The answers so far, in the order of the calls; an exception stands for its answer."""

    load: Load
    answers: list[Any]

    def request(self, position: int) -> Request:
        """The call at a position, its answer kept."""
        call, answers = self.load.calls[position], self.answers

        def attempt() -> Any:
            try:
                answers[position] = answer = call()
            except Exception as error:
                answers[position] = answer = error
            return answer

        return Attempted(attempt, self.load.name, self.load.check or refuse_coroutine)

    def coroutine(self, position: int) -> Request:
        """The same for a coroutine function."""
        call, answers = self.load.calls[position], self.answers

        async def attempt() -> Any:
            try:
                answers[position] = answer = await call()
            except Exception as error:
                answers[position] = answer = error
            return answer

        return Attempted(attempt, self.load.name, self.load.check)


@dataclass(frozen=True, slots=True)
class Attempted(Request):
    """A request whose answer may be the exception that it raised."""

    @property
    def is_checked(self) -> bool:
        """Always: an exception has to be noticed."""
        return True

    def why_failed(self, answer: Any) -> str | None:
        """The name of the exception's type, or what the check says."""
        if isinstance(answer, Exception):
            return type(answer).__name__
        return Request.why_failed(self, answer)

    def is_observed(self, answer: Any) -> bool:
        """Whether a failed request is an observation all the same: it timed out."""
        return isinstance(answer, Exception) and _timed_out(answer)


def _timed_out(error: Exception) -> bool:
    """Client libraries have timeouts of their own, all called so."""
    kinds = (kind.__name__ for kind in type(error).__mro__)
    return isinstance(error, TimeoutError) or any("Timeout" in kind for kind in kinds)
