"""Judges one limit of a budget, from counts alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from ..core.budget import Limit
from ..core.evidence import Boundaries, NoneAllowed
from ..core.verdict import FailureVerdict, LimitVerdict, Outcome, Reason

if TYPE_CHECKING:
    from ..core.attribution import Flags, Nanoseconds
    from ..core.sample import Observations

_HOPELESS: Final = 0.55
"""Share of the allowed rate above which raw latency hardly ever passes: it is the highest odds
ratio in the mixture for *within*, beyond which the evidence no longer grows."""
_ROOM: Final = 2
"""Observations over a limit that a pass should leave room for: code at a tenth of the allowed rate
has at most this many in nine of ten samples."""
_SPREAD: Final = 2
"""Standard deviations by which the rate so far may be off by chance: measuring stops because of the
machine only if even the lower rate is hopeless."""
_FARTHEST: Final = 10_000_000
"""Observations beyond which a forecast is useless."""

Table = Boundaries | NoneAllowed
"""The boundaries that counts of exceedances are compared with."""


@dataclass(frozen=True, slots=True)
class LimitCounts:
    """Counts of observations over one limit."""

    n: int
    over: int
    """Number over the limit by raw latency."""
    over_attributed: int


class LimitJudge:
    """Judges one limit while its sample grows."""

    def __init__(self, limit: Limit, table: Table, least: int, least_time_ns: int = 0) -> None:
        self.limit = limit
        self.outcome: Outcome | None = None
        self.settled = False
        """Whether further observations are not worth their time."""
        self.is_concentrated = False
        """Whether the count shows *exceeded*, but a single stall could still explain it."""
        self._table = table
        self._least = least
        self._least_time_ns = least_time_ns
        self._is_long_enough = False
        self._counts = LimitCounts(0, 0, 0)

    def least_to_pass(self) -> int:
        """The fewest observations that can show *within*."""
        return self._table.within_from(0)

    def with_room(self) -> int:
        """The fewest observations that can show *within* with a few over the limit, if allowed."""
        return self._table.within_from(_ROOM if self.limit.allowed else 0)

    def look(self, observations: Observations, window: Nanoseconds, room: int) -> None:
        """Update the judgement from all observations so far.

        window: index of the deletion window in which each observation started.
        room: observations that fit into the time and the cap, including those so far.
        """
        self._counts = self._count(observations.wall_ns, observations.attributed_ns)
        least_ns = self._least_time_ns
        self._is_long_enough = not least_ns or observations.span_ns >= least_ns
        if self.outcome is Outcome.WITHIN and self.limit.allowed:
            return  # valid whenever sampling stops, so it stays
        self.outcome = self._decide(observations.attributed_ns, window)
        self.settled = self.outcome is not None or (
            self._excuses_are_final(observations) and self._machine_in_the_way(room)
        )

    def next_look(self) -> int:
        """Return how many more observations the limit needs at least to pass."""
        counts = self._counts
        if self._lacks_time_to_pass:
            return _FARTHEST
        return max(1, self._least - counts.n, self._table.within_from(counts.over) - counts.n)

    def would_exceed(self, most: int) -> bool:
        """Whether `most` observations would show *exceeded* at the current rate."""
        n, k = self._counts.n, self._counts.over_attributed
        if self.outcome is not None or k <= self.limit.allowed * n:
            return False
        return self._table.exceeded_at_rate(n, k, most) is not None

    def verdict(self, *, stopped: bool) -> LimitVerdict:
        """Return the verdict after the last look. stopped: another part of the budget ended it."""
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

    def _count(self, wall_ns: Nanoseconds, attributed_ns: Nanoseconds) -> LimitCounts:
        limit_ns = self.limit.limit_ns
        over, attributed = (int((column > limit_ns).sum()) for column in (wall_ns, attributed_ns))
        return LimitCounts(len(wall_ns), over, attributed)

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
            return True  # a statement about these observations themselves: none can be deleted
        self.is_concentrated = not self._survives_deletion(window, over)
        return not self.is_concentrated

    def _survives_deletion(self, window: Nanoseconds, over: Flags) -> bool:
        import numpy as np

        totals = np.bincount(window)
        exceeding = np.bincount(window, weights=over, minlength=len(totals)).astype(np.int64)
        return survives_deletion(self._table, totals, exceeding)

    def _excuses_are_final(self, observations: Observations) -> bool:
        """Whether no more observations can become exceedances."""
        if observations.provisional is None:
            return True
        limit_ns = self.limit.limit_ns
        excused = (observations.wall_ns > limit_ns) & (observations.attributed_ns <= limit_ns)
        return not bool((excused & observations.provisional).any())

    def _machine_in_the_way(self, room: int) -> bool:
        """Whether attributed latency passes, but raw latency will not in the remaining room."""
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
    counts: LimitCounts,
    outcome: Outcome | None,
    *,
    least: int,
    otherwise: Reason | None = None,
) -> LimitVerdict:
    """Return the verdict on a limit with this outcome; inconclusive if it is None.

    otherwise: why it is inconclusive, unless because of the machine.
    """
    if outcome is not None:
        return LimitVerdict(
            limit, outcome, Reason.SHOWN, counts.n, counts.over, counts.over_attributed
        )
    reason = _why_inconclusive(limit, counts)
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
    """Whether *exceeded* still holds without any two adjacent windows, even the worst.

    totals, exceeding: observations in each deletion window, and how many are over the limit.
    """
    import numpy as np

    totals, exceeding = np.asarray(totals), np.asarray(exceeding)
    n, k = int(totals.sum()), int(exceeding.sum())
    if len(totals) > 1:
        totals = totals[:-1] + totals[1:]
        exceeding = exceeding[:-1] + exceeding[1:]
    fewest: dict[int, int] = {}  # among equal exceedances, the emptiest window is the worst
    for deleted, over in zip(totals.tolist(), exceeding.tolist(), strict=True):
        fewest[over] = min(deleted, fewest.get(over, deleted))
    return all(table.shows_exceeded(n - deleted, k - over) for over, deleted in fewest.items())


def _why_inconclusive(limit: Limit, counts: LimitCounts) -> Reason:
    """Return why: the machine, a limit too near, or too few observations."""
    hopeless = _HOPELESS * float(limit.allowed) * counts.n
    if counts.over_attributed <= hopeless < counts.over:
        return Reason.MACHINE
    return Reason.FEW if counts.over <= hopeless else Reason.NEAR


def _needed(table: Table, limit: Limit, counts: LimitCounts) -> int | None:
    """Estimate how many observations would settle the limit at the current rate.

    If there are more attributed exceedances than allowed, the estimate is for *exceeded*, otherwise
    for *within*.
    """
    n = counts.n
    if not n:
        return table.within_from(0)
    if counts.over_attributed > limit.allowed * n:
        return table.exceeded_at_rate(n, counts.over_attributed, _FARTHEST)
    return table.within_at_rate(n, counts.over, _FARTHEST)


def too_many_failures(table: Table, failed: int, attempts: int) -> bool:
    """Whether the failures show that more requests fail than allowed."""
    return table.shows_exceeded(attempts, failed)


def failures_need(table: Table, allowed: Fraction, failed: int, attempts: int) -> int:
    """Return how many more attempts would show too many failures at the current rate.

    0 if they already show it, if no more failed than allowed, or if it takes too many attempts.
    """
    if failed <= allowed * attempts or too_many_failures(table, failed, attempts):
        return 0
    shown_from = table.exceeded_at_rate(attempts, failed, _FARTHEST)
    return 0 if shown_from is None else max(1, shown_from - attempts)


def failure_verdict(table: Table, allowed: Fraction, failed: int, attempts: int) -> FailureVerdict:
    """Return the verdict on the share of requests that failed."""
    if too_many_failures(table, failed, attempts):
        outcome = Outcome.EXCEEDED
    elif failed > allowed * attempts:
        outcome = Outcome.INCONCLUSIVE
    else:
        outcome = Outcome.WITHIN
    return FailureVerdict(allowed, outcome, failed, attempts)
