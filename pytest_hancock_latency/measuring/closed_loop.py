"""The closed loop: one caller, the next request waits for the reply, until there is a verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from statistics import median
from typing import Any, Final, Protocol

from ..core.advice import Advice
from ..core.judge import LOOK_EVERY_NS, Judge
from ..core.progress import Progress
from ..core.sample import Measurement, Observations, Sample
from ..core.verdict import Verdict
from .bracketing import BracketTaker
from .circumstances import advice_before, advice_on, slowest
from .clock import Clock
from .collector import Collector
from .plan import Plan
from .probe import Probe
from .scheduler import NoScheduler, Scheduler, voluntary_switches
from .taking import BareTaker, Call, Request

SHORTEST_BRACKETED_NS: Final = 20_000
PROGRESS_EVERY_NS: Final = 250_000_000
_LOOK_SHARE: Final = 50

Taker = BareTaker | BracketTaker


class Watcher(Protocol):
    """Somebody who wants to know while a sample is measured; never called inside a window."""

    def warn(self, advice: Advice) -> None:
        """Something that is known before measuring."""

    def show(self, progress: Progress) -> None:
        """How far it is; a few times a second."""

    def done(self) -> None:
        """The sample is measured, or an exception ended it."""


class ClosedLoop:
    """Measures one request after another on the calling thread."""

    def __init__(self, plan: Plan, clock: Clock, watcher: Watcher | None = None) -> None:
        self._plan = plan
        self._clock = clock
        self._watcher = watcher

    def measure(
        self, request: Request, judge: Judge | None, warmed: tuple[int, ...] | None = None
    ) -> Sample:
        """Warm up unless that was done by hand, measure until there is a verdict, judge.

        warmed: latencies in ns of the warm-up by hand. Whatever the request raises is raised.
        """
        warmup = self._warm_up(request) if warmed is None else warmed
        early = advice_before(judge, self._plan, warmup) if judge else None
        if early and self._watcher:
            self._watcher.warn(early)
        with ExitStack() as stack:
            collector = stack.enter_context(Collector(self._clock))
            if self._watcher:
                stack.callback(self._watcher.done)
            probe = Probe(self._clock)
            taker, why = self._taker(stack, probe, warmup)
            begin = self._clock()
            self._take_until_decided(request, judge, taker, probe)
            elapsed = self._clock() - begin
        seen = taker.observations()
        advice = advice_on(seen, warmup, probe.durations)
        return Sample(
            name=request.name,
            observations=seen.without_circumstances(),
            failures=dict(taker.failures),
            verdict=_judged(judge, seen, sum(taker.failures.values()), elapsed),
            measurement=Measurement(
                bracket=why is None,
                why_no_bracket=why,
                warmup_ns=warmup,
                elapsed_ns=elapsed,
                slowest=slowest(seen, collector.runs, begin),
                advice=(early, *advice) if early else advice,
            ),
        )

    def _warm_up(self, request: Request) -> tuple[int, ...]:
        taker, unchecked = BareTaker(self._clock), Request(request.call)
        for _ in range(self._plan.warmup):
            taker.take(unchecked, 1, 0)
        return taker.walls

    def _taker(
        self, stack: ExitStack, probe: Probe, warmup: tuple[int, ...]
    ) -> tuple[Taker, str | None]:
        """The taker that fits, and why it is the bare one if it is."""
        if not self._plan.attribution:
            return BareTaker(self._clock), "attribution is switched off"
        if warmup and median(warmup) < SHORTEST_BRACKETED_NS:
            return BareTaker(self._clock), "a call takes less than the 20 µs that pay for a bracket"
        switches = voluntary_switches()
        if switches is None:
            return BareTaker(self._clock), "this system does not count a thread's switches"
        try:
            scheduler = stack.enter_context(Scheduler())
        except NoScheduler as error:
            return BareTaker(self._clock), str(error)
        return BracketTaker(self._clock, probe, scheduler, switches), None

    def _take_until_decided(
        self, request: Request, judge: Judge | None, taker: Taker, probe: Probe
    ) -> None:
        clock, plan = self._clock, self._plan
        begin = clock()
        deadline = begin + plan.time_limit_ns
        left, next_look = self._look(judge, taker)
        watched = begin
        while left and (now := clock()) < deadline:
            if self._watcher and judge and now - watched > PROGRESS_EVERY_NS:
                watched = now
                seen, undecided = taker.observations(), judge.undecided
                self._watcher.show(Progress(request.name, seen, undecided, now - begin))
            until = min(deadline, next_look, probe.run_if_due())
            failed = sum(taker.failures.values())
            left -= taker.take(request, left, until)
            if not left or clock() >= next_look or sum(taker.failures.values()) > failed:
                left, next_look = self._look(judge, taker)

    def _look(self, judge: Judge | None, taker: Taker) -> tuple[int, int]:
        """Observations to take before a pass is possible, and when to look again at the latest.

        Without a budget it is the planned number. Looks take at most about 2 % of the time.
        """
        now = self._clock()
        failed = sum(taker.failures.values())
        if judge is None:
            left = self._plan.samples - len(taker) - failed
            return max(0, left), now + self._plan.time_limit_ns
        left = judge.look(taker.observations(), failed)
        after = self._clock()
        return left, after + max(LOOK_EVERY_NS, _LOOK_SHARE * (after - now))


def _judged(
    judge: Judge | None, seen: Observations, failed: int, elapsed_ns: int
) -> Verdict | None:
    if judge is None:
        return None
    judge.look(seen, failed)  # what came after the last look counts as well
    return judge.verdict(seen, failed, elapsed_ns)


def called_with(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Call:
    """A call without arguments; the bare function where there are none, for the least cost."""
    if not args and not kwargs:
        return function
    from functools import partial

    return partial(function, *args, **kwargs)
