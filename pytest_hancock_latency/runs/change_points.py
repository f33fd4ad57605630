"""Change points: at which runs of a history a median changed.

Segmentation is optimal partitioning (Jackson et al. 2005): of all ways to cut the series, the one
with the least sum of absolute deviations from the medians of its segments, which single bad runs do
not mislead, and a penalty for each cut. A change is reported only if the runs before and after it,
up to the neighbouring changes, differ by a rank test with p < 0.0005, and by at least 3 % in their
medians: a false report costs more than a late one. The error rates, and those of Apache Otava, are
in docs/measured.md.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import exp, log, log1p, sqrt
from statistics import median
from typing import Final

from .rank_test import chance_of_difference

LEAST_RUNS: Final = 5
"""Runs on either side of a change: another load on the machine may last for a few runs."""
_PENALTY: Final = 5.0
"""Of a change, times the noise and the logarithm of the number of runs. Simulated histories of 60
flat runs with normal, t(3), autocorrelated noise and outliers had no false change in 400."""
_P: Final = 0.0005
"""With 0.001, there were more false changes in histories of recorded runs, which are noisier than
simulated ones, and true changes were not reported sooner."""
_EFFECT: Final = log1p(0.03)
"""Runs of the same code on the same kind of machine drift by this much."""
_MAD_TO_SD: Final = 0.6745
"""Median absolute deviation of normal noise with standard deviation 1."""
_LEAST_NOISE: Final = 1e-6
"""Of the logarithm; equal medians, as of a mock, would otherwise be cut for nothing."""


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """A change between two runs."""

    at: int
    """Position of the first run after it."""
    before: float
    """Median of the runs since the change before it."""
    after: float
    """Median of the runs up to the next change."""

    @property
    def ratio(self) -> float:
        """The median after it divided by the one before it."""
        return self.after / self.before


def change_points(values: Sequence[float]) -> list[ChangePoint]:
    """Return the changes of a series of positive values, in order."""
    if len(values) < 2 * LEAST_RUNS:
        return []
    logs = [log(value) for value in values]
    noise = median(abs(after - before) for before, after in pairwise(logs)) / _MAD_TO_SD / sqrt(2)
    penalty = _PENALTY * max(noise, _LEAST_NOISE) * log(len(logs))
    return _confirmed(logs, best_cuts(logs, penalty))


def best_cuts(values: Sequence[float], penalty: float) -> list[int]:
    """Return the positions at which cutting the series costs least, in order.

    Args:
        values: the series.
        penalty: cost of a cut, in the unit of the values.

    Returns:
        The position of the first value of each segment but the first; segments have at least
        `LEAST_RUNS` values.
    """
    deviations = absolute_deviations(values)
    least_cost = {0: -penalty}
    cut_before = dict[int, int]()
    for end in range(LEAST_RUNS, len(values) + 1):
        costs = [
            (cost + penalty + deviations[start][end - start], start)
            for start, cost in least_cost.items()
            if end - start >= LEAST_RUNS
        ]
        least_cost[end], cut_before[end] = min(costs)
    cuts, end = list[int](), len(values)
    while end := cut_before[end]:
        cuts.insert(0, end)
    return cuts


def absolute_deviations(values: Sequence[float]) -> list[Sequence[float]]:
    """Return the sum of absolute deviations from the median of every segment.

    `absolute_deviations(values)[start][n]` is that of the n values from `start` on. Each segment is
    the one before and a value, so only the sum of the lower half is kept up to date.
    """
    rows: list[Sequence[float]] = []
    for start in range(len(values)):
        ordered: list[float] = []
        total = lower = 0.0
        row = array("d", [0.0])
        for n, value in enumerate(values[start:], 1):
            half = (n - 1) // 2
            at = bisect_left(ordered, value)
            ordered.insert(at, value)
            total += value
            if at < half:  # it pushes another value out of the lower half
                lower += value - ordered[half]
            if n % 2 == 0:  # the lower half is one longer
                lower += ordered[half]
            row.append(total - 2 * lower - (ordered[half] if n % 2 else 0.0))
        rows.append(row)
    return rows


def _confirmed(logs: Sequence[float], positions: Sequence[int]) -> list[ChangePoint]:
    """Drop the weakest change until all of them are shown by their neighbouring segments."""
    edges = [0, *positions, len(logs)]
    while len(edges) > 2:  # noqa: PLR2004 - the ends
        chances = [
            (_chance(logs[edges[at - 1] : edges[at]], logs[edges[at] : edges[at + 1]]), at)
            for at in range(1, len(edges) - 1)
        ]
        weakest, at = max(chances)
        if weakest < _P:
            break
        del edges[at]
    return [
        ChangePoint(at, exp(median(logs[before:at])), exp(median(logs[at:after])))
        for before, at, after in zip(edges, edges[1:-1], edges[2:], strict=False)
    ]


def _chance(before: Sequence[float], after: Sequence[float]) -> float:
    """Return the chance of such a difference without a change; 1 if it is too small to matter."""
    if abs(median(after) - median(before)) < _EFFECT:
        return 1.0
    return chance_of_difference(before, after)
