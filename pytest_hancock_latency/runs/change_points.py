"""Change points: at which runs of a history a median changed.

Segmentation is that of ruptures: PELT (Killick et al. 2012) with the cost of absolute differences,
which single bad runs do not mislead. A change is reported only if the runs before and after it, up
to the neighbouring changes, differ by a rank test (Mann & Whitney 1947) with p < 0.0005, and by
at least 3 % in their medians: a false report costs more than a late one. The error rates, and those
of Apache Otava, are in docs/measured.md.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, log1p
from statistics import median
from typing import Any, Final

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
    """Return the changes of a series of positive values, in order.

    Raises:
        ImportError: ruptures is not installed.
    """
    if len(values) < 2 * LEAST_RUNS:
        return []
    import numpy as np
    import ruptures

    logs = np.log(np.asarray(values, dtype=float))
    noise = float(np.median(np.abs(np.diff(logs)))) / _MAD_TO_SD / 2**0.5
    penalty = _PENALTY * max(noise, 1e-6) * log(len(logs))
    search = ruptures.Pelt(custom_cost=_cost(), min_size=LEAST_RUNS, jump=1)
    ends: list[int] = search.fit(logs.reshape(-1, 1)).predict(pen=penalty)
    return _confirmed(logs.tolist(), ends[:-1])


def _cost() -> Any:
    """Return the cost "l1" of ruptures, which takes 14 times as long for 500 runs."""
    from ruptures.base import BaseCost

    class AbsoluteDeviations(BaseCost):  # type: ignore[misc]  # it has no types
        model = "l1"
        min_size = LEAST_RUNS

        def fit(self, signal: Any) -> AbsoluteDeviations:
            self.signal = signal
            self._deviations = absolute_deviations(signal.ravel().tolist())
            return self

        def error(self, start: int, end: int) -> float:
            return self._deviations[start][end - start]

    return AbsoluteDeviations()


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
    from scipy.stats import mannwhitneyu

    if abs(median(after) - median(before)) < _EFFECT:
        return 1.0
    return float(mannwhitneyu(before, after).pvalue)
