"""The rules that are compared: the engine, and what others do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from scipy.stats import binom

from .engine import NS_PER_MS, Feed, Nanoseconds, Prepared, budget_of, decide

WARMUP: Final = 5
Limits = Mapping[float, float]


class Answer(StrEnum):
    """What a rule says."""

    WITHIN = "within"
    EXCEEDS = "exceeds"
    INCONCLUSIVE = "inconclusive"


Rule = Callable[[Prepared, Limits], Answer]
_ANSWERS: Final = {
    "within": Answer.WITHIN,
    "exceeded": Answer.EXCEEDS,
    "inconclusive": Answer.INCONCLUSIVE,
}


def engine(feed: Feed, limits: Limits, least_time_ns: int = 0) -> Answer:
    """The judge of the plugin."""
    return _ANSWERS[decide(feed, budget_of(limits, least_time_ns)).value]


@dataclass(frozen=True)
class Original:
    """Of n observations after the warm-up, number int(n·q) is compared; maybe tried again."""

    n: int = 50
    reruns: int = 0

    def __call__(self, feed: Prepared, limits: Limits) -> Answer:
        """Within as soon as one try is."""
        for _ in range(self.reruns + 1):
            _next(feed, WARMUP)
            ascending = np.sort(_next(feed, self.n))
            if len(ascending) < self.n:
                return Answer.INCONCLUSIVE
            if all(ascending[int(self.n * q)] <= ms * NS_PER_MS for q, ms in limits.items()):
                return Answer.WITHIN
        return Answer.EXCEEDS


@dataclass(frozen=True)
class FixedBinomial:
    """An exact binomial test of the raw exceedances of n observations."""

    n: int = 500
    alpha: float = 0.01

    def __call__(self, feed: Prepared, limits: Limits) -> Answer:
        """Exceeds at α over the number of limits, within at 5 %."""
        wall = _next(feed, self.n)
        n, said = len(wall), Answer.WITHIN
        for q, ms in limits.items():
            over = int((wall > ms * NS_PER_MS).sum())
            if binom.sf(over - 1, n, 1 - q) <= self.alpha / len(limits):
                return Answer.EXCEEDS
            if binom.cdf(over, n, 1 - q) > 0.05:
                said = Answer.INCONCLUSIVE
        return said


def _next(feed: Prepared, count: int) -> Nanoseconds:
    """Raw latencies of the next observations."""
    before = feed.n
    feed.take(count, 1 << 62)
    return feed.columns.wall[before : feed.n]


OURS: Final = "ours"
RULES: Final[dict[str, Rule]] = {
    OURS: engine,
    "original, 50": Original(),
    "original, 50, 3 reruns": Original(reruns=3),
    "binomial, 500": FixedBinomial(),
}
