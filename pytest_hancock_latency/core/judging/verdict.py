"""Verdicts: within, exceeded or inconclusive, each with its evidence.

This module is the one home of the outcomes, of their order from worst to best, and of the exit
codes that they lead to. Whether a record fails its run is `core.record.Record.fails`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from fractions import Fraction
from typing import Final

from ..budget import Limit
from .evidence import METHOD, VERSION


class Outcome(StrEnum):
    """What is known about a budget; each is equal to its word.

    >>> Outcome.WITHIN == "within"
    True
    """

    WITHIN = "within"
    EXCEEDED = "exceeded"
    INCONCLUSIVE = "inconclusive"
    NOT_JUDGED = "not judged"
    """There is no budget, or the test itself failed."""

    @property
    def rank(self) -> int:
        """The place in `WORST_FIRST`: 0 for the worst outcome."""
        return WORST_FIRST.index(self)

    @property
    def needs_attention(self) -> bool:
        """Whether people should read the evidence: it is exceeded or inconclusive."""
        return self in (Outcome.EXCEEDED, Outcome.INCONCLUSIVE)


WORST_FIRST: Final = (
    Outcome.EXCEEDED,
    Outcome.INCONCLUSIVE,
    Outcome.NOT_JUDGED,
    Outcome.WITHIN,
)
"""The order of outcomes wherever records are sorted, counted or combined."""


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """The outcome of a whole whose parts have these outcomes; within if there are none."""
    return min(outcomes, key=lambda outcome: outcome.rank, default=Outcome.WITHIN)


class ExitCode(IntEnum):
    """Exit codes of the command line and of a Locust run; pytest has its own."""

    HELD = 0
    """Nothing exceeded its budget, and nothing that has to be decided was left undecided."""
    EXCEEDED = 1
    USAGE = 2
    """Invalid input, or nothing was measured and judged, which is never a pass."""
    INCONCLUSIVE = 3
    """Under ``--strict``, or for a budget that is strict itself."""


class Reason(StrEnum):
    """Why a limit has its outcome."""

    SHOWN = "shown"
    """The evidence suffices."""
    FEW = "few"
    """Nothing speaks against the limit, but there are too few observations to show it."""
    NEAR = "near"
    """The exceedance rate is too near the allowed one to tell."""
    STALL = "stall"
    """The exceedances suffice, but nearly all fell into one short time."""
    SHORT = "short"
    """The counts would pass, but the sample does not span the least time of its budget."""
    MACHINE = "machine"
    """Attributed latency would pass, but the machine took too much time for raw latency to."""
    BETWEEN = "between"
    """Shown to be above what is acceptable, not shown to be above what is to be investigated."""
    STOPPED = "stopped"
    """Measuring ended because another part of the budget was decided."""
    LOAD = "load"
    """The users' own waits allow no more requests/s, however quick the answers are."""


@dataclass(frozen=True, slots=True)
class LimitVerdict:
    """The verdict on one limit: k of n, raw and attributed.

    The quantile itself and its bounds are in the record, by the label of the limit.

    >>> verdict = judge(measure(len, "abc"), {"p50": "1s", "p95": "2s"}).verdict
    >>> [(part.limit.label, part.over, part.n) for part in verdict.limits]
    [('p50', 0, 1000), ('p95', 0, 1000)]
    """

    limit: Limit
    outcome: Outcome
    reason: Reason
    n: int
    over: int
    """Observations whose raw latency is above the limit."""
    over_attributed: int
    """Those whose attributed latency is, too."""
    needed: int | None = None
    """About how many observations would settle it; None where more would not."""
    investigate_ns: int | None = None
    """Where *exceeded* has a limit of its own, above the one of *within*: that one."""

    @property
    def excused(self) -> int:
        """Observations over the limit only because of the machine."""
        return self.over - self.over_attributed


@dataclass(frozen=True, slots=True)
class FailureVerdict:
    """The verdict on the share of requests that failed."""

    allowed: Fraction
    outcome: Outcome
    failed: int
    attempts: int


@dataclass(frozen=True, slots=True)
class ThroughputVerdict:
    """The verdict on the requests/s of a run: whether they were steady under a steady load."""

    outcome: Outcome
    per_s: float
    """Requests a second, on average."""
    fall: float
    """Share of its beginning that the throughput lost until the end; negative where it rose."""
    least_fall: float
    most_fall: float
    """The fall lies between these two at 95 % confidence."""
    judged_ns: int
    """How long the load was steady."""


@dataclass(frozen=True, slots=True)
class RpsVerdict:
    """The verdict on the least requests/s of a load: in how many stretches there were fewer.

    A stretch is a second, or longer where the limit asks for less than ten requests a second.
    """

    least_per_s: float
    """The limit."""
    outcome: Outcome
    reason: Reason
    per_s: float
    """Answered requests a second, on average."""
    stretch_ns: int
    n: int
    """Stretches of the steady load, from the end of the ramp-up."""
    short: int
    """Those with fewer requests than the limit asks for."""
    strained: int = 0
    """Those in which the load generator had no core to spare: they make nothing exceeded."""
    short_strained: int = 0
    """Those that are both."""
    needed: int | None = None
    """About how many stretches would settle it; None where more would not."""
    reachable_per_s: float | None = None
    """Requests a second if every answer took no time, by the users' own waits; None where that is
    not known, or not limited."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict on a budget: exceeded if any part is, within if every part is.

    >>> judge(measure(len, "abc"), {"p50": "1s"}).verdict.outcome
    <Outcome.WITHIN: 'within'>
    """

    limits: tuple[LimitVerdict, ...]
    failures: FailureVerdict
    n: int
    elapsed_ns: int
    throughput: ThroughputVerdict | None = None
    """Of sustained load; None where it was not judged."""
    least_time_ns: int = 0
    """The time that the budget asks the sample to span."""
    rps: RpsVerdict | None = None
    """Of a load whose budget limits it; None elsewhere."""
    method: str = METHOD
    version: int = VERSION

    @property
    def outcome(self) -> Outcome:
        """Within, exceeded or inconclusive."""
        parts = (*self.limits, self.failures, self.rps, self.throughput)
        return worst(part.outcome for part in parts if part is not None)

    @property
    def decisive(self) -> LimitVerdict | None:
        """The limit that explains the outcome best: the highest one with the same outcome."""
        same = [part for part in self.limits if part.outcome is self.outcome]
        return same[-1] if same else None
