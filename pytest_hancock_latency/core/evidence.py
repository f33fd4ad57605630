"""Evidence about an exceedance rate that stays valid whenever sampling stops.

"p99 ≤ 50 ms" says that at most 1 % of requests take longer than 50 ms. With θ0 = 1 − q, the
statement is about one number, θ = P(latency > limit), and all evidence is the count of exceedances:
k of n. Two mixtures of likelihood ratios (Wald 1945) weigh it: one against θ ≥ θ0, for *within*,
and one against θ ≤ θ0, for *exceeded*:

    o = θ0 / (1 − θ0)        θ_i = o·r_i / (1 + o·r_i)
    log E(n, k) = log Σ w_i · exp( k·log(θ_i/θ0) + (n−k)·log((1−θ_i)/(1−θ0)) )

If the statement is true, E is a supermartingale that starts at 1, so it ever reaches 1/α with a
probability of at most α (Ville 1939), however often it is checked and whenever sampling stops.

For a given k, the evidence for *within* grows with n and that for *exceeded* shrinks, so two tables
by k describe everything:

    within_from(k)     the smallest n at which k exceedances show *within*
    exceeded_until(k)  the largest n at which k exceedances show *exceeded*
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from math import exp, log, log1p
from typing import Final

Mixture = tuple[tuple[float, float], ...]
"""Pairs of odds ratio to the allowed odds, and weight; the weights add up to 1."""

WITHIN: Final[Mixture] = ((0.1, 0.7), (0.3, 0.2), (0.55, 0.1))
"""Most weight is where most tests are, at a tenth of the allowed rate: a clear pass of p99 takes
464 observations on average (Wald's bound is 445). The others let code closer to its limit pass."""
EXCEEDED: Final[Mixture] = ((1.5, 0.2), (2.5, 0.25), (6.0, 0.25), (40.0, 0.3))
"""Weights for degrees of slow code. At 40 times the allowed odds, nearly every call is over the
limit: p99 is then exceeded after 4 observations. 1.5 times is the smallest worth finding."""

METHOD: Final = "mixture e-process of exceedance counts"
VERSION: Final = 2
"""Increases with every change that may give the same observations a different verdict."""

ALPHA_WITHIN: Final = 0.05
"""Probability that a limit passes although it is exceeded. Several limits need no correction: all
have to pass (intersection-union, Berger 1982)."""
ALPHA_BUILD: Final = 0.01
"""Probability of any false alarm in a build: one build in a hundred may fail by chance. Evidence
grows exponentially with observations, so a strict value costs few of them."""
_LEAST_GATES: Final = 200
"""A small suite is judged like one of this size, so that verdicts stay the same as it grows."""
NEVER: Final = 2**62
"""A number of observations that is never reached."""


def share_of_sample(earlier: int) -> float:
    """Return the share of a test's false-alarm probability for its next sample.

    The shares are 1/2, 1/6, 1/12, and so on. Together, any number of samples spend no more than
    that probability.
    """
    return 1 / ((earlier + 1) * (earlier + 2))


def alpha_of_gate(gates: int) -> float:
    """Return the false-alarm probability of each of `gates` gates, at most 1 % for the build."""
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
        """Return the logarithm of the evidence after k exceedances in n observations."""
        logs = [weight + k * hit + (n - k) * miss for weight, hit, miss in self._terms]
        top = max(logs)
        return top + log(sum(exp(x - top) for x in logs))


class Boundaries:
    """Counts that decide, for one allowed rate; the tables grow on demand."""

    def __init__(self, allowed: Fraction, alpha_within: float, alpha_exceeded: float) -> None:
        """Compute the boundaries for a limit.

        Args:
            allowed: share of slow observations that the limit allows, θ0; 0 < θ0 < 1.
            alpha_within: probability of a false *within*.
            alpha_exceeded: probability of a false *exceeded*.
        """
        self._within = EProcess(allowed, WITHIN)
        self._exceeded = EProcess(allowed, EXCEEDED)
        self._enough_within = -log(alpha_within)
        self._enough_exceeded = -log(alpha_exceeded)
        self._within_from: list[int] = []
        self._exceeded_until: list[int] = []

    def within_from(self, k: int) -> int:
        """Return the smallest n at which k exceedances show *within*."""
        while len(self._within_from) <= k:
            self._within_from.append(self._next_within())
        return self._within_from[k]

    def exceeded_until(self, k: int) -> int:
        """Return the largest n at which k exceedances show *exceeded*; 0 if none."""
        while len(self._exceeded_until) <= k:
            self._exceeded_until.append(self._next_exceeded())
        return self._exceeded_until[k]

    def shows_within(self, n: int, k: int) -> bool:
        """Whether k of n show *within*; avoids the tables, which large counts would fill."""
        return n > 0 and self._within.log_evidence(n, k) >= self._enough_within

    def shows_exceeded(self, n: int, k: int) -> bool:
        """Whether k of n show *exceeded*; avoids the tables."""
        return k > 0 and self._exceeded.log_evidence(n, k) >= self._enough_exceeded

    def exceeded_share(self, n: int, k: int) -> float:
        """Return the evidence for *exceeded* as a share of what shows it, both as logarithms."""
        return self._exceeded.log_evidence(n, k) / self._enough_exceeded

    def most_within(self, n: int) -> int:
        """Return a[n]: the most exceedances that show *within* after n observations; −1 if none."""
        evidence = self._within.log_evidence
        return first_that(lambda k: k > n or evidence(n, k) < self._enough_within, 0) - 1

    def least_exceeded(self, n: int) -> int:
        """Return b[n]: the fewest exceedances that show *exceeded* after n; may be above n."""
        evidence = self._exceeded.log_evidence
        return first_that(lambda k: k > n or evidence(n, k) >= self._enough_exceeded, 0)

    def within_at_rate(self, n: int, k: int, farthest: int) -> int | None:
        """Return the n from which *within* is shown if the rate stays k of n; None if too far.

        Avoids the tables, which would have to grow that far.
        """
        evidence = self._within.log_evidence

        def enough(later: int) -> bool:
            return evidence(later, -(-k * later // n)) >= self._enough_within

        return first_that(enough, n) if enough(farthest) else None

    def exceeded_at_rate(self, n: int, k: int, farthest: int) -> int | None:
        """Return the n from which *exceeded* is shown if the rate stays k of n; None if too far."""
        evidence = self._exceeded.log_evidence

        def enough(later: int) -> bool:
            return evidence(later, k * later // n) >= self._enough_exceeded

        return first_that(enough, n) if enough(farthest) else None

    def _next_within(self) -> int:
        k = len(self._within_from)
        low = self._within_from[-1] if k else 0  # another exceedance never needs fewer observations
        return first_that(lambda n: self._within.log_evidence(n, k) >= self._enough_within, low + 1)

    def _next_exceeded(self) -> int:
        k = len(self._exceeded_until)
        low = max(k, self._exceeded_until[-1] if k else 0)
        if self._exceeded.log_evidence(low, k) < self._enough_exceeded:
            return 0
        return (
            first_that(lambda n: self._exceeded.log_evidence(n, k) < self._enough_exceeded, low + 1)
            - 1
        )


class NoneAllowed:
    """Boundaries for a limit that nothing may exceed: the first exceedance decides.

    The answer is about these observations only, without inference beyond them.
    """

    def within_from(self, k: int) -> int:
        """Return 1 without an exceedance, `NEVER` with one."""
        return NEVER if k else 1

    def exceeded_until(self, k: int) -> int:
        """Return 0 without an exceedance, `NEVER` with one."""
        return NEVER if k else 0

    def shows_within(self, n: int, k: int) -> bool:
        """Whether there are observations and no exceedance."""
        return n > 0 and not k

    def shows_exceeded(self, n: int, k: int) -> bool:
        """Whether there is an exceedance."""
        return k > 0

    def within_at_rate(self, n: int, k: int, farthest: int) -> int | None:
        """Return None once there is an exceedance."""
        return None if k else 1

    def exceeded_at_rate(self, n: int, k: int, farthest: int) -> int | None:
        """Return n if there is an exceedance."""
        return n if k else None

    def exceeded_share(self, n: int, k: int) -> float:
        """Return 1 once there is an exceedance."""
        return float(k > 0)

    def most_within(self, n: int) -> int:
        """Return 0 once there is an observation."""
        return 0 if n else -1

    def least_exceeded(self, n: int) -> int:
        """Return 1."""
        return 1


def first_that(holds: Callable[[int], bool], start: int) -> int:
    """Return the smallest n ≥ start for which a monotone predicate holds, by bisection."""
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
    """Return the cached tables of one allowed rate; many gates of a suite share them."""
    if not allowed:
        return NoneAllowed()
    return Boundaries(allowed, alpha_within, alpha_exceeded)


def shown_quantile(n: int, k: int, alpha: float = ALPHA_WITHIN) -> Fraction:
    """Return the highest percentile, in tenths, that k of n show to be *within*; 0 if none."""
    enough = -log(alpha)
    low, high = 0, 1000
    while high - low > 1:
        middle = (low + high) // 2
        allowed = 1 - Fraction(middle, 1000)
        suffices = EProcess(allowed, WITHIN).log_evidence(n, k) >= enough
        low, high = (middle, high) if suffices else (low, middle)
    return Fraction(low, 1000)


def bounding_ranks(quantile: Fraction, n: int) -> tuple[int, int]:
    """Return the ranks, from 1, between which a quantile lies, at 95 % confidence each.

    Valid whenever sampling stopped: ranks n−b[n]+1 and n−a[n]. 0 if unknown.
    """
    table = boundaries(1 - quantile, ALPHA_WITHIN, ALPHA_WITHIN)
    highest_within, lowest_exceeded = table.most_within(n), table.least_exceeded(n)
    low_rank = n - lowest_exceeded + 1 if lowest_exceeded <= n else 0
    high_rank = n - highest_within if highest_within >= 0 else 0
    return low_rank, high_rank
