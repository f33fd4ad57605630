"""Evidence about a mean that stays valid whenever one stops: the anytime-valid t.

Wang & Ramdas 2024, with a Gaussian mixture. For values x and a mean μ0:

    y = x − μ0        S = Σ y        V = Σ y²
    log M_n(μ0) = ½·log(c²/(n+c²)) − n/2·log(1 − S²/((n+c²)·V))

Where μ0 is the mean of normal noise, M ever reaches 1/α with a probability of at most α, however
often it is checked; `benchmarks/duel_characteristics.py` shows what becomes of that with other
noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import expm1, fsum, inf, log1p, sqrt
from typing import Final

MIXTURE_PRECISION: Final = 0.3
"""c²: the mixture expects μ to be about 1/c standard deviations of a value away from μ0. Chosen by
simulation; `benchmarks/duel_characteristics.py` says why."""
LEAST_VALUES: Final = 2
"""A single value has no spread to compare with."""


def log_evidence_of_mean(values: Sequence[float], mean: float, mixture_precision: float) -> float:
    """Return the evidence against a mean: log M_n of at least two values, 0 of fewer.

    Args:
        values: The values.
        mean: The mean μ0.
        mixture_precision: c².
    """
    n = len(values)
    distances = [value - mean for value in values]
    largest = max(map(abs, distances), default=0.0)
    if n < LEAST_VALUES or not largest:
        return 0.0
    total = fsum(distance / largest for distance in distances)
    squares = fsum((distance / largest) ** 2 for distance in distances)
    share = total * total / ((n + mixture_precision) * squares)
    return -log1p(n / mixture_precision) / 2 - n / 2 * log1p(-share)


def interval_of_mean(
    values: Sequence[float], enough: float, mixture_precision: float
) -> tuple[float, float]:
    """Return the interval of means against which the log evidence is less than `enough`.

    Args:
        values: The values.
        enough: Log evidence.
        mixture_precision: c².
    """
    n = len(values)
    if n < LEAST_VALUES:
        return -inf, inf
    # S = n·d and V = n·(s² + d²) for the distance d from the mean m, so M is solved for d.
    share = -(n + mixture_precision) * expm1(-2 / n * (enough + log1p(n / mixture_precision) / 2))
    if share >= n:
        return -inf, inf
    mean = fsum(values) / n
    variance = fsum((value - mean) ** 2 for value in values) / n
    reach = sqrt(share * variance / (n - share))
    return mean - reach, mean + reach
