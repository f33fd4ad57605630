"""Loads: bursts and open loops, judged when they are over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ...core.advice import Advice
from ...core.duration import format_duration
from ...core.judging.sequential import DELETION_WINDOW_NS, Judge, judged
from ...core.quantile import P99, rank
from ...core.sample import Measurement, Observations, Sample
from ..diagnosis import advice_on, slowest
from ..takers.bare import Taker

if TYPE_CHECKING:
    from ...core.attribution import Nanoseconds
from collections import Counter
from dataclasses import replace

_WINDOWS: Final = 8
_SHORTEST_WINDOW_NS: Final = 1_000_000
_LATE_NS: Final = 50_000_000

JudgeOf = Callable[[int, int], Judge | None]
"""Makes a judge for a number of requests and a length of deletion windows in ns."""


@dataclass(frozen=True, slots=True, eq=False)
class Finished:
    """A load that is over."""

    name: str
    parts: Sequence[Part]
    begin: int
    elapsed_ns: int
    failures: dict[str, int]
    answers: tuple[Any, ...]
    concurrency: int
    why_no_bracket: str | None


def judge_burst(load: Finished, judge_of: JudgeOf) -> Sample:
    """The sample of a burst."""
    return _sample(load, "burst", joined(load.parts, load.begin), judge_of)


def judge_open_loop(load: Finished, per_second: float, judge_of: JudgeOf) -> Sample:
    """The sample of an open loop, from the intended starts, with the uncorrected one beside it."""
    import numpy as np

    lags = np.sort(np.concatenate([send_lag(part) for part in load.parts]))
    lag = int(lags[rank(P99, len(lags)) - 1]) if len(lags) else 0
    corrected = joined([from_intended_start(part) for part in load.parts], load.begin)
    uncorrected = joined(load.parts, load.begin).without_circumstances()
    beside = Sample(f"{load.name} uncorrected".strip(), uncorrected)
    return _sample(load, "open", corrected, judge_of, lag, per_second, beside)


def _sample(  # noqa: PLR0913, PLR0917 - all that a load is, once
    load: Finished,
    loop: str,
    seen: Observations,
    judge_of: JudgeOf,
    send_lag_ns: int | None = None,
    per_second: float = 0.0,
    uncorrected: Sample | None = None,
) -> Sample:
    judge = judge_of(len(seen), _window(load.elapsed_ns))
    advice = advice_on(seen, (0,), ())
    if send_lag_ns is not None and send_lag_ns > _LATE_NS:
        advice = (_saturated(load, send_lag_ns, per_second), *advice)
    return Sample(
        name=load.name,
        observations=seen.without_circumstances(),
        failures=load.failures,
        verdict=judged(judge, seen, sum(load.failures.values()), load.elapsed_ns),
        measurement=Measurement(
            loop=loop,
            bracket=load.why_no_bracket is None,
            why_no_bracket=load.why_no_bracket,
            elapsed_ns=load.elapsed_ns,
            send_lag_ns=send_lag_ns,
            slowest=slowest(seen, ()),
            advice=advice,
        ),
        answers=load.answers,
        uncorrected=uncorrected,
    )


def _window(elapsed_ns: int) -> int:
    """Deletion windows in proportion to a short load: the worst pair is a quarter of it."""
    return min(DELETION_WINDOW_NS, max(_SHORTEST_WINDOW_NS, elapsed_ns // _WINDOWS))


def _saturated(load: Finished, send_lag_ns: int, per_second: float) -> Advice:
    callers = f"all {load.concurrency} callers were" if load.concurrency else "the caller was"
    return Advice(
        "saturated",
        f"saturated: {callers} busy when requests were due, the p99 send lag is "
        f"{format_duration(send_lag_ns)}; the server is too slow for {per_second:g} requests/s, "
        "or concurrency= is too low",
    )


@dataclass(slots=True)
class Pace:
    """Intended starts of the requests that one taker observed, in its order."""

    due: list[int] = field(default_factory=list)
    """On the clock."""
    woken_late: list[int] = field(default_factory=list)
    """Run-queue wait between going to sleep until then and sending: the machine's doing."""

    def __len__(self) -> int:
        return len(self.due)


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Observations of one taker, their starts counted from `begin` on the clock."""

    seen: Observations
    begin: int
    pace: Pace = field(default_factory=Pace)


def part_of(taker: Taker, pace: Pace | None = None) -> Part:
    """Everything that a taker took."""
    return Part(taker.observations(), taker.begin, pace or Pace())


def joined(parts: Sequence[Part], begin: int) -> Observations:
    """Observations of several takers in one, by their start, which counts from `begin`."""
    import numpy as np

    seen = [part.seen for part in parts]
    start = np.concatenate([part.seen.start_ns + (part.begin - begin) for part in parts])
    order = np.argsort(start, kind="stable")

    def together(columns: Sequence[Nanoseconds | None]) -> Nanoseconds | None:
        known = [column for column in columns if column is not None]
        return np.concatenate(known)[order] if len(known) == len(columns) else None

    wall = np.concatenate([each.wall_ns for each in seen])[order]
    taken = np.concatenate([each.attributed_ns for each in seen])[order]
    return Observations(
        wall,
        taken,
        start[order],
        together([each.blocked for each in seen]),  # type: ignore[arg-type, misc]
        together([each.least_ns for each in seen]),
        together([each.wait_ns for each in seen]),
    )


def from_intended_start(part: Part) -> Part:
    """The same observations, each counted from its intended start."""
    import numpy as np

    seen, pace = part.seen, part.pace
    lag = send_lag(part)
    ours = lag - np.minimum(lag, np.array(pace.woken_late, dtype=np.int64))
    return Part(
        Observations(
            seen.wall_ns + lag,
            seen.attributed_ns + ours,
            seen.start_ns - lag,
            seen.blocked,
            None if seen.least_ns is None else seen.least_ns + ours,
            seen.wait_ns,
        ),
        part.begin,
        pace,
    )


def send_lag(part: Part) -> Nanoseconds:
    """From the intended start of each observation to its start, never negative."""
    import numpy as np

    due = np.array(part.pace.due, dtype=np.int64)
    lag: Nanoseconds = np.maximum(0, part.seen.start_ns + part.begin - due)
    return lag


def pooled(earlier: Sample, later: Sample, judge_of: JudgeOf) -> Sample:
    """Both samples as one, judged anew."""
    import numpy as np

    a, b = earlier.observations, later.observations
    before = earlier.measurement.elapsed_ns
    elapsed = before + later.measurement.elapsed_ns
    seen = Observations(
        np.concatenate([a.wall_ns, b.wall_ns]),
        np.concatenate([a.attributed_ns, b.attributed_ns]),
        np.concatenate([a.start_ns, b.start_ns + before]),
    )
    failures = Counter(earlier.failures) + Counter(later.failures)
    judge = judge_of(len(seen), DELETION_WINDOW_NS)
    return replace(
        later,
        observations=seen,
        failures=dict(failures),
        verdict=judged(judge, seen, failures.total(), elapsed),
        collections_ns=(*earlier.collections_ns, *(before + at for at in later.collections_ns)),
        measurement=replace(later.measurement, elapsed_ns=elapsed),
    )
