"""Requests of a load: their answers in order, their failures apart.

Under a load an exception is an answer like others: the request failed. Its class of failure is the
name of its type. One that timed out is counted as a failure and as an observation as well, for the
time that it took: leaving out the slowest requests would flatter the latency.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle, islice, repeat
from typing import Any, Final

from ..errors import LatencyError, hides_frame

__tracebackhide__ = hides_frame

Call = Callable[[], Any]
Check = Callable[[Any], Any]
Function = Callable[..., Any]
Failures = tuple[type[Exception], ...]
"""Exceptions that are failed requests; whatever else a request raises is raised."""
MOST_INPUTS: Final = 1_000_000
"""More than a sample ever calls; an iterable that has more of them may have no end."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is measured: a call without arguments, the sample's name, a check of its answers."""

    call: Call
    name: str = ""
    check: Check | None = None
    turns: tuple[Call, ...] = ()
    """Calls that take turns, from the first one on; where there are none, it is always `call`."""
    _next: Iterator[Call] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_next", cycle(self.turns) if self.turns else repeat(self.call))

    def calls(self, count: int) -> Iterator[Call]:
        """The next calls, picked one by one, between two timed windows."""
        return islice(self._next, count)

    def warming_up(self, check: Check | None = None) -> Request:
        """The same calls from the first one on, their answers only looked at by this check."""
        return Request(self.call, check=check, turns=self.turns)

    @property
    def is_checked(self) -> bool:
        """Whether answers are to be looked at."""
        return self.check is not None

    def why_failed(self, answer: Any) -> str | None:
        """The class of failure of an answer, or None where the check is content.

        A check fails an answer by returning something false (but not None) or by an
        AssertionError.
        """
        if self.check is None:
            return None
        try:
            outcome = self.check(answer)
        except AssertionError as error:
            text = str(error).partition("\n")[0]
            return f"check: {text}" if text else "check: AssertionError"
        return None if outcome is None or outcome else f"check: returned {outcome!r}"

    def is_observed(self, answer: Any) -> bool:
        """Whether a failed request is an observation all the same."""
        return False


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
        call, answers = attempting(self.load.calls[position], (Exception,)), self.answers

        def attempt() -> Any:
            answers[position] = answer = call()
            return answer

        return Attempted(attempt, self.load.name, after(refuse_unfinished, self.load.check))

    def coroutine(self, position: int) -> Request:
        """The same for a coroutine function."""
        call, answers = attempting_coroutine(self.load.calls[position], (Exception,)), self.answers

        async def attempt() -> Any:
            answers[position] = answer = await call()
            return answer

        return Attempted(attempt, self.load.name, self.load.check)


def attempting(call: Call, failures: Failures) -> Call:
    """A call that gives these exceptions instead of raising them."""

    def attempt() -> Any:
        try:
            return call()
        except failures as error:
            return error

    return attempt


def attempting_coroutine(call: Call, failures: Failures) -> Call:
    """The same for a call whose answer is awaited."""

    async def attempt() -> Any:
        try:
            return await call()
        except failures as error:
            return error

    return attempt


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


@dataclass(frozen=True, slots=True)
class Target:
    """What one sample measures, before it is known whether its answers are awaited."""

    function: Function
    calls: Sequence[Call]
    name: str = ""
    check: Check | None = None
    failures: Failures = ()

    def request(self, *, offers_unfinished: bool) -> Request:
        """Of a plain function. offers_unfinished: raise `Unfinished` for answers to await."""
        check = after(offer_unfinished, self.check) if offers_unfinished else self.check
        return self._request(attempting, check)

    def awaited_request(self) -> Request:
        """Of a function whose answers are awaited."""
        return self._request(attempting_coroutine, self.check)

    def _request(self, attempt: Callable[[Call, Failures], Call], check: Check | None) -> Request:
        calls, kind = self.calls, Request
        if self.failures:
            calls, kind = [attempt(call, self.failures) for call in calls], Attempted
        return kind(calls[0], self.name, check, tuple(calls) if len(calls) > 1 else ())


def calls_with(
    function: Function,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    inputs: Iterable[Any] | None,
) -> list[Call]:
    """The calls of a sample: one, or one for each input, which comes after the arguments.

    Raises:
        LatencyError: no inputs, too many, or a single text.
    """
    if inputs is None:
        return [called_with(function, args, kwargs)]
    if isinstance(inputs, str | bytes) or not isinstance(inputs, Iterable):
        raise LatencyError(
            f"inputs={inputs!r} is not a list of inputs: write sample(function, inputs=[...])"
        )
    arguments = list(islice(inputs, MOST_INPUTS + 1))
    if not arguments:
        raise LatencyError("inputs= is empty: sample(function, inputs=...) needs at least one")
    if len(arguments) > MOST_INPUTS:
        raise LatencyError(f"inputs= has more than {MOST_INPUTS} inputs, or is infinite")
    return [partial(function, *args, argument, **kwargs) for argument in arguments]


def called_with(function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Call:
    """A call without arguments; the bare function where there are none, for the least cost."""
    return partial(function, *args, **kwargs) if args or kwargs else function


def is_coroutine_function(function: Any) -> bool:
    """Whether it is declared as one; looks through `functools.partial`.

    What is not may still give something to await, which only a call shows: see `Unfinished`.
    """
    function = _unwrapped(function)
    call_method = getattr(function, "__call__", None)  # noqa: B004 - its type is asked for, not it
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call_method)


def require_function(function: object, caller: str) -> None:
    """Raise LatencyError for anything but a function, such as the answer of one.

    caller: the name of what was called with it, for the message.
    """
    kind = type(function)
    if callable(function) and not hasattr(kind, "status_code"):  # Werkzeug's answers are callable
        return
    if inspect.iscoroutine(function):
        function.close()
    raise LatencyError(
        f"{caller}() needs a function, not {_kind_of(function)}: pass the function and its "
        f"arguments, not its return value, as in {caller}(client.get, '/health')"
    )


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
            raise LatencyError("burst(function) needs requests=, a whole number of at least 1")
        return [called_with(function, args, kwargs)] * requests
    calls = list(function)
    if not calls:
        raise LatencyError("burst() has nothing to call: the iterable is empty")
    if requests is not None or args or kwargs:
        raise LatencyError("burst(calls) takes neither requests= nor arguments for the calls")
    return calls


def name_of(function: Function) -> str:
    """How a function is called in a report."""
    function = _unwrapped(function)
    name = getattr(function, "__name__", None)  # a proxy may give anything for it
    return name if isinstance(name, str) else type(function).__name__


def _unwrapped(function: Any) -> Any:
    """The function inside `functools.partial`, and nothing else.

    A mock has every attribute that it is asked for, so only the type tells.
    """
    while isinstance(function, partial):
        function = function.func
    return function


class Unfinished(LatencyError):
    """The answer of a call is something that has not run yet: to await, or to iterate."""

    def __init__(self, message: str, answer: Any, *, can_be_awaited: bool) -> None:
        super().__init__(message)
        self.answer = answer
        self.can_be_awaited = can_be_awaited

    def discard(self) -> None:
        """Drop the answer without a warning that nobody awaited it."""
        if inspect.iscoroutine(self.answer) or inspect.isgenerator(self.answer):
            self.answer.close()
        elif callable(cancel := getattr(self.answer, "cancel", None)):  # of a task
            cancel()


def offer_unfinished(answer: Any) -> None:
    """Raise `Unfinished` for an answer that has not run yet, whose latency is that of nothing."""
    if inspect.isawaitable(answer):
        raise Unfinished(
            f"the call returned {_kind_of(answer)} that is never awaited: nothing was measured. "
            "Write `await sample(...)` in an async test; bursts and rates need a function declared "
            "with `async def`",
            answer,
            can_be_awaited=True,
        )
    if inspect.isgenerator(answer) or inspect.isasyncgen(answer):
        raise Unfinished(
            f"the call returned {_kind_of(answer)} that is never iterated: none of its code ran. "
            "Measure a function that consumes it, such as `lambda: list(stream())`",
            answer,
            can_be_awaited=False,
        )


def refuse_unfinished(answer: Any) -> None:
    """The same where nobody could await the answer: it is discarded."""
    try:
        offer_unfinished(answer)
    except Unfinished as unfinished:
        unfinished.discard()
        raise


def after(first: Check, check: Check | None) -> Check:
    """A check that does both, the first one before the other, if there is one."""
    if check is None:
        return first

    def both(answer: Any) -> Any:
        first(answer)
        return check(answer)

    return both


def _kind_of(answer: Any) -> str:
    """``a coroutine``, ``an async_generator``, ``a Future``."""
    name = type(answer).__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"
