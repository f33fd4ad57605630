"""Measuring and judging without pytest, for notebooks and scripts: `measure` and `judge`.

They use the same loop, attribution and verdicts as tests.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final, overload

from .core.budget import LatencyBudget, parse_terms
from .core.duration import Duration, parse_duration
from .core.sample import ONE_CALLER, LoadSample, Sample
from .core.warmup import parse_warmup
from .errors import BudgetError, DurationError, LatencyError, NothingMeasured, hides_frame, read_as
from .judging.bursts import BurstJudge
from .judging.sequential import DELETION_WINDOW_NS, Policy, SequentialJudge
from .measuring.answers import require_finish
from .measuring.clock import system_clock
from .measuring.inputs import NOT_GIVEN
from .measuring.plan import DEFAULT_SAMPLES, DEFAULT_WARMUP, Plan
from .measuring.request import (
    AnswerT,
    Check,
    Failures,
    FailureT,
    Finish,
    FinishedT,
    Function,
    Target,
    call_with,
    name_of,
    require_function,
)
from .measuring.shapes.closed_loop import ClosedLoop
from .measuring.shapes.finished_load import SampleT, deletion_window_ns
from .measuring.tracers import slowness

__tracebackhide__ = hides_frame

SAMPLES: Final = 1_000
"""Enough for a clear p99, which takes 366 calls if none is over the limit."""
_OF_A_TEST: Final = (
    *("name", "warmup", "samples", "max_samples", "time_limit", "strict", "regression"),
)


@overload
def measure(
    function: Callable[..., Awaitable[AnswerT]],
    /,
    *args: object,
    finish: Callable[[Any], Any],
    inputs: Iterable[object] | None = ...,
    order: object = ...,
    name: str = ...,
    check: Callable[[Any], object] | None = ...,
    failures: tuple[type[FailureT], ...] = ...,
    samples: int = ...,
    warmup: int | str = ...,
    time_limit: Duration = ...,
    attribution: bool = ...,
    **kwargs: object,
) -> Coroutine[Any, Any, Sample[Any]]: ...


@overload
def measure(  # type: ignore[overload-overlap]  # coroutine functions come first
    function: Callable[..., AnswerT],
    /,
    *args: object,
    finish: Callable[[Any], Awaitable[FinishedT]],
    inputs: Iterable[object] | None = ...,
    order: object = ...,
    name: str = ...,
    check: Callable[[FinishedT], object] | None = ...,
    failures: tuple[type[FailureT], ...] = ...,
    samples: int = ...,
    warmup: int | str = ...,
    time_limit: Duration = ...,
    attribution: bool = ...,
    **kwargs: object,
) -> Coroutine[Any, Any, Sample[FinishedT | FailureT]]: ...


@overload
def measure(
    function: Callable[..., AnswerT],
    /,
    *args: object,
    finish: Callable[[Any], FinishedT],
    inputs: Iterable[object] | None = ...,
    order: object = ...,
    name: str = ...,
    check: Callable[[FinishedT], object] | None = ...,
    failures: tuple[type[FailureT], ...] = ...,
    samples: int = ...,
    warmup: int | str = ...,
    time_limit: Duration = ...,
    attribution: bool = ...,
    **kwargs: object,
) -> Sample[FinishedT | FailureT]: ...


@overload
def measure(  # type: ignore[overload-overlap]  # coroutine functions come first
    function: Callable[..., Awaitable[AnswerT]],
    /,
    *args: object,
    inputs: Iterable[object] | None = ...,
    order: object = ...,
    name: str = ...,
    check: Callable[[AnswerT], object] | None = ...,
    finish: None = ...,
    failures: tuple[type[FailureT], ...] = ...,
    samples: int = ...,
    warmup: int | str = ...,
    time_limit: Duration = ...,
    attribution: bool = ...,
    **kwargs: object,
) -> Coroutine[Any, Any, Sample[AnswerT | FailureT]]: ...


@overload
def measure(
    function: Callable[..., AnswerT],
    /,
    *args: object,
    inputs: Iterable[object] | None = ...,
    order: object = ...,
    name: str = ...,
    check: Callable[[AnswerT], object] | None = ...,
    finish: None = ...,
    failures: tuple[type[FailureT], ...] = ...,
    samples: int = ...,
    warmup: int | str = ...,
    time_limit: Duration = ...,
    attribution: bool = ...,
    **kwargs: object,
) -> Sample[AnswerT | FailureT]: ...


def measure(  # noqa: PLR0913 - each is a word of its own, by name only
    function: Function,
    /,
    *args: Any,
    inputs: Iterable[Any] | None = None,
    order: Any = NOT_GIVEN,
    name: str = "",
    check: Check | None = None,
    finish: Finish | None = None,
    failures: Failures = (),
    samples: int = SAMPLES,
    warmup: int | str = DEFAULT_WARMUP,
    time_limit: Duration = "5s",
    attribution: bool = True,
    **kwargs: Any,
) -> Sample | Coroutine[Any, Any, Sample]:
    """Call `function(*args, **kwargs)` repeatedly, one call after another.

    Args:
        inputs: each call gets the next one after `args`, starting over after the last.
        order: of the inputs: "shuffled" or "given", as in a test.
        name: name of the sample; by default that of the function.
        check: checks each return value outside the timed window; if it returns something false (but
            not None) or raises AssertionError, the call is a failure and not an observation.
        finish: called with each return value inside the timed window, as in ``finish=list``; what
            it returns takes the place of the return value, also for `check`. For a coroutine
            function, it may be one, too.
        failures: exceptions that count as failed requests; any other is raised at once.
        samples: number of calls to measure.
        warmup: calls before measuring, a time such as ``"2s"``, or ``"auto"``: until latency is
            steady.
        time_limit: measuring ends with the call during which it expires, such as ``"5s"``.
        attribution: whether to measure the time the machine took of each call.

    Returns:
        The `Sample`, not judged; for a coroutine function, an awaitable of it.

    Raises:
        LatencyError: an argument is invalid, or return values would have to be awaited or iterated.

    >>> measure(sorted, [3, 1, 2], samples=200).n
    200

    For a coroutine function: ``await measure(fetch, "/health")``.
    """
    require_function(function, "measure")
    require_finish(finish, "measure")
    _require_count(samples)
    plan = Plan(
        warmup=read_as("warmup", DurationError, parse_warmup, warmup),
        samples=samples,
        max_samples=samples,
        time_limit_ns=read_as("time_limit", DurationError, parse_duration, time_limit),
        attribution=attribution,
    )
    call = call_with(function, args, kwargs, inputs, order)
    target = Target(function, call, name or name_of(function), check, failures, finish)
    measured = ClosedLoop(plan, system_clock).run(target, lambda: None)
    return measured if isinstance(measured, Sample) else measured()


def judge(sample: SampleT, budget: Mapping[str, Any] | LatencyBudget) -> SampleT:
    """Return the sample judged by a budget, replacing any earlier verdict.

    Args:
        budget: keywords as for `latency_budget`: percentiles, ``max``, ``errors``, ``least_time``;
            numbers are milliseconds.

    Returns:
        The sample with its `verdict`; its `within` is true if the budget holds.

    Raises:
        BudgetError: the budget is invalid.
        NothingMeasured: the sample has neither observations nor failures.

    >>> judge(measure(sorted, [3, 1, 2]), {"p50": "1s"}).within
    True
    """
    limits = budget if isinstance(budget, LatencyBudget) else _budget(budget)
    if not sample.n and not sample.failed:
        raise NothingMeasured(f"{sample.name!r} has no observations to judge")
    elapsed_ns = sample.measurement.elapsed_ns
    is_of_one = sample.measurement.loop in ONE_CALLER
    policy = Policy(
        least=min(DEFAULT_SAMPLES, max(1, sample.n)),
        most=max(1, sample.n),
        window_ns=DELETION_WINDOW_NS if is_of_one else deletion_window_ns(elapsed_ns),
        slowness=slowness(),
    )
    if isinstance(sample, LoadSample) and sample.bursts:
        judge_of_bursts = BurstJudge(limits, policy)
        judge_of_bursts.add_all(sample.observations, sample.bursts)
        verdict = judge_of_bursts.verdict()
    else:
        verdict = SequentialJudge(limits, policy).verdict(
            sample.observations, sample.failed, elapsed_ns
        )
    return replace(sample, verdict=verdict)


def _require_count(samples: object) -> None:
    if isinstance(samples, bool) or not isinstance(samples, int) or samples < 1:
        raise LatencyError(f"samples={samples!r} must be a whole number of at least 1")


def _budget(keywords: object) -> LatencyBudget:
    if not isinstance(keywords, Mapping):
        raise BudgetError(
            f"budget={keywords!r} is not a mapping such as {{'p50': 10, 'p99': '50ms'}}"
        )
    for keyword in _OF_A_TEST:
        if keyword in keywords:
            raise BudgetError(
                f"{keyword} is only for tests: judge() accepts limits, errors and least_time"
            )
    return parse_terms(keywords).budget()
