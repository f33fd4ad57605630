"""Mann & Whitney's rank test (1947): whether values of one kind tend to be higher than another's.

Of all pairs of a value before and one after, a *win* is one in which the value after is higher; a
tie counts half. The chance of so many wins is exact for small samples without ties, otherwise that
of the normal approximation with corrections for ties and continuity. The numbers are those of
``scipy.stats.mannwhitneyu``, which this saves from being a dependency.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from math import comb, erfc, sqrt
from typing import Final

_EXACT: Final = 8
"""Largest size of the smaller sample for which the chance is exact, as in scipy."""


def chance_of_wins(counts: Iterable[tuple[int, int]]) -> float:
    """Return the chance of at least as many wins if there is no difference, one-sided.

    Args:
        counts: number of values before and after at each distinct value, ascending.

    Returns:
        The p-value, from 0 to 1.
    """
    before_count = after_count = tied = 0
    wins = 0.0
    for before, after in counts:
        wins += after * (before_count + before / 2)
        tied += (before + after) ** 3 - (before + after)
        before_count += before
        after_count += after
    if not tied and min(before_count, after_count) <= _EXACT:
        return _exact_chance(int(wins), before_count, after_count)
    return _normal_chance(wins, tied, before_count, after_count)


def chance_of_difference(before: Sequence[float], after: Sequence[float]) -> float:
    """Return the chance of such a difference in either direction if there is none, two-sided.

    Args:
        before: values of one kind.
        after: values of the other kind.

    Returns:
        The p-value, from 0 to 1.
    """
    befores, afters = Counter(before), Counter(after)
    counts = [(befores[value], afters[value]) for value in sorted(befores | afters)]
    return min(1.0, 2 * min(chance_of_wins(counts), chance_of_wins(reversed(counts))))


def _exact_chance(wins: int, before: int, after: int) -> float:
    """Count the orders of both samples by their wins: the Gaussian binomial coefficient."""
    small, large = sorted((before, after))
    orders = [1] + [0] * (small * large)
    for size in range(1, small + 1):
        for number in range(small * large, large + size - 1, -1):
            orders[number] -= orders[number - large - size]
        for number in range(size, small * large + 1):
            orders[number] += orders[number - size]
    return sum(orders[wins:]) / comb(before + after, before)


def _normal_chance(wins: float, tied: int, before: int, after: int) -> float:
    total = before + after
    variance = before * after / 12 * (total + 1 - tied / (total * (total - 1)))
    if variance <= 0:
        return 1.0
    return erfc((wins - before * after / 2 - 0.5) / sqrt(2 * variance)) / 2
