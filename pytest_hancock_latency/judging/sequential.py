"""Judging a sample while it is being measured.

After every look, the judge returns how many more observations the budget needs at least to pass.
The measuring loop makes that many in one go and only then looks again, so a pass still comes at the
first possible n. Evidence for *exceeded* is checked every `LOOK_EVERY_NS`: it takes about half a
second anyway. The order of the checks, for each limit:

    attributed count of the probing phase shows exceeded,
        even without the worst half second                               →  exceeded, stop
    raw count, count without waits, or undisturbed count shows within    →  within, it stays so
    some evidence for exceeded, or the raw count will not pass           →  the probing phase begins
    attributed count shows within, and no other count will               →  inconclusive (machine)

Sources: the evidence is that of `evidence`; deleting the worst two adjacent windows of 250 ms is a
leave-one-out guard against a single stall of the host, which the thread's own counters may miss.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..core.budget import LatencyBudget, Limit
from ..core.evidence import ALPHA_WITHIN, alpha_of_gate, boundaries
from ..core.late_numpy import np
from ..core.sample import Burst, Observations
from ..core.verdict import Outcome, Verdict
from .limit_judge import (
    LimitJudge,
    failure_verdict,
    failures_need,
    survives_deletion,
    tables_of,
    too_many_failures,
)

LOOK_EVERY_NS: Final = 20_000_000
"""Evidence for *exceeded* takes half a second anyway; looking costs about a millisecond."""
DELETION_WINDOW_NS: Final = 250_000_000
"""A stall of the host usually lasts less than two such windows."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How certain a verdict must be, and how many observations it may take."""

    least: int = 50
    """Minimum number of observations for *within*."""
    most: int = 20_000
    gates: int = 1
    """Number of gates in the build that share the false-alarm probability."""
    alpha_within: float = ALPHA_WITHIN
    window_ns: int = DELETION_WINDOW_NS
    """Length of the deletion windows; shorter for short loads."""
    share: float = 1.0
    """Share of the gate's false-alarm probability that this sample may spend."""
    slowness: float = 1.0
    """How many times slower than without its tracers the code may be: only what is over a limit
    even without that counts for *exceeded*."""

    @property
    def alpha_exceeded(self) -> float:
        """False-alarm probability for the whole budget of one sample."""
        return alpha_of_gate(self.gates) * self.share

    def alpha_of_part(self, budget: LatencyBudget) -> float:
        """Return the false-alarm probability for each part that can be exceeded by chance."""
        return self.alpha_exceeded / budget.parts


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier sample of the same request: a rerun adds evidence."""

    observations: Observations
    failed: int
    elapsed_ns: int
    bursts: tuple[Burst, ...] = ()
    """Those it consists of, if they were repeated."""


class SequentialJudge:
    """Judges one sample against one budget, look by look."""

    def __init__(
        self, budget: LatencyBudget, policy: Policy, earlier: Earlier | None = None
    ) -> None:
        self.budget = budget
        self.earlier = earlier
        self.policy = policy
        self.inputs = 0
        """Inputs each of which is called before a pass, if they fit into the time."""
        alpha = policy.alpha_of_part(budget)
        self._limits = [
            LimitJudge(
                limit,
                tables_of(limit.allowed, policy.alpha_within, alpha),
                policy.least,
                budget.least_time_ns,
                policy.slowness,
            )
            for limit in budget.limits
        ]
        self._failures = boundaries(budget.errors, policy.alpha_within, alpha)

    @property
    def inconclusive(self) -> tuple[Limit, ...]:
        """The limits that are not decided yet."""
        return tuple(judge.limit for judge in self._limits if not judge.settled)

    @property
    def highest_limit(self) -> str:
        """The label of the highest limit, for messages."""
        return self.budget.limits[-1].label

    @property
    def lacks_only_time(self) -> bool:
        """Whether a count shows *exceeded*, but could still be a single stall."""
        return any(limit.is_concentrated for limit in self._limits)

    @property
    def is_exceeded(self) -> bool:
        """Whether a limit is shown to be exceeded so far."""
        return any(limit.outcome is Outcome.EXCEEDED for limit in self._limits)

    @property
    def needs_probing(self) -> bool:
        """Whether it is worth knowing the speed of the machine at each call."""
        return any(limit.needs_probing for limit in self._limits)

    def would_exceed(self, most: int) -> bool:
        """Whether `most` observations would show a limit *exceeded* at the current rate."""
        most = min(self._earlier_n + most, self._most)
        return any(limit.would_exceed(most) for limit in self._limits)

    def least_to_pass(self) -> int:
        """The fewest observations with which the whole budget can be within."""
        return self._besides_earlier(*(limit.least_to_pass() for limit in self._limits))

    def with_room(self) -> int:
        """The observations that a pass takes with a few of them over each limit."""
        wanted = self._besides_earlier(*(limit.with_room() for limit in self._limits))
        return max(wanted, self.inputs)

    def _besides_earlier(self, *wanted: int) -> int:
        return max(self.policy.least, max(wanted, default=0) - self._earlier_n)

    def look(self, observations: Observations, failed: int = 0, room: int | None = None) -> int:
        """Update from all observations so far; return how many more make a pass possible.

        0 means that there is nothing left to decide, or that the maximum number of observations is
        reached.

        room: observations that fit into the time, including those so far; by default the
            maximum.
        """
        if self.earlier is None:
            return self._look(observations, failed, room)
        together, failed = self._with_earlier(self.earlier, observations, failed)
        room = None if room is None else room + self._earlier_n
        # The earlier ones may decide it, but a test that runs again measures again.
        missing = self.policy.least - len(observations) - (failed - self.earlier.failed)
        return max(self._look(together, failed, room), missing)

    def _with_earlier(
        self, earlier: Earlier, observations: Observations, failed: int
    ) -> tuple[Observations, int]:
        together = earlier.observations.followed_by(observations, earlier.elapsed_ns)
        return together, earlier.failed + failed

    @property
    def _earlier_n(self) -> int:
        return len(self.earlier.observations) if self.earlier else 0

    @property
    def _most(self) -> int:
        return self._earlier_n + self.policy.most

    def _look(self, observations: Observations, failed: int, room: int | None) -> int:
        room = self._most if room is None else min(room, self._most)
        n = len(observations)
        minimum = max(self.policy.least, self.inputs - failed if self.inputs <= room else 0)
        window = observations.start_ns // self.policy.window_ns
        for limit in self._limits:
            limit.minimum = minimum
            limit.look(observations, window, room)
        if self._broken(observations, failed):
            return 0
        steps = [limit.next_look() for limit in self._limits if not limit.settled]
        blamed = failed - observations.excused_failures
        more = failures_need(self._failures, self.budget.errors, blamed, n + failed)
        if 0 < more <= room - n:  # more calls decide whether too many requests fail
            steps.append(more)
        if n >= self._most:
            return min(steps) if steps and self.lacks_only_time else 0
        return min([*steps, self._most - n]) if steps else 0

    def verdict(self, observations: Observations, failed: int = 0, elapsed_ns: int = 0) -> Verdict:
        """Return the verdict on all observations; call it once measuring has ended."""
        if self.earlier is not None:
            observations, failed = self._with_earlier(self.earlier, observations, failed)
            elapsed_ns += self.earlier.elapsed_ns
        n = len(observations)
        self._look(observations, failed, n)  # those after the last look count as well
        stopped = self._broken(observations, failed)
        return Verdict(
            limits=tuple(judge.verdict(stopped=stopped) for judge in self._limits),
            failures=failure_verdict(
                self._failures,
                self.budget.errors,
                failed,
                n + failed,
                excused=observations.excused_failures,
                is_concentrated=self._may_be_one_stall(observations, failed),
            ),
            n=n,
            elapsed_ns=elapsed_ns,
            least_time_ns=self.budget.least_time_ns,
        )

    def _broken(self, observations: Observations, failed: int) -> bool:
        exceeded = (limit.outcome is Outcome.EXCEEDED for limit in self._limits)
        return any(exceeded) or self.has_failed(observations, failed)

    def has_failed(self, observations: Observations, failed: int) -> bool:
        """Whether too many requests have failed."""
        blamed, attempts = failed - observations.excused_failures, len(observations) + failed
        return too_many_failures(self._failures, blamed, attempts) and not self._may_be_one_stall(
            observations, failed
        )

    def _may_be_one_stall(self, observations: Observations, failed: int) -> bool:
        """Whether too many time-outs may be due to a single stall of the host."""
        blamed = observations.blamed
        if blamed is None or not blamed.any() or not self.budget.errors:
            return False
        window = observations.start_ns // self.policy.window_ns
        totals = np.bincount(window)
        timed_out = np.bincount(window[blamed], minlength=len(totals))
        others = failed - observations.excused_failures - int(blamed.sum())
        return not survives_deletion(self._failures, totals, timed_out, others)
