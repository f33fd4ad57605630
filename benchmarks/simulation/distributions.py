"""Distributions of latency with a median of 5 ms, whose quantiles are known exactly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import optimize, stats

Numbers = npt.NDArray[np.float64]

MEDIAN_MS: Final = 5.0
_SLOW_SHARE: Final = 0.02
_SLOW_TIMES: Final = 20
_PARETO: Final = 2.5


@dataclass(frozen=True)
class Distribution:
    """How to draw latencies in ms, and the latency that a share of them does not exceed."""

    name: str
    draw: Callable[[np.random.Generator, int], Numbers]
    quantile: Callable[[float], float]


def _lognormal(sigma: float) -> Distribution:
    def draw(random: np.random.Generator, n: int) -> Numbers:
        return MEDIAN_MS * np.exp(sigma * random.standard_normal(n))

    def quantile(share: float) -> float:
        return float(MEDIAN_MS * np.exp(sigma * stats.norm.ppf(share)))

    return Distribution(f"lognormal {sigma:g}", draw, quantile)


def _two_modes() -> Distribution:
    """One request in fifty misses a cache, say, and takes twenty times as long."""

    def draw(random: np.random.Generator, n: int) -> Numbers:
        drawn = MEDIAN_MS * np.exp(0.1 * random.standard_normal(n))
        drawn[random.random(n) < _SLOW_SHARE] *= _SLOW_TIMES
        return drawn

    def exceeding(ms: float) -> float:
        fast, slow = (
            float(stats.norm.sf(np.log(ms / MEDIAN_MS / times) / 0.1)) for times in (1, _SLOW_TIMES)
        )
        return (1 - _SLOW_SHARE) * fast + _SLOW_SHARE * slow

    def quantile(share: float) -> float:
        return float(optimize.brentq(lambda ms: exceeding(ms) - (1 - share), 0.1, 1e4))

    return Distribution("two modes", draw, quantile)


def _pareto() -> Distribution:
    least = MEDIAN_MS / 2 ** (1 / _PARETO)

    def quantile(share: float) -> float:
        return float(least * (1 - share) ** (-1 / _PARETO))

    def draw(random: np.random.Generator, n: int) -> Numbers:
        return least * (1 - random.random(n)) ** (-1 / _PARETO)

    return Distribution("pareto 2.5", draw, quantile)


def _gamma() -> Distribution:
    scale = MEDIAN_MS / float(stats.gamma(4).median())
    return Distribution(
        "gamma 4",
        lambda random, n: scale * random.gamma(4.0, 1.0, n),
        lambda share: float(scale * stats.gamma(4).ppf(share)),
    )


DISTRIBUTIONS: Final = {
    each.name: each
    for each in (_lognormal(0.3), _lognormal(1.0), _two_modes(), _pareto(), _gamma())
}
