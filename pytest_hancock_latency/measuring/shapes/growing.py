"""Growth: an input is made in several sizes, which are then measured in turns.

The size doubles until one call takes long enough to time. The next size is refused before it is
tried if a call of it would take too long even for the steepest function that fits the last two
latencies, an exponential one: a regular expression that backtracks takes milliseconds for 16
characters and hours for 32. A smaller step may still do.

make(1) ── call ── make(2) ── call ── … ── the largest sizes ── turns of each ── sample
                                                              └── look: is it settled? ──┘
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise
from math import ceil, exp, log
from random import Random
from typing import TYPE_CHECKING, Any, Final

from ...core.budget import AUTO_TIME
from ...core.duration import NS_PER_MS, NS_PER_S, format_duration
from ...core.evidence import ALPHA_WITHIN, boundaries
from ...core.growth import parse_class
from ...core.late_numpy import np
from ...core.paired import log_ratios
from ...core.sample import GROWTH, GrowthSample, Measurement, Observations, Progress
from ...core.verdict import Verdict
from ...errors import LatencyError, hides_frame
from ...judging.growth import SPAN, Ratios, is_settled, judge_growth
from ...judging.limit_judge import failure_verdict
from ..answers import Look, finishing, finishing_coroutine
from ..clock import NEVER, Clock
from ..diagnosis import slowest
from ..own_modules import UNKNOWN, own_os, own_resource, read_file
from ..plan import Plan, SharedTime
from ..request import (
    Check,
    Finish,
    Function,
    Request,
    called_with,
    is_coroutine_function,
    name_of,
)
from ..takers import why_bare
from ..takers.bare import BareTaker, Taker
from ..warming import OwnTime
from .closed_loop import PROGRESS_EVERY_NS, Watcher
from .coroutines import take_awaiting
from .turns import SEED, InTurns, MeasuredInTurns, Turn, TurnPlan

if TYPE_CHECKING:
    from ...core.attribution import Nanoseconds

__tracebackhide__ = hides_frame

LONG_NS: Final = 20 * NS_PER_MS
"""Latency at which the size is large enough: over 64 times the size, all calls of a linear function
then take more than 0.3 ms. At 50 ms, verdicts took twice as long, and data outgrew more caches."""
LONGEST_NS: Final = 250 * NS_PER_MS
"""No call of a size that was not asked for is begun that may take longer."""
LONGEST_GIVEN_NS: Final = 2 * NS_PER_S
"""The same for sizes that were asked for."""
LEAST_NS: Final = 1_000
"""Latency under which a call is too fast to be timed by itself."""
SIZES: Final = 3
"""Fewest sizes for a verdict: those of the two steps that decide."""
MOST_BYTES: Final = 512_000_000
"""Memory that all inputs may take."""
LARGEST: Final = 2**30
"""Largest size that is chosen: a function that is still too fast to be timed ignores it."""
_TWICE_NS: Final = 20 * NS_PER_MS
"""A shorter call is timed twice while sizes are looked for, since the first one is cold."""
_STEEPEST: Final = 3.0
"""Growth above which a function may be exponential, where sizes are far from each other."""
_MOST_LOG: Final = 100.0
"""Logarithm of a ratio of latencies that no call will ever reach."""
_NEARER: Final = (1, 2, 4, 8)
"""Divisors of the step to the next size, if that is refused."""
_TURN_NS: Final = 5 * NS_PER_MS
"""Time of a turn, within which shorter calls are repeated."""
_MOST_CALLS: Final = 5
_REFILL_NS: Final = 5 * NS_PER_MS
"""Latency from which it does not matter that another size has just filled the caches."""
_MOST_TURNS: Final = 100
_FEW_TURNS: Final = 5
"""Turns where there are not enough sizes for a verdict, for the latencies alone."""
_WANTED_NS: Final = 10 * NS_PER_S
"""An automatic time limit: five times what a verdict takes next to a quiet neighbour."""
_NO_ERRORS: Final = Fraction(0)
"""The share of calls that may fail their check."""
_POINTS: Final = 10
"""Sizes of the curve."""


@dataclass(frozen=True, slots=True)
class Scaling:
    """The question how a function scales, as a test asks it."""

    function: Function
    make: Callable[[int], Any]
    """Makes an input of some size."""
    at_most: str
    sizes: tuple[int, ...] = ()
    """Sizes to measure instead of doubling; ascending."""
    check: Check | None = None
    finish: Finish | None = None
    is_awaited: bool = False

    @classmethod
    def of(  # noqa: PLR0913 - all by name but the first
        cls,
        function: Function,
        *,
        make: object,
        at_most: object,
        sizes: Sequence[int] | None,
        check: Check | None,
        finish: Finish | None,
        is_awaited: bool,
    ) -> Scaling:
        """Check the arguments of `sample.scaling`.

        Raises:
            LatencyError: one of them is invalid.
        """
        if not callable(make):
            raise LatencyError(
                f"sample.scaling(make={make!r}): make is not callable: pass a function of a size, "
                'as in make=lambda n: "a" * n'
            )
        if is_coroutine_function(make):
            raise LatencyError(
                f"sample.scaling(make={name_of(make)}): make is a coroutine function, which is "
                "never awaited: pass a function"
            )
        name = parse_class(at_most)
        return cls(function, make, name, _sizes(sizes), check, finish, is_awaited)

    def request(self, value: Any, name: str, look: Look) -> Request:
        """Return the call with an input."""
        call = called_with(self.function, (value,), {})
        if self.finish is not None:
            wrap = finishing_coroutine if self.is_awaited else finishing
            call = wrap(call, self.finish)
        return Request(call, name, self.check, look)

    def look(self) -> Look:
        """Return the look at the first answer."""
        return Look(
            f"the call of {name_of(self.function)}",
            is_finished=self.finish is not None,
            is_checked=self.check is not None,
            is_awaited=self.is_awaited,
        )


def _sizes(sizes: object) -> tuple[int, ...]:
    """Return sizes to measure.

    Raises:
        LatencyError: they are not three or more whole numbers that rise.
    """
    if sizes is None:
        return ()
    values = tuple(sizes) if isinstance(sizes, Iterable) else ()
    problem = _problem_of(values) if isinstance(sizes, Iterable) else "they are not a list"
    if problem:
        raise LatencyError(
            f"sample.scaling(sizes={sizes!r}): {problem}, as in sizes=[1000, 2000, 4000]"
        )
    return values


def _problem_of(sizes: Sequence[Any]) -> str:
    """Return what is wrong with sizes; empty if nothing is."""
    if not all(isinstance(size, int) and not isinstance(size, bool) for size in sizes):
        return "they must be whole numbers"
    if any(size < 1 for size in sizes):
        return "they must be at least 1"
    if any(larger <= smaller for smaller, larger in pairwise(sizes)):
        return "they must rise"
    return f"growth takes at least {SIZES} of them" if len(sizes) < SIZES else ""


@dataclass(frozen=True, slots=True)
class Sized:
    """An input of some size, and how long a call with it takes."""

    size: int
    value: Any
    latency_ns: int


def memory_in_use() -> int:
    """Return the resident memory in bytes; elsewhere than on Linux, the most that there was.

    0 where neither is known.
    """
    try:
        return int(read_file("/proc/self/statm").split()[1]) * own_os.sysconf("SC_PAGE_SIZE")
    except UNKNOWN:
        if own_resource is None:
            return 0
        return int(own_resource.getrusage(own_resource.RUSAGE_SELF).ru_maxrss)


def forecast_ns(smaller: Sized, larger: Sized, size: int) -> float:
    """Return how long a call with the next size may take.

    Up to twice the larger size, latency may be exponential in it. Beyond, that would say nothing:
    it may grow with half a power more than before, unless it has already grown like an exponential.
    One that has may grow twice as steeply: what a call does besides hid some of it at first.
    """
    ratio = max(1.0, larger.latency_ns / max(1, smaller.latency_ns))
    growth = log(ratio) / log(larger.size / smaller.size)
    if size > 2 * larger.size and growth <= _STEEPEST:
        return float(larger.latency_ns * (size / larger.size) ** (growth + 0.5))
    step = (size - larger.size) / (larger.size - smaller.size)
    if growth > _STEEPEST:
        step *= 2
    return float(larger.latency_ns) * exp(min(step * log(ratio), _MOST_LOG))


@dataclass(eq=False)
class Growing:
    """The measuring of one function in several sizes: what to call next, and when to stop.

    It makes no calls itself, so that functions and coroutines can share it.
    """

    scaling: Scaling
    name: str
    plan: Plan
    clock: Clock
    shared_time: SharedTime
    alpha: float
    """Probability of *exceeded* by chance."""
    watcher: Watcher | None = None
    earlier: GrowthSample | None = None
    """The sample of an earlier attempt of the test, whose sizes are measured again."""
    memory_in_use: Callable[[], int] = memory_in_use
    _look: Look = field(init=False)
    _inputs: list[Sized] = field(default_factory=list)
    _curve: dict[int, int] = field(default_factory=dict)
    _refused: int | None = None
    _ratios: tuple[Ratios, ...] = ()
    _measured: list[MeasuredInTurns] = field(default_factory=list)
    _begin: int = 0
    _watched: int = 0

    def __post_init__(self) -> None:
        self._look = self.scaling.look()

    def measure(self) -> GrowthSample:
        """Measure a function."""
        with closing(self._steps()) as steps:
            for taker, request, count in steps:
                taker.take(request, count, NEVER)
        return self._sample()

    async def measure_awaiting(self) -> GrowthSample:
        """Measure a coroutine function."""
        with closing(self._steps()) as steps:
            for taker, request, count in steps:
                await take_awaiting(taker, request, count, NEVER)
        return self._sample()

    def once(self) -> GrowthSample:
        """Call a function once with the smallest input, where nothing is measured or compared."""
        taker = BareTaker(self.clock)
        taker.take(self._smallest(), 1, NEVER)
        return self._sample_of_one_call(taker)

    async def once_awaiting(self) -> GrowthSample:
        """Call a coroutine function once."""
        taker = BareTaker(self.clock)
        await take_awaiting(taker, self._smallest(), 1, NEVER)
        return self._sample_of_one_call(taker)

    def _smallest(self) -> Request:
        size = min(self.scaling.sizes, default=1)
        return self._request(self.scaling.make(size)).looked_at()

    def _request(self, value: Any) -> Request:
        return self.scaling.request(value, self.name, self._look)

    def _steps(self) -> Generator[tuple[Taker, Request, int], None, None]:
        """Yield repeatedly which taker is to take how many calls of which request."""
        self._begin = self._watched = self.clock()
        limit_ns = self._time_limit_ns()
        try:
            yield from self._look_for_sizes(self._begin + limit_ns // 2)
            self._require_time()
            yield from self._take_turns(self._begin + limit_ns)
        finally:
            self.shared_time.charge(self.clock() - self._begin)
            if self.watcher:
                self.watcher.done()

    def _time_limit_ns(self) -> int:
        if self.plan.time_limit_ns != AUTO_TIME:
            return self.plan.time_limit_ns
        return self.plan.automatic_limit_ns(self.shared_time, _WANTED_NS)

    def _look_for_sizes(self, until_ns: int) -> Iterator[tuple[Taker, Request, int]]:
        """Try larger and larger sizes, and keep the largest ones."""
        before_bytes = last_bytes = self.memory_in_use()
        for intended in self._intended():
            size = self._affordable(intended)
            if size != intended:
                yield from self._time_last_again()
                size = self._affordable(intended)
            if size != intended:
                self._refused = intended
            if size is None or (size < intended and self._has_enough_given):
                return
            used_bytes = self.memory_in_use()
            grown_bytes, last_bytes = used_bytes - last_bytes, used_bytes
            if used_bytes - before_bytes + 2 * grown_bytes > MOST_BYTES:
                return
            if self._inputs and self.clock() >= until_ns:
                return
            value = self.scaling.make(size)
            latency_ns = self._curve[size] = yield from self._time(value)
            self._keep(Sized(size, value, latency_ns))

    def _time(self, value: Any) -> Generator[tuple[Taker, Request, int], None, int]:
        """Time calls with an input; return the shortest latency in ns, without waits for a CPU."""
        request, latencies_ns = self._request(value).warming_up(), list[int]()
        while not latencies_ns or (len(latencies_ns) == 1 and latencies_ns[0] < _TWICE_NS):
            taker = BareTaker(self.clock)
            with OwnTime() as own:
                yield taker, request, 1
            own_ns = own.of(taker.walls[0]) if self.plan.attribution else None
            latencies_ns.append(taker.walls[0] if own_ns is None else max(1, own_ns))
        return min(latencies_ns)

    def _time_last_again(self) -> Iterator[tuple[Taker, Request, int]]:
        """Time the last two sizes again: a busy machine may have delayed the larger one."""
        for at in (-2, -1):
            sized = self._inputs[at]
            latency_ns = min(sized.latency_ns, (yield from self._time(sized.value)))
            self._inputs[at] = replace(sized, latency_ns=latency_ns)
            self._curve[sized.size] = latency_ns

    def _keep(self, sized: Sized) -> None:
        """Keep a size, with those before it over which growth is judged."""
        inputs = [*self._inputs, sized]
        first = next(at for at, smaller in enumerate(inputs) if SPAN * smaller.size >= sized.size)
        # One more, unless the range is exact: the smallest has to be small enough.
        first -= inputs[first].size * SPAN > sized.size
        self._inputs = inputs[max(0, min(first, len(inputs) - SIZES)) :]

    @property
    def _has_enough_given(self) -> bool:
        return bool(self.scaling.sizes) and len(self._inputs) >= SIZES

    def _intended(self) -> Iterator[int]:
        """Yield the sizes to try next; each once more if a smaller one was taken instead."""
        given = self.earlier.sizes if self.earlier else self.scaling.sizes
        for size in given:
            yield size
            while self._refused == size and len(self._inputs) < SIZES:
                yield size
            if self._refused == size:
                return
        if given:
            return
        size = 1
        while size <= LARGEST:
            yield size
            if self._inputs[-1].latency_ns >= LONG_NS:
                return
            size = 2 * self._inputs[-1].size

    def _affordable(self, intended: int) -> int | None:
        """Return this size, or one nearer to the last if its calls may take too long; or None."""
        if len(self._inputs) < 2:  # noqa: PLR2004 - a forecast takes two
            return intended
        *_, smaller, larger = self._inputs
        longest_ns = LONGEST_GIVEN_NS if self.scaling.sizes else LONGEST_NS
        for divisor in _NEARER:
            size = larger.size + (intended - larger.size) // divisor
            if size > larger.size and forecast_ns(smaller, larger, size) <= longest_ns:
                return size
        return None

    def _require_time(self) -> None:
        """Raise LatencyError if even a call with the largest input takes too short a time."""
        largest = self._inputs[-1]
        if largest.latency_ns >= LEAST_NS:
            return
        raise LatencyError(
            f"sample.scaling(): a call takes {format_duration(largest.latency_ns)} at size "
            f"{largest.size}, which is too short to be timed: let the function do more, such as a "
            "thousand look-ups, or give larger sizes="
        )

    def _take_turns(self, end_ns: int) -> Iterator[tuple[Taker, Request, int]]:
        turns = TurnPlan(
            most=_MOST_TURNS if len(self._inputs) >= SIZES else _FEW_TURNS,
            longest_s=(end_ns - self.clock()) / NS_PER_S,
        )
        in_turns = InTurns(
            [self._request(sized.value) for sized in self._inputs],
            [(sized.latency_ns,) for sized in self._inputs],
            turns=turns,
            plan=self.plan,
            clock=self.clock,
            draw=Random(SEED),
            is_enough=self._is_settled,
            turn_of_each=[_turn(sized.latency_ns) for sized in self._inputs],
            why_bare=why_bare(self.plan, (self._inputs[-1].latency_ns,)),
        )
        with in_turns:
            yield from in_turns.steps()
        self._measured = in_turns.measured()

    def _is_settled(self, latencies: Sequence[Nanoseconds]) -> bool:
        """Note the ratios so far; return whether they suffice."""
        self._ratios = tuple(
            Ratios(
                below.size, above.size, (*self._earlier_values(at), *log_ratios(larger, smaller))
            )
            for at, ((below, smaller), (above, larger)) in enumerate(
                pairwise(zip(self._inputs, latencies, strict=True))
            )
        )
        self._show_progress(latencies[-1])
        return is_settled(self._ratios, self.scaling.at_most, self.alpha)

    def _earlier_values(self, at: int) -> Sequence[float]:
        """Return the ratios of an earlier attempt, if it measured the same sizes."""
        if self.earlier is None or self.earlier.sizes != self._sizes:
            return ()
        return self.earlier.log_ratios[at]

    @property
    def _sizes(self) -> tuple[int, ...]:
        return tuple(sized.size for sized in self._inputs)

    def _show_progress(self, latencies: Nanoseconds) -> None:
        now = self.clock()
        if self.watcher is None or now - self._watched < PROGRESS_EVERY_NS:
            return
        self._watched = now
        wall_ns = latencies.ravel()
        observations = Observations(wall_ns, wall_ns, np.zeros_like(wall_ns))
        self.watcher.show(Progress(self.name, observations, (), now - self._begin))

    def _sample(self) -> GrowthSample:
        largest = self._measured[-1]
        failures = sum((part.taker.failures for part in self._measured), Counter[str]())
        latencies = [_median(measured.observations) for measured in self._measured]
        curve = {**self._curve, **dict(zip(self._sizes, latencies, strict=True))}
        observations, failed = largest.observations, failures.total()
        growth = judge_growth(
            self._ratios,
            self.scaling.at_most,
            self.alpha,
            [*curve.items()][-_POINTS:],
            self._refused,
        )
        verdict = Verdict(
            limits=(),
            failures=failure_verdict(
                boundaries(_NO_ERRORS, ALPHA_WITHIN, self.alpha),
                _NO_ERRORS,
                failed,
                len(observations) + failed,
            ),
            n=len(observations),
            elapsed_ns=largest.elapsed_ns,
            growth=growth,
        )
        return GrowthSample(
            name=self.name,
            observations=observations.without_circumstances(),
            failures=dict(failures),
            verdict=verdict,
            measurement=Measurement(
                loop=GROWTH,
                bracket=largest.why_no_bracket is None,
                why_no_bracket=largest.why_no_bracket,
                warmup_ns=largest.warmup_ns,
                elapsed_ns=self.clock() - self._begin,
                followed=largest.followed,
                slowest=slowest(observations, ()),
                advice=self._look.advice,
            ),
            sizes=self._sizes,
            log_ratios=tuple(tuple(ratios.values) for ratios in self._ratios),
            answer=largest.taker.answer,
        )

    def _sample_of_one_call(self, taker: BareTaker) -> GrowthSample:
        observations = taker.observations()
        return GrowthSample(
            name=self.name,
            observations=observations,
            failures=dict(taker.failures),
            measurement=Measurement(loop=GROWTH, advice=self._look.advice),
            answer=taker.answer,
        )


def _turn(latency_ns: int) -> Turn:
    counted = min(_MOST_CALLS, ceil(_TURN_NS / max(1, latency_ns)))
    return Turn(counted, dropped=0 if latency_ns >= _REFILL_NS else 1)


def _median(observations: Observations) -> int:
    return round(float(np.median(observations.comparable_ns))) if len(observations) else 0
