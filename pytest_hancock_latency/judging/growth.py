"""The rule for growth: evidence of the ratios of neighbouring sizes, valid whenever one stops.

All sizes are measured in turns, in random order, so whatever slows the machine down for a while
hits all of them: no scaling is needed, and no call has to be undisturbed. The evidence is that of a
duel (`core.evidence_of_mean`).

- *within*: at the last two steps, from one size to the next, the growth is shown to be below the
  bound of the class.
- *exceeded*: at both it is shown to be above, and caches do not explain it.
- *inconclusive* otherwise.

Where data outgrows a cache, a linear function takes more than twice as long for twice the size: a
graph search grew like n^2.6, n^1.5 and n^1.5 at three steps in a row, and sorting like n^1.3 at
four. Complexity shows at all sizes, caches at some. So *exceeded* takes growth above the bound over
64 times the size: the steps before the last two together, and by their averages each of them. Two
steps suffice that no cache makes that steep.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum, log
from typing import Final

from ..core.evidence import ALPHA_WITHIN
from ..core.evidence_of_mean import (
    LEAST_VALUES,
    MIXTURE_PRECISION,
    interval_of_mean,
    log_evidence_of_mean,
)
from ..core.growth import BOUNDS
from ..core.verdict import DECISIVE_STEPS, GrowthStep, GrowthVerdict, Outcome, Reason

SPAN: Final = 64
"""Largest size over the smallest that *exceeded* takes: over 64 times the size, every function in
`benchmarks/growth.py` that is linear has a step of less than n^1.3."""
STEEP: Final = 2.5
"""Growth that no cache causes at two steps in a row: the steepest was n^2.6, followed by n^1.5."""
_CONFIDENCE: Final = -log(0.05)
"""Log evidence of the interval that is shown."""


@dataclass(frozen=True, slots=True)
class Ratios:
    """Two sizes that were measured in turns."""

    smaller: int
    larger: int
    values: Sequence[float]
    """log( latency at the larger size / latency at the smaller one ) of each pair of turns."""

    @property
    def log_size(self) -> float:
        """The logarithm of the ratio of the sizes."""
        return log(self.larger / self.smaller)

    @property
    def growth(self) -> float:
        """The average growth."""
        return fsum(self.values) / max(1, len(self.values)) / self.log_size

    def is_above(self, bound: float, alpha: float) -> bool | None:
        """Whether the growth is shown to be above a bound, or below it; None if neither.

        Args:
            bound: growth.
            alpha: probability of showing *above* by chance. Each part has the whole of it, since
                all of them must err alike.
        """
        if len(self.values) < LEAST_VALUES:
            return None
        above = self.growth > bound
        enough = -log(alpha if above else ALPHA_WITHIN)
        evidence = log_evidence_of_mean(self.values, bound * self.log_size, MIXTURE_PRECISION)
        return above if evidence >= enough else None

    def step(self) -> GrowthStep:
        """Return what is shown."""
        low, high = interval_of_mean(self.values, _CONFIDENCE, MIXTURE_PRECISION)
        low, high = low / self.log_size, high / self.log_size
        return GrowthStep(self.smaller, self.larger, len(self.values), self.growth, low, high)


def is_settled(steps: Sequence[Ratios], at_most: str, alpha: float) -> bool:
    """Whether more turns would not change the outcome."""
    outcome, reason = _outcome(steps, at_most, alpha)
    if outcome is not Outcome.INCONCLUSIVE:
        return True
    bound = BOUNDS[at_most]
    sides = [step.is_above(bound, alpha) for step in steps]
    if reason is Reason.SPAN:
        before = [*steps[:-DECISIVE_STEPS], *_together(steps[:-DECISIVE_STEPS])]
        is_short = not _spans_enough(steps)
        return is_short or any(part.is_above(bound, alpha) is False for part in before)
    return len(sides) >= DECISIVE_STEPS and None not in sides[-DECISIVE_STEPS:]


def judge_growth(
    steps: Sequence[Ratios],
    at_most: str,
    alpha: float,
    curve: Sequence[tuple[int, int]],
    refused_size: int | None = None,
) -> GrowthVerdict:
    """Judge the growth between neighbouring sizes.

    Args:
        steps: in order of their sizes, with the same turns.
        at_most: name of the growth class.
        alpha: probability of *exceeded* by chance.
        curve: all sizes, each with its latency in ns.
        refused_size: the next size, if a call of it could have taken too long.
    """
    outcome, reason = _outcome(steps, at_most, alpha)
    return GrowthVerdict(
        at_most=at_most,
        bound=BOUNDS[at_most],
        outcome=outcome,
        reason=reason,
        steps=tuple(step.step() for step in steps),
        curve=tuple(curve),
        refused_size=refused_size,
    )


def _outcome(steps: Sequence[Ratios], at_most: str, alpha: float) -> tuple[Outcome, Reason]:
    last, before, bound = steps[-DECISIVE_STEPS:], steps[:-DECISIVE_STEPS], BOUNDS[at_most]
    if len(last) < DECISIVE_STEPS:
        return Outcome.INCONCLUSIVE, Reason.FEW
    sides = {step.is_above(bound, alpha) for step in last}
    if sides == {False}:
        return Outcome.WITHIN, Reason.SHOWN
    if sides != {True}:
        return Outcome.INCONCLUSIVE, Reason.NEAR
    if all(step.is_above(max(STEEP, bound), alpha) for step in last):
        return Outcome.EXCEEDED, Reason.SHOWN
    is_throughout = all(step.growth > bound for step in before) and all(
        part.is_above(bound, alpha) for part in _together(before)
    )
    if is_throughout and _spans_enough(steps):
        return Outcome.EXCEEDED, Reason.SHOWN
    return Outcome.INCONCLUSIVE, Reason.SPAN


def _together(steps: Sequence[Ratios]) -> list[Ratios]:
    """Return steps as a single one; nothing if there are none."""
    if not steps:
        return []
    values = [fsum(of_turn) for of_turn in zip(*(step.values for step in steps), strict=True)]
    return [Ratios(steps[0].smaller, steps[-1].larger, values)]


def _spans_enough(steps: Sequence[Ratios]) -> bool:
    return steps[-1].larger >= SPAN * steps[0].smaller
