"""Evidence about an exceedance rate that stays valid whenever sampling stops.

"p99 ≤ 50 ms" says that at most 1 % of requests take longer than 50 ms. With θ0 = 1 − q, the
statement is about one number, θ = P(latency > limit), and all evidence is the count of exceedances:
k of n. Two mixtures of likelihood ratios (Wald 1945) weigh it, one against θ ≥ θ0, for *within*,
one against θ ≤ θ0, for *exceeded*:

    o = θ0 / (1 − θ0)        θ_i = o·r_i / (1 + o·r_i)
    log E(n, k) = log Σ w_i · exp( k·log(θ_i/θ0) + (n−k)·log((1−θ_i)/(1−θ0)) )

Where the statement is true, E is a supermartingale that starts at 1, so it ever reaches 1/α with
a probability of at most α (Ville 1939), however often one looks and whenever one stops.

For a given k, the evidence for *within* grows with n and that for *exceeded* shrinks, hence two
tables by k describe everything:

    within_from(k)     the least n at which k exceedances show *within*
    exceeded_until(k)  the greatest n at which k exceedances show *exceeded*
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from math import exp, log, log1p
from typing import Final

Mixture = tuple[tuple[float, float], ...]
"""Pairs (odds ratio to the allowed odds, weight); the weights add up to 1."""

WITHIN: Final[Mixture] = ((0.1, 0.7), (0.3, 0.2), (0.55, 0.1))
"""Most weight is where most tests are, at a tenth of the allowed rate: a clear pass of p99 takes
464 observations on average (Wald's bound is 445). The others let code nearer to its limit pass."""
EXCEEDED: Final[Mixture] = ((1.5, 0.2), (2.5, 0.25), (6.0, 0.25), (40.0, 0.3))
"""Weights of slow code by how slow it is. 40 times the allowed odds is code in which nearly every
call is over: p99 is then exceeded after 4 observations. 1.5 times is what is worth finding."""

METHOD: Final = "mixture e-process of exceedance counts"
VERSION: Final = 1
"""Raised by every change after which the same observations may get another verdict."""

ALPHA_WITHIN: Final = 0.05
"""Chance that a limit passes although it is broken. It needs no correction for several limits: all
have to pass (intersection-union, Berger 1982)."""
ALPHA_BUILD: Final = 0.01
"""Chance of any false alarm in a build: one red build in a hundred may be by chance. Evidence is
exponential in observations, so that a strict value costs few of them."""
_LEAST_GATES: Final = 200
"""A small suite is judged like one of this size, so that verdicts stay as it grows."""
NEVER: Final = 2**62
"""A number of observations that nobody reaches."""


def share_of_sample(earlier: int) -> float:
    """Share of a test's chance of a false alarm for its next sample: 1/2, then 1/6, 1/12, …

    However many there are, together they spend no more than that chance.
    """
    return 1 / ((earlier + 1) * (earlier + 2))


def alpha_of_gate(gates: int) -> float:
    """Chance of a false alarm for each of `gates` gates, so that the build has 1 % at most."""
    return ALPHA_BUILD / max(_LEAST_GATES, gates)


class EProcess:
    """log E(n, k) for one allowed rate and one mixture."""

    def __init__(self, allowed: Fraction, mixture: Mixture) -> None:
        odds = float(allowed / (1 - allowed))
        rate = float(allowed)
        self._terms = []
        for ratio, weight in mixture:
            alternative = odds * ratio / (1 + odds * ratio)
            hit = log(alternative / rate)
            miss = log1p(-alternative) - log1p(-rate)
            self._terms.append((log(weight), hit, miss))

    def log_evidence(self, n: int, k: int) -> float:
        """Logarithm of the evidence after k exceedances in n observations."""
        logs = [weight + k * hit + (n - k) * miss for weight, hit, miss in self._terms]
        top = max(logs)
        return top + log(sum(exp(x - top) for x in logs))


class Boundaries:
    """Where counts turn into answers, for one allowed rate; tables grow as they are asked for."""

    def __init__(self, allowed: Fraction, alpha_within: float, alpha_exceeded: float) -> None:
        """allowed: θ0, 0 < θ0 < 1. alpha_*: chance of being wrong, each for its answer."""
        self._within = EProcess(allowed, WITHIN)
        self._exceeded = EProcess(allowed, EXCEEDED)
        self._enough_within = -log(alpha_within)
        self._enough_exceeded = -log(alpha_exceeded)
        self._within_from: list[int] = []
        self._exceeded_until: list[int] = []

    def within_from(self, k: int) -> int:
        """The least n at which k exceedances show *within*."""
        while len(self._within_from) <= k:
            self._within_from.append(self._next_within())
        return self._within_from[k]

    def exceeded_until(self, k: int) -> int:
        """The greatest n at which k exceedances show *exceeded*; 0 where no n does."""
        while len(self._exceeded_until) <= k:
            self._exceeded_until.append(self._next_exceeded())
        return self._exceeded_until[k]

    def shows_within(self, n: int, k: int) -> bool:
        """Whether k of n show *within*; without the tables, which large counts would fill."""
        return n > 0 and self._within.log_evidence(n, k) >= self._enough_within

    def shows_exceeded(self, n: int, k: int) -> bool:
        """Whether k of n show *exceeded*; without the tables."""
        return k > 0 and self._exceeded.log_evidence(n, k) >= self._enough_exceeded

    def most_within(self, n: int) -> int:
        """a[n]: the most exceedances that show *within* after n observations; −1 if none do."""
        evidence = self._within.log_evidence
        return _first(0, lambda k: k > n or evidence(n, k) < self._enough_within) - 1

    def least_exceeded(self, n: int) -> int:
        """b[n]: the least exceedances that show *exceeded* after n observations; maybe above n."""
        evidence = self._exceeded.log_evidence
        return _first(0, lambda k: k > n or evidence(n, k) >= self._enough_exceeded)

    def within_at_rate(self, n: int, k: int, farthest: int) -> int | None:
        """The n from which *within* is shown if k of n is the rate for good; None if too far.

        Computed without the tables, which would have to grow as far.
        """
        evidence = self._within.log_evidence

        def enough(later: int) -> bool:
            return evidence(later, -(-k * later // n)) >= self._enough_within

        return _first(n, enough) if enough(farthest) else None

    def exceeded_at_rate(self, n: int, k: int, farthest: int) -> int | None:
        """The n from which *exceeded* is shown if k of n is the rate for good; None if too far."""
        evidence = self._exceeded.log_evidence

        def enough(later: int) -> bool:
            return evidence(later, k * later // n) >= self._enough_exceeded

        return _first(n, enough) if enough(farthest) else None

    def _next_within(self) -> int:
        k = len(self._within_from)
        low = (
            self._within_from[-1] if k else 0
        )  # one exceedance more never needs fewer observations
        return _first(low + 1, lambda n: self._within.log_evidence(n, k) >= self._enough_within)

    def _next_exceeded(self) -> int:
        k = len(self._exceeded_until)
        low = max(k, self._exceeded_until[-1] if k else 0)
        if self._exceeded.log_evidence(low, k) < self._enough_exceeded:
            return 0
        return (
            _first(low + 1, lambda n: self._exceeded.log_evidence(n, k) < self._enough_exceeded) - 1
        )


class NoneAllowed:
    """The answers where nothing may exceed at all: the first exceedance decides.

    It speaks about the observations themselves and about nothing beyond them.
    """

    def within_from(self, k: int) -> int:
        """1 without an exceedance, never with one."""
        return NEVER if k else 1

    def exceeded_until(self, k: int) -> int:
        """Never without an exceedance, for ever with one."""
        return NEVER if k else 0

    def shows_within(self, n: int, k: int) -> bool:
        """Every observation without an exceedance."""
        return n > 0 and not k

    def shows_exceeded(self, n: int, k: int) -> bool:
        """The first exceedance."""
        return k > 0

    def within_at_rate(self, n: int, k: int, farthest: int) -> int | None:
        """Never, once there is an exceedance."""
        return None if k else 1

    def exceeded_at_rate(self, n: int, k: int, farthest: int) -> int | None:
        """At once, if there is an exceedance."""
        return n if k else None

    def most_within(self, n: int) -> int:
        """No exceedance, as soon as there is an observation."""
        return 0 if n else -1

    def least_exceeded(self, n: int) -> int:
        """One exceedance."""
        return 1


def _first(start: int, holds: Callable[[int], bool]) -> int:
    """The least n ≥ start for which a monotone predicate holds, by doubling and halving."""
    if holds(start):
        return start
    low, step = start, 1
    while not holds(low + step):
        low, step = low + step, 2 * step
    high = low + step
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


@lru_cache(maxsize=256)
def boundaries(
    allowed: Fraction, alpha_within: float, alpha_exceeded: float
) -> Boundaries | NoneAllowed:
    """The shared tables of one allowed rate: many gates of a suite ask for the same ones."""
    if not allowed:
        return NoneAllowed()
    return Boundaries(allowed, alpha_within, alpha_exceeded)


def shown_quantile(n: int, k: int, alpha: float = ALPHA_WITHIN) -> Fraction:
    """The highest percentile, in tenths, for which k exceedances of n show *within*; 0 if none."""
    enough = -log(alpha)
    low, high = 0, 1000
    while high - low > 1:
        middle = (low + high) // 2
        allowed = 1 - Fraction(middle, 1000)
        suffices = EProcess(allowed, WITHIN).log_evidence(n, k) >= enough
        low, high = (middle, high) if suffices else (low, middle)
    return Fraction(low, 1000)


def bounding_ranks(quantile: Fraction, n: int) -> tuple[int, int]:
    """Ranks, from 1, of the observations between which a quantile lies, 95 % confidence each.

    Valid however sampling stopped: ranks n−b[n]+1 and n−a[n]. 0 where nothing is known.
    """
    table = boundaries(1 - quantile, ALPHA_WITHIN, ALPHA_WITHIN)
    most, least = table.most_within(n), table.least_exceeded(n)
    return (n - least + 1 if least <= n else 0), (n - most if most >= 0 else 0)
