"""Requests to measure: their answers in order, and their failures.

In a load, an exception is an answer as well: the request failed, and the class of failure is the
name of the exception's type. A request that timed out is counted both as a failure and as an
observation with the time it took: leaving out the slowest requests would understate the latency.
"""

from __future__ import annotations

import sys
from asyncio import get_running_loop  # tests replace the attribute
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from inspect import iscoroutine, iscoroutinefunction
from itertools import islice, repeat
from typing import TYPE_CHECKING, Any

from ..errors import LatencyError, hides_frame
from .answers import Look, Unfinished, finishing, finishing_coroutine, kind_of
from .inputs import NOT_GIVEN, Call, Inputs, inputs_of
from .own_modules import own_os
from .slowing import slowed, slowed_coroutine

if TYPE_CHECKING:
    from typing import Never

    from typing_extensions import TypeVar  # type checkers know it wherever it is not installed

    FailureT = TypeVar("FailureT", bound=Exception, default=Never)
else:
    from typing import TypeVar  # has no default before Python 3.13

    FailureT = TypeVar("FailureT", bound=Exception)

__tracebackhide__ = hides_frame

AnswerT = TypeVar("AnswerT")
FinishedT = TypeVar("FinishedT")
Check = Callable[[Any], Any]
Finish = Callable[[Any], Any]
Function = Callable[..., Any]
Failures = tuple[type[Exception], ...]
"""Exceptions that count as failed requests; all others are raised."""


@dataclass(frozen=True, slots=True)
class Request:
    """A call without arguments to measure, with the sample's name and a check of its answers."""

    call: Call | Inputs
    """What is called each time, or calls with inputs, which are made in turns."""
    name: str = ""
    check: Check | None = None
    look: Look = field(default_factory=Look, compare=False)
    """The look at the first answer, of the warm-up or without one of the sample."""
    _next: Iterator[Call] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        calls = self.call if isinstance(self.call, Inputs) else repeat(self.call)
        object.__setattr__(self, "_next", iter(calls))

    def calls(self, count: int) -> Iterator[Call]:
        """Yield the next calls; each is picked outside the timed windows."""
        return islice(self._next, count)

    def warming_up(self) -> Request:
        """Return a request with the same calls from the first one on, only to be looked at."""
        return Request(self.call, check=self.look, look=self.look)

    def looked_at(self) -> Request:
        """Return the request with its look before the check; both take the same next calls.

        For a sample without a warm-up: only until the look is over, since a check costs time.
        """
        request = replace(self, check=after(self.look, self.check))
        object.__setattr__(request, "_next", self._next)
        return request

    @property
    def inputs(self) -> Inputs | None:
        """What the calls get in turns, if they differ."""
        return self.call if isinstance(self.call, Inputs) else None

    @property
    def is_checked(self) -> bool:
        """Whether answers are checked."""
        return self.check is not None

    def why_failed(self, answer: Any) -> str | None:
        """Return the class of failure of an answer; None if it passes the check.

        A check rejects an answer by returning something false (but not None) or by raising
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
        """Whether a failed request counts as an observation as well."""
        return False


@dataclass(frozen=True, slots=True)
class Load:
    """Requests to make concurrently, and how to treat their answers."""

    calls: Sequence[Call]
    name: str = ""
    check: Check | None = None
    look: Look = field(default_factory=Look, compare=False)
    """The look at the first answer that is not an exception."""

    @classmethod
    def of(  # noqa: PLR0913 - what a load consists of
        cls,
        calls: Sequence[Call],
        name: str,
        check: Check | None,
        finish: Finish | None,
        *,
        is_awaited: bool,
        slowdown: float = 0,
    ) -> Load:
        """Make a load whose answers are finished inside the timed windows, if `finish` is given.

        Args:
            slowdown: share by which each call is slowed down on purpose.
        """
        look = Look(
            is_finished=finish is not None, is_checked=check is not None, is_awaited=is_awaited
        )
        if finish is not None and is_awaited:
            calls = [finishing_coroutine(call, finish) for call in calls]
        elif finish is not None:
            before = Look() if is_in_event_loop() else None
            calls = [finishing(call, finish, before) for call in calls]
        if slowdown:
            slow = slowed_coroutine(slowdown) if is_awaited else slowed(slowdown)
            calls = [slow(call) for call in calls]
        return cls(calls, name, check, look)

    def attempts(self) -> Attempts:
        """Return an empty collection for the answers."""
        return Attempts(self, [None] * len(self.calls))


@dataclass(frozen=True, slots=True, eq=False)
class Attempts:
    """The answers so far, in call order; a failed call has its exception as its answer."""

    load: Load
    answers: list[Any]

    def request(self, position: int) -> Request:
        """Return the call at a position; its answer is kept."""
        call, answers = attempting(self.load.calls[position], (Exception,)), self.answers

        def attempt() -> Any:
            answers[position] = answer = call()
            return answer

        return self._looked_at(attempt)

    def coroutine(self, position: int) -> Request:
        """Return the call at a position, for a coroutine function."""
        call, answers = attempting_coroutine(self.load.calls[position], (Exception,)), self.answers

        async def attempt() -> Any:
            answers[position] = answer = await call()
            return answer

        return self._looked_at(attempt)

    def _looked_at(self, attempt: Call) -> Request:
        load = self.load
        return Attempted(attempt, load.name, after(load.look, load.check), look=load.look)


def attempting(call: Call, failures: Failures) -> Call:
    """Return a call that returns these exceptions instead of raising them."""

    def attempt() -> Any:
        try:
            return call()
        except Unfinished:  # an error of the test, whatever counts as a failure
            raise
        except failures as error:
            return error

    return attempt


def attempting_coroutine(call: Call, failures: Failures) -> Call:
    """Return such a call for a coroutine function."""

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
        """Always true: exceptions must be noticed."""
        return True

    def why_failed(self, answer: Any) -> str | None:
        """Return the name of the exception's type, or the result of the check."""
        if isinstance(answer, Exception):
            return type(answer).__name__
        return Request.why_failed(self, answer)

    def is_observed(self, answer: Any) -> bool:
        """Whether a failed request counts as an observation as well: if it timed out."""
        return isinstance(answer, Exception) and is_timeout(answer)


def is_timeout(error: BaseException) -> bool:
    """Whether it is a timeout; client libraries define their own, all with this name."""
    kinds = (kind.__name__ for kind in type(error).__mro__)
    return isinstance(error, TimeoutError) or any("Timeout" in kind for kind in kinds)


@dataclass(frozen=True, slots=True)
class Target:
    """The target of a sample, before it is known whether its answers must be awaited."""

    function: Function
    call: Call | Inputs
    name: str = ""
    check: Check | None = None
    failures: Failures = ()
    finish: Finish | None = None
    slowdown: float = 0
    """Share by which each call is slowed down on purpose."""

    def request(self) -> Request:
        """Make the request of a plain function; its look raises `Unfinished` with the answer."""
        look, call = self._look(refuses=False), self.call
        if self.finish is not None:
            before = Look(refuses=False) if is_in_event_loop() else None
            call = wrapped(call, partial(finishing, finish=self.finish, look=before))
        if self.slowdown:
            call = wrapped(call, slowed(self.slowdown))
        return self._request(call, attempting, look)

    def awaited_request(self) -> Request:
        """Make the request of a function whose answers are awaited."""
        look, call = self._look(is_awaited=True), self.call
        if self.finish is not None:
            call = wrapped(call, partial(finishing_coroutine, finish=self.finish))
        if self.slowdown:
            call = wrapped(call, slowed_coroutine(self.slowdown))
        return self._request(call, attempting_coroutine, look)

    def _look(self, *, refuses: bool = True, is_awaited: bool = False) -> Look:
        return Look(
            is_finished=self.finish is not None,
            is_checked=self.check is not None,
            is_awaited=is_awaited,
            refuses=refuses,
        )

    def _request(
        self, call: Call | Inputs, attempt: Callable[[Call, Failures], Call], look: Look
    ) -> Request:
        if not self.failures:
            return Request(call, self.name, self.check, look)
        attempts = wrapped(call, lambda made: attempt(made, self.failures))
        return Attempted(attempts, self.name, self.check, look)


def wrapped(call: Call | Inputs, wrap: Callable[[Call], Call]) -> Call | Inputs:
    """Return what is to be called, with every call wrapped."""
    return call.wrapped(wrap) if isinstance(call, Inputs) else wrap(call)


def call_with(
    function: Function,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    inputs: Iterable[Any] | None,
    order: Any,
) -> Call | Inputs:
    """Return what a sample calls; it passes each input after the arguments.

    Without inputs, an order is an argument of the function.

    Raises:
        LatencyError: the inputs cannot be used.
    """
    if inputs is None:
        return called_with(
            function, args, kwargs if order is NOT_GIVEN else {**kwargs, "order": order}
        )
    return inputs_of(lambda given: partial(function, *args, given, **kwargs), inputs, order)


def called_with(function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Call:
    """Return a call without arguments; the function itself if there are none, to save time."""
    return partial(function, *args, **kwargs) if args or kwargs else function


def is_coroutine_function(function: Any) -> bool:
    """Whether a function is declared with ``async def``, also inside `functools.partial`.

    Other functions may still return an awaitable, which only a call shows: see `Unfinished`.
    """
    function = _unwrapped(function)
    call_method = getattr(function, "__call__", None)  # noqa: B004 - its type is needed
    return iscoroutinefunction(function) or iscoroutinefunction(call_method)


def must_be_awaited(function: Function, finish: Finish | None) -> bool:
    """Whether the answers of a function must be awaited, as far as is known before a call.

    Raises:
        LatencyError: `finish` is a coroutine function, and nothing can await it.
    """
    if is_coroutine_function(function):
        return True
    if finish is None or not is_coroutine_function(finish):
        return False
    if is_in_event_loop():
        return True
    raise LatencyError(
        f"finish={name_of(finish)} is a coroutine function, which only an async test can await: "
        "write `await sample(...)` in one, or pass a function"
    )


def is_in_event_loop() -> bool:
    """Whether the caller runs in an asyncio or trio event loop, so that it can await answers."""
    trio = sys.modules.get("trio")
    return is_in_asyncio() or (trio is not None and bool(trio.lowlevel.in_trio_run()))


def is_in_asyncio() -> bool:
    """Whether the caller runs in an event loop of asyncio."""
    try:
        get_running_loop()
    except RuntimeError:
        return False
    return True


def require_function(function: object, caller: str) -> None:
    """Raise LatencyError unless it is a function; often it is the return value of one.

    Args:
        caller: name of the calling method, for the message.
    """
    kind = type(function)
    if callable(function) and not hasattr(kind, "status_code"):  # Werkzeug responses are callable
        return
    if iscoroutine(function):
        function.close()
    raise LatencyError(
        f"{caller}() needs a function, not {kind_of(function)}: pass the function and its "
        f"arguments, not its return value, as in {caller}(client.get, '/health')"
    )


def require_process(process: int) -> None:
    """Raise LatencyError in a child of the process, which would go on measuring, and fork again."""
    if own_os.getpid() != process:
        raise LatencyError(
            "the call forked, and its child returned from it: end the child with os._exit(), or "
            "start it with subprocess or multiprocessing"
        )


def calls_of(
    function: Function | Iterable[Function],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    requests: int | None,
) -> list[Call]:
    """Return the calls of a burst: one function several times, or an iterable of calls.

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
    """Return the name of a function for reports."""
    function = _unwrapped(function)
    name = getattr(function, "__name__", None)  # a proxy may return anything
    return name if isinstance(name, str) else type(function).__name__


def _unwrapped(function: Any) -> Any:
    """Return the function inside `functools.partial`.

    Only the type is checked, because a mock has every attribute.
    """
    while isinstance(function, partial):
        function = function.func
    return function


def after(first: Check, check: Check | None) -> Check:
    """Return a check that runs `first` and then `check`, if there is one."""
    if check is None:
        return first

    def both(answer: Any) -> Any:
        first(answer)
        return check(answer)

    return both
