"""Verdicts: within, exceeded or inconclusive, each with its evidence."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from ..budget import Limit
from .evidence import METHOD, VERSION


class Outcome(StrEnum):
    """What is known about a budget."""

    WITHIN = "within"
    EXCEEDED = "exceeded"
    INCONCLUSIVE = "inconclusive"


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
    MACHINE = "machine"
    """What the code took would pass, but the machine took too much to show it."""
    BETWEEN = "between"
    """Shown to be above what is acceptable, not shown to be above what is to be investigated."""
    STOPPED = "stopped"
    """Measuring ended because another part of the budget was decided."""


@dataclass(frozen=True, slots=True)
class LimitVerdict:
    """The verdict on one limit: k of n, raw and attributed, and bounds for the quantile."""

    limit: Limit
    outcome: Outcome
    reason: Reason
    n: int
    over: int
    """Observations whose raw latency is above the limit."""
    over_attributed: int
    """Those whose attributed latency is, too."""
    observed_ns: int
    """The quantile of raw latency."""
    observed_attributed_ns: int
    low_ns: int | None = None
    """The quantile of what the code took is at least this, or nothing is known."""
    high_ns: int | None = None
    """The quantile of raw latency is at most this, or nothing is known."""
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
class PaceVerdict:
    """The verdict on the pace of a run: whether requests/s kept steady under a steady load."""

    outcome: Outcome
    per_s: float
    """Requests a second, on average."""
    fall: float
    """Share of its beginning that the pace lost until its end; negative where it rose."""
    least_fall: float
    most_fall: float
    """Between these the fall lies, with 95 %."""
    judged_ns: int
    """How long the load was steady."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict on a budget: exceeded if any part is, within if every part is."""

    limits: tuple[LimitVerdict, ...]
    failures: FailureVerdict
    n: int
    elapsed_ns: int
    pace: PaceVerdict | None = None
    """Of sustained load; None where it was not judged."""
    method: str = METHOD
    version: int = VERSION

    @property
    def outcome(self) -> Outcome:
        """Within, exceeded or inconclusive."""
        parts = {part.outcome for part in self.limits} | {self.failures.outcome}
        parts |= {self.pace.outcome} if self.pace else set()
        for outcome in (Outcome.EXCEEDED, Outcome.INCONCLUSIVE):
            if outcome in parts:
                return outcome
        return Outcome.WITHIN

    @property
    def decisive(self) -> LimitVerdict | None:
        """The limit that explains the outcome best: the highest one with the same outcome."""
        same = [part for part in self.limits if part.outcome is self.outcome]
        return same[-1] if same else None
