"""Whether requests/s keep steady while the load does, or decline.

The run after its ramp-up is cut into stretches of equal length, and a line is laid through their
counts: the Theil–Sen line, the median of the slopes between all pairs (Sen 1968, with his bounds).
Kendall's S says whether it can be chance; its variance is widened where neighbouring stretches are
alike (Hamed & Rao 1998), which those of real machines are.

    declining       no chance, the line loses a fifth or more from its beginning to its end, and
                    the lines of both halves fall as well: one step is a phase, not a trend
    steady          shown to lose less than a fifth, at 95 % confidence
    neither known   anything else
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import erfc, sqrt
from typing import Final

from .verdict import Outcome, ThroughputVerdict

DECLINE: Final = 0.2
"""The share from which a loss of throughput is worth a verdict: a fifth of the capacity."""
LEAST_NS: Final = 30_000_000_000
LEAST_REQUESTS: Final = 200
"""Below these two, nothing is said: a few seconds of any load go up or down."""
_MOST_STRETCHES: Final = 60
"""More make the interval no narrower: their counts are smaller and noisier."""
_REQUESTS_IN_A_STRETCH: Final = 10
"""The count of fewer is far from normal, which the interval takes it for."""
_Z_95: Final = 1.96
_LEAST_SPREAD: Final = 3


@dataclass(frozen=True, slots=True)
class Steady:
    """Requests in each window, and the windows between which the load did not change."""

    counts: Mapping[int, int]
    begin: int
    """First window after the ramp-up."""
    end: int
    """The window after the last one that is complete."""
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
        """Requests in 20 to 60 stretches of equal length, oldest first; at least 10 in each."""
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
    """Steady or declining; None for what is too short to tell.

    alpha: chance of calling a steady pace declining.
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
    """Between all pairs, ascending."""
    pairs = combinations(enumerate(counts), 2)
    return sorted((b - a) / (j - i) for (i, a), (j, b) in pairs)


def _falls_twice(counts: Sequence[int]) -> bool:
    half = len(counts) // 2
    return all(_own_fall(part) >= DECLINE / 2 for part in (counts[:half], counts[half:]))


def _own_fall(counts: Sequence[int]) -> float:
    slopes = _slopes(counts)
    return _fall(counts, slopes[len(slopes) // 2])


def _fall(counts: Sequence[int], slope: float) -> float:
    """What the line with this slope loses, as a share of its beginning; from −1 to 1."""
    half = (len(counts) - 1) / 2
    begin = sorted(counts)[len(counts) // 2] - slope * half
    if begin <= 0:
        return -1.0
    return round(max(-1.0, min(1.0, -slope * 2 * half / begin)), 4)


def _chance(counts: Sequence[int], deviation: float) -> float:
    """Of a fall like this where nothing falls."""
    rises = sum((b > a) - (b < a) for a, b in combinations(counts, 2))
    if rises >= 0 or not deviation:
        return 1.0
    return erfc(-(rises + 1) / deviation / sqrt(2)) / 2


def _variance(counts: Sequence[int]) -> float:
    """Of Kendall's S where nothing changes, with counts that occur several times."""
    tied = [counts.count(value) for value in set(counts)]
    return sum(sign * n * (n - 1) * (2 * n + 5) / 18 for sign, n in _signed(len(counts), tied))


def _signed(n: int, tied: Sequence[int]) -> list[tuple[int, int]]:
    return [(1, n), *((-1, ties) for ties in tied)]


def _alikeness(counts: Sequence[int], slope: float) -> float:
    """By how much the variance grows since neighbouring stretches are alike; 1 if they are not."""
    n = len(counts)
    ranks = _ranks([count - slope * at for at, count in enumerate(counts)])
    spread = sum(rank * rank for rank in ranks)
    if n <= _LEAST_SPREAD or not spread:
        return 1.0
    grown = 0.0
    for lag in range(1, n - 2):
        alike = sum(a * b for a, b in zip(ranks, ranks[lag:], strict=False)) / spread
        if abs(alike) > _Z_95 / sqrt(n):
            grown += (n - lag) * (n - lag - 1) * (n - lag - 2) * alike
    return max(1.0, 1 + 2 * grown / (n * (n - 1) * (n - 2)))


def _ranks(values: Sequence[float]) -> list[float]:
    """Ranks around their mean."""
    order = sorted(range(len(values)), key=values.__getitem__)
    middle = (len(values) - 1) / 2
    ranks = [0.0] * len(values)
    for rank, at in enumerate(order):
        ranks[at] = rank - middle
    return ranks
