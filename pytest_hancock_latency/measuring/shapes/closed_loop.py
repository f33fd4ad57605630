"""The closed loop: one caller makes requests one after another until there is a verdict."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import fields, replace
from fractions import Fraction
from functools import partial
from typing import Any, Final, Generic, Protocol, Self, TypeVar

from ...core.advice import Advice
from ...core.budget import AUTO_TIME, FIRST
from ...core.duration import NS_PER_MS, NS_PER_S
from ...core.late_numpy import np
from ...core.record import titled
from ...core.sample import (
    Measurement,
    Observations,
    Progress,
    Sample,
    StreamSample,
    name_of_stage,
)
from ...core.undisturbed import ProbeTimes, usual_slowness
from ...core.verdict import Verdict
from ...errors import LatencyError, hides_frame
from ...judging.sequential import LOOK_EVERY_NS, SequentialJudge
from ...judging.stages import JudgeOfStages
from ..answers import Look, Unfinished
from ..clock import NEVER, Clock, ManualClock, thread_cpu
from ..diagnosis import (
    advice_before,
    advice_on,
    advice_on_inputs,
    advice_on_long,
    advice_on_speed,
    as_it_came,
    pace_ns,
    slowest,
    usual_probe_ns,
)
from ..own_modules import own_os
from ..patience import Patience
from ..plan import LONGEST_NS, QUICK_NS, Plan, SharedTime
from ..request import (
    Request,
    Target,
    is_in_event_loop,
    must_be_awaited,
    require_process,
)
from ..stages import SlowedWindow, StagedWindow, Stages
from ..takers import taker_for, why_bare
from ..takers.bare import BareTaker, Taker
from ..takers.follower import Follower
from ..takers.gc_freeze import Collector
from ..takers.probes import Probes
from ..warming import WarmingUp, warm_up
from .coroutines import take_awaiting
from .streams import Stream, StreamTaker

__tracebackhide__ = hides_frame

T_co = TypeVar("T_co", covariant=True)

PATIENCE_NS: Final = 2 * NS_PER_S
"""How much longer to measure if the evidence suffices, but could be a single stall or comes from
before the probing phase: half a second until that counts, two deletion windows for the stall, and
as much time after it."""
PROGRESS_EVERY_NS: Final = 250_000_000
_LOOK_SHARE: Final = 50
_STOOD_STILL_NS: Final = 50_000_000
"""CPU time after which some call must have taken longer than the smallest step of any clock."""


class Watcher(Protocol):
    """Receives progress while a sample is measured; never called inside a timed window."""

    def warn(self, advice: Advice) -> None:
        """Receive advice known before measuring."""

    def show(self, progress: Progress) -> None:
        """Receive the progress, a few times per second."""

    def done(self) -> None:
        """Called when the sample is measured or an exception ended it."""


class DuelTurns(Protocol):
    """The turns of one side at a sample of a duel."""

    @property
    def warmup_ns(self) -> Sequence[int]:
        """The warm-up by which both sides choose how to measure."""

    def turns(self) -> Iterator[int]:
        """Yield the number of calls of each turn, when it begins."""

    quantiles: Sequence[Fraction]
    """Quantiles to compare."""

    def finish(self, turns_ns: Sequence[float], latencies_ns: Sequence[float]) -> None:
        """Report the median attributed latency of each turn, and the latency at each quantile."""

    def abandon(self) -> None:
        """Report that the sample ends without latencies."""


class DuelTest(Protocol):
    """A test in a duel: another version of the code measures the same samples in turns."""

    def wait_for_other_side(self, name: str, warmup_ns: Sequence[int]) -> DuelTurns | None:
        """Wait until the other side reaches the sample too; None if it is not to be measured."""

    def leave_out(self, name: str, shape: str) -> None:
        """Report a sample that cannot be measured in turns."""


class Measuring:
    """The measuring of one sample by one caller: how many calls to make, and when to stop.

    It makes no calls itself, so that functions, coroutines and blocks can share it.
    """

    def __init__(
        self,
        loop: ClosedLoop,
        name: str,
        judge: SequentialJudge | None,
        warmup: tuple[int, ...],
        request: Request | None = None,
    ) -> None:
        """request: None for blocks, which have neither inputs nor answers to look at."""
        self._plan, self._clock, self._watcher = loop.plan, loop.clock, loop.watcher
        self._name, self._title = name, titled(loop.plan.test, name)
        self._judge = judge
        self._warmup = warmup
        self._look_at_answer = request.look if request else Look()
        self._inputs = request.inputs if request else None
        if judge is not None and self._inputs is not None:
            judge.inputs = len(self._inputs)
        self._shared_time = loop.shared_time
        self._limit_ns = self._time_limit(judge, warmup)
        self._early = None
        if judge is not None and loop.plan.foretells:
            self._early = advice_before(judge, loop.plan, self._limit_ns, warmup)
        self._stack = ExitStack()
        self._begin = self._elapsed = self._cpu_ns = 0
        self._is_extended = self._has_probed_for_reference = False
        self._duel_test = loop.duel_test
        self._turns: DuelTurns | None = None
        self._first_of_turns: list[int] = []
        self._patience = loop.patience_of(loop.clock)
        self._process = own_os.getpid()
        self._full_at = 0
        """When the maximum number of observations was reached although more were needed."""

    def __enter__(self) -> Self:
        if self._watcher and self._judge:
            self._announce(self._judge, self._watcher)
        self._collector = self._stack.enter_context(Collector(self._clock))
        if self._watcher:
            self._stack.callback(self._watcher.done)
        self._probes = Probes(self._clock)
        warmup: Sequence[int] = self._warmup
        if self._duel_test:
            self._turns = self._duel_test.wait_for_other_side(self._name, warmup)
            warmup = self._turns.warmup_ns if self._turns else warmup
        limits = self._judge.budget.limits if self._judge else ()
        has_maximum = any(not limit.allowed for limit in limits)
        self._follower = self._stack.enter_context(Follower(self._clock))
        self.taker, self._why = taker_for(
            self._stack,
            self._probes,
            self._follower,
            self._plan.speed,
            why_bare=why_bare(self._plan, warmup, has_maximum=has_maximum),
        )
        self.stages = Stages(self.taker)
        if isinstance(self._judge, JudgeOfStages):
            self._judge.observed = self.stages.observations
        if self._why is None:
            self._follower.start_if_family()
        if self._turns is None and (self._judge is not None or self._plan.probes):
            self.taker.expect_probing(self._title)
        if self._turns is None and self._plan.probes:
            self.taker.start_probing()
        self._begin, self._cpu_ns = self._clock(), thread_cpu()
        return self

    def __exit__(self, *raised: object) -> None:
        if self._turns and raised[0] is not None:
            self._turns.abandon()
        self._follower.finish()
        self._elapsed, self._cpu_ns = self._clock() - self._begin, thread_cpu() - self._cpu_ns
        self._probe_for_reference()
        if self._why is None:
            self._plan.speed.add(self._probes.times)
        if session := self.taker.probed_session:
            self._plan.speed.probed[self._title] = session
        self._shared_time.charge(self._elapsed)
        self._stack.close()

    def steps(self) -> Iterator[tuple[int, int]]:
        """Yield repeatedly how many calls to make next, and until when at the latest."""
        if self._duel_test:
            yield from self._steps_in_turns()
            return
        clock = self._clock
        remaining, next_look = self._look()
        watched = self._begin
        while remaining and (now := clock()) < (deadline := self._deadline()):
            if self._watcher and self._judge and now - watched > PROGRESS_EVERY_NS:
                watched = now
                self._watcher.show(self._progress(self._judge, now))
            if self._waits_for_calm():
                yield from self._uncounted()
            failed, before = self.taker.failures.total(), len(self.taker)
            yield remaining, min(deadline, next_look, self._probes.run_if_due())
            require_process(self._process)
            failed = self.taker.failures.total() - failed
            remaining -= len(self.taker) - before + failed
            if remaining <= 0 or failed or clock() >= next_look:
                remaining, next_look = self._look()

    def _waits_for_calm(self) -> bool:
        """In the probing phase, pause while others are busy; return whether there was a pause.

        All pauses take at most half of the time limit, which they extend if it is automatic.
        """
        if self._patience is None or self._plan.probes or not self.taker.is_probing:
            return False
        if self._plan.time_limit_ns != AUTO_TIME:
            return self._patience.wait(self._limit_ns // 2)
        before_ns = self._patience.paused_ns
        is_calm = self._patience.wait((self._limit_ns - before_ns) // 2)
        longest_ns = max(self._limit_ns, self._plan.longest_ns)
        paused_ns = self._patience.paused_ns - before_ns
        self._limit_ns = min(self._limit_ns + paused_ns, longest_ns)
        return is_calm

    def _uncounted(self) -> Iterator[tuple[int, int]]:
        """Yield a step for one call that is not counted: after a pause, it is cold."""
        counting, self.taker = self.taker, BareTaker(self._clock)
        try:
            yield 1, NEVER
        finally:
            self.taker = counting

    def _steps_in_turns(self) -> Iterator[tuple[int, int]]:
        """Yield the steps of a duel; a sample not measured there is called once, for its answer."""
        if self._turns is None:
            yield 1, NEVER
            return
        taker = self.taker
        for calls in self._turns.turns():
            self._probes.run_if_due()
            self._first_of_turns.append(len(taker))
            end = len(taker) + taker.failures.total() + calls
            # A taker returns early when a call blocks, since from then on it follows waits.
            while (missing := end - len(taker) - taker.failures.total()) > 0:
                yield missing, NEVER

    def stream_sample(self) -> StreamSample:
        """Return the judged sample of streams, with those of its stages."""
        whole = self.sample()
        if self.stages.came_at_once(FIRST):
            advice = (Advice.of("buffered-stream"), *whole.measurement.advice)
            whole = replace(whole, measurement=replace(whole.measurement, advice=advice))
        own = {part.name: getattr(whole, part.name) for part in fields(whole)}
        return StreamSample(**own, clocks=dict(self.samples_of_stages(whole)))

    def sample(self) -> Sample:
        """Return the judged sample."""
        observations = self.taker.observations()
        self._require_time(observations)
        if self._turns:
            self._turns.finish(
                *latencies_in_turns(observations, self._first_of_turns, self._turns.quantiles)
            )
        times = self._probes.times
        look = self._look_at_answer
        advice = advice_on(observations, self._warmup, times.arithmetic_ns, look.first_ns)
        collections = self._collector.since(self._begin)
        verdict = self._verdict(observations)
        calls = len(observations) + self.taker.failures.total()
        advice = (
            *as_it_came(self._early, calls),
            *look.advice,
            *advice_on_inputs(self._inputs, calls, verdict),
            *advice_on_speed(verdict, self._plan.speed, times),
            *advice,
        )
        return Sample(
            name=self._name,
            observations=observations.without_circumstances(),
            failures=dict(self.taker.failures),
            verdict=verdict,
            measurement=Measurement(
                bracket=self._why is None,
                why_no_bracket=self._why,
                warmup_ns=self._warmup,
                elapsed_ns=self._elapsed,
                followed=self._follower.words,
                probe_ns=usual_probe_ns(times),
                room=self._room_at_most(len(observations)),
                max_samples=self._plan.max_samples if self._judge else None,
                cpu_share=round(min(1.0, self._cpu_ns / max(1, self._elapsed)), 2),
                slowness=self._slowness(times),
                slowest=slowest(observations, collections),
                advice=advice,
            ),
            collections_ns=collections,
            answer=self.taker.answer,
        )

    def samples_of_stages(self, whole: Sample) -> Iterator[tuple[str, Sample[None]]]:
        """Yield the judged sample of each stage that a call has reached, by name.

        Args:
            whole: the sample of the calls.
        """
        judges = self._judge.stages if isinstance(self._judge, JudgeOfStages) else {}
        for name in self.stages.names:
            observations = self.stages.observations(name)
            judge = judges.get(name)
            yield (
                name,
                Sample(
                    name=name_of_stage(self._name, name),
                    observations=observations.without_circumstances(),
                    verdict=judge.verdict(observations, 0, self._elapsed) if judge else None,
                    measurement=replace(
                        whole.measurement,
                        clock=name,
                        warmup_ns=(),
                        slowest=slowest(observations, whole.collections_ns),
                        advice=(),
                    ),
                    collections_ns=whole.collections_ns,
                    answer=None,
                ),
            )

    def _room_at_most(self, n: int) -> int | None:
        """Return how many observations would fit into the longest time, at the same pace."""
        if self._judge is None or not n:
            return None
        is_automatic = self._plan.time_limit_ns == AUTO_TIME
        longest_ns = self._plan.longest_ns if is_automatic else self._plan.time_limit_ns
        return longest_ns * n // max(1, self._elapsed)

    def _slowness(self, times: ProbeTimes) -> float | None:
        """Return the usual slowness of the machine, as far as nothing is excused for it yet."""
        if self._judge is None or type(self.taker) is BareTaker:
            return None
        reference = self._plan.speed.reference(times)
        if reference is not None and self.taker.is_attributing:
            return 1.0
        return round(usual_slowness(times, reference), 2)

    def _require_time(self, observations: Observations) -> None:
        """Raise LatencyError if the clock stood still: whatever was measured would be within."""
        if isinstance(self._clock, ManualClock) or self._cpu_ns < _STOOD_STILL_NS:
            return
        if len(observations) and not observations.wall_ns.any():
            raise LatencyError(
                f"the clock stood still: {len(observations)} calls took no time, and "
                f"{self._cpu_ns // NS_PER_MS} ms of CPU time: something has replaced it"
            )

    def _verdict(self, observations: Observations) -> Verdict | None:
        if self._judge is None:
            return None
        failed = self.taker.failures.total()
        if not self._judge.budget.limits and not failed:
            return None  # only its stages have limits
        return self._judge.verdict(observations, failed, self._elapsed)

    def _deadline(self) -> int:
        """Return when to stop at the latest; later if *exceeded* only needs more time to be shown.

        The maximum number of observations may be exceeded for the same time as the time limit.
        """
        deadline = self._begin + self._limit_ns
        if self._judge is not None and not self._is_extended and self._clock() >= deadline:
            self._extend(self._judge)
            deadline = self._begin + self._limit_ns
        if self._judge is None or not self._judge.lacks_only_time:
            return deadline
        if len(self.taker) >= self._plan.max_samples:
            self._full_at = self._full_at or self._clock()
            deadline = min(deadline, self._full_at)
        return deadline + PATIENCE_NS

    def _time_limit(self, judge: SequentialJudge | None, warmup: tuple[int, ...]) -> int:
        """Return the planned time limit; if automatic, the time needed at the warm-up's pace."""
        if self._plan.time_limit_ns != AUTO_TIME:
            return self._plan.time_limit_ns
        if judge is None:
            return min(QUICK_NS, self._plan.longest_ns)
        wanted_ns = judge.with_room() * pace_ns(warmup)
        return self._plan.automatic_limit_ns(
            self._shared_time, wanted_ns, judge.budget.least_time_ns
        )

    def _extend(self, judge: SequentialJudge) -> None:
        """Extend an automatic time limit for a sample that is likely *exceeded*."""
        self._is_extended = True
        if self._plan.time_limit_ns != AUTO_TIME:
            return
        longest_ns = min(self._shared_time.grant(LONGEST_NS), self._plan.longest_ns)
        most = len(self.taker) * longest_ns // max(1, self._clock() - self._begin)
        if judge.would_exceed(most):
            self._limit_ns = max(self._limit_ns, longest_ns)

    def _announce(self, judge: SequentialJudge, watcher: Watcher) -> None:
        """Warn before measuring if no pass is possible, or if it takes long."""
        if self._early:
            watcher.warn(self._early)
            return
        long = advice_on_long(judge, self._warmup)
        if long:
            watcher.warn(long)

    def _progress(self, judge: SequentialJudge, now: int) -> Progress:
        observations = self.taker.observations()
        return Progress(self._name, observations, judge.inconclusive, now - self._begin)

    def _look(self) -> tuple[int, int]:
        """Return how many observations to take next, and when to look again at the latest.

        Without a budget that is the planned number. Looks take at most about 2 % of the time.
        """
        now, failed = self._clock(), self.taker.failures.total()
        if self._judge is None:
            remaining = self._plan.samples - len(self.taker) - failed
            return max(0, remaining), now + self._limit_ns
        remaining = self._judge.look(self.taker.observations(), failed, self._room(now))
        if self._judge.is_exceeded and not self._has_probed_for_reference:
            # They may show a faster machine, and the verdict looks at all probes.
            self._probe_for_reference()
            remaining = self._judge.look(self.taker.observations(), failed, self._room(now))
        if self._judge.needs_probing:
            self.taker.start_probing()
        after = self._clock()
        return remaining, after + max(LOOK_EVERY_NS, _LOOK_SHARE * (after - now))

    def _probe_for_reference(self) -> None:
        """Once in a sample, add the probes that the reference speed of the session needs."""
        if self._why is None and not self._has_probed_for_reference:
            self._has_probed_for_reference = True
            self._probes.run_several(self._plan.speed.wanted)

    def _room(self, now: int) -> int | None:
        """Return the observations that fit into the time at the current pace; None if unknown."""
        n = len(self.taker)
        remaining_ns = self._begin + self._limit_ns - now
        return n + max(0, remaining_ns) * n // max(1, now - self._begin) if n else None


class ClosedLoop:
    """Measures one request after another, in the calling thread."""

    def __init__(  # noqa: PLR0913 - a loop, and what may accompany it
        self,
        plan: Plan,
        clock: Clock,
        watcher: Watcher | None = None,
        shared_time: SharedTime | None = None,
        *,
        duel_test: DuelTest | None = None,
        patience_of: Callable[[Clock], Patience | None] = lambda _: None,
    ) -> None:
        """Prepare for samples of one test.

        Args:
            shared_time: of the session; by default a new one.
            duel_test: in a duel.
            patience_of: makes what waits for calm moments in a sample.
        """
        self.patience_of = patience_of
        self.duel_test = duel_test
        self.plan = plan
        self.shared_time = shared_time or SharedTime()
        self.clock = clock
        self.watcher = watcher

    def run(
        self,
        target: Target,
        judge_of: Callable[[], SequentialJudge | None],
        warmed: tuple[int, ...] | None = None,
    ) -> Sample | Callable[[], Coroutine[Any, Any, Sample]]:
        """Measure a target; if its answers must be awaited, return a coroutine function for it.

        judge_of: makes the judge when measuring starts.
        """
        if must_be_awaited(target.function, target.finish):
            return partial(self._run_awaiting, target, judge_of, warmed)
        try:
            return self.measure(target.request(), judge_of(), warmed)
        except Unfinished as unfinished:
            if unfinished.can_be_awaited and is_in_event_loop():
                return partial(self._run_awaiting, target, judge_of, warmed, unfinished.answer)
            unfinished.discard()
            raise

    async def _run_awaiting(
        self,
        target: Target,
        judge_of: Callable[[], SequentialJudge | None],
        warmed: tuple[int, ...] | None,
        first: Awaitable[Any] | None = None,
    ) -> Sample:
        """first: an answer received before it was known that answers must be awaited."""
        if first is not None:
            await first
        return await self.measure_coroutine(target.awaited_request(), judge_of(), warmed)

    def measure(
        self, request: Request, judge: SequentialJudge | None, warmed: tuple[int, ...] | None = None
    ) -> Sample:
        """Warm up unless done by hand, measure until there is a verdict, and judge.

        warmed: latencies in ns of a manual warm-up. Exceptions of the request are raised.
        """
        warmup = self._warm_up(request) if warmed is None else warmed
        looked_at = request.looked_at()
        with Measuring(self, request.name, judge, warmup, request) as measuring:
            for count, until in measuring.steps():
                if request.look.is_over:
                    measuring.taker.take(request, count, until)
                else:
                    measuring.taker.take(looked_at, 1, until)
        return measuring.sample()

    async def measure_coroutine(
        self, request: Request, judge: SequentialJudge | None, warmed: tuple[int, ...] | None = None
    ) -> Sample:
        """Measure a coroutine function in the running event loop, of any library."""
        warmup = await self._warm_up_coroutine(request) if warmed is None else warmed
        looked_at = request.looked_at()
        with Measuring(self, request.name, judge, warmup, request) as measuring:
            for count, until in measuring.steps():
                if request.look.is_over:
                    await take_awaiting(measuring.taker, request, count, until)
                else:
                    await take_awaiting(measuring.taker, looked_at, 1, until)
        return measuring.sample()

    def measure_stream(
        self,
        request: Request,
        stream: Stream,
        judge: SequentialJudge | None,
        warmed: tuple[int, ...] | None,
    ) -> StreamSample:
        """Measure streams, as `measure` does calls."""
        warmup = self._warm_up(request) if warmed is None else warmed
        looked_at = request.looked_at()
        with Measuring(self, request.name, judge, warmup, request) as measuring:
            for count, until in measuring.steps():
                streams = StreamTaker(measuring.taker, measuring.stages, stream)
                asked = (request, count) if request.look.is_over else (looked_at, 1)
                streams.take(*asked, until)
        return measuring.stream_sample()

    async def measure_stream_awaiting(
        self,
        request: Request,
        stream: Stream,
        judge: SequentialJudge | None,
        warmed: tuple[int, ...] | None,
    ) -> StreamSample:
        """Measure streams that are consumed in the running event loop."""
        warmup = await self._warm_up_coroutine(request) if warmed is None else warmed
        looked_at = request.looked_at()
        with Measuring(self, request.name, judge, warmup, request) as measuring:
            for count, until in measuring.steps():
                streams = StreamTaker(measuring.taker, measuring.stages, stream)
                asked = (request, count) if request.look.is_over else (looked_at, 1)
                await streams.take_awaiting(*asked, until)
        return measuring.stream_sample()

    def _warm_up(self, request: Request) -> tuple[int, ...]:
        request.look.waits_by = self.clock
        plan = self.plan
        latencies_ns = warm_up(request, plan.warmup, self.clock, plan.longest_warmup_ns)
        request.look.waits_by = None  # between measured calls, it would disturb them
        return latencies_ns

    async def _warm_up_coroutine(self, request: Request) -> tuple[int, ...]:
        warming = WarmingUp(self.plan.warmup, self.clock, self.plan.longest_warmup_ns)
        unchecked = request.warming_up()
        for count, until in warming.steps():
            await take_awaiting(warming.taker, unchecked, count, until)
        request.look.first_ns = warming.first_ns
        return warming.latencies_ns


Observed = StagedWindow | SlowedWindow
"""What `Rounds.observe` returns: a block that is timed, and can mark stages."""


class Rounds(Generic[T_co]):
    """``for _ in rounds: with rounds.observe(): …``: times only the block."""

    def __init__(
        self,
        loop: ClosedLoop,
        name: str,
        judge: SequentialJudge | None,
        done: Callable[[Sample, Sequence[Sample[None]]], object],
        setup: Callable[[int], T_co],
    ) -> None:
        """Prepare the rounds.

        done: receives the sample, and those of its stages.
        setup: called with the number of each round before it; returns the value of the loop.
        """
        self._loop, self._name, self._judge, self._done = loop, name, judge, done
        self._setup = setup
        self._taker: Taker | None = None
        self._stages: Stages | None = None
        self.sample: Sample[None] | None = None
        """The sample, once all rounds are over."""

    def observe(self) -> Observed:
        """Time the block of the ``with`` statement; use it once per round."""
        if self._taker is None:
            raise LatencyError("call sample.observe() inside `for _ in sample.rounds():`")
        window = StagedWindow(self._taker, self._stages)
        share = self._loop.plan.slowdown
        return SlowedWindow(window, share) if share else window

    def __iter__(self) -> Iterator[T_co]:
        plan = self._loop.plan
        warming = WarmingUp(plan.warmup, self._loop.clock, plan.longest_warmup_ns)
        for count, until in warming.steps():
            yield from self._rounds(warming.taker, warming.calls, count, until)
        walls, number = warming.latencies_ns, warming.calls
        with Measuring(self._loop, self._name, self._judge, walls) as measuring:
            self._stages = measuring.stages
            for count, until in measuring.steps():
                done = number + len(measuring.taker)
                yield from self._rounds(measuring.taker, done, count, until)
        self._taker = None
        self.sample = measuring.sample()
        self._done(self.sample, [stage for _, stage in measuring.samples_of_stages(self.sample)])

    def _rounds(self, taker: Taker, number: int, count: int, until: int) -> Iterator[T_co]:
        for at in range(count):
            yield from self._round(taker, number + at)
            if self._loop.clock() >= until:
                break

    def _round(self, taker: Taker, number: int) -> Iterator[T_co]:
        self._taker = None
        prepared = self._setup(number)
        before, self._taker = len(taker), taker
        yield prepared
        if len(taker) != before + 1:
            raise LatencyError(
                f"a round timed {len(taker) - before} blocks: "
                "use `with sample.observe():` exactly once in each round"
            )


def latencies_in_turns(
    observations: Observations, first_of_turns: Sequence[int], quantiles: Sequence[Fraction]
) -> tuple[list[float], list[float]]:
    """The median comparable latency of each turn, and the latency at each quantile of all of them.

    The first call of a turn is not counted: it is cold, as the process slept while the other side
    had its turn. Both are empty if a turn has no other call.

    first_of_turns: positions in the observations, ascending.
    """
    turns = [turn[1:] for turn in np.split(observations.comparable_ns, first_of_turns)[1:]]
    if not turns or not all(map(len, turns)):
        return [], []
    counted = np.concatenate(turns)
    return (
        [float(np.median(turn)) for turn in turns],
        [float(np.quantile(counted, float(quantile))) for quantile in quantiles],
    )
