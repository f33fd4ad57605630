"""Scales, which map latencies and quantiles to positions in a chart."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import ceil, floor, log10
from typing import Final

from ...core.duration import format_duration
from ...core.quantile import label

_FAR: Final = 10
"""A limit this many times beyond all latencies is shown at the edge, not drawn to scale."""
_STEPS: Final = ((1, 2, 5), (1, 3), (1,))
_MOST_TICKS: Final = 6
_ROOM: Final = 1.06


@dataclass(frozen=True)
class LogScale:
    """A log scale from ``low`` to ``high``: for latencies in ns, or sizes of an input."""

    low: float
    high: float
    start: float
    end: float

    def at(self, ns: float) -> float:
        """Return the position of a value; values outside are clamped."""
        if ns <= self.low:
            return self.start
        if ns >= self.high:
            return self.end
        return round(self.start + log10(ns / self.low) * self._decade, 1)

    @cached_property
    def _decade(self) -> float:
        """Length of a factor of ten."""
        return (self.end - self.start) / log10(self.high / self.low)

    def holds(self, ns: float) -> bool:
        """Whether a latency is on the scale."""
        return self.low <= ns <= self.high

    def ticks(self) -> list[tuple[float, str]]:
        """Return positions and labels of a few round latencies."""
        ticks: list[int] = []
        for steps in _STEPS:
            ticks = [ns for ns in _round_numbers(self.low, self.high, steps) if self.holds(ns)]
            if len(ticks) <= _MOST_TICKS:
                break
        return [(self.at(ns), format_duration(ns)) for ns in ticks]


def latency_range(latencies_ns: Iterable[int], limits_ns: Iterable[int]) -> tuple[float, float]:
    """Return the ends of a scale for all latencies and the limits near them."""
    latencies = [max(1, ns) for ns in latencies_ns]
    low, high = min(latencies), max(latencies)
    near = [ns for ns in limits_ns if low / _FAR <= ns <= high * _FAR]
    low, high = min([low, *near]), max([high, *near])
    if high < low * 2:  # nearly equal: widen the range, so that it does not show only noise
        low, high = max(1, low * 2 // 3), high * 3 // 2
    return low / _ROOM, high * _ROOM


def _round_numbers(low: float, high: float, steps: tuple[int, ...]) -> list[int]:
    decades = range(floor(log10(low)), ceil(log10(high)) + 1)
    return [step * 10**decade for decade in decades if decade >= 0 for step in steps]


@dataclass(frozen=True)
class TailScale:
    """A scale for quantiles up to the largest of n observations; each nine has the same width."""

    n: int
    start: float
    end: float

    def at(self, quantile: float) -> float:
        """Return the position of a quantile below 1."""
        share = min(1.0, log10(1 / (1 - quantile)) / self._nines)
        return round(self.start + share * (self.end - self.start), 1)

    def quantiles(self, count: int) -> list[float]:
        """Return `count` quantiles between 0 and 1, equidistant in the chart."""
        shares = (i / (count + 1) for i in range(1, count + 1))
        return [1 - 10 ** (-share * self._nines) for share in shares]

    def ticks(self) -> list[tuple[float, str]]:
        """Return positions and labels of p50, p90, p99 and so on, as far as n allows."""
        nines = [Fraction(1, 2)] + [1 - Fraction(1, 10**k) for k in range(1, 8)]
        fit = [q for q in nines if (1 - q) * self.n >= 1]
        return [(self.at(float(q)), label(q)) for q in fit]

    @cached_property
    def _nines(self) -> float:
        return max(log10(max(2, self.n)), 0.31)
