"""Judging a sample while it grows.

After every look the judge says how many further observations it takes until the budget can pass at
the soonest; the measuring loop runs that many in one go and only then looks again, so a pass still
comes at the first n where it can. Evidence for *exceeded* is looked for every `LOOK_EVERY_NS`: it
needs about half a second anyhow. The order of the questions, for each limit:

    attributed count shows exceeded, also without the worst half second  →  exceeded, stop
    raw count shows within                                               →  within, it stays so
    attributed count shows within, raw count does not                    →  inconclusive (machine)

Sources: the evidence is that of `evidence`; deleting the worst two adjacent windows of 250 ms is a
leave-one-out guard against one stall of the host, which no counter of the thread's own may see.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..budget import LatencyBudget, Limit
from ..sample import Observations
from .evidence import ALPHA_WITHIN, alpha_of_gate, boundaries
from .limit_judge import LimitJudge, failure_verdict, failures_need, too_many_failures
from .verdict import Outcome, Verdict

LOOK_EVERY_NS: Final = 20_000_000
"""Evidence for *exceeded* takes half a second anyway; looking costs about a millisecond."""
DELETION_WINDOW_NS: Final = 250_000_000
"""A stall of the host lasts less than two such windows as a rule."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How sure to be, and how far to go."""

    least: int = 50
    """No *within* before this many observations."""
    most: int = 20_000
    gates: int = 1
    """Gates of the build, over which the chance of a false alarm is shared."""
    alpha_within: float = ALPHA_WITHIN
    window_ns: int = DELETION_WINDOW_NS
    """Length of the deletion windows; shorter for loads that are over sooner."""
    share: float = 1.0
    """Share of the gate's chance of a false alarm that this sample may spend."""

    @property
    def alpha_exceeded(self) -> float:
        """Chance of a false alarm for the whole budget of one sample."""
        return alpha_of_gate(self.gates) * self.share

    def alpha_of_part(self, budget: LatencyBudget) -> float:
        """The same for each part of the budget that may be exceeded by chance."""
        return self.alpha_exceeded / budget.parts


class SequentialJudge:
    """Judges one sample against one budget, look by look."""

    def __init__(self, budget: LatencyBudget, policy: Policy) -> None:
        self.budget = budget
        self._policy = policy
        alpha = policy.alpha_of_part(budget)
        self._limits = [
            LimitJudge(
                limit,
                boundaries(limit.allowed, policy.alpha_within, alpha),
                policy.least,
                budget.least_time_ns,
            )
            for limit in budget.limits
        ]
        self._failures = boundaries(budget.errors, policy.alpha_within, alpha)

    @property
    def undecided(self) -> tuple[Limit, ...]:
        """The limits about which too little is known yet."""
        return tuple(judge.limit for judge in self._limits if not judge.settled)

    @property
    def lacks_only_time(self) -> bool:
        """Whether a count shows *exceeded*, but may all be one stall so far."""
        return any(limit.is_concentrated for limit in self._limits)

    def would_exceed(self, most: int) -> bool:
        """Whether `most` observations show a limit *exceeded* if exceedances keep their rate."""
        return any(limit.would_exceed(min(most, self._policy.most)) for limit in self._limits)

    def least_to_pass(self) -> int:
        """The fewest observations after which the whole budget can be within."""
        return max(self._policy.least, *(limit.least_to_pass() for limit in self._limits))

    def with_room(self) -> int:
        """As many observations as a pass takes with a few of them over each limit."""
        return max(self._policy.least, *(limit.with_room() for limit in self._limits))

    def look(self, observations: Observations, failed: int = 0, room: int | None = None) -> int:
        """Take in all observations so far; the number of further ones until a pass is possible.

        0 means that there is nothing left to decide, or that the most observations are reached and
        show no more than they will.

        room: observations that fit into the time, those so far included; by default the most.
        """
        room = self._policy.most if room is None else min(room, self._policy.most)
        n = len(observations)
        window = observations.start_ns // self._policy.window_ns
        for limit in self._limits:
            limit.look(observations, window, room)
        if self._broken(n, failed):
            return 0
        steps = [limit.next_look() for limit in self._limits if not limit.settled]
        more = failures_need(self._failures, self.budget.errors, failed, n + failed)
        if 0 < more <= room - n:  # more calls decide whether too many fail
            steps.append(more)
        if n >= self._policy.most:
            return min(steps) if steps and self.lacks_only_time else 0
        return min([*steps, self._policy.most - n]) if steps else 0

    def verdict(self, observations: Observations, failed: int = 0, elapsed_ns: int = 0) -> Verdict:
        """The verdict on everything that was measured; call it once measuring has ended."""
        self.look(observations, failed)  # what came after the last look counts as well
        n = len(observations)
        stopped = self._broken(n, failed)
        return Verdict(
            limits=tuple(judge.verdict(stopped=stopped) for judge in self._limits),
            failures=failure_verdict(self._failures, self.budget.errors, failed, n + failed),
            n=n,
            elapsed_ns=elapsed_ns,
            least_time_ns=self.budget.least_time_ns,
        )

    def _broken(self, n: int, failed: int) -> bool:
        exceeded = any(limit.outcome is Outcome.EXCEEDED for limit in self._limits)
        return exceeded or too_many_failures(self._failures, failed, n + failed)
