"""What is known about one limit of a budget, from counts alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from ..budget import Limit
from .evidence import Boundaries, NoneAllowed
from .verdict import FailureVerdict, LimitVerdict, Outcome, Reason

if TYPE_CHECKING:
    from ..attribution import Flags, Nanoseconds
    from ..sample import Observations

_HOPELESS: Final = 0.55
"""Share of the allowed rate above which raw latency hardly ever passes: it is the highest odds
ratio in the mixture for *within*, against which no evidence grows any more."""
_ROOM: Final = 2
"""Observations over a limit that a pass should have time for: code at a tenth of what is allowed
has as many or fewer in nine of ten samples."""
_SPREAD: Final = 2
"""Standard deviations by which the rate so far may be an accident: measuring stops for the machine
where even the lower rate leaves no hope."""
_FARTHEST: Final = 10_000_000
"""Observations beyond which a forecast is no help to anybody."""

Table = Boundaries | NoneAllowed
"""What decides about counts of exceedances."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many observations were over one limit."""

    n: int
    over: int
    """By raw latency."""
    over_attributed: int


class LimitJudge:
    """Judges one limit while its sample grows."""

    def __init__(self, limit: Limit, table: Table, least: int, least_time_ns: int = 0) -> None:
        self.limit = limit
        self.outcome: Outcome | None = None
        self.settled = False
        """No further observation is worth its time."""
        self.is_concentrated = False
        """The count shows *exceeded*, but a single stall could still explain it."""
        self._table = table
        self._least = least
        self._least_time_ns = least_time_ns
        self._is_long_enough = False
        self._counts = Counts(0, 0, 0)

    def least_to_pass(self) -> int:
        """The fewest observations that can show *within*."""
        return self._table.within_from(0)

    def with_room(self) -> int:
        """The same with a few of them over the limit, where any may be."""
        return self._table.within_from(_ROOM if self.limit.allowed else 0)

    def look(self, observations: Observations, window: Nanoseconds, room: int) -> None:
        """Take in all observations so far.

        window: index of the deletion window in which each of them started.
        room: observations that fit into the time and the cap, those so far included.
        """
        self._counts = self._count(observations.wall_ns, observations.attributed_ns)
        least_ns = self._least_time_ns
        self._is_long_enough = not least_ns or observations.span_ns >= least_ns
        if self.outcome is Outcome.WITHIN and self.limit.allowed:
            return  # valid whenever sampling stops, hence it stays
        self.outcome = self._decide(observations.attributed_ns, window)
        self.settled = self.outcome is not None or (
            self._excuses_are_final(observations) and self._machine_in_the_way(room)
        )

    def next_look(self) -> int:
        """Further observations until the limit can be settled by passing at the soonest."""
        counts = self._counts
        if self._lacks_time_to_pass:
            return _FARTHEST
        return max(1, self._least - counts.n, self._table.within_from(counts.over) - counts.n)

    def would_exceed(self, most: int) -> bool:
        """Whether `most` observations show *exceeded* if exceedances keep their rate."""
        n, k = self._counts.n, self._counts.over_attributed
        if self.outcome is not None or k <= self.limit.allowed * n:
            return False
        return self._table.exceeded_at_rate(n, k, most) is not None

    def verdict(self, *, stopped: bool) -> LimitVerdict:
        """The verdict after the last look. stopped: another part of the budget ended it."""
        otherwise = Reason.SHORT if self._lacks_time_to_pass else None
        if self.is_concentrated:
            otherwise = Reason.STALL
        return limit_verdict(
            self.limit,
            self._table,
            self._counts,
            self.outcome,
            least=self._least,
            otherwise=Reason.STOPPED if stopped else otherwise,
        )

    def _count(self, wall_ns: Nanoseconds, attributed_ns: Nanoseconds) -> Counts:
        limit_ns = self.limit.limit_ns
        over, attributed = (int((column > limit_ns).sum()) for column in (wall_ns, attributed_ns))
        return Counts(len(wall_ns), over, attributed)

    def _decide(self, attributed_ns: Nanoseconds, window: Nanoseconds) -> Outcome | None:
        if self._exceeded(attributed_ns > self.limit.limit_ns, window):
            return Outcome.EXCEEDED
        return Outcome.WITHIN if self._passes and self._is_long_enough else None

    @property
    def _passes(self) -> bool:
        """Whether the counts show *within*."""
        return self._counts.n >= max(self._least, self._table.within_from(self._counts.over))

    @property
    def _lacks_time_to_pass(self) -> bool:
        return self._passes and not self._is_long_enough

    def _exceeded(self, over: Flags, window: Nanoseconds) -> bool:
        n, k = self._counts.n, self._counts.over_attributed
        self.is_concentrated = False
        if k == 0 or self._table.exceeded_until(k) < n:
            return False
        if not self.limit.allowed:
            return True  # a statement about these very observations: none can be deleted
        self.is_concentrated = not self._survives_deletion(window, over)
        return not self.is_concentrated

    def _survives_deletion(self, window: Nanoseconds, over: Flags) -> bool:
        import numpy as np

        totals = np.bincount(window)
        exceeding = np.bincount(window, weights=over, minlength=len(totals)).astype(np.int64)
        return survives_deletion(self._table, totals, exceeding)

    def _excuses_are_final(self, observations: Observations) -> bool:
        """Whether no observation can still become an exceedance."""
        if observations.provisional is None:
            return True
        limit_ns = self.limit.limit_ns
        excused = (observations.wall_ns > limit_ns) & (observations.attributed_ns <= limit_ns)
        return not bool((excused & observations.provisional).any())

    def _machine_in_the_way(self, room: int) -> bool:
        """Whether attributed latency passes, and raw latency will not in the room that is left."""
        n, over, attributed = self._counts.n, self._counts.over, self._counts.over_attributed
        if attributed == over or n < self._least:
            return False
        if n < self._table.within_from(attributed):
            return False
        fewest = max(0.0, over - _SPREAD * math.sqrt(over)) / n
        if fewest > _HOPELESS * self.limit.allowed:
            return True
        return not self._table.shows_within(room, over + round(fewest * (room - n)))


def limit_verdict(  # noqa: PLR0913 - what a verdict on a limit consists of
    limit: Limit,
    table: Table,
    counts: Counts,
    outcome: Outcome | None,
    *,
    least: int,
    otherwise: Reason | None = None,
) -> LimitVerdict:
    """The verdict on a limit whose outcome is known or, where it is None, inconclusive.

    otherwise: why it is inconclusive, unless the machine was in the way.
    """
    if outcome is not None:
        return LimitVerdict(
            limit, outcome, Reason.SHOWN, counts.n, counts.over, counts.over_attributed
        )
    reason = _why_undecided(limit, counts)
    if otherwise is not None and reason is not Reason.MACHINE:
        reason = otherwise
    more = _needed(table, limit, counts)
    return LimitVerdict(
        limit,
        Outcome.INCONCLUSIVE,
        reason,
        counts.n,
        counts.over,
        counts.over_attributed,
        needed=None if more is None else max(least, more),
    )


def survives_deletion(
    table: Table, totals: Sequence[int] | Nanoseconds, exceeding: Sequence[int] | Nanoseconds
) -> bool:
    """Whether *exceeded* is shown without any two adjacent windows, the worst ones too.

    totals, exceeding: observations in each deletion window, and those of them over the limit.
    """
    import numpy as np

    totals, exceeding = np.asarray(totals), np.asarray(exceeding)
    n, k = int(totals.sum()), int(exceeding.sum())
    if len(totals) > 1:
        totals = totals[:-1] + totals[1:]
        exceeding = exceeding[:-1] + exceeding[1:]
    fewest: dict[int, int] = {}  # of windows with as many exceedances, the emptiest takes the most
    for deleted, over in zip(totals.tolist(), exceeding.tolist(), strict=True):
        fewest[over] = min(deleted, fewest.get(over, deleted))
    return all(table.shows_exceeded(n - deleted, k - over) for over, deleted in fewest.items())


def _why_undecided(limit: Limit, counts: Counts) -> Reason:
    """Whether the machine was in the way, the limit is too near, or observations are too few."""
    hopeless = _HOPELESS * float(limit.allowed) * counts.n
    if counts.over_attributed <= hopeless < counts.over:
        return Reason.MACHINE
    return Reason.FEW if counts.over <= hopeless else Reason.NEAR


def _needed(table: Table, limit: Limit, counts: Counts) -> int | None:
    """About how many observations would settle it if exceedances kept their rate.

    More attributed exceedances than allowed point to *exceeded*, else it is *within* that is asked
    for.
    """
    n = counts.n
    if not n:
        return table.within_from(0)
    if counts.over_attributed > limit.allowed * n:
        return table.exceeded_at_rate(n, counts.over_attributed, _FARTHEST)
    return table.within_at_rate(n, counts.over, _FARTHEST)


def too_many_failures(table: Table, failed: int, attempts: int) -> bool:
    """Whether the failures show that more fail than may."""
    return table.shows_exceeded(attempts, failed)


def failures_need(table: Table, allowed: Fraction, failed: int, attempts: int) -> int:
    """How many more attempts show too many failures at their present rate.

    0 where they show it already, where no more failed than may, and where it takes too many.
    """
    if failed <= allowed * attempts or too_many_failures(table, failed, attempts):
        return 0
    shown_from = table.exceeded_at_rate(attempts, failed, _FARTHEST)
    return 0 if shown_from is None else max(1, shown_from - attempts)


def failure_verdict(table: Table, allowed: Fraction, failed: int, attempts: int) -> FailureVerdict:
    """The verdict on the share of requests that failed."""
    if too_many_failures(table, failed, attempts):
        outcome = Outcome.EXCEEDED
    elif failed > allowed * attempts:
        outcome = Outcome.INCONCLUSIVE
    else:
        outcome = Outcome.WITHIN
    return FailureVerdict(allowed, outcome, failed, attempts)
