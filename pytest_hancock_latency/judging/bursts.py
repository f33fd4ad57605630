"""Judging a sample of several bursts, burst by burst.

The requests of a burst wait for each other, so the evidence is the share of slow requests in each
burst, see `core.evidence_of_share`. Otherwise a limit is judged as in `sequential`: raw latency for
*within*, attributed latency for *exceeded*, which must also hold without the worst two adjacent
bursts. Failed requests are in no share of slow ones; they have their own, if a share may fail.

The verdict is about all bursts that were made: *within* is not kept from an earlier burst, so that
no verdict contradicts its own counts. The load's callers have no other route to *within* than raw
latency.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from ..core.budget import LatencyBudget, Limit
from ..core.evidence import EXCEEDED, WITHIN, boundaries
from ..core.evidence_of_share import LEFT_OUT, METHOD_OF_SHARES, ShareProcess
from ..core.sample import Burst, Observations
from ..core.verdict import FailureVerdict, LimitVerdict, Outcome, Reason, Route, Verdict
from .limit_judge import (
    FARTHEST,
    ROOM,
    LimitCounts,
    counts_over,
    failure_verdict,
    reason_at_rates,
    reason_of_excuse,
    tables_of,
    without_tracers,
)
from .sequential import Earlier, Policy


class BurstJudge:
    """Judges a growing number of bursts against one budget."""

    def __init__(
        self, budget: LatencyBudget, policy: Policy, earlier: Earlier | None = None
    ) -> None:
        self.budget = budget
        alpha = policy.alpha_of_part(budget)
        self._limits = [_LimitJudge(limit, policy, alpha) for limit in budget.limits]
        self._failures = _FailureJudge(budget.errors, policy, alpha)
        self._answered = self._elapsed_ns = 0
        if earlier is not None:
            self.add_all(earlier.observations, earlier.bursts or [_as_burst(earlier)])

    def add_all(self, observations: Observations, bursts: Iterable[Burst]) -> None:
        """Add bursts whose observations follow each other."""
        first = 0
        for burst in bursts:
            end = first + burst.answered
            self.add(observations.between(first, end), burst)
            first = end

    def add(self, observations: Observations, burst: Burst) -> None:
        """Add the observations of one more burst."""
        self._answered += burst.answered
        self._elapsed_ns += burst.elapsed_ns
        is_long_enough = self._elapsed_ns >= self.budget.least_time_ns
        for limit in self._limits:
            limit.add(observations, is_long_enough=is_long_enough)
        self._failures.add(observations, burst.failed)

    @property
    def inconclusive(self) -> tuple[Limit, ...]:
        """The limits that are not decided yet."""
        return tuple(judge.limit for judge in self._limits if judge.outcome is None)

    @property
    def is_exceeded(self) -> bool:
        """Whether a part of the budget is exceeded, so that no further burst is worth its time."""
        outcomes = (self._failures.outcome, *(judge.outcome for judge in self._limits))
        return Outcome.EXCEEDED in outcomes

    @property
    def is_decided(self) -> bool:
        """Whether the whole budget is within or exceeded."""
        return self.is_exceeded or not (self.inconclusive or self._failures.outcome is None)

    @property
    def is_concentrated(self) -> bool:
        """Whether *exceeded* is shown, but not without the worst two bursts."""
        return any(judge.is_concentrated for judge in self._limits)

    def least_to_pass(self) -> tuple[int, str]:
        """The fewest bursts with which the whole budget can be within, and the limit that needs
        them.
        """
        hardest = max(self._limits, key=lambda judge: judge.least_to_pass)
        return hardest.least_to_pass, hardest.limit.label

    def with_room(self) -> int:
        """The bursts that a pass takes with a few requests over each limit."""
        return max(judge.with_room for judge in self._limits)

    def would_exceed(self, bursts: int) -> bool:
        """Whether that many bursts would show a limit *exceeded* if they stay like those so far."""
        return any(judge.would_exceed(bursts) for judge in self._limits)

    def verdict(self) -> Verdict:
        """Return the verdict on all bursts."""
        return Verdict(
            limits=tuple(judge.verdict(stopped=self.is_exceeded) for judge in self._limits),
            failures=self._failures.verdict(),
            n=self._answered,
            elapsed_ns=self._elapsed_ns,
            least_time_ns=self.budget.least_time_ns,
            method=METHOD_OF_SHARES,
        )


def _as_burst(earlier: Earlier) -> Burst:
    return Burst(len(earlier.observations), earlier.failed, earlier.elapsed_ns)


class _LimitJudge:
    """Judges one limit while the number of bursts grows."""

    def __init__(self, limit: Limit, policy: Policy, alpha: float) -> None:
        self.limit = limit
        self.counts = LimitCounts(0, 0, 0)
        self.outcome: Outcome | None = None
        self._least = policy.least
        self._slowness = policy.slowness
        table = tables_of(limit.allowed, policy.alpha_within, alpha).raw
        self.least_to_pass = table.within_from(0)
        self.with_room = table.within_from(ROOM if limit.allowed else 0)
        self._bursts = 0
        self._is_long_enough = False
        # The maximum is a statement about these requests, without evidence beyond them.
        self._shares = _Shares(limit, policy, alpha) if limit.allowed else None

    def add(self, observations: Observations, *, is_long_enough: bool) -> None:
        """Add the observations of one more burst."""
        self._bursts += 1
        self._is_long_enough = is_long_enough
        blamed_ns = without_tracers(observations.attributed_ns, self._slowness)
        added, so_far = (
            counts_over(self.limit, observations, blamed_ns),
            self.counts,
        )
        self.counts = LimitCounts(
            so_far.n + added.n,
            so_far.over + added.over,
            so_far.over_attributed + added.over_attributed,
            over_unseen=so_far.over_unseen + added.over_unseen,
        )
        if self._shares and added.n:  # without an answer, it has no share of slow ones
            self._shares.add(added)
        self.outcome = self._decide()

    @property
    def is_concentrated(self) -> bool:
        """Whether *exceeded* is shown, but not without the worst two bursts."""
        return self.outcome is None and self._shares is not None and self._shares.blamed.is_shown

    def would_exceed(self, bursts: int) -> bool:
        """Whether that many bursts would show *exceeded* if they stay like those so far."""
        if self.outcome is not None or self._shares is None or not self._shares.is_over_allowed:
            return False
        return self._shares.blamed.shown_at_rate(bursts) is not None

    def verdict(self, *, stopped: bool) -> LimitVerdict:
        """Return the verdict so far. stopped: another part of the budget ended it."""
        is_decided = self.outcome is not None
        return LimitVerdict(
            self.limit,
            self.outcome or Outcome.INCONCLUSIVE,
            Reason.SHOWN if is_decided else self._why_inconclusive(stopped=stopped),
            self.counts.n,
            self.counts.over,
            self.counts.over_attributed,
            needed=None if is_decided else self._bursts_to_settle(),
            over_unseen=self.counts.over_unseen,
            bursts=self._bursts,
        )

    def _why_inconclusive(self, *, stopped: bool) -> Reason:
        reason = self._shares.why_inconclusive() if self._shares else self._why_no_maximum()
        if reason is Reason.MACHINE:
            return reason_of_excuse(reason, self._slowness)
        if stopped:
            return Reason.STOPPED
        if self.is_concentrated:
            return Reason.STALL
        return Reason.SHORT if self._passes else reason

    def _why_no_maximum(self) -> Reason:
        return Reason.MACHINE if self.counts.over else Reason.FEW

    def _bursts_to_settle(self) -> int | None:
        """Estimate how many bursts would settle the limit; None if more would not."""
        if self._shares is None:
            return None
        return self._shares.bursts_to_settle() if len(self._shares.raw) else self.least_to_pass

    def _decide(self) -> Outcome | None:
        if self._exceeds:
            return Outcome.EXCEEDED
        return Outcome.WITHIN if self._passes and self._is_long_enough else None

    @property
    def _exceeds(self) -> bool:
        if self._shares is None:
            return self.counts.over_attributed > 0
        return self._shares.blamed.is_shown and self._shares.blamed.survives_deletion()

    @property
    def _passes(self) -> bool:
        """Whether the bursts show *within*, however long they took."""
        if self.counts.n < self._least:
            return False
        if self._shares is None:
            return not self.counts.over
        return self._shares.passing.is_shown


class _Shares:
    """The evidence of bursts about one limit."""

    def __init__(self, limit: Limit, policy: Policy, alpha: float) -> None:
        self._allowed = limit.allowed
        self.passing = ShareProcess(limit.allowed, WITHIN, Route.RAW.share * policy.alpha_within)
        """For *within*, of raw latency."""
        self.blamed = ShareProcess(limit.allowed, EXCEEDED, alpha)
        """For *exceeded*, of attributed latency."""
        self.raw = ShareProcess(limit.allowed, EXCEEDED, alpha)
        """What *exceeded* would be if the machine took nothing."""

    def add(self, counts: LimitCounts) -> None:
        self.passing.add(counts.over / counts.n)
        self.raw.add(counts.over / counts.n)
        self.blamed.add(counts.over_attributed / counts.n)

    @property
    def is_over_allowed(self) -> bool:
        """Whether more is over the limit than allowed, by attributed latency."""
        return self.blamed.sum > self._allowed * len(self.blamed)

    def why_inconclusive(self) -> Reason:
        return reason_at_rates(
            self._allowed * len(self.raw),
            self.raw.sum,
            self.blamed.sum,
            is_excused=self.raw.is_shown and not self.blamed.is_shown,
        )

    def bursts_to_settle(self) -> int | None:
        """Estimate how many bursts would settle the limit if they stay like those so far."""
        if not self.is_over_allowed:
            return self.passing.shown_at_rate(FARTHEST)
        enough = self.blamed.shown_at_rate(FARTHEST)
        return None if enough is None else enough + LEFT_OUT


class _FailureJudge:
    """Judges the share of failed requests while the number of bursts grows."""

    def __init__(self, allowed: Fraction, policy: Policy, alpha: float) -> None:
        self._allowed = allowed
        self._table = boundaries(allowed, policy.alpha_within, alpha)
        self._shares = ShareProcess(allowed, EXCEEDED, alpha) if allowed else None
        self._failed = self._attempts = self._excused = 0

    def add(self, observations: Observations, failed: int) -> None:
        excused, attempts = observations.excused_failures, len(observations) + failed
        self._failed += failed
        self._excused += excused
        self._attempts += attempts
        if self._shares is not None and attempts:
            self._shares.add((failed - excused) / attempts)

    @property
    def outcome(self) -> Outcome | None:
        """Within or exceeded; None if it is inconclusive."""
        outcome = self.verdict().outcome
        return None if outcome is Outcome.INCONCLUSIVE else outcome

    def verdict(self) -> FailureVerdict:
        if self._shares is None:
            return failure_verdict(
                self._table, self._allowed, self._failed, self._attempts, excused=self._excused
            )
        if self._shares.is_shown and self._shares.survives_deletion():
            outcome = Outcome.EXCEEDED
        elif self._failed > self._allowed * self._attempts:
            outcome = Outcome.INCONCLUSIVE
        else:
            outcome = Outcome.WITHIN
        return FailureVerdict(self._allowed, outcome, self._failed, self._attempts, self._excused)
