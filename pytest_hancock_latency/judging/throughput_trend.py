"""Whether requests/s stay steady under steady load, or decline.

The run after its ramp-up is divided into intervals of equal length, and a line is fitted to their
counts: the Theil–Sen line, the median of the slopes between all pairs (Sen 1968, with his bounds).
Kendall's S tests whether the slope could be chance; its variance is increased if adjacent intervals
are correlated (Hamed & Rao 1998), as they are on real machines.

    declining       not chance, the line loses a fifth or more from its start to its end, and the
                    lines of both halves fall as well: a single step is a phase, not a trend
    steady          shown to lose less than a fifth, at 95 % confidence
    inconclusive    anything else
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import erfc, sqrt
from typing import Final

from ..core.verdict import Outcome, ThroughputVerdict

DECLINE: Final = 0.2
"""Share of throughput whose loss counts as declining: a fifth of the capacity."""
LEAST_NS: Final = 30_000_000_000
LEAST_REQUESTS: Final = 200
"""Below these two there is no verdict: any load varies over a few seconds."""
_MOST_STRETCHES: Final = 60
"""More intervals do not narrow the confidence interval: their counts are smaller and noisier."""
_REQUESTS_IN_A_STRETCH: Final = 10
"""Minimum per interval: smaller counts are far from the assumed normal distribution."""
_Z_95: Final = 1.96
_LEAST_SPREAD: Final = 3


@dataclass(frozen=True, slots=True)
class Steady:
    """Requests in each window, and the windows between which the load was constant."""

    counts: Mapping[int, int]
    begin: int
    """First window after the ramp-up."""
    end: int
    """The window after the last complete one."""
    window_ns: int

    @property
    def length_ns(self) -> int:
        """How long the load was steady."""
        return max(0, self.end - self.begin) * self.window_ns

    @property
    def requests(self) -> int:
        """Requests while the load was steady."""
        return sum(n for at, n in self.counts.items() if self.begin <= at < self.end)

    def stretches(self) -> list[int]:
        """Return the requests in 20 to 60 equal intervals, oldest first; about 10 or more each."""
        number_wanted = min(_MOST_STRETCHES, self.requests // _REQUESTS_IN_A_STRETCH)
        length = max(1, (self.end - self.begin) // max(1, number_wanted))
        number = (self.end - self.begin) // length
        begin = self.end - number * length
        stretches = [0] * number
        for window, count in self.counts.items():
            if begin <= window < self.end:
                stretches[(window - begin) // length] += count
        return stretches


def judge_throughput(steady: Steady, alpha: float) -> ThroughputVerdict | None:
    """Judge whether throughput is steady or declining; None if the load was too short.

    Args:
        alpha: probability of calling a steady throughput declining.
    """
    if steady.length_ns < LEAST_NS or steady.requests < LEAST_REQUESTS:
        return None
    counts = steady.stretches()
    slopes = _slopes(counts)
    slope = slopes[len(slopes) // 2]
    deviation = sqrt(_variance(counts) * _alikeness(counts, slope))
    reach = _Z_95 * deviation / 2
    low = slopes[max(0, round(len(slopes) / 2 - reach))]
    high = slopes[min(len(slopes) - 1, round(len(slopes) / 2 + reach))]
    falls = [_fall(counts, slope) for slope in (slope, high, low)]
    chance = _chance(counts, deviation) if _falls_twice(counts) else 1.0
    return ThroughputVerdict(
        outcome=_outcome(falls, chance, alpha),
        per_s=sum(counts) / (steady.length_ns / 1e9),
        fall=falls[0],
        least_fall=falls[1],
        most_fall=falls[2],
        judged_ns=steady.length_ns,
    )


def _outcome(falls: Sequence[float], chance: float, alpha: float) -> Outcome:
    fall, _, highest = falls
    if fall >= DECLINE and chance <= alpha:
        return Outcome.EXCEEDED
    return Outcome.WITHIN if highest < DECLINE else Outcome.INCONCLUSIVE


def _slopes(counts: Sequence[int]) -> list[float]:
    """Return the slopes between all pairs, ascending."""
    pairs = combinations(enumerate(counts), 2)
    return sorted((b - a) / (j - i) for (i, a), (j, b) in pairs)


def _falls_twice(counts: Sequence[int]) -> bool:
    half = len(counts) // 2
    return all(_own_fall(part) >= DECLINE / 2 for part in (counts[:half], counts[half:]))


def _own_fall(counts: Sequence[int]) -> float:
    slopes = _slopes(counts)
    return _fall(counts, slopes[len(slopes) // 2])


def _fall(counts: Sequence[int], slope: float) -> float:
    """Return the loss of the line with this slope as a share of its start, from −1 to 1."""
    half = (len(counts) - 1) / 2
    begin = sorted(counts)[len(counts) // 2] - slope * half
    if begin <= 0:
        return -1.0
    return round(max(-1.0, min(1.0, -slope * 2 * half / begin)), 4)


def _chance(counts: Sequence[int], deviation: float) -> float:
    """Return the probability of such a fall if there is no trend."""
    rises = sum((b > a) - (b < a) for a, b in combinations(counts, 2))
    if rises >= 0 or not deviation:
        return 1.0
    return erfc(-(rises + 1) / deviation / sqrt(2)) / 2


def _variance(counts: Sequence[int]) -> float:
    """Return the variance of Kendall's S without a trend, corrected for ties."""
    tied = [counts.count(value) for value in set(counts)]
    return sum(sign * n * (n - 1) * (2 * n + 5) / 18 for sign, n in _signed(len(counts), tied))


def _signed(n: int, tied: Sequence[int]) -> list[tuple[int, int]]:
    return [(1, n), *((-1, ties) for ties in tied)]


def _alikeness(counts: Sequence[int], slope: float) -> float:
    """Return the factor by which autocorrelation increases the variance; 1 without it."""
    n = len(counts)
    ranks = _ranks([count - slope * at for at, count in enumerate(counts)])
    spread = sum(rank * rank for rank in ranks)
    if n <= _LEAST_SPREAD or not spread:
        return 1.0
    grown = 0.0
    for lag in range(1, n - 2):
        correlation = sum(a * b for a, b in zip(ranks, ranks[lag:], strict=False)) / spread
        if abs(correlation) > _Z_95 / sqrt(n):
            grown += (n - lag) * (n - lag - 1) * (n - lag - 2) * correlation
    return max(1.0, 1 + 2 * grown / (n * (n - 1) * (n - 2)))


def _ranks(values: Sequence[float]) -> list[float]:
    """Return the ranks relative to their mean."""
    order = sorted(range(len(values)), key=values.__getitem__)
    middle = (len(values) - 1) / 2
    ranks = [0.0] * len(values)
    for rank, at in enumerate(order):
        ranks[at] = rank - middle
    return ranks
