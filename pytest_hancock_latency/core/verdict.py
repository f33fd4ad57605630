"""Verdicts: within, exceeded or inconclusive, each with its evidence.

This module defines the outcomes, their order from worst to best, and the exit codes. Whether a
record fails its run is decided by `core.record.Record.fails`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from fractions import Fraction
from math import fsum, log
from typing import Final

from .budget import Limit
from .evidence import METHOD, VERSION


class Outcome(StrEnum):
    """The result of judging a budget; each member equals its string.

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
        """The position in `WORST_FIRST`: 0 for the worst outcome."""
        return WORST_FIRST.index(self)

    @property
    def needs_attention(self) -> bool:
        """Whether the evidence should be read: exceeded or inconclusive."""
        return self in (Outcome.EXCEEDED, Outcome.INCONCLUSIVE)


WORST_FIRST: Final = (
    Outcome.EXCEEDED,
    Outcome.INCONCLUSIVE,
    Outcome.NOT_JUDGED,
    Outcome.WITHIN,
)
"""The order in which records are sorted, counted or combined."""


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """Return the worst of several outcomes; within if there are none."""
    return min(outcomes, key=lambda outcome: outcome.rank, default=Outcome.WITHIN)


class ExitCode(IntEnum):
    """Exit codes of the command line and of a Locust run; pytest has its own."""

    HELD = 0
    """No budget was exceeded, and no strict budget was left inconclusive."""
    EXCEEDED = 1
    USAGE = 2
    """Invalid input, or nothing was measured and judged, which is never a pass."""
    INCONCLUSIVE = 3
    """With ``--strict``, or for a strict budget."""


class Reason(StrEnum):
    """Why a limit has its outcome."""

    SHOWN = "shown"
    """The evidence suffices."""
    FEW = "few"
    """Nothing contradicts the limit, but there are too few observations to show it."""
    NEAR = "near"
    """The exceedance rate is too near the allowed one to tell."""
    STALL = "stall"
    """There are enough exceedances, but nearly all fell into one short period."""
    SHORT = "short"
    """The counts would pass, but the sample is shorter than `least_time`."""
    MACHINE = "machine"
    """Attributed latency would pass, but the machine took too much time for raw latency to."""
    TRACER = "tracer"
    """Without what a tracer may add to each call, it would not be exceeded."""
    BUCKET = "bucket"
    """The limit lies inside a bucket of another program, whose observations would decide it."""
    BETWEEN = "between"
    """Shown to be above the acceptable limit, but not above the one for investigation."""
    STOPPED = "stopped"
    """Measuring ended because another part of the budget was decided."""
    POOLED = "pooled"
    """The run has too few observations, but its last runs together suffice."""
    LOAD = "load"
    """The users' wait times allow no more requests/s, however fast the responses are."""
    SPAN = "span"
    """Growth is above its bound, but over so small a range of sizes that caches could explain it.
    """


_OF_THE_MACHINE: Final = (Reason.MACHINE, Reason.STALL)


class Route(StrEnum):
    """The counts that show *within*, which share its error probability."""

    RAW = "raw"
    """Raw latency of all calls."""
    WITHOUT_WAITS = "without waits"
    """All calls without the time that they waited for a CPU or that was stolen."""
    UNDISTURBED = "undisturbed"
    """Only calls that began and ended while the machine was at its reference speed."""

    @property
    def share(self) -> float:
        """Its share of the probability that a limit passes although it is exceeded."""
        return {Route.RAW: 0.90, Route.WITHOUT_WAITS: 0.07, Route.UNDISTURBED: 0.03}[self]


@dataclass(frozen=True, slots=True)
class Pooled:
    """Counts over one limit of the last runs together, including the present one."""

    runs: int
    n: int
    over: int
    """Observations over the limit. If the present run is slower than the earlier ones, these are
    counted as if they had been as slow."""
    span_ns: int = 0
    """Time from the start of the first run to that of the present one; 0 if unknown."""


@dataclass(frozen=True, slots=True)
class LimitVerdict:
    """The verdict on one limit: k of n, raw and attributed.

    The quantile and its bounds are in the record, under the label of the limit.

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
    """Observations whose attributed latency is above the limit as well."""
    needed: int | None = None
    """Approximate number of observations that would settle it; None if more would not."""
    investigate_ns: int | None = None
    """The separate, higher limit for *exceeded*, if there is one."""
    pooled: Pooled | None = None
    """The last runs that show *within*, if the present one alone does not."""
    route: Route = Route.RAW
    """The counts that show *within*."""
    counted: int | None = None
    """Observations that count for *exceeded*, those of the probing phase; None if all do."""
    over_counted: int | None = None
    """Observations that count and whose attributed latency is above the limit."""
    over_at_most: int | None = None
    """Observations above the limit without waiting for a CPU and stolen time; None if unknown."""
    undisturbed: int = 0
    """Observations that began and ended undisturbed."""
    over_undisturbed: int = 0
    """Observations that began undisturbed and are above the limit, whatever followed."""
    over_unseen: int = 0
    """Observations above the limit only because they waited for something unknown on a busy
    machine, which may have been slow by itself."""
    bursts: int | None = None
    """Number of bursts, if these are the evidence instead of their requests; `needed` is then a
    number of bursts as well."""

    @property
    def evidence(self) -> tuple[int, int]:
        """The counts for *exceeded*: n and those over the limit."""
        if self.counted is None or self.over_counted is None:
            return self.n, self.over_attributed
        return self.counted, self.over_counted

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
    excused: int = 0
    """Number of failures that are time-outs which the machine may have caused."""


@dataclass(frozen=True, slots=True)
class ThroughputVerdict:
    """The verdict on the requests/s of a run: whether they were steady under a steady load."""

    outcome: Outcome
    per_s: float
    """Average requests per second."""
    fall: float
    """Share of its initial value that the throughput lost by the end; negative if it rose."""
    least_fall: float
    most_fall: float
    """The fall lies between these two at 95 % confidence."""
    judged_ns: int
    """How long the load was steady."""


@dataclass(frozen=True, slots=True)
class RpsVerdict:
    """The verdict on the minimum requests/s of a load: how many intervals had fewer.

    An interval is one second, or longer if the limit is below ten requests per second.
    """

    least_per_s: float
    """The limit."""
    outcome: Outcome
    reason: Reason
    per_s: float
    """Average answered requests per second."""
    stretch_ns: int
    n: int
    """Intervals of steady load, from the end of the ramp-up."""
    short: int
    """Intervals with fewer requests than the limit requires."""
    strained: int = 0
    """Intervals in which the load generator or the server was short of CPU: they cannot lead to
    *exceeded*."""
    short_strained: int = 0
    """Intervals that are both short and strained."""
    needed: int | None = None
    """Approximate number of intervals that would settle it; None if more would not."""
    reachable_per_s: float | None = None
    """Requests per second if responses took no time, given the users' wait times; None if unknown
    or unlimited."""


DECISIVE_STEPS: Final = 2
"""Number of steps of growth that must agree, the last ones: at a single one, a hash table may have
been made larger."""


@dataclass(frozen=True, slots=True)
class GrowthStep:
    """The growth of latency from one size of the input to the next, see `core.growth`."""

    smaller: int
    larger: int
    pairs: int
    """Pairs of turns in which both were measured."""
    growth: float
    """Average over the pairs: 1 where twice the size takes twice as long, 2 where four times."""
    low: float
    high: float
    """The growth lies between these two at 95 % confidence; infinite with fewer than two pairs."""


@dataclass(frozen=True, slots=True)
class GrowthVerdict:
    """The verdict on how latency grows with the size of the input.

    >>> def growth_of_last_step(verdict: GrowthVerdict) -> float:
    ...     return verdict.steps[-1].growth
    """

    at_most: str
    """The class: ``n log n``."""
    bound: float
    """Growth up to which it belongs to the class."""
    outcome: Outcome
    reason: Reason
    steps: tuple[GrowthStep, ...]
    """The steps between the sizes that were measured in turns; the last two decide."""
    curve: tuple[tuple[int, int], ...]
    """Sizes in ascending order, each with its latency in ns."""
    refused_size: int | None = None
    """The next size, which was not measured because a call of it could have taken too long."""

    @property
    def anchor(self) -> tuple[int, int]:
        """The smallest size that decides, and its latency in ns: allowed growth starts there."""
        first = self.decisive[0].smaller if self.steps else self.curve[0][0]
        return next(point for point in self.curve if point[0] == first)

    @property
    def decisive(self) -> tuple[GrowthStep, ...]:
        """The last two steps, or fewer."""
        return self.steps[-DECISIVE_STEPS:]

    @property
    def growth(self) -> float | None:
        """The growth over the last two steps together; None if there is none."""
        if not self.steps:
            return None
        log_sizes = [log(step.larger / step.smaller) for step in self.decisive]
        weighted = [step.growth * size for step, size in zip(self.decisive, log_sizes, strict=True)]
        return fsum(weighted) / fsum(log_sizes)


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
    """The verdict on sustained load; None if it was not judged."""
    least_time_ns: int = 0
    """The minimum time that the sample must span for *within*."""
    rps: RpsVerdict | None = None
    """The verdict on minimum requests/s; None if the budget does not limit them."""
    growth: GrowthVerdict | None = None
    """The verdict on growth with the size of the input; None of other samples."""
    method: str = METHOD
    version: int = VERSION

    @property
    def outcome(self) -> Outcome:
        """The worst outcome of all parts."""
        parts = (*self.limits, self.failures, self.rps, self.throughput, self.growth)
        return worst(part.outcome for part in parts if part is not None)

    @property
    def is_kept_open_by_machine(self) -> bool:
        """Whether it is inconclusive, and might not be on a machine with nothing else to do."""
        if self.outcome is not Outcome.INCONCLUSIVE:
            return False
        is_excused = self.failures.outcome is Outcome.INCONCLUSIVE and self.failures.excused > 0
        return is_excused or any(part.reason in _OF_THE_MACHINE for part in self.limits)

    @property
    def route(self) -> Route:
        """The least direct route by which one of the limits is within."""
        routes = {part.route for part in self.limits}
        return next(route for route in reversed(Route) if route in routes or route is Route.RAW)

    @property
    def decisive(self) -> LimitVerdict | None:
        """The limit that best explains the outcome: the highest one with the same outcome."""
        same = [part for part in self.limits if part.outcome is self.outcome]
        return same[-1] if same else None
