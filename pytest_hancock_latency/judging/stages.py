"""Judging calls together with stages within them, such as the first item of a stream.

Each stage has limits, a judge and a verdict of its own. Measuring goes on until all are decided.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from ..core.budget import LatencyBudget, Limit
from ..core.sample import Observations
from .sequential import Earlier, Policy, SequentialJudge


class JudgeOfStages(SequentialJudge):
    """Judges whole calls, and their stages, look by look; its verdict is that on whole calls."""

    def __init__(
        self,
        budget: LatencyBudget,
        policy: Policy,
        earlier: Earlier | None,
        stages: Mapping[str, SequentialJudge],
    ) -> None:
        super().__init__(budget, policy, earlier)
        self.stages = stages
        self.observed: Callable[[str], Observations] | None = None
        """Returns the observations of a stage so far; set when measuring begins."""

    @property
    def inconclusive(self) -> tuple[Limit, ...]:
        """The limits that are not decided yet."""
        stages = (limit for judge in self.stages.values() for limit in judge.inconclusive)
        return (*super().inconclusive, *stages)

    @property
    def highest_limit(self) -> str:
        """The label of the highest limit, for messages."""
        if self.budget.limits:
            return super().highest_limit
        name, judge = next(iter(self.stages.items()))
        return f"{name} {judge.highest_limit}"

    @property
    def lacks_only_time(self) -> bool:
        """Whether a count shows *exceeded*, but could still be a single stall."""
        return super().lacks_only_time or any(j.lacks_only_time for j in self.stages.values())

    @property
    def is_exceeded(self) -> bool:
        """Whether a limit is shown to be exceeded so far."""
        return super().is_exceeded or any(judge.is_exceeded for judge in self.stages.values())

    @property
    def needs_probing(self) -> bool:
        """Whether it is worth knowing the speed of the machine at each call."""
        return super().needs_probing or any(judge.needs_probing for judge in self.stages.values())

    def would_exceed(self, most: int) -> bool:
        """Whether `most` observations would show a limit *exceeded* at the current rate."""
        stages = self.stages.values()
        return super().would_exceed(most) or any(judge.would_exceed(most) for judge in stages)

    def least_to_pass(self) -> int:
        """The fewest observations with which the whole budget can be within."""
        stages = (judge.least_to_pass() for judge in self.stages.values())
        return max(super().least_to_pass(), *stages)

    def with_room(self) -> int:
        """The observations that a pass takes with a few of them over each limit."""
        return max(super().with_room(), *(judge.with_room() for judge in self.stages.values()))

    def look(self, observations: Observations, failed: int = 0, room: int | None = None) -> int:
        """Update from all observations so far; return how many more make a pass possible.

        A stage that no call has reached is not waited for.
        """
        remaining = super().look(observations, failed, room)
        if self.has_failed(observations, failed):
            return 0
        if not len(observations):
            return max(remaining, self.policy.least)
        return max(remaining, *self._looks(room), 0)

    def _looks(self, room: int | None) -> Iterator[int]:
        for name, judge in self.stages.items():
            observed = self.observed(name) if self.observed else None
            if observed is not None and len(observed):
                yield judge.look(observed, 0, room)
