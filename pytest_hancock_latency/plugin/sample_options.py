"""Options of a sample that are given before its function, whose arguments are then checked.

Type checkers cannot check `args` in ``sample(function, *args, name="first")``: a `ParamSpec` allows
no keywords next to those of the function. `sample.options(name="first")` takes the keywords alone,
and returns one of the classes below, which has the method of one shape of load.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import partial
from inspect import Parameter, signature
from typing import Any, Generic, ParamSpec, TypeAlias, TypeVar, TypeVarTuple, overload

from ..core.sample import LoadSample, OpenLoopSample, Sample
from ..errors import LatencyError, did_you_mean, hides_frame
from ..measuring.inputs import Call
from ..measuring.request import AnswerT, FailureT, Function, called_with, require_function
from ..measuring.shapes.finished_load import SampleT

__tracebackhide__ = hides_frame

P = ParamSpec("P")
ArgumentT = TypeVarTuple("ArgumentT")
InputT = TypeVar("InputT")
Measured: TypeAlias = SampleT | Coroutine[Any, Any, SampleT]
"""What a shape of load returns: a sample or, for a coroutine function, a coroutine for it."""


@dataclass(frozen=True)
class ClosedLoopOptions(Generic[FailureT]):
    """Options of a closed loop."""

    measure: Callable[[Call], Measured[Sample]]

    @overload
    def __call__(  # type: ignore[overload-overlap]  # coroutine functions come first
        self, function: Callable[P, Awaitable[AnswerT]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, Sample[AnswerT | FailureT]]: ...

    @overload
    def __call__(
        self, function: Callable[P, AnswerT], /, *args: P.args, **kwargs: P.kwargs
    ) -> Sample[AnswerT | FailureT]: ...

    def __call__(self, function: Function, /, *args: Any, **kwargs: Any) -> Measured[Sample]:
        """Call `function(*args, **kwargs)` repeatedly until there is a verdict."""
        return self.measure(call_of("sample", function, args, kwargs))


@dataclass(frozen=True)
class InputOptions(Generic[InputT, FailureT]):
    """Options of a closed loop with inputs, each of which is the last argument of a call."""

    measure: Callable[[Call], Measured[Sample]]

    @overload
    def __call__(  # type: ignore[overload-overlap]  # coroutine functions come first
        self, function: Callable[[*ArgumentT, InputT], Awaitable[AnswerT]], /, *args: *ArgumentT
    ) -> Coroutine[Any, Any, Sample[AnswerT | FailureT]]: ...

    @overload
    def __call__(
        self, function: Callable[[*ArgumentT, InputT], AnswerT], /, *args: *ArgumentT
    ) -> Sample[AnswerT | FailureT]: ...

    def __call__(  # type: ignore[misc]  # mypy finds `Any` narrower than a TypeVarTuple
        self, function: Function, /, *args: Any
    ) -> Measured[Sample]:
        """Call `function(*args, input)` repeatedly until there is a verdict."""
        return self.measure(call_of("sample", function, args, {}))


@dataclass(frozen=True)
class BurstOptions:
    """Options of a burst."""

    measure: Callable[[Call], Measured[LoadSample]]

    @overload
    def burst(  # type: ignore[overload-overlap]  # coroutine functions come first
        self,
        function: Callable[P, Coroutine[Any, Any, AnswerT]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Coroutine[Any, Any, LoadSample[AnswerT]]: ...

    @overload
    def burst(
        self, function: Callable[P, AnswerT], /, *args: P.args, **kwargs: P.kwargs
    ) -> LoadSample[AnswerT]: ...

    def burst(self, function: Function, /, *args: Any, **kwargs: Any) -> Measured[LoadSample]:
        """Make calls of `function(*args, **kwargs)`, several at a time."""
        return self.measure(call_of("sample.burst", function, args, kwargs))


@dataclass(frozen=True)
class OpenLoopOptions:
    """Options of an open loop."""

    measure: Callable[[Call], Measured[OpenLoopSample]]

    @overload
    def at_rate(  # type: ignore[overload-overlap]  # coroutine functions come first
        self,
        function: Callable[P, Coroutine[Any, Any, AnswerT]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Coroutine[Any, Any, OpenLoopSample[AnswerT]]: ...

    @overload
    def at_rate(
        self, function: Callable[P, AnswerT], /, *args: P.args, **kwargs: P.kwargs
    ) -> OpenLoopSample[AnswerT]: ...

    def at_rate(self, function: Function, /, *args: Any, **kwargs: Any) -> Measured[OpenLoopSample]:
        """Start calls of `function(*args, **kwargs)` on schedule."""
        return self.measure(call_of("sample.at_rate", function, args, kwargs))


SampleOptions: TypeAlias = (
    ClosedLoopOptions[Any] | InputOptions[Any, Any] | BurstOptions | OpenLoopOptions
)


def call_of(
    caller: str, function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Call:
    """Return a call of a function with its arguments.

    Raises:
        LatencyError: it is not a function; the message names the caller.
    """
    require_function(function, caller)
    return called_with(function, args, kwargs)


def with_options(method: Function, keywords: Mapping[str, Any]) -> Function:
    """Return a method of the sampler with these keywords, which must be its own.

    Any other keyword would be passed to the function, without an error.

    Raises:
        LatencyError: the method has no such keyword.
    """
    parameters = signature(method).parameters.values()
    valid = [parameter.name for parameter in parameters if parameter.kind is Parameter.KEYWORD_ONLY]
    for name in keywords:
        if name not in valid:
            raise LatencyError(
                f"sample.options(): unknown option {name!r}{did_you_mean(name, valid)}: "
                f"must be any of {', '.join(valid)}"
            )
    return partial(method, **keywords)
