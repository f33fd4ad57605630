"""Evidence about the mean of shares that stays valid whenever sampling stops.

A burst makes many requests at once, which wait for each other: one slow moment makes all of them
slow, and a hundred requests are not a hundred pieces of evidence. So the unit of evidence is the
burst, with the share x of its requests over the limit, 0 ≤ x ≤ 1. With the mixtures of `evidence`:

    E = Σ w_i · Π_b [ x_b·θ_i/θ0 + (1−x_b)·(1−θ_i)/(1−θ0) ]

Each factor is linear in x and is 1 at x = θ0. So, if the mean of x given all earlier bursts is at
most θ0 (for *exceeded*; at least θ0 for *within*), E is a supermartingale that starts at 1, and it
ever reaches 1/α with a probability of at most α, whatever the requests of one burst have to do with
each other (betting for bounded means, Waudby-Smith & Ramdas 2024). If all shares are 0 or 1, as in
bursts of one request, it is the evidence of `EProcess`.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import exp, log
from typing import TYPE_CHECKING, Final

from .evidence import Mixture, first_that
from .late_numpy import np

if TYPE_CHECKING:
    from .attribution import Numbers

METHOD_OF_SHARES: Final = "mixture e-process of shares of bursts"
LEFT_OUT: Final = 2
"""Adjacent shares without which *exceeded* has to hold: one stall may span the end of a burst and
the start of the next one."""


class ShareProcess:
    """log E of a growing number of shares, for one allowed share and one mixture."""

    def __init__(self, allowed: Fraction, mixture: Mixture, alpha: float) -> None:
        """Start without shares.

        Args:
            allowed: the mean share that the limit allows, θ0; 0 < θ0 < 1.
            mixture: pairs of odds ratio to the allowed odds, and weight.
            alpha: probability of an error.
        """
        odds, rate = float(allowed / (1 - allowed)), float(allowed)
        alternatives = [odds * ratio / (1 + odds * ratio) for ratio, _ in mixture]
        self._weights = [log(weight) for _, weight in mixture]
        self._hits = [alternative / rate for alternative in alternatives]
        self._misses = [(1 - alternative) / (1 - rate) for alternative in alternatives]
        self._enough = -log(alpha)
        self._factors: list[list[float]] = []
        """Logarithms of the factors of each share."""
        self._totals = [0.0] * len(mixture)
        self._sum = 0.0

    def __len__(self) -> int:
        return len(self._factors)

    @property
    def sum(self) -> float:
        """The sum of all shares."""
        return self._sum

    def add(self, share: float) -> None:
        """Add the share of another burst."""
        factors = [
            log(share * hit + (1 - share) * miss)
            for hit, miss in zip(self._hits, self._misses, strict=True)
        ]
        self._factors.append(factors)
        self._totals = [total + factor for total, factor in zip(self._totals, factors, strict=True)]
        self._sum += share

    @property
    def log_evidence(self) -> float:
        """The logarithm of the evidence."""
        return self._mixed(self._totals)

    @property
    def is_shown(self) -> bool:
        """Whether the evidence suffices."""
        return self.log_evidence >= self._enough

    def survives_deletion(self) -> bool:
        """Whether it still suffices without any two adjacent bursts, even the worst."""
        if len(self) <= LEFT_OUT:
            return False
        pairs = zip(self._factors, self._factors[1:], strict=False)
        return all(
            self._mixed([total - a - b for total, a, b in zip(self._totals, *pair, strict=True)])
            >= self._enough
            for pair in pairs
        )

    def shown_at_rate(self, farthest: int) -> int | None:
        """Return the number of bursts from which it suffices if they stay like those so far.

        None if that is too far, or without any share.
        """
        n = len(self)

        def enough(later: int) -> bool:
            return self._mixed([total * later / n for total in self._totals]) >= self._enough

        return first_that(enough, n) if n and enough(farthest) else None

    def would_show(self, shares: Numbers) -> bool:
        """Whether these shares alone would suffice; for many of them at once."""
        over, below = np.outer(self._hits, shares), np.outer(self._misses, 1 - shares)
        return self._mixed(np.log(over + below).sum(axis=1).tolist()) >= self._enough

    def _mixed(self, totals: Sequence[float]) -> float:
        logs = [weight + total for weight, total in zip(self._weights, totals, strict=True)]
        top = max(logs)
        return top + log(sum(exp(x - top) for x in logs))
