"""Bursts of the same load, one after another, until they say enough.

caller   ── before() ── burst ── before() ── burst ── … ── sample of all bursts
                              └── look: is the verdict there, or the time over? ──┘

The time between bursts is not part of the sample: `elapsed_ns` is that of the bursts alone, and
each starts where the previous one ended. So the rate of requests is that of the bursts, and the
timeline has no gaps. The time limit is about all of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import partial
from inspect import isawaitable, iscoroutine
from itertools import chain
from typing import Any, Final, Self

from ...core.advice import Advice
from ...core.budget import AUTO_TIME
from ...core.sample import (
    REPEATED_BURSTS,
    Burst,
    LoadSample,
    Measurement,
    Progress,
)
from ...core.verdict import Outcome, Verdict
from ...errors import LatencyError, hides_frame
from ...judging.bursts import BurstJudge
from ...judging.sequential import DELETION_WINDOW_NS, SequentialJudge
from ..clock import Clock
from ..diagnosis import advice_before_bursts, advice_on_long_bursts, advice_on_pace_of_bursts
from ..plan import LONGEST_NS, Plan, SharedTime
from ..request import Load, is_coroutine_function, name_of
from .closed_loop import PATIENCE_NS, PROGRESS_EVERY_NS, Watcher
from .finished_load import Finished, JudgeOf, Part, joined, judge_burst, sample_of

__tracebackhide__ = hides_frame

DECIDED: Final = "decided"
_PACE_FROM: Final = 2
"""Bursts from which their pace is known: the first one loads, connects and compiles."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """How many bursts to make, and what to do before each."""

    times: int | None = 1
    """Number of bursts; None for as many as a verdict takes."""
    before: Callable[[], Any] | None = None

    @classmethod
    def of(cls, repeat: object, before: object, *, is_awaited: bool) -> Repeat:
        """Check the arguments of a burst.

        Args:
            is_awaited: whether `before` may be a coroutine function.

        Raises:
            LatencyError: one of them is invalid.
        """
        times = _times(repeat)
        if before is None:
            return cls(times)
        if not callable(before):
            raise LatencyError(
                f"burst(before={before!r}): before is not callable: pass the function itself, "
                "as in before=limiter.reset"
            )
        if is_coroutine_function(before) and not is_awaited:
            raise LatencyError(
                f"burst(before={name_of(before)}): before is a coroutine function, which only "
                "`await sample.burst(...)` of a coroutine function can await"
            )
        return cls(times, before)

    def once(self) -> Repeat:
        """Return the same with a single burst."""
        return replace(self, times=1)

    def prepare(self) -> None:
        """Do what is to be done before a burst.

        Raises:
            LatencyError: it would have to be awaited.
        """
        result = self.before() if self.before else None
        if not isawaitable(result):
            return
        if iscoroutine(result):
            result.close()
        raise LatencyError(
            f"burst(before=...): it returned a {type(result).__name__} that is never awaited; only "
            "`await sample.burst(...)` of a coroutine function can await it"
        )

    async def prepare_awaiting(self) -> None:
        """Do what is to be done before a burst of coroutines."""
        result = self.before() if self.before else None
        if isawaitable(result):
            await result


def _times(repeat: object) -> int | None:
    """Return the number of bursts; None for as many as a verdict takes."""
    if isinstance(repeat, str) and repeat == DECIDED:
        return None
    if isinstance(repeat, int) and not isinstance(repeat, bool) and repeat >= 1:
        return repeat
    raise LatencyError(
        f'burst(repeat={repeat!r}): repeat must be a whole number of at least 1, or "{DECIDED}"'
    )


@dataclass(eq=False)
class Bursts:
    """How many bursts of a load to make, and the sample of all of them.

    It makes none itself, so that threads and coroutines share it. A single burst is judged by its
    requests, as any load is.
    """

    load: Load
    repeat: Repeat
    plan: Plan
    clock: Clock
    judge_of: JudgeOf
    shared_time: SharedTime
    watcher: Watcher | None
    wall_clock: Callable[[], float]
    _judge: BurstJudge | None = None
    _maximum: int = 1
    _parts: list[Part] = field(default_factory=list)
    _finished: list[Finished] = field(default_factory=list)
    _bursts: list[Burst] = field(default_factory=list)
    _early: Advice | None = None
    _started_unix_s: float = 0
    _begin: int = 0
    _first_end: int = 0
    _watched: int = 0

    def make(self, burst: Callable[[], Finished]) -> LoadSample:
        """Make all bursts of a function."""
        if self._is_single:
            self.repeat.prepare()
            return judge_burst(burst(), self.judge_of)
        with self:
            while self._goes_on():
                self.repeat.prepare()
                self._add(burst())
        return self._sample()

    async def make_awaiting(self, burst: Callable[[], Awaitable[Finished]]) -> LoadSample:
        """Make all bursts of a coroutine function."""
        if self._is_single:
            await self.repeat.prepare_awaiting()
            return judge_burst(await burst(), self.judge_of)
        with self:
            while self._goes_on():
                await self.repeat.prepare_awaiting()
                self._add(await burst())
        return self._sample()

    @property
    def _is_single(self) -> bool:
        """Whether there is one burst; without a budget, nothing else would decide how many."""
        judge = self._judge_of(1)
        if judge is not None and judge.earlier is not None and judge.earlier.bursts:
            return False  # bursts are judged with bursts
        return self.repeat.times == 1 or (self.repeat.times is None and judge is None)

    def _judge_of(self, requests: int) -> SequentialJudge | None:
        return self.judge_of(self.load.name, requests, DELETION_WINDOW_NS)

    def __enter__(self) -> Self:
        self._maximum = self._most_bursts()
        judge = self._judge_of(self._maximum * len(self.load.calls))
        self._judge = BurstJudge(judge.budget, judge.policy, judge.earlier) if judge else None
        if self._judge:
            self._early = advice_before_bursts(
                self._judge, self.plan, len(self.load.calls), self.repeat.times
            )
            self._announce(self._early)
        self._started_unix_s = self.wall_clock()
        self._begin = self._watched = self.clock()
        return self

    def __exit__(self, *raised: object) -> None:
        self.shared_time.charge(self.clock() - self._begin)
        if self.watcher:
            self.watcher.done()

    def _most_bursts(self) -> int:
        if self.repeat.times is not None:
            return self.repeat.times
        return max(1, self.plan.max_samples // len(self.load.calls))

    def _goes_on(self) -> bool:
        """Whether to make another burst.

        A number of bursts is made in full, unless one limit is exceeded by then.
        """
        count, judge = len(self._bursts), self._judge
        if not count:
            return True
        if count >= self._maximum or (judge is not None and judge.is_exceeded):
            return False
        if self.repeat.times is not None or judge is None:
            return True
        return not judge.is_decided and self.clock() < self._deadline(judge)

    def _deadline(self, judge: BurstJudge) -> int:
        """Return when to stop; later if *exceeded* only needs more bursts to be shown."""
        deadline = self._begin + self._limit_ns(judge)
        if self.clock() >= deadline and self.plan.time_limit_ns == AUTO_TIME:
            longest_ns = min(self.shared_time.grant(LONGEST_NS), self.plan.longest_ns)
            if judge.would_exceed(longest_ns // max(1, self._pace_ns)):
                deadline = max(deadline, self._begin + longest_ns)
        return deadline + (PATIENCE_NS if judge.is_concentrated else 0)

    def _limit_ns(self, judge: BurstJudge) -> int:
        if self.plan.time_limit_ns != AUTO_TIME:
            return self.plan.time_limit_ns
        wanted_ns = judge.with_room() * self._pace_ns
        return self.plan.automatic_limit_ns(self.shared_time, wanted_ns, judge.budget.least_time_ns)

    @property
    def _pace_ns(self) -> int:
        """Time from one burst to the next, what is done between them included."""
        count = len(self._bursts)
        if count < _PACE_FROM:
            return self._first_end - self._begin
        return (self.clock() - self._first_end) // (count - 1)

    def _add(self, finished: Finished) -> None:
        """Add a burst, and look at all of them."""
        offset_ns = sum(burst.elapsed_ns for burst in self._bursts[-1:])
        if self._parts:
            offset_ns += self._parts[-1].begin
        observations = joined(finished.parts, finished.begin)
        failed = sum(finished.failures.values())
        burst = Burst(len(observations), failed, finished.elapsed_ns)
        self._parts.append(Part(observations, offset_ns))
        self._finished.append(replace(finished, parts=()))
        self._bursts.append(burst)
        if len(self._bursts) == 1:
            self._first_end = self.clock()
        if self._judge is None:
            return
        self._judge.add(observations, burst)
        if len(self._bursts) == _PACE_FROM and self.repeat.times is None:
            self._announce_time(self._judge)
        self._show(self._judge)

    def _announce(self, advice: Advice | None) -> None:
        if advice and self.watcher:
            self.watcher.warn(advice)

    def _announce_time(self, judge: BurstJudge) -> None:
        """Announce that the bursts of a verdict do not fit into the time, or take long."""
        if self._early is not None:
            return
        requests, limit_ns = len(self.load.calls), self._limit_ns(judge)
        self._early = advice_on_pace_of_bursts(judge, requests, self._pace_ns, limit_ns)
        self._announce(self._early or advice_on_long_bursts(judge, requests, self._pace_ns))

    def _show(self, judge: BurstJudge) -> None:
        now = self.clock()
        if self.watcher is None or now - self._watched <= PROGRESS_EVERY_NS:
            return
        self._watched = now
        observations = joined(self._parts, 0)
        progress = Progress(self.load.name, observations, judge.inconclusive, now - self._begin)
        self.watcher.show(progress)

    def _sample(self) -> LoadSample:
        failures = sum((Counter(burst.failures) for burst in self._finished), Counter[str]())
        load = replace(
            self._finished[-1],
            elapsed_ns=sum(burst.elapsed_ns for burst in self._bursts),
            failures=dict(failures),
            answers=tuple(chain.from_iterable(burst.answers for burst in self._finished)),
            followed=tuple(
                dict.fromkeys(chain.from_iterable(burst.followed for burst in self._finished))
            ),
        )
        verdict = self._judge.verdict() if self._judge else None
        measurement = Measurement(
            loop=REPEATED_BURSTS,
            started_unix_s=self._started_unix_s,
            advice=self._kept_advice(verdict),
        )
        kind = partial(LoadSample, bursts=tuple(self._bursts))
        return sample_of(load, joined(self._parts, 0), measurement, verdict, kind)

    def _kept_advice(self, verdict: Verdict | None) -> tuple[Advice, ...]:
        """Return the advice that a pass is out of reach, unless the bursts decided all the same."""
        if self._early is None or verdict is None or verdict.outcome is not Outcome.INCONCLUSIVE:
            return ()
        return (self._early,)
