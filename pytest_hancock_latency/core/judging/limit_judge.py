"""What is known about one limit of a budget, from counts alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from ..budget import Limit
from ..quantile import rank
from .evidence import Boundaries, NoneAllowed
from .verdict import FailureVerdict, LimitVerdict, Outcome, Reason

if TYPE_CHECKING:
    from ..attribution import Flags, Nanoseconds

_HOPELESS: Final = 0.55
_PATIENCE: Final = 3
_FARTHEST: Final = 10_000_000

Table = Boundaries | NoneAllowed
"""What decides about counts of exceedances."""


@dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """The observations whose attributed latency may count as evidence for *exceeded*."""

    attributed_ns: Nanoseconds
    window: Nanoseconds
    """Index of the deletion window in which each of them started."""


class Trial:
    """One limit on trial."""

    def __init__(self, limit: Limit, table: Table, least: int) -> None:
        self.limit = limit
        self.outcome: Outcome | None = None
        self.settled = False
        """Nothing more is to be learnt that would be worth another observation."""
        self._table = table
        self._least = least
        self._n = self._over = self._over_attributed = 0
        self._attributed_passed_at: int | None = None
        self._convicting: Counted | None = None
        self.concentrated = False
        """The count shows *exceeded*, and only more time can show that it was no single stall."""

    def least_to_pass(self) -> int:
        """The fewest observations that can show *within*."""
        return self._table.within_from(0)

    def look(
        self, wall_ns: Nanoseconds, attributed_ns: Nanoseconds, counted: Sequence[Counted]
    ) -> None:
        """Take in all observations so far."""
        self._n = len(wall_ns)
        self._over = int((wall_ns > self.limit.limit_ns).sum())
        self._over_attributed = int((attributed_ns > self.limit.limit_ns).sum())
        if self.outcome is Outcome.WITHIN and self.limit.allowed:
            return  # valid whenever sampling stops, hence it stays
        self.outcome = self._decide(counted)
        self.settled = self.outcome is not None or self._machine_in_the_way()

    def next_look(self) -> int:
        """Further observations until the limit can be settled by passing at the soonest."""
        return max(1, min(self._steps_to_within(), self._steps_to_attributed()))

    def verdict(
        self, ascending: Nanoseconds, ascending_attributed: Nanoseconds, *, stopped: bool
    ) -> LimitVerdict:
        """The verdict on this limit. Both arrays hold the last look's observations, sorted."""
        at = rank(self.limit.quantile, self._n) - 1
        low, high = self._bounds(ascending, ascending_attributed)
        needed = None if self.outcome else self._needed()
        return LimitVerdict(
            limit=self.limit,
            outcome=self.outcome or Outcome.INCONCLUSIVE,
            reason=self._reason(stopped=stopped),
            n=self._n,
            over=self._over,
            over_attributed=self._over_attributed,
            observed_ns=int(ascending[at]) if self._n else 0,
            observed_attributed_ns=int(ascending_attributed[at]) if self._n else 0,
            low_ns=low,
            high_ns=high,
            needed=needed,
        )

    def _decide(self, counted: Sequence[Counted]) -> Outcome | None:
        for each in counted:
            if self._exceeded(each):
                self._convicting = each
                return Outcome.EXCEEDED
        if self._n >= max(self._least, self._table.within_from(self._over)):
            return Outcome.WITHIN
        return None

    def _exceeded(self, counted: Counted) -> bool:
        over = counted.attributed_ns > self.limit.limit_ns
        n, k = len(over), int(over.sum())
        self.concentrated = False
        if k == 0 or self._table.exceeded_until(k) < n:
            return False
        if not self.limit.allowed:
            return True  # a statement about these very observations: none can be deleted
        self.concentrated = not self._survives_deletion(counted.window, over)
        return not self.concentrated

    def _survives_deletion(self, window: Nanoseconds, over: Flags) -> bool:
        import numpy as np

        everyone = np.bincount(window)
        exceeding = np.bincount(window, weights=over, minlength=len(everyone)).astype(np.int64)
        return survives_deletion(self._table, everyone, exceeding)

    def _machine_in_the_way(self) -> bool:
        """Whether the code passes, the clock does not, and waiting will hardly change that."""
        n = self._n
        if self._over_attributed == self._over or n < self._least:
            return False
        if n < self._table.within_from(self._over_attributed):
            return False
        if self._attributed_passed_at is None:
            self._attributed_passed_at = n
        hopeless = self._over > _HOPELESS * float(self.limit.allowed) * n
        return hopeless or n >= _PATIENCE * self._attributed_passed_at

    def _steps_to_within(self) -> int:
        return max(self._least, self._table.within_from(self._over)) - self._n

    def _steps_to_attributed(self) -> int:
        if self._attributed_passed_at is not None:
            return _PATIENCE * self._attributed_passed_at - self._n
        return max(self._least, self._table.within_from(self._over_attributed)) - self._n

    def _bounds(
        self, ascending: Nanoseconds, ascending_attributed: Nanoseconds
    ) -> tuple[int | None, int | None]:
        n = self._n
        if not n or not self.limit.allowed:
            return None, None
        most = self._table.most_within(n)
        high = int(ascending[n - most - 1]) if most >= 0 else None
        return self._low_bound(ascending_attributed), high

    def _low_bound(self, ascending_attributed: Nanoseconds) -> int | None:
        """From the very observations that convict, where some do: it is above the limit then."""
        import numpy as np

        if self._convicting is not None:
            ascending_attributed = np.sort(self._convicting.attributed_ns)
        n = len(ascending_attributed)
        least = self._table.least_exceeded(n)
        return int(ascending_attributed[n - least]) if least <= n else None

    def _reason(self, *, stopped: bool) -> Reason:
        if self.outcome is not None:
            return Reason.SHOWN
        why = why_undecided(self.limit, self._n, self._over, self._over_attributed)
        if why is Reason.MACHINE:
            return why
        if stopped:
            return Reason.STOPPED
        return Reason.STALL if self.concentrated else why

    def _needed(self) -> int | None:
        return needed(self._table, self.limit, self._n, (self._over, self._over_attributed))


def survives_deletion(
    table: Table, everyone: Sequence[int] | Nanoseconds, exceeding: Sequence[int] | Nanoseconds
) -> bool:
    """Whether *exceeded* is shown without any two adjacent windows, the worst ones too.

    everyone, exceeding: observations in each deletion window, and those of them over the limit.
    """
    import numpy as np

    everyone, exceeding = np.asarray(everyone), np.asarray(exceeding)
    n, k = int(everyone.sum()), int(exceeding.sum())
    if len(everyone) > 1:
        everyone = everyone[:-1] + everyone[1:]
        exceeding = exceeding[:-1] + exceeding[1:]
    fewest: dict[int, int] = {}  # of windows with as many exceedances, the emptiest takes the most
    for gone, exceedances in zip(everyone.tolist(), exceeding.tolist(), strict=True):
        fewest[exceedances] = min(gone, fewest.get(exceedances, gone))
    return all(table.shows_exceeded(n - gone, k - over) for over, gone in fewest.items())


def why_undecided(limit: Limit, n: int, over: int, over_attributed: int) -> Reason:
    """Whether the machine was in the way, or the limit is too near, or too little was seen."""
    hopeless = _HOPELESS * float(limit.allowed) * n
    if over_attributed <= hopeless < over:
        return Reason.MACHINE
    return Reason.FEW if over <= hopeless else Reason.NEAR


def needed(table: Table, limit: Limit, n: int, over: tuple[int, int]) -> int | None:
    """About how many observations would settle it if exceedances kept their rate.

    over: exceedances of raw and of attributed latency; more than allowed of the latter point to
    *exceeded*, else it is *within* that is asked for.
    """
    if not n:
        return table.within_from(0)
    raw, attributed = over
    if attributed > limit.allowed * n:
        return table.exceeded_at_rate(n, attributed, _FARTHEST)
    return table.within_at_rate(n, raw, _FARTHEST)


def too_many_failures(table: Table, failed: int, attempts: int) -> bool:
    """Whether the failures show that more fail than may."""
    return table.shows_exceeded(attempts, failed)


def failure_verdict(table: Table, allowed: Fraction, failed: int, attempts: int) -> FailureVerdict:
    """The verdict on the share of requests that failed."""
    if too_many_failures(table, failed, attempts):
        outcome = Outcome.EXCEEDED
    elif failed > allowed * attempts:
        outcome = Outcome.INCONCLUSIVE
    else:
        outcome = Outcome.WITHIN
    return FailureVerdict(allowed, outcome, failed, attempts)
