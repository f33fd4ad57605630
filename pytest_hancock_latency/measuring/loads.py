"""Loads: bursts and open loops, judged when they are over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..core.advice import Advice
from ..core.duration import format_duration
from ..core.judging.sequential import DELETION_WINDOW_NS, Judge
from ..core.quantile import P99, rank
from ..core.sample import Measurement, Observations, Sample
from .circumstances import advice_on, slowest
from .judging import judged
from .pacing import Part, from_intended_start, joined, send_lag

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
