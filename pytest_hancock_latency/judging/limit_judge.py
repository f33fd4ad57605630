"""Judges one limit of a budget, from counts alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Final, NamedTuple

from ..core.attribution import UNSEEN
from ..core.budget import Limit
from ..core.evidence import Boundaries, NoneAllowed, boundaries
from ..core.late_numpy import np
from ..core.verdict import FailureVerdict, LimitVerdict, Outcome, Reason, Route

if TYPE_CHECKING:
    from ..core.attribution import Flags, Nanoseconds, Numbers
    from ..core.sample import Observations

_HOPELESS: Final = 0.55
"""Share of the allowed rate above which raw latency hardly ever passes: it is the highest odds
ratio in the mixture for *within*, beyond which the evidence no longer grows."""
ROOM: Final = 2
"""Observations over a limit that a pass should leave room for: code at a tenth of the allowed rate
has at most this many in nine of ten samples."""
_SPREAD: Final = 2
"""Standard deviations by which the rate so far may be off by chance: measuring stops because of the
machine only if even the lower rate is hopeless."""
_MANY: Final = 2_000
"""Observations over a limit that no pass has: the table for more of them takes seconds to make."""
FARTHEST: Final = 10_000_000
"""Observations beyond which a forecast is useless."""

_SUSPICIOUS: Final = 0.1
"""Share of the log evidence for *exceeded* from which the probing phase is worth its cost."""
_OF_A_MEDIAN: Final = Fraction(1, 4)
"""Share of calls that may be over a limit from which it moves with every call. An error of the
slowness then counts in full, while above p95 and p99 the few slowest calls leave room: of 343 live
gates of unchanged code next to neighbours, four were exceeded, all at the p50 of look-ups in a
dictionary. It needs both probes together, which do not find so much above p95."""
_LEAST_WINDOWS: Final = 4
"""Windows over which undisturbed calls must be spread: some moments are not a machine's usual
ones."""

Table = Boundaries | NoneAllowed
"""The boundaries that counts of exceedances are compared with."""


class Tables(NamedTuple):
    """The boundaries of one limit for each route to *within*; those of `raw` for *exceeded*."""

    raw: Table
    waits: Table
    undisturbed: Table


def tables_of(allowed: Fraction, alpha_within: float, alpha_exceeded: float) -> Tables:
    """Return the boundaries of one limit; the routes to *within* share its error probability."""
    return Tables(
        *(
            boundaries(allowed, share * alpha_within, alpha_exceeded)
            for share in (Route.RAW.share, Route.WITHOUT_WAITS.share, Route.UNDISTURBED.share)
        )
    )


@dataclass(frozen=True, slots=True)
class LimitCounts:
    """Counts of observations over one limit."""

    n: int
    over: int
    """Number over the limit by raw latency."""
    over_attributed: int
    counted: int | None = None
    """Number that counts for *exceeded*; None if all do."""
    over_counted: int | None = None
    """Number of these that are over the limit by attributed latency; None if all count."""
    over_at_most: int | None = None
    """Number over the limit by the most that the code took; None if that is unknown."""
    undisturbed: int = 0
    """Number of calls that began and ended undisturbed."""
    over_undisturbed: int = 0
    """Number over the limit that began undisturbed, whatever followed."""
    over_unseen: int = 0
    """Number over the limit only because they waited for something unknown."""

    @classmethod
    def of(cls, part: LimitVerdict) -> LimitCounts:
        """Return the counts of a verdict."""
        return cls(
            part.n,
            part.over,
            part.over_attributed,
            part.counted,
            part.over_counted,
            part.over_at_most,
            part.undisturbed,
            part.over_undisturbed,
            part.over_unseen,
        )

    @classmethod
    def sum(cls, parts: Sequence[LimitCounts]) -> LimitCounts:
        """Return the counts of several samples together."""
        evidence = [part.evidence for part in parts]
        at_most = [part.over if part.over_at_most is None else part.over_at_most for part in parts]
        return cls(
            n=sum(part.n for part in parts),
            over=sum(part.over for part in parts),
            over_attributed=sum(part.over_attributed for part in parts),
            counted=sum(n for n, _ in evidence),
            over_counted=sum(k for _, k in evidence),
            over_at_most=sum(at_most),
            undisturbed=sum(part.undisturbed for part in parts),
            over_undisturbed=sum(part.over_undisturbed for part in parts),
            over_unseen=sum(part.over_unseen for part in parts),
        )

    @property
    def evidence(self) -> tuple[int, int]:
        """The counts for *exceeded*: n and those over the limit."""
        if self.counted is None or self.over_counted is None:
            return self.n, self.over_attributed
        return self.counted, self.over_counted


def counts_over(
    limit: Limit, observations: Observations, blamed_ns: Nanoseconds | Numbers
) -> LimitCounts:
    """Return the counts of all observations over a limit.

    Args:
        blamed_ns: the time of each that the code is blamed for.
    """
    is_over, is_blamed = observations.wall_ns > limit.limit_ns, blamed_ns > limit.limit_ns
    unseen_ns = observations.excused_ns.get(UNSEEN, 0)
    is_unseen = is_over & ~is_blamed & (blamed_ns + unseen_ns > limit.limit_ns)
    return LimitCounts(
        len(observations),
        int(is_over.sum()),
        int(is_blamed.sum()),
        over_unseen=int(is_unseen.sum()),
    )


class LimitJudge:
    """Judges one limit while its sample grows."""

    def __init__(
        self,
        limit: Limit,
        tables: Tables,
        least: int,
        least_time_ns: int = 0,
        slowness: float = 1,
    ) -> None:
        """slowness: how many times slower the code may be because of tracers."""
        self.limit = limit
        self.outcome: Outcome | None = None
        self.settled = False
        """Whether further observations are not worth their time."""
        self.is_concentrated = False
        """Whether the count shows *exceeded*, but a single stall could still explain it."""
        self.needs_probing = False
        """Whether it is worth knowing the speed of the machine at each call."""
        self._tables = tables
        self._table = tables.raw
        self.minimum = least
        """Minimum number of observations for *within*."""
        self._least_time_ns = least_time_ns
        self._slowness = slowness
        self._is_long_enough = False
        self._counts = LimitCounts(0, 0, 0)
        self._spans_windows = False
        """Whether undisturbed calls are spread over enough windows to show *within*."""

    def least_to_pass(self) -> int:
        """The fewest observations that can show *within*."""
        return self._table.within_from(0)

    def with_room(self) -> int:
        """The fewest observations that can show *within* with a few over the limit, if allowed."""
        return self._table.within_from(ROOM if self.limit.allowed else 0)

    def look(self, observations: Observations, window: Nanoseconds, room: int) -> None:
        """Update the judgement from all observations so far.

        window: index of the deletion window in which each observation started.
        room: observations that fit into the time and the cap, including those so far.
        """
        self._counts = self._count(observations, window)
        least_ns = self._least_time_ns
        self._is_long_enough = not least_ns or observations.span_ns >= least_ns
        if self.outcome is Outcome.WITHIN and self.limit.allowed:
            return  # valid whenever sampling stops, so it stays
        self.outcome = self._decide(observations, window)
        self.needs_probing = self.outcome is None and self._is_suspicious(room)
        self.settled = self.outcome is not None or (
            self._excuses_are_final(observations) and self._machine_in_the_way(room)
        )

    def next_look(self) -> int:
        """Return how many more observations the limit needs at least to pass."""
        counts = self._counts
        if self._lacks_time_to_pass or counts.over > _MANY:
            return FARTHEST
        return max(1, self.minimum - counts.n, self._table.within_from(counts.over) - counts.n)

    def would_exceed(self, most: int) -> bool:
        """Whether `most` observations would show *exceeded* at the current rate."""
        n, k = self._counts.n, self._counts.over_attributed
        if self.outcome is not None or k <= self.limit.allowed * n:
            return False
        return self._table.exceeded_at_rate(n, k, most) is not None

    def verdict(self, *, stopped: bool) -> LimitVerdict:
        """Return the verdict after the last look. stopped: another part of the budget ended it."""
        otherwise = Reason.SHORT if self._lacks_time_to_pass else None
        if self.is_concentrated and not self._awaits_probing:
            otherwise = Reason.STALL
        verdict = limit_verdict(
            self.limit,
            self._table,
            self._counts,
            self.outcome,
            least=self.minimum,
            otherwise=Reason.STOPPED if stopped else otherwise,
            route=self.route,
        )
        return replace(verdict, reason=reason_of_excuse(verdict.reason, self._slowness))

    def _count(self, observations: Observations, window: Nanoseconds) -> LimitCounts:
        """Return the counts of all kinds of evidence."""
        limit_ns, probed = self.limit.limit_ns, observations.probed
        if not (observations.wall_ns > limit_ns).any() and (probed is None or not probed.has_begun):
            return self._none_over(observations)
        blamed_ns = self._blamed_ns(observations)
        counts = counts_over(self.limit, observations, blamed_ns)
        if observations.at_most_ns is None:
            return counts
        is_surely_over = observations.at_most_ns > limit_ns
        counts = replace(counts, over_at_most=int(is_surely_over.sum()))
        if not self.limit.allowed:  # a statement about these observations, wherever they are
            is_over = without_tracers(observations.at_most_ns, self._slowness) > limit_ns
            return replace(counts, over_attributed=int(is_over.sum()))
        if probed is None:
            return counts
        is_undisturbed = probed.undisturbed_before & probed.undisturbed_after
        windows = window[is_undisturbed]
        self._spans_windows = len(windows) > 0 and len(set(windows.tolist())) >= _LEAST_WINDOWS
        return replace(
            counts,
            counted=int(probed.counts.sum()),
            over_counted=int(((blamed_ns > limit_ns) & probed.counts).sum()),
            undisturbed=int(is_undisturbed.sum()),
            over_undisturbed=int((is_surely_over & probed.undisturbed_before).sum()),
        )

    def _none_over(self, observations: Observations) -> LimitCounts:
        """Return the counts before the probing phase if raw latency is never over the limit."""
        counts_probed = observations.probed is not None and bool(self.limit.allowed)
        nothing = 0 if counts_probed else None
        return LimitCounts(
            len(observations),
            over=0,
            over_attributed=0,
            counted=nothing,
            over_counted=nothing,
            over_at_most=None if observations.at_most_ns is None else 0,
        )

    def _blamed_ns(self, observations: Observations) -> Nanoseconds | Numbers:
        """Return attributed latencies, less what tracers may add, and less what both probes
        together explain of a median.
        """
        probed = observations.probed
        blamed_ns = without_tracers(observations.attributed_ns, self._slowness)
        if probed is None or probed.together is None or self.limit.allowed < _OF_A_MEDIAN:
            return blamed_ns
        of_both_ns: Numbers = blamed_ns / probed.together
        return of_both_ns

    def _decide(self, observations: Observations, window: Nanoseconds) -> Outcome | None:
        if self._exceeded(observations, window):
            return Outcome.EXCEEDED
        return Outcome.WITHIN if self._passes and self._is_long_enough else None

    @property
    def _passes(self) -> bool:
        """Whether some counts show *within*."""
        return self.route is not None

    @property
    def route(self) -> Route | None:
        """The counts that show *within*; None if none do."""
        spans_windows = self._spans_windows
        return route_of(self._tables, self._counts, self.minimum, spans_windows=spans_windows)

    @property
    def _lacks_time_to_pass(self) -> bool:
        return self._passes and not self._is_long_enough

    def _exceeded(self, observations: Observations, window: Nanoseconds) -> bool:
        """Whether *exceeded* is shown; also notes whether it only lacks time."""
        self.is_concentrated = False
        if not self.limit.allowed:  # a statement about these observations themselves
            return self._counts.over_attributed > 0
        n, k = self._counts.evidence
        if not self._table.shows_exceeded(n, k):
            self.is_concentrated = self._awaits_probing
            return False
        is_over = self._blamed_ns(observations) > self.limit.limit_ns
        if observations.probed is not None:
            counts = observations.probed.counts
            is_over, window = is_over[counts], window[counts]
        self.is_concentrated = not self._survives_deletion(window, is_over)
        return not self.is_concentrated

    @property
    def _awaits_probing(self) -> bool:
        """Whether all observations show *exceeded*, but those of the probing phase do not yet."""
        n, k = self._counts.n, self._counts.over_attributed
        counted = self._counts.counted
        return counted is not None and self._table.shows_exceeded(n, k)

    def _is_suspicious(self, room: int) -> bool:
        """Whether there is some evidence for *exceeded*, or raw latency will not pass."""
        n, over = self._counts.n, self._counts.over
        if self._counts.counted is None or not over:
            return False
        return self._table.exceeded_share(n, over) >= _SUSPICIOUS or (
            n >= self.minimum and self._is_hopeless(over, room)
        )

    def _survives_deletion(self, window: Nanoseconds, over: Flags) -> bool:
        totals = np.bincount(window)
        exceeding = np.bincount(window, weights=over, minlength=len(totals)).astype(np.int64)
        return survives_deletion(self._table, totals, exceeding)

    def _excuses_are_final(self, observations: Observations) -> bool:
        """Whether no more observations can become exceedances."""
        if observations.provisional is None:
            return True
        limit_ns = self.limit.limit_ns
        excused = (observations.wall_ns > limit_ns) & (self._blamed_ns(observations) <= limit_ns)
        return not bool((excused & observations.provisional).any())

    def _machine_in_the_way(self, room: int) -> bool:
        """Whether attributed latency passes, but nothing else will in the remaining room."""
        counts = self._counts
        if counts.over_attributed == counts.over or counts.n < self.minimum:
            return False
        if counts.counted is not None and (self.needs_probing or counts.counted < self.minimum):
            return False  # the probing phase may still show something
        if not self._table.shows_within(counts.n, counts.over_attributed):
            return False
        return self._is_hopeless(counts.over, room) and (
            counts.over_at_most is None or self._is_hopeless(counts.over_at_most, room)
        )

    def _is_hopeless(self, over: int, room: int) -> bool:
        """Whether so many over the limit will hardly show *within* in the remaining room."""
        n = self._counts.n
        fewest = max(0.0, over - _SPREAD * math.sqrt(over)) / n
        if fewest > _HOPELESS * self.limit.allowed:
            return True
        return not self._table.shows_within(room, over + round(fewest * (room - n)))


def route_of(
    tables: Tables, counts: LimitCounts, least: int, *, spans_windows: bool
) -> Route | None:
    """Return the counts that show *within*; None if none do.

    Args:
        least: minimum number of observations.
        spans_windows: whether undisturbed calls are spread over enough windows.
    """
    if counts.n < least:
        return None
    if tables.raw.shows_within(counts.n, counts.over):
        return Route.RAW
    if isinstance(tables.raw, NoneAllowed):
        return None  # a statement about raw latency
    if counts.over_at_most is not None and tables.waits.shows_within(counts.n, counts.over_at_most):
        return Route.WITHOUT_WAITS
    if (
        counts.undisturbed >= least
        and spans_windows
        and tables.undisturbed.shows_within(counts.undisturbed, counts.over_undisturbed)
    ):
        return Route.UNDISTURBED
    return None


def limit_verdict(  # noqa: PLR0913 - what a verdict on a limit consists of
    limit: Limit,
    table: Table,
    counts: LimitCounts,
    outcome: Outcome | None,
    *,
    least: int,
    otherwise: Reason | None = None,
    route: Route | None = None,
) -> LimitVerdict:
    """Return the verdict on a limit with this outcome; inconclusive if it is None.

    Args:
        otherwise: why it is inconclusive, unless because of the machine.
        route: the counts that show *within*.
    """
    reason, needed = Reason.SHOWN, None
    if outcome is None:
        reason = _why_inconclusive(table, limit, counts)
        if otherwise is not None and reason is not Reason.MACHINE:
            reason = otherwise
        more = _needed(table, limit, counts)
        needed = None if more is None else max(least, more)
    return LimitVerdict(
        limit,
        outcome or Outcome.INCONCLUSIVE,
        reason,
        counts.n,
        counts.over,
        counts.over_attributed,
        needed=needed,
        route=route or Route.RAW,
        counted=counts.counted,
        over_counted=counts.over_counted,
        over_at_most=counts.over_at_most,
        undisturbed=counts.undisturbed,
        over_undisturbed=counts.over_undisturbed,
        over_unseen=counts.over_unseen,
    )


def survives_deletion(
    table: Table,
    totals: Sequence[int] | Nanoseconds,
    exceeding: Sequence[int] | Nanoseconds,
    elsewhere: int = 0,
) -> bool:
    """Whether *exceeded* still holds without any two adjacent windows, even the worst.

    Args:
        totals: observations in each deletion window.
        exceeding: how many of them are over the limit.
        elsewhere: further exceedances, which are in no window.
    """
    totals, exceeding = np.asarray(totals), np.asarray(exceeding)
    n, k = int(totals.sum()) + elsewhere, int(exceeding.sum()) + elsewhere
    if len(totals) > 1:
        totals = totals[:-1] + totals[1:]
        exceeding = exceeding[:-1] + exceeding[1:]
    fewest: dict[int, int] = {}  # among equal exceedances, the emptiest window is the worst
    for deleted, over in zip(totals.tolist(), exceeding.tolist(), strict=True):
        fewest[over] = min(deleted, fewest.get(over, deleted))
    return all(table.shows_exceeded(n - deleted, k - over) for over, deleted in fewest.items())


def _why_inconclusive(table: Table, limit: Limit, counts: LimitCounts) -> Reason:
    """Return why: the machine, a limit too near, or too few observations."""
    n, over, blamed = counts.n, counts.over, counts.over_attributed
    is_excused = table.shows_exceeded(n, over) and not table.shows_exceeded(n, blamed)
    return reason_at_rates(limit.allowed * n, over, blamed, is_excused=is_excused)


def reason_at_rates(allowed: Fraction, over: float, blamed: float, *, is_excused: bool) -> Reason:
    """Return why neither *within* nor *exceeded* is shown.

    Args:
        allowed: number of observations that may be over the limit, or sum of shares.
        over: those that were.
        blamed: those that were by attributed latency.
        is_excused: whether those that were would show *exceeded*, and those blamed do not.
    """
    hopeless = _HOPELESS * float(allowed)
    if is_excused or blamed <= hopeless < over:
        return Reason.MACHINE
    return Reason.FEW if over <= hopeless else Reason.NEAR


def without_tracers(times_ns: Nanoseconds, slowness: float) -> Nanoseconds | Numbers:
    """Return how long the code takes at least without its tracers."""
    if slowness == 1:
        return times_ns
    faster_ns: Numbers = times_ns / slowness
    return faster_ns


def reason_of_excuse(reason: Reason, slowness: float) -> Reason:
    """Return the reason of a verdict, where tracers excuse as much as the machine does."""
    return Reason.TRACER if reason is Reason.MACHINE and slowness > 1 else reason


def _needed(table: Table, limit: Limit, counts: LimitCounts) -> int | None:
    """Estimate how many observations would settle the limit at the current rate.

    If there are more attributed exceedances than allowed, the estimate is for *exceeded*, otherwise
    for *within*.
    """
    n = counts.n
    if not n:
        return table.within_from(0)
    if counts.over_attributed > limit.allowed * n:
        return table.exceeded_at_rate(n, counts.over_attributed, FARTHEST)
    return table.within_at_rate(n, counts.over, FARTHEST)


def too_many_failures(table: Table, failed: int, attempts: int) -> bool:
    """Whether the failures show that more requests fail than allowed."""
    return table.shows_exceeded(attempts, failed)


def failures_need(table: Table, allowed: Fraction, failed: int, attempts: int) -> int:
    """Return how many more attempts would show too many failures at the current rate.

    0 if they already show it, if no more failed than allowed, or if it takes too many attempts.
    """
    if failed <= allowed * attempts or too_many_failures(table, failed, attempts):
        return 0
    shown_from = table.exceeded_at_rate(attempts, failed, FARTHEST)
    return 0 if shown_from is None else max(1, shown_from - attempts)


def failure_verdict(  # noqa: PLR0913 - what a verdict on failures consists of
    table: Table,
    allowed: Fraction,
    failed: int,
    attempts: int,
    *,
    excused: int = 0,
    is_concentrated: bool = False,
) -> FailureVerdict:
    """Return the verdict on the share of requests that failed.

    Args:
        excused: failures that are time-outs which the machine may have caused.
        is_concentrated: whether the others may be due to a single stall.
    """
    if too_many_failures(table, failed - excused, attempts) and not is_concentrated:
        outcome = Outcome.EXCEEDED
    elif failed > allowed * attempts:
        outcome = Outcome.INCONCLUSIVE
    else:
        outcome = Outcome.WITHIN
    return FailureVerdict(allowed, outcome, failed, attempts, excused)
