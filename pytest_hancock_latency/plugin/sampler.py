"""The `sample` fixture."""

from __future__ import annotations

from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, Literal, TypeVar, overload

import pytest

from ..core.advice import Advice
from ..core.budget import FIRST, GAP, parse_share
from ..core.duration import NS_PER_S, Duration
from ..core.sample import (
    GrowthSample,
    LoadSample,
    OpenLoopSample,
    Sample,
    StreamSample,
    name_of_stage,
)
from ..errors import LatencyError, hides_frame
from ..judging.sequential import DELETION_WINDOW_NS, Earlier, SequentialJudge
from ..measuring.answers import Look, finishing, require_finish
from ..measuring.clock import Clock, system_clock, wall_clock
from ..measuring.inputs import NOT_GIVEN, Call, Order
from ..measuring.patience import patience_of
from ..measuring.plan import Plan, SharedTime
from ..measuring.request import (
    AnswerT,
    Check,
    Failures,
    FailureT,
    Finish,
    FinishedT,
    Function,
    Load,
    Request,
    Target,
    call_with,
    called_with,
    calls_of,
    is_coroutine_function,
    must_be_awaited,
    name_of,
    require_function,
)
from ..measuring.shapes.closed_loop import ClosedLoop, DuelTest, Observed, Rounds, Watcher
from ..measuring.shapes.coroutines import at_rate_awaiting, burst_awaiting
from ..measuring.shapes.finished_load import SampleT, combined, judge_open_loop
from ..measuring.shapes.growing import Growing, Scaling
from ..measuring.shapes.open_loop import Arrivals, Callers, Schedule, at_rate
from ..measuring.shapes.repeated_bursts import Bursts, Repeat
from ..measuring.shapes.streams import Items, Stream
from ..measuring.shapes.streams import is_awaited as is_stream_awaited
from ..measuring.shapes.threads import burst
from ..measuring.shapes.turns import measure_pairs
from ..measuring.slowing import slowed
from ..measuring.warming import warm_up
from .item_settings import ItemSettings
from .sample_options import (
    BurstOptions,
    ClosedLoopOptions,
    InputOptions,
    InputT,
    Measured,
    OpenLoopOptions,
    P,
    SampleOptions,
    with_options,
)
from .settings import Mode
from .time_left import TimeLeft

__tracebackhide__ = hides_frame

T = TypeVar("T")
FirstT = TypeVar("FirstT")
SecondT = TypeVar("SecondT")

MOST_AT_ONCE: Final = 32
CALLERS: Final = 8


@dataclass(eq=False)
class Sampler:
    """The `sample` fixture: measures requests in several shapes of load, and judges them.

    Each sample of a test is judged by its budget. An exceeded budget fails the test at its end:
    code after a call still runs. A duplicate name or an invalid load raises `LatencyError`.

    >>> @latency_budget(p95=25)
    ... def test_search(sample: Sampler) -> None:
    ...     assert sample(sorted, [3, 1, 2]).answer == [1, 2, 3]
    ...     sample.burst(sorted, [3, 1, 2], requests=120, concurrency=24, name="burst")
    ...     sample.at_rate(sorted, [3, 1, 2], per_second=200, duration="2s", name="rate")
    """

    settings: ItemSettings
    clock: Clock = system_clock
    wall_clock: Callable[[], float] = wall_clock
    watcher: Watcher | None = None
    shared_time: SharedTime = field(default_factory=SharedTime)
    time_left: TimeLeft = field(default_factory=TimeLeft)
    duel_test: DuelTest | None = None
    """In a duel: lets samples take turns with the other side."""
    samples: list[Sample] = field(default_factory=list)
    warmed: list[int] = field(default_factory=list)
    called: bool = False
    is_requested: bool = False
    """Whether the test uses the fixture; otherwise the whole test is the request."""
    is_called_again: bool = False
    """Whether a call of the body runs that is not the first."""
    has_failed_softly: bool = False
    """Whether such a call has failed without raising anything."""
    advice_on_body: Advice | None = None
    """Why the body of the test was called no more, if it is the request."""
    _earlier: list[Sample] = field(default_factory=list)
    _started: dict[str, str] = field(default_factory=dict)
    """Names of samples that have no verdict yet, and what ended their measuring, if anything."""
    _awaited: str | None = None
    """Name of the sample that is measured in an event loop now."""
    _rounds: Rounds[object] | None = None
    _first_call: Sample | None = None
    """The sample of the first call of the body, while the body is called again."""
    _is_closed: bool = False

    def __repr__(self) -> str:
        names = ", ".join(repr(sample.name) for sample in self.samples) or "nothing yet"
        return f"<sample of {self.settings.test}: {names}>"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Show the same to IPython and Hypothesis, which would show all fields of a dataclass."""
        printer.text(repr(self))

    @overload
    def __call__(
        self,
        function: Callable[..., Awaitable[AnswerT]],
        /,
        *args: object,
        finish: Callable[[Any], Any],
        inputs: Iterable[object] | None = ...,
        order: object = ...,
        name: str = ...,
        check: Callable[[Any], object] | None = ...,
        failures: tuple[type[FailureT], ...] = ...,
        **kwargs: object,
    ) -> Coroutine[Any, Any, Sample[Any]]: ...

    @overload
    def __call__(  # type: ignore[overload-overlap]  # coroutine functions come first
        self,
        function: Callable[..., AnswerT],
        /,
        *args: object,
        finish: Callable[[Any], Awaitable[FinishedT]],
        inputs: Iterable[object] | None = ...,
        order: object = ...,
        name: str = ...,
        check: Callable[[FinishedT], object] | None = ...,
        failures: tuple[type[FailureT], ...] = ...,
        **kwargs: object,
    ) -> Coroutine[Any, Any, Sample[FinishedT | FailureT]]: ...

    @overload
    def __call__(
        self,
        function: Callable[..., AnswerT],
        /,
        *args: object,
        finish: Callable[[Any], FinishedT],
        inputs: Iterable[object] | None = ...,
        order: object = ...,
        name: str = ...,
        check: Callable[[FinishedT], object] | None = ...,
        failures: tuple[type[FailureT], ...] = ...,
        **kwargs: object,
    ) -> Sample[FinishedT | FailureT]: ...

    @overload
    def __call__(  # type: ignore[overload-overlap]  # coroutine functions come first
        self,
        function: Callable[..., Awaitable[AnswerT]],
        /,
        *args: object,
        inputs: Iterable[object] | None = ...,
        order: object = ...,
        name: str = ...,
        check: Callable[[AnswerT], object] | None = ...,
        finish: None = ...,
        failures: tuple[type[FailureT], ...] = ...,
        **kwargs: object,
    ) -> Coroutine[Any, Any, Sample[AnswerT | FailureT]]: ...

    @overload
    def __call__(
        self,
        function: Callable[..., AnswerT],
        /,
        *args: object,
        inputs: Iterable[object] | None = ...,
        order: object = ...,
        name: str = ...,
        check: Callable[[AnswerT], object] | None = ...,
        finish: None = ...,
        failures: tuple[type[FailureT], ...] = ...,
        **kwargs: object,
    ) -> Sample[AnswerT | FailureT]: ...

    def __call__(  # noqa: PLR0913 - each is a word of its own, by name only
        self,
        function: Function,
        /,
        *args: Any,
        inputs: Iterable[Any] | None = None,
        order: Any = NOT_GIVEN,
        name: str = "",
        check: Check | None = None,
        finish: Finish | None = None,
        failures: Failures = (),
        **kwargs: Any,
    ) -> Measured[Sample]:
        """Call `function(*args, **kwargs)` repeatedly until there is a verdict.

        Warms up first, stops at a limit of the plan at the latest, and returns the `Sample`. In an
        async test, use ``await sample(fetch)`` for a function whose results must be awaited; if it
        is not declared with ``async def``, it is called once more, to find out.

        Args:
            inputs: each call gets the next one after `args`, starting over after the last; the
                warm-up starts with the first one, too. The sample covers all inputs together, and
                is within its budget only after each of them, if they fit into the time.
            order: of the inputs: "shuffled", each time they start over, and in every run alike, or
                "given". An iterator of more than 10 000 inputs keeps its order.
            name: name of the sample, if a test has several.
            check: checks each return value outside the timed window; if it returns something false
                (but not None) or raises AssertionError, the call is a failure and not an
                observation.
            finish: called with each return value inside the timed window, to finish work that the
                call only starts, as in ``finish=list`` or ``finish=Future.result``; what it returns
                takes the place of the return value, also for `check`. In an async test it may be a
                coroutine function. Without it, return values that have not run yet, such as
                generators, are refused. A keyword `finish` of the function needs
                `functools.partial`.
            failures: exceptions that count as failed requests, limited by `errors`; any other is
                raised at once.

        Raises:
            LatencyError: `function` or `finish` is not a function, the name is already used, there
                are no inputs, their order is unknown, or return values would have to be awaited or
                iterated.

        ``sample(index.search, inputs=["a", "the", "zebra"], check=bool)``
        """
        require_function(function, "sample")
        require_finish(finish, "sample")
        warmed = self._warmed()
        call = call_with(function, args, kwargs, inputs, order)
        target = Target(function, call, self._new(name), check, failures, finish)
        return self._run(target, self.settings, warmed)

    @overload
    def burst(
        self,
        function: Callable[..., Coroutine[Any, Any, AnswerT]],
        /,
        *args: object,
        finish: Callable[[Any], Any],
        requests: int,
        concurrency: int | None = ...,
        repeat: int | Literal["decided"] = ...,
        before: Callable[[], object] | None = ...,
        name: str = ...,
        check: Callable[[Any], object] | None = ...,
        **kwargs: object,
    ) -> Coroutine[Any, Any, LoadSample[Any]]: ...

    @overload
    def burst(  # type: ignore[overload-overlap]  # coroutine functions come first
        self,
        function: Callable[..., AnswerT],
        /,
        *args: object,
        finish: Callable[[Any], Awaitable[FinishedT]],
        requests: int,
        concurrency: int | None = ...,
        repeat: int | Literal["decided"] = ...,
        before: Callable[[], object] | None = ...,
        name: str = ...,
        check: Callable[[FinishedT], object] | None = ...,
        **kwargs: object,
    ) -> Coroutine[Any, Any, LoadSample[FinishedT]]: ...

    @overload
    def burst(
        self,
        function: Callable[..., AnswerT],
        /,
        *args: object,
        finish: Callable[[Any], FinishedT],
        requests: int,
        concurrency: int | None = ...,
        repeat: int | Literal["decided"] = ...,
        before: Callable[[], object] | None = ...,
        name: str = ...,
        check: Callable[[FinishedT], object] | None = ...,
        **kwargs: object,
    ) -> LoadSample[FinishedT]: ...

    @overload
    def burst(
        self,
        function: Iterable[Callable[[], Coroutine[Any, Any, AnswerT]]],
        /,
        *,
        finish: Callable[[Any], Any],
        concurrency: int | None = ...,
        repeat: int | Literal["decided"] = ...,
        before: Callable[[], object] | None = ...,
        name: str = ...,
        check: Callable[[Any], object] | None = ...,
    ) -> Coroutine[Any, Any, LoadSample[Any]]: ...

    @overload
    def burst(  # type: ignore[overload-overlap]  # coroutine functions come first
        self,
        function: Iterable[Callable[[], AnswerT]],
        /,
        *,
        finish: Callable[[Any], Awaitable[FinishedT]],
        concurrency: int | None = ...,
        repeat: int | Literal["decided"] = ...,
        before: Callable[[], object] | None = ...,
        name: str = ...,
        check: Callable[[FinishedT], object] | None = ...,
    ) -> Coroutine[Any, Any, LoadSample[FinishedT]]: ...

    @overload
    def burst(
        self,
        function: Iterable[Callable[[], AnswerT]],
        /,
        *,
        finish: Callable[[Any], FinishedT],
        concurrency: int | None = ...,
        repeat: int | Literal["decided"] = ...,
        before: Callable[[], object] | None = ...,
        name: str = ...,
        check: Callable[[FinishedT], object] | None = ...,
    ) -> LoadSample[FinishedT]: ...

    @overload
    def burst(  # type: ignore[overload-overlap]  # coroutine functions come first
        self,
        function: Callable[..., Coroutine[Any, Any, AnswerT]],
        /,
        *args: object,
        requests: int,
        concurrency: int | None = ...,
        repeat: int | Literal["decided"] = ...,
        before: Callable[[], object] | None = ...,
        name: str = ...,
        check: Callable[[AnswerT], object] | None = ...,
        finish: None = ...,
        **kwargs: object,
    ) -> Coroutine[Any, Any, LoadSample[AnswerT]]: ...

    @overload
    def burst(
        self,
        function: Callable[..., AnswerT],
        /,
        *args: object,
        requests: int,
        concurrency: int | None = ...,
        repeat: int | Literal["decided"] = ...,
        before: Callable[[], object] | None = ...,
        name: str = ...,
        check: Callable[[AnswerT], object] | None = ...,
        finish: None = ...,
        **kwargs: object,
    ) -> LoadSample[AnswerT]: ...

    @overload
    def burst(  # type: ignore[overload-overlap]  # coroutine functions come first
        self,
        function: Iterable[Callable[[], Coroutine[Any, Any, AnswerT]]],
        /,
        *,
        concurrency: int | None = ...,
        repeat: int | Literal["decided"] = ...,
        before: Callable[[], object] | None = ...,
        name: str = ...,
        check: Callable[[AnswerT], object] | None = ...,
        finish: None = ...,
    ) -> Coroutine[Any, Any, LoadSample[AnswerT]]: ...

    @overload
    def burst(
        self,
        function: Iterable[Callable[[], AnswerT]],
        /,
        *,
        concurrency: int | None = ...,
        repeat: int | Literal["decided"] = ...,
        before: Callable[[], object] | None = ...,
        name: str = ...,
        check: Callable[[AnswerT], object] | None = ...,
        finish: None = ...,
    ) -> LoadSample[AnswerT]: ...

    def burst(  # noqa: PLR0913 - each is a word of its own, by name only
        self,
        function: Function | Iterable[Function],
        /,
        *args: Any,
        requests: int | None = None,
        concurrency: int | None = None,
        repeat: int | str = 1,
        before: Callable[[], object] | None = None,
        name: str = "",
        check: Check | None = None,
        finish: Finish | None = None,
        **kwargs: Any,
    ) -> Measured[LoadSample]:
        """Make a number of calls, or each call of an iterable, several at a time.

        A barrier releases the first ones together; there is no warm-up. `.answers` are in request
        order; an exception is an answer and a failure.

        Args:
            requests: number of calls, unless `function` is an iterable of calls.
            concurrency: maximum number of calls at the same time; by default 32.
            repeat: number of bursts, which are judged by the share of slow calls in each: calls of
                one burst depend on each other. ``"decided"``: until there is a verdict, a limit of
                the plan at the latest; one burst without a budget. A number is made in full, unless
                a limit is exceeded by then.
            before: called before each burst, never timed; in the async form, its result is awaited
                if it can be. Its exceptions are raised.
            name: name of the sample, if a test has several.
            check: checks each return value, as in `sample()`.
            finish: finishes each return value inside the timed window, as in `sample()`.

        Raises:
            LatencyError: there is nothing to call, or `repeat` or `before` is invalid.

        ``sample.burst(client.get, "/", requests=120, repeat="decided", before=limiter.reset)``, and
        for a coroutine function ``await sample.burst(fetch, …)``.
        """
        require_finish(finish, "sample.burst")
        calls = calls_of(function, args, kwargs, requests)
        at_once = min(len(calls), concurrency or MOST_AT_ONCE)
        is_awaited = must_be_awaited(calls[0], finish)
        repeated = Repeat.of(repeat, before, is_awaited=is_awaited)
        load = Load.of(
            calls,
            self._new(name),
            check,
            finish,
            is_awaited=is_awaited,
            slowdown=self.settings.plan.slowdown,
        )
        self._leave_out(load.name, "a burst")
        bursts = self._bursts(load, repeated)
        plan, clock = self._plan, self.clock
        if is_awaited:
            once = partial(burst_awaiting, load, at_once, plan, clock)
            return self._awaiting(load.name, lambda: bursts.make_awaiting(once))
        with self._noting_end(load.name):
            return self._keep(bursts.make(lambda: burst(load, at_once, plan, clock)))

    @overload
    def at_rate(
        self,
        function: Callable[..., Coroutine[Any, Any, AnswerT]],
        /,
        *args: object,
        finish: Callable[[Any], Any],
        per_second: float,
        duration: Duration = ...,
        arrivals: Arrivals = ...,
        concurrency: int = ...,
        name: str = ...,
        check: Callable[[Any], object] | None = ...,
        **kwargs: object,
    ) -> Coroutine[Any, Any, OpenLoopSample[Any]]: ...

    @overload
    def at_rate(  # type: ignore[overload-overlap]  # coroutine functions come first
        self,
        function: Callable[..., AnswerT],
        /,
        *args: object,
        finish: Callable[[Any], Awaitable[FinishedT]],
        per_second: float,
        duration: Duration = ...,
        arrivals: Arrivals = ...,
        concurrency: int = ...,
        name: str = ...,
        check: Callable[[FinishedT], object] | None = ...,
        **kwargs: object,
    ) -> Coroutine[Any, Any, OpenLoopSample[FinishedT]]: ...

    @overload
    def at_rate(
        self,
        function: Callable[..., AnswerT],
        /,
        *args: object,
        finish: Callable[[Any], FinishedT],
        per_second: float,
        duration: Duration = ...,
        arrivals: Arrivals = ...,
        concurrency: int = ...,
        name: str = ...,
        check: Callable[[FinishedT], object] | None = ...,
        **kwargs: object,
    ) -> OpenLoopSample[FinishedT]: ...

    @overload
    def at_rate(  # type: ignore[overload-overlap]  # coroutine functions come first
        self,
        function: Callable[..., Coroutine[Any, Any, AnswerT]],
        /,
        *args: object,
        per_second: float,
        duration: Duration = ...,
        arrivals: Arrivals = ...,
        concurrency: int = ...,
        name: str = ...,
        check: Callable[[AnswerT], object] | None = ...,
        finish: None = ...,
        **kwargs: object,
    ) -> Coroutine[Any, Any, OpenLoopSample[AnswerT]]: ...

    @overload
    def at_rate(
        self,
        function: Callable[..., AnswerT],
        /,
        *args: object,
        per_second: float,
        duration: Duration = ...,
        arrivals: Arrivals = ...,
        concurrency: int = ...,
        name: str = ...,
        check: Callable[[AnswerT], object] | None = ...,
        finish: None = ...,
        **kwargs: object,
    ) -> OpenLoopSample[AnswerT]: ...

    def at_rate(  # noqa: PLR0913 - each is a word of its own, by name only
        self,
        function: Function,
        /,
        *args: Any,
        per_second: float,
        duration: Duration = "10s",
        arrivals: str = "constant",
        concurrency: int = CALLERS,
        name: str = "",
        check: Check | None = None,
        finish: Finish | None = None,
        **kwargs: Any,
    ) -> Measured[OpenLoopSample]:
        """Start calls on schedule, even if earlier ones are not answered yet: an open loop.

        Latency is measured from the *intended* start, that of `.uncorrected` from the actual one.
        There is no warm-up; each call of a coroutine is a task.

        Args:
            per_second: arrival rate, in calls per second.
            duration: time in which calls start, such as ``"10s"``.
            arrivals: ``constant`` or ``poisson``.
            concurrency: number of callers; if all are busy, waiting for one counts as latency.
            name: name of the sample, if a test has several.
            check: checks each return value, as in `sample()`.
            finish: finishes each return value inside the timed window, as in `sample()`.
        """
        require_finish(finish, "sample.at_rate")
        schedule = Schedule.of(per_second, duration, arrivals)
        starts = schedule.starts()
        if self.settings.mode is Mode.OFF or self.duel_test:
            starts = starts[:1]
        else:
            self.time_left.require(schedule.duration_ns)
        call = called_with(function, args, kwargs)
        is_awaited = must_be_awaited(function, finish)
        calls = [call] * len(starts)
        load = Load.of(
            calls,
            self._new(name),
            check,
            finish,
            is_awaited=is_awaited,
            slowdown=self.settings.plan.slowdown,
        )
        self._leave_out(load.name, "an arrival rate")
        if is_awaited:
            return self._awaiting(
                load.name, lambda: self._at_rate_awaiting(load, starts, per_second)
            )
        callers = Callers(max(1, concurrency), self.clock)
        with self._noting_end(load.name):
            finished = at_rate(load, starts, callers, self._plan)
            return self._keep(judge_open_loop(finished, per_second, self._judge_of))

    @overload
    def scaling(
        self,
        function: Callable[[InputT], Coroutine[Any, Any, AnswerT]],
        /,
        *,
        make: Callable[[int], InputT],
        at_most: str,
        finish: Callable[[Any], Any],
        sizes: Sequence[int] | None = ...,
        name: str = ...,
        check: Callable[[Any], object] | None = ...,
    ) -> Coroutine[Any, Any, GrowthSample[Any]]: ...

    @overload
    def scaling(  # type: ignore[overload-overlap]  # coroutine functions come first
        self,
        function: Callable[[InputT], AnswerT],
        /,
        *,
        make: Callable[[int], InputT],
        at_most: str,
        finish: Callable[[Any], Awaitable[FinishedT]],
        sizes: Sequence[int] | None = ...,
        name: str = ...,
        check: Callable[[FinishedT], object] | None = ...,
    ) -> Coroutine[Any, Any, GrowthSample[FinishedT]]: ...

    @overload
    def scaling(
        self,
        function: Callable[[InputT], AnswerT],
        /,
        *,
        make: Callable[[int], InputT],
        at_most: str,
        finish: Callable[[Any], FinishedT],
        sizes: Sequence[int] | None = ...,
        name: str = ...,
        check: Callable[[FinishedT], object] | None = ...,
    ) -> GrowthSample[FinishedT]: ...

    @overload
    def scaling(  # type: ignore[overload-overlap]  # coroutine functions come first
        self,
        function: Callable[[InputT], Coroutine[Any, Any, AnswerT]],
        /,
        *,
        make: Callable[[int], InputT],
        at_most: str,
        sizes: Sequence[int] | None = ...,
        name: str = ...,
        check: Callable[[AnswerT], object] | None = ...,
        finish: None = ...,
    ) -> Coroutine[Any, Any, GrowthSample[AnswerT]]: ...

    @overload
    def scaling(
        self,
        function: Callable[[InputT], AnswerT],
        /,
        *,
        make: Callable[[int], InputT],
        at_most: str,
        sizes: Sequence[int] | None = ...,
        name: str = ...,
        check: Callable[[AnswerT], object] | None = ...,
        finish: None = ...,
    ) -> GrowthSample[AnswerT]: ...

    def scaling(  # noqa: PLR0913 - each is a word of its own, by name only
        self,
        function: Function,
        /,
        *,
        make: Callable[[int], Any],
        at_most: str,
        sizes: Sequence[int] | None = None,
        name: str = "",
        check: Check | None = None,
        finish: Finish | None = None,
    ) -> Measured[GrowthSample]:
        """Measure how latency grows with the size of the input, and judge that by `at_most`.

        `function(make(size))` is called with larger and larger inputs, until a call takes 20 ms or
        half of the time limit is over. The sizes from a 64th of the largest on are then measured in
        turns, until it is known whether latency grows faster than allowed. The test needs no
        budget; of one that it has, only the time limit applies. The sample is that of the largest
        size.

        Args:
            make: makes an input of a size; called once for each, and never timed. Every call with
                this size gets the same input, so the function must not change it.
            at_most: the growth that is allowed: ``"1"``, ``"log n"``, ``"n"``, ``"n log n"``,
                ``"n^1.5"`` or ``"n^2"``. A logarithm more or less cannot be told apart from what
                caches do, so ``"1"`` allows what ``"log n"`` does, and ``"n"`` what ``"n log n"``
                does.
            sizes: sizes to measure instead, at least three whole numbers that rise. A size is left
                out if a call of it could take more than two seconds.
            name: name of the sample, if a test has several.
            check: checks each return value, as in `sample()`; a failed one fails the test.
            finish: finishes each return value inside the timed window, as in `sample()`.

        Raises:
            LatencyError: `at_most` is not a growth class, the sizes are wrong, `make` is not a
                function, or even a call with the largest input takes less than a microsecond.

        ``sample.scaling(parse, make=lambda n: "a" * n, at_most="n log n")``, and for a coroutine
        function ``await sample.scaling(…)``.
        """
        require_function(function, "sample.scaling")
        require_finish(finish, "sample.scaling")
        is_awaited = must_be_awaited(function, finish)
        scaling = Scaling.of(
            function,
            make=make,
            at_most=at_most,
            sizes=sizes,
            check=check,
            finish=finish,
            is_awaited=is_awaited,
        )
        name = self._new(name)
        self._leave_out(name, "growth")
        earlier = self._earlier_of(name)
        growing = Growing(
            scaling,
            name,
            self._plan,
            self.clock,
            self.shared_time,
            self.settings.alpha_of_growth(self._whole_samples),
            self.watcher,
            earlier if isinstance(earlier, GrowthSample) else None,
        )
        is_once = self.settings.mode is Mode.OFF or self.duel_test is not None
        if is_awaited:
            return self._awaiting(
                name, growing.once_awaiting if is_once else growing.measure_awaiting
            )
        with self._noting_end(name):
            return self._keep(growing.once() if is_once else growing.measure())

    @overload
    def stream(  # type: ignore[overload-overlap]  # those that are awaited come first
        self,
        function: Callable[..., Coroutine[Any, Any, object] | AsyncIterator[object]],
        /,
        *args: object,
        items: Items | type | None = ...,
        name: str = ...,
        check: Check | None = ...,
        failures: Failures = ...,
        **kwargs: object,
    ) -> Coroutine[Any, Any, StreamSample[list[Any]]]: ...

    @overload
    def stream(
        self,
        function: Callable[..., object],
        /,
        *args: object,
        items: Items | type | None = ...,
        name: str = ...,
        check: Check | None = ...,
        failures: Failures = ...,
        **kwargs: object,
    ) -> StreamSample[list[Any]]: ...

    def stream(
        self,
        function: Function,
        /,
        *args: Any,
        items: Items | type | None = None,
        name: str = "",
        check: Check | None = None,
        failures: Failures = (),
        **kwargs: Any,
    ) -> Measured[StreamSample]:
        """Measure how soon the first item of a stream comes, how long its gaps are, and its end.

        `function(*args, **kwargs)` returns an iterator, a generator, or a response with
        ``iter_lines``, ``iter_bytes`` or the like, and the stream is consumed inside of the call.
        Each call has three latencies: to the last item, which the limits of the budget are about,
        to the **first** item, and the longest **gap** between two items. Their limits are
        ``first={"p95": 300}`` and ``gap={"p99": 50}``.

        Args:
            items: returns the items that a chunk completes, as a list: none, one or several. A
                class is instantiated for each call, so that it can keep half an item. By default
                each chunk is an item, or each line of a response that has text.
            name: name of the sample, if a test has several.
            check: checks the list of the items of each call, as in `sample()`.
            failures: exceptions that count as failed requests, as in `sample()`.

        Raises:
            LatencyError: the answer is not a stream, or has no item.

        ``sample.stream(client.stream, "POST", "/v1/chat", json=question)`` with httpx, and for an
        async generator function or a coroutine function ``await sample.stream(…)``.
        """
        require_function(function, "sample.stream")
        plan = self.settings.plan
        name, is_awaited = self._new(name), is_stream_awaited(function)
        stream = Stream(self.clock, f"the call of {name_of(function)}", items, plan.slowdown)
        consuming = stream.consuming_coroutine if is_awaited else stream.consuming
        call = consuming(called_with(function, args, kwargs))
        target = Target(function, call, name, check, failures)
        judge = self._judge_of_stages(name, (FIRST, GAP))
        warmed, loop = self._warmed(), self._loop(plan)
        if is_awaited:
            request = target.awaited_request()
            measuring = partial(loop.measure_stream_awaiting, request, stream, judge, warmed)
            return self._awaiting_stream(name, measuring)
        with self._noting_end(name):
            return self._keep_stream(loop.measure_stream(target.request(), stream, judge, warmed))

    @overload
    def options(
        self,
        *,
        name: str = ...,
        check: Check | None = ...,
        finish: Finish | None = ...,
        failures: tuple[type[FailureT], ...] = ...,
    ) -> ClosedLoopOptions[FailureT]: ...

    @overload
    def options(
        self,
        *,
        inputs: Iterable[InputT],
        order: Order = ...,
        name: str = ...,
        check: Check | None = ...,
        finish: Finish | None = ...,
        failures: tuple[type[FailureT], ...] = ...,
    ) -> InputOptions[InputT, FailureT]: ...

    @overload
    def options(
        self,
        *,
        requests: int,
        concurrency: int | None = ...,
        repeat: int | Literal["decided"] = ...,
        before: Callable[[], object] | None = ...,
        name: str = ...,
        check: Check | None = ...,
        finish: Finish | None = ...,
    ) -> BurstOptions: ...

    @overload
    def options(
        self,
        *,
        per_second: float,
        duration: Duration = ...,
        arrivals: Arrivals = ...,
        concurrency: int = ...,
        name: str = ...,
        check: Check | None = ...,
        finish: Finish | None = ...,
    ) -> OpenLoopOptions: ...

    def options(self, **keywords: Any) -> SampleOptions:
        """Take the keywords of a sample before its function, whose arguments are then its own.

        Type checkers then check those arguments, and none of them is mistaken for a keyword of the
        sample.

        Args:
            keywords: those of `sample()`; with `requests`, those of `burst`; with `per_second`,
                those of `at_rate`.

        Returns:
            An object to be called like `sample`, or one with the method `burst` or `at_rate`.

        Raises:
            LatencyError: a keyword does not belong to the shape of load.

        ``sample.options(name="search", check=bool)(search, "needle", limit=5)``,
        ``sample.options(requests=120, concurrency=24).burst(search, "needle")``,
        ``sample.options(per_second=200).at_rate(search, "needle")``
        """
        if "per_second" in keywords:
            return OpenLoopOptions(with_options(self.at_rate, keywords))
        if "requests" in keywords:
            return BurstOptions(with_options(self.burst, keywords))
        if "inputs" not in keywords and "order" in keywords:
            raise LatencyError("sample.options(): order= is that of inputs: give inputs= as well")
        if "inputs" in keywords:
            return InputOptions(with_options(self.__call__, keywords))
        return ClosedLoopOptions(with_options(self.__call__, keywords))

    @overload
    def rounds(self, *, name: str = ...) -> Rounds[int]: ...

    @overload
    def rounds(self, *, setup: Callable[[], T], name: str = ...) -> Rounds[T]: ...

    def rounds(
        self, *, setup: Callable[[], object] | None = None, name: str = ""
    ) -> Rounds[object]:
        """Return rounds, in each of which ``with sample.observe():`` times its block once.

        The loop value is the number of the round or, with a setup, its return value.

        Args:
            setup: called before each round, including the warm-up; never timed. Its exceptions are
                raised.
            name: name of the sample, if a test has several.

        Raises:
            LatencyError: the setup is not callable, or is a coroutine function.

        ``for rows in sample.rounds(setup=prepare):`` with, in each round,
        ``with sample.observe(): insert(rows)``
        """
        if setup is not None:
            _require_setup(setup)
        name = self._new(name)
        self._rounds = Rounds(
            self._loop(self.settings.plan),
            name,
            self._judge_of_stages(name, self._stages_by_hand),
            self._keep_with_stages,
            int if setup is None else lambda _number: setup(),
        )
        return self._rounds

    def observe(self) -> Observed:
        """Time a block inside ``for _ in sample.rounds():``.

        ``with sample.observe() as call:`` can also mark stages of the block, each from its start:
        ``call.mark("connected")``, with limits in ``clocks={"connected": {"p95": 20}}``.
        """
        if self._rounds is None:
            raise LatencyError("call sample.observe() inside `for _ in sample.rounds():`")
        return self._rounds.observe()

    @overload
    def pairs(
        self,
        first: Callable[[], object],
        second: Callable[[], object],
        /,
        *,
        pairs: int = ...,
        by: str | float = ...,
        names: tuple[str, str] | None = ...,
        finish: Callable[[Any], FinishedT],
    ) -> tuple[Sample[FinishedT], Sample[FinishedT]]: ...

    @overload
    def pairs(
        self,
        first: Callable[[], FirstT],
        second: Callable[[], SecondT],
        /,
        *,
        pairs: int = ...,
        by: str | float = ...,
        names: tuple[str, str] | None = ...,
        finish: None = ...,
    ) -> tuple[Sample[FirstT], Sample[SecondT]]: ...

    def pairs(  # noqa: PLR0913 - each is a word of its own, by name only
        self,
        first: Callable[[], Any],
        second: Callable[[], Any],
        /,
        *,
        pairs: int = 100,
        by: str | float = 0,
        names: tuple[str, str] | None = None,
        finish: Finish | None = None,
    ) -> tuple[Sample, Sample]:
        """Measure two functions in turns, in random order, for `faster_than`.

        A turn is six calls, of which the first is not counted. Measuring ends when it is known
        whether the first function is faster than the second.

        Both run in this process. To compare two versions of the code in processes of their own, use
        ``hancock-latency duel``.

        Args:
            pairs: maximum number of pairs of turns.
            by: the question is whether the first is faster by more than this, such as ``"20%"``.
            names: names of the two samples; by default those of the functions, numbered if they are
                equal.
            finish: finishes each return value of both inside the timed window, as in `sample()`.
        """
        require_finish(finish, "sample.pairs")
        for function in (first, second):
            require_function(function, "sample.pairs")
        functions: tuple[Function, ...] = (
            (first, second) if finish is None else (first, second, finish)
        )
        for function in functions:
            if is_coroutine_function(function):
                raise LatencyError(
                    f"sample.pairs() compares functions, and {name_of(function)} is a coroutine "
                    "function: measure each with `await sample(...)`"
                )
        first_name, second_name = names or _names_of(first, second)
        requests = (
            self._request_of_pair(first, first_name, finish),
            self._request_of_pair(second, second_name, finish),
        )
        for request in requests:
            self._leave_out(request.name, "pairs")
        with self._noting_end(*(request.name for request in requests)):
            measured = measure_pairs(
                requests,
                most_turns=pairs,
                by=parse_share("by", by),
                plan=self._plan,
                clock=self.clock,
                judge_of=self._judge_of,
            )
        for sample in measured:
            self._keep(sample)
        return measured

    def _request_of_pair(self, function: Call, name: str, finish: Finish | None) -> Request:
        call = function if finish is None else finishing(function, finish)
        if self.settings.plan.slowdown:
            call = slowed(self.settings.plan.slowdown)(call)
        look = Look(f"the call of {name_of(function)}", is_finished=finish is not None)
        request = Request(call, self._new(name), look=look)
        return request if self.settings.plan.warmup else request.looked_at()

    def first_call(self, body: Function) -> Measured[Sample]:
        """Measure the first call of the test's body by itself, which decides its outcome."""
        return self._run(Target(body, body, self._new("")), self.settings.of_first_call())

    def further_calls(self, body: Function) -> Measured[Sample]:
        """Measure the body instead of its first call, which is part of its warm-up.

        Without a warm-up, the first call is the first observation of the sample.
        """
        self._first_call = self.samples.pop()
        if not self.settings.plan.warmup:
            self._earlier = [self._first_call]
        return self._run(Target(body, body, self._new("")), self.settings.of_further_calls())

    def keep_first_call(self, advice: Advice) -> None:
        """Keep the sample of the first call after all, with the reason."""
        self.give_up()
        self._leave_out(self.settings.name, "a test that cannot be repeated")
        if self._first_call is not None:
            self.advice_on_body = advice
            self.samples.append(self._first_call)

    def _run(
        self, target: Target, settings: ItemSettings, warmed: tuple[int, ...] | None = None
    ) -> Measured[Sample]:
        """Measure a target in a closed loop."""
        target = replace(target, slowdown=settings.plan.slowdown)
        judge_of = partial(self._judge, target.name, settings)
        with self._noting_end(target.name):
            measured = self._loop(settings.plan).run(target, judge_of, warmed)
            if isinstance(measured, Sample):
                return self._keep(measured)
        return self._awaiting(target.name, measured)

    async def _awaiting_stream(
        self, name: str, measuring: Callable[[], Awaitable[StreamSample]]
    ) -> StreamSample:
        return self._with_stages(await self._awaiting(name, measuring))

    def _keep_stream(self, sample: StreamSample) -> StreamSample:
        return self._with_stages(self._keep(sample))

    def _with_stages(self, sample: StreamSample) -> StreamSample:
        """Return a sample of streams after its stages were kept as well."""
        kept = self._keep_stages(sample.clocks.values())
        return replace(sample, clocks=dict(zip(sample.clocks, kept, strict=True)))

    def _keep_with_stages(self, sample: Sample, stages: Sequence[Sample]) -> None:
        self._keep(sample)
        self._keep_stages(stages)

    def _keep_stages(self, stages: Iterable[Sample]) -> list[Sample]:
        kept = []
        for stage in stages:
            self._leave_out(self._new(stage.name), "a stage of a call")
            kept.append(self._keep(stage))
        return kept

    async def _awaiting(self, name: str, measuring: Callable[[], Awaitable[SampleT]]) -> SampleT:
        with self._noting_end(name):
            if self._awaited is not None:
                raise LatencyError(
                    f"sample {name!r} began while {self._awaited!r} was measured in the same event "
                    "loop, where they delay each other: await one after the other, or measure "
                    "calls at the same time with sample.burst(…)"
                )
            self._awaited = name
            try:
                return self._keep(await measuring())
            finally:
                self._awaited = None

    @contextmanager
    def _noting_end(self, *names: str) -> Iterator[None]:
        """Note what ends the measuring of samples before they have a verdict."""
        try:
            yield
        except BaseException as error:  # also a cancellation, or what a signal handler raises
            reason = f"{type(error).__name__}: {error}".removesuffix(": ").partition("\n")[0]
            self._started |= {name: reason for name in names if name in self._started}
            raise

    def _bursts(self, load: Load, repeat: Repeat) -> Bursts:
        """Return what makes the bursts of a load; one, where nothing is measured or compared."""
        is_one = self.settings.mode is Mode.OFF or self.duel_test is not None
        return Bursts(
            load,
            repeat.once() if is_one else repeat,
            self._plan,
            self.clock,
            self._judge_of,
            self.shared_time,
            self.watcher,
            self.wall_clock,
        )

    async def _at_rate_awaiting(
        self, load: Load, starts: Sequence[int], per_second: float
    ) -> OpenLoopSample:
        finished = await at_rate_awaiting(load, starts, self._plan, self.clock)
        return judge_open_loop(finished, per_second, self._judge_of)

    @property
    def unfinished(self) -> Mapping[str, str]:
        """Names of samples without a verdict, and what ended their measuring, if anything."""
        return self._started

    def _new(self, name: str) -> str:
        """Check and register the name of the next sample of the test."""
        name = name or self.settings.name
        if self._is_closed:
            raise LatencyError(
                f"{self.settings.test} is over, so nobody would see what is measured now: wait in "
                "the test for threads and tasks that measure"
            )
        if name in self._started or any(sample.name == name for sample in self.samples):
            subject = f"sample {name!r}" if name else "an unnamed sample"
            raise LatencyError(
                f"{subject} was already measured in this test: give each sample its own name=..."
            )
        self._started[name] = ""
        return name

    def _leave_out(self, name: str, shape: str) -> None:
        if self.duel_test:
            self.duel_test.leave_out(name, shape)

    @property
    def _plan(self) -> Plan:
        """The plan for the next sample, within the time that is left to the test."""
        return self._within_time(self.settings.plan)

    def _within_time(self, plan: Plan) -> Plan:
        left = self.time_left
        return plan.within(left.of_sample_ns, left.load_until_ns)

    def _loop(self, plan: Plan) -> ClosedLoop:
        return ClosedLoop(
            self._within_time(plan),
            self.clock,
            self.watcher,
            self.shared_time,
            duel_test=self.duel_test,
            patience_of=patience_of,
        )

    def _warmed(self) -> tuple[int, ...] | None:
        """Latencies of the manual warm-up since the last sample; None without one."""
        warmed = tuple(self.warmed) or None
        self.warmed.clear()
        return warmed

    def request(self) -> None:
        """Note that the test asks for the fixture: its body is not the request.

        It may do so only while its body is called as the request, through
        `request.getfixturevalue` or in a step of pytest-bdd. What was begun is then given up.
        """
        self.is_requested = True
        self._forget_body()

    def give_up(self) -> None:
        """Measure the body no more: it has failed, or cannot be called again."""
        self.called = True
        self._forget_body()

    def _forget_body(self) -> None:
        self._started.pop(self.settings.name, None)
        self._awaited = None

    def close(self) -> None:
        """Refuse further samples, such as those of a thread that outlives the test."""
        self._is_closed = True

    def combine_with(self, earlier: list[Sample]) -> None:
        """Judge together with earlier attempts, because a rerun adds evidence."""
        self._earlier = earlier

    def _keep(self, sample: SampleT) -> SampleT:
        earlier = self._earlier_of(sample.name)
        if earlier is not None and not isinstance(sample, GrowthSample):  # which has its ratios
            sample = combined(earlier, sample)
        sample = self._timed(sample)
        del self._started[sample.name]
        self.called = True
        if self.settings.mode is Mode.OFF:
            return replace(sample, is_switched_off=True)
        self.samples.append(sample.without_answers())
        return sample

    def _timed(self, sample: SampleT) -> SampleT:
        """Return the sample with its wall-clock times; it has just ended."""
        ended = self.wall_clock()
        started = sample.measurement.started_unix_s
        if started is None:
            started = ended - sample.measurement.elapsed_ns / NS_PER_S
        measurement = replace(
            sample.measurement, started_unix_s=round(started, 3), ended_unix_s=round(ended, 3)
        )
        return replace(sample, measurement=measurement)

    def _earlier_of(self, name: str) -> Sample | None:
        """The sample of this name of an earlier attempt; None if there is none."""
        return next((sample for sample in self._earlier if sample.name == name), None)

    @property
    def _stages_by_hand(self) -> Sequence[str]:
        """The stages with limits that only marks can end."""
        clocks = self.settings.budget.clocks if self.settings.budget else {}
        return tuple(name for name in clocks if name not in {FIRST, GAP})

    def _judge_of_stages(self, name: str, clocks: Iterable[str]) -> SequentialJudge | None:
        """Make a judge for the next sample, whose calls may reach these stages."""
        budget = self.settings.budget
        own = [clock for clock in clocks if budget is not None and clock in budget.clocks]
        return self.settings.judge_of_stages(
            self._whole_samples,
            DELETION_WINDOW_NS,
            own,
            lambda clock: self._evidence_of(name if clock is None else name_of_stage(name, clock)),
        )

    @property
    def _whole_samples(self) -> int:
        """Number of the samples so far that are of whole calls."""
        return sum(sample.measurement.clock is None for sample in self.samples)

    def _judge(self, name: str, settings: ItemSettings) -> SequentialJudge | None:
        return self._judge_of(name, settings.plan.max_samples, DELETION_WINDOW_NS, settings)

    def _judge_of(
        self, name: str, maximum: int, window_ns: int, settings: ItemSettings | None = None
    ) -> SequentialJudge | None:
        """Make a judge for the next sample, of up to `maximum` observations.

        settings: by default those of the test.
        """
        settings = settings or self.settings
        earlier = self._evidence_of(name)
        return settings.judge(self._whole_samples, maximum, window_ns, earlier)

    def _evidence_of(self, name: str) -> Earlier | None:
        """Return the evidence of an earlier attempt; None if there is none."""
        sample = self._earlier_of(name)
        if sample is None:
            return None
        elapsed_ns = sample.measurement.elapsed_ns
        bursts = sample.bursts if isinstance(sample, LoadSample) else ()
        return Earlier(sample.observations, sample.failed, elapsed_ns, bursts)


SAMPLER = pytest.StashKey[Sampler]()


def _require_setup(setup: object) -> None:
    if not callable(setup):
        raise LatencyError(
            f"setup={setup!r} is not callable: pass the function itself, "
            "as in sample.rounds(setup=prepare)"
        )
    if is_coroutine_function(setup):
        raise LatencyError(
            f"setup={name_of(setup)} is a coroutine function, which sample.rounds() cannot await: "
            "await it in the loop, before `with sample.observe():`"
        )


def _names_of(first: Function, second: Function) -> tuple[str, str]:
    """Return the names of two functions, numbered if they are equal, as for lambdas."""
    names = name_of(first), name_of(second)
    return (f"{names[0]} 1", f"{names[0]} 2") if names[0] == names[1] else names


class Warmup:
    """The `warmup` fixture: warms up manually, so that `sample` adds no warm-up.

    >>> @latency_budget(p95=25)
    ... def test_sort(sample: Sampler, warmup: Warmup) -> None:
    ...     warmup(sorted, [3, 1, 2], times=20)
    ...     sample(sorted, [3, 1, 2])
    """

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler

    def __repr__(self) -> str:
        return f"<warmup of {self._sampler.settings.test}>"

    @overload
    def __call__(
        self,
        function: Callable[..., object],
        /,
        *args: object,
        times: int,
        finish: Finish | None = ...,
        **kwargs: object,
    ) -> None: ...

    @overload
    def __call__(
        self, function: Callable[..., object], /, *args: object, finish: Finish, **kwargs: object
    ) -> None: ...

    @overload
    def __call__(
        self, function: Callable[P, object], /, *args: P.args, **kwargs: P.kwargs
    ) -> None: ...

    def __call__(  # type: ignore[misc]  # mypy misses that no function of P can have `times`
        self,
        function: Function,
        /,
        *args: Any,
        times: int = 5,
        finish: Finish | None = None,
        **kwargs: Any,
    ) -> None:
        """Call `function(*args, **kwargs)` `times` times; kept in the record, but never judged.

        Args:
            finish: finishes each return value, as in `sample()`.

        Raises:
            ValueError: `times` is negative.
        """
        require_finish(finish, "warmup")
        must_be_awaited(function, finish)
        if times < 0:
            raise ValueError(f"times={times} must be a whole number of at least 0")
        if self._sampler.settings.mode is Mode.OFF:
            return
        call = called_with(function, args, kwargs)
        request = Request(call if finish is None else finishing(call, finish))
        request.look.is_finished = finish is not None
        longest_ns = self._sampler.time_left.of_sample_ns
        self._sampler.warmed.extend(warm_up(request, times, self._sampler.clock, longest_ns))
