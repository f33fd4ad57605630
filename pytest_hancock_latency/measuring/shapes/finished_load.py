"""Makes one judged sample of the observations of all threads or tasks of a load.

A load is judged when it is over. The latency of an open loop is measured from the intended starts;
the uncorrected sample, measured from the actual ones, is kept as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import compress
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ...core.advice import Advice
from ...core.attribution import Circumstances, candidates, waiting_for_each_other
from ...core.late_numpy import np
from ...core.quantile import P99, rank
from ...core.sample import (
    Burst,
    LoadSample,
    Measurement,
    Observations,
    OpenLoopSample,
    Sample,
    joined_flags,
)
from ...core.verdict import Verdict
from ...judging.sequential import DELETION_WINDOW_NS, SequentialJudge
from ..diagnosis import advice_on, slowest
from ..takers.bare import Taker
from ..takers.bracketed import BracketTaker

if TYPE_CHECKING:
    from ...core.attribution import Flags, Nanoseconds

_WINDOWS: Final = 8
"""Deletion windows in a short load: the worst pair is then a quarter of it, so that a burst of less
than half a second can be *exceeded* at all."""
_SHORTEST_WINDOW_NS: Final = 1_000_000
"""Shorter windows would hold single observations, and deleting them would not help."""
_ON_TIME_NS: Final = 1_000_000
"""Wake-up delay of a sleeping thread on a calm machine; a later start was queued."""
_LATE_NS: Final = 50_000_000
"""Above this p99 send lag, a load did not keep its schedule; below, it is usual jitter."""

SampleT = TypeVar("SampleT", bound=Sample)

JudgeOf = Callable[[str, int, int], SequentialJudge | None]
"""Makes a judge from the name of a sample, the number of requests and the length of deletion
windows in ns."""


@dataclass(slots=True)
class IntendedStarts:
    """The intended starts of the requests that one taker observed, in its order."""

    is_queue: bool = True
    """Whether each request waits for the one before it, as in a calling thread."""
    due: list[int] = field(default_factory=list)
    """Intended starts on the clock."""
    woken_late: list[int] = field(default_factory=list)
    """Run-queue wait from going to sleep until sending, which the machine caused."""

    def add(self, due: int, woken_late: int) -> None:
        """Add a request that is an observation."""
        self.due.append(due)
        self.woken_late.append(woken_late)

    def without(self, flags: Flags | None) -> IntendedStarts:
        """Return those of the observations that are not flagged; all if there are no flags."""
        if flags is None or not self.due:
            return self
        kept = (~flags).tolist()
        due, woken_late = compress(self.due, kept), compress(self.woken_late, kept)
        return IntendedStarts(self.is_queue, [*due], [*woken_late])


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Observations of one taker, with starts relative to `begin` on the clock."""

    observations: Observations
    begin: int
    intended: IntendedStarts = field(default_factory=IntendedStarts)

    def send_lag(self) -> Nanoseconds:
        """Time from the intended to the actual start of each observation, never negative."""
        due = np.array(self.intended.due, dtype=np.int64)
        lag: Nanoseconds = np.maximum(0, self.observations.start_ns + self.begin - due)
        return lag

    def from_intended_start(self) -> Part:
        """Return the observations with latencies measured from their intended starts."""
        measured, lag = self.observations, self.send_lag()
        corrected = Observations(
            wall_ns=measured.wall_ns + lag,
            attributed_ns=self._attributed_from_intended_start(lag),
            start_ns=measured.start_ns - lag,
            excused_ns=measured.excused_ns,
            timed_out=measured.timed_out,
        )
        return Part(corrected, self.begin, self.intended)

    def _attributed_from_intended_start(self, lag: Nanoseconds) -> Nanoseconds:
        """Return attributed latencies, without time the machine took of the request or earlier
        ones.

        A caller's queue is simulated with attributed latencies (Lindley's recursion): it starts a
        request when that is due, or when it would have finished the previous one.
        """
        attributed, intended = self.observations.attributed_ns, self.intended
        if not intended.is_queue:
            woken_late = np.array(intended.woken_late, dtype=np.int64)
            return attributed + lag - np.minimum(lag, woken_late)
        free, latencies = 0, []
        for due, latency in zip(intended.due, attributed.tolist(), strict=True):
            free = max(due, free) + latency
            latencies.append(free - due)
        whole = self.observations.wall_ns + lag
        through: Nanoseconds = np.minimum(np.array(latencies, dtype=np.int64), whole)
        return through


def parts_of(takers: Sequence[tuple[Taker, IntendedStarts]]) -> list[Part]:
    """Return the observations of all takers of a load, attributed together."""
    circumstances = {
        taker: _queued(taker.circumstances(), intended)
        for taker, intended in takers
        if isinstance(taker, BracketTaker)
    }
    callers = dict(
        zip(circumstances, waiting_for_each_other([*circumstances.values()]), strict=True)
    )
    candidates_of_callers = [candidates(caller, taker.windows) for taker, caller in callers.items()]
    totals = np.sum(candidates_of_callers, axis=0) if candidates_of_callers else None
    parts = []
    for taker, intended in takers:
        if isinstance(taker, BracketTaker):
            everything = taker.attributed(callers[taker], totals)
        else:
            everything = taker.everything()
        refused = taker.refused(everything)
        parts.append(Part(everything.without(refused), taker.begin, intended.without(refused)))
    return parts


def _queued(circumstances: Circumstances, intended: IntendedStarts) -> Circumstances:
    """Return the circumstances with the requests of an open loop that started late marked."""
    if not intended.due:
        return circumstances
    late = circumstances.start - np.array(intended.due, dtype=np.int64) > _ON_TIME_NS
    return replace(circumstances, queued=late)


@dataclass(frozen=True, slots=True, eq=False)
class Finished:
    """A load that is over, with everything needed to judge it."""

    name: str
    parts: Sequence[Part]
    begin: int
    elapsed_ns: int
    failures: dict[str, int]
    answers: tuple[Any, ...]
    concurrency: int
    why_no_bracket: str | None
    followed: tuple[str, ...] = ()
    advice: tuple[Advice, ...] = ()
    """What there is to say about its first answer."""


def judge_burst(load: Finished, judge_of: JudgeOf) -> LoadSample:
    """Return the judged sample of a burst."""
    observations = joined(load.parts, load.begin)
    verdict = _verdict_on_load(load, observations, judge_of)
    return sample_of(load, observations, Measurement(loop="burst"), verdict, LoadSample)


def judge_open_loop(load: Finished, per_second: float, judge_of: JudgeOf) -> OpenLoopSample:
    """Return the judged sample of an open loop, which includes the uncorrected one."""
    lags = np.sort(np.concatenate([part.send_lag() for part in load.parts]))
    send_lag_ns = int(lags[rank(P99, len(lags)) - 1]) if len(lags) else 0
    corrected = joined([part.from_intended_start() for part in load.parts], load.begin)
    measurement = Measurement(
        loop="open",
        send_lag_ns=send_lag_ns,
        advice=_saturation(load, send_lag_ns, per_second),
    )
    from_actual_start = joined(load.parts, load.begin).without_circumstances()
    uncorrected: Sample[None] = Sample(f"{load.name} uncorrected".strip(), from_actual_start)
    kind = partial(OpenLoopSample, uncorrected=uncorrected)
    verdict = _verdict_on_load(load, corrected, judge_of)
    return sample_of(load, corrected, measurement, verdict, kind)


def _verdict_on_load(
    load: Finished, observations: Observations, judge_of: JudgeOf
) -> Verdict | None:
    judge = judge_of(load.name, len(observations), deletion_window_ns(load.elapsed_ns))
    return _verdict(judge, observations, sum(load.failures.values()), load.elapsed_ns)


def sample_of(
    load: Finished,
    observations: Observations,
    measurement: Measurement,
    verdict: Verdict | None,
    kind: Callable[..., SampleT],
) -> SampleT:
    """Return the sample of a load.

    Args:
        measurement: what is known of how it was measured besides the load itself.
        kind: makes the sample.
    """
    return kind(
        name=load.name,
        observations=observations.without_circumstances(),
        failures=load.failures,
        verdict=verdict,
        measurement=replace(
            measurement,
            bracket=load.why_no_bracket is None,
            why_no_bracket=load.why_no_bracket,
            elapsed_ns=load.elapsed_ns,
            followed=load.followed,
            slowest=slowest(observations, ()),
            advice=(*load.advice, *measurement.advice, *advice_on(observations, (0,), ())),
        ),
        answers=load.answers,
    )


def deletion_window_ns(elapsed_ns: int) -> int:
    """Return the length of deletion windows, shorter for short loads."""
    return min(DELETION_WINDOW_NS, max(_SHORTEST_WINDOW_NS, elapsed_ns // _WINDOWS))


def _verdict(
    judge: SequentialJudge | None, observations: Observations, failed: int, elapsed_ns: int
) -> Verdict | None:
    return judge.verdict(observations, failed, elapsed_ns) if judge else None


def _saturation(load: Finished, send_lag_ns: int, per_second: float) -> tuple[Advice, ...]:
    if send_lag_ns <= _LATE_NS:
        return ()
    advice = Advice.of(
        "saturated",
        concurrency=load.concurrency,
        send_lag_ns=send_lag_ns,
        per_second=per_second,
    )
    return (advice,)


def joined(parts: Sequence[Part], begin: int) -> Observations:
    """Join the observations of several takers, ordered by start relative to `begin`."""
    columns = [part.observations for part in parts]
    start = np.concatenate([part.observations.start_ns + (part.begin - begin) for part in parts])
    order = np.argsort(start, kind="stable")
    timed_out = joined_flags(columns, "timed_out")
    return Observations(
        wall_ns=np.concatenate([part.wall_ns for part in columns])[order],
        attributed_ns=np.concatenate([part.attributed_ns for part in columns])[order],
        start_ns=start[order],
        excused_ns={
            cause: np.concatenate([part.excused_ns[cause] for part in columns])[order]
            for cause in columns[0].excused_ns
            if all(cause in part.excused_ns for part in columns)
        },
        timed_out=None if timed_out is None else timed_out[order],
    )


def combined(earlier: Sample, later: SampleT) -> SampleT:
    """Return two samples of the same request as one.

    Args:
        later: judged together with the earlier one.
    """
    offset_ns = earlier.measurement.elapsed_ns
    if isinstance(later, LoadSample):
        later = replace(later, bursts=_bursts_of_both(earlier, later))
    later_collections = (offset_ns + begin for begin in later.collections_ns)
    return replace(
        later,
        observations=earlier.observations.followed_by(later.observations, offset_ns),
        failures=dict(Counter(earlier.failures) + Counter(later.failures)),
        collections_ns=(*earlier.collections_ns, *later_collections),
        measurement=replace(later.measurement, elapsed_ns=offset_ns + later.measurement.elapsed_ns),
    )


def _bursts_of_both(earlier: Sample, later: Sample) -> tuple[Burst, ...]:
    """Return the bursts of both, each at least one; none if neither was repeated."""
    parts = [sample.bursts if isinstance(sample, LoadSample) else () for sample in (earlier, later)]
    if not any(parts):
        return ()
    first, second = (
        bursts or (Burst(sample.n, sample.failed, sample.measurement.elapsed_ns),)
        for bursts, sample in zip(parts, (earlier, later), strict=True)
    )
    return (*first, *second)
