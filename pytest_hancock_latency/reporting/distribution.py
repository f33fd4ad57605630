"""Histograms reduced to a few rows: edges at round numbers, and the counts between them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise
from math import floor, log10
from typing import Final

from ..core.histogram import Histogram, highest, index_of

_STEPS: Final = (1, 2, 5, 10, 20, 50, 100)
"""Candidate numbers of rows per factor of ten; the largest that fits is used."""


def log_edges(lowest: int, highest: int, rows: int) -> list[int]:
    """Return ascending edges in ns around all latencies, equidistant on a log scale.

    There are at most `rows` + 3, unless even one row per power of ten is more.
    """
    first, last, steps = 0, 0, 1
    for steps in reversed(_STEPS):
        first = floor(log10(max(1, lowest)) * steps)
        last = floor(log10(max(1, highest)) * steps) + 1
        if last - first <= rows:
            break
    edges = [round(10 ** (at / steps)) for at in range(first, last + 1)]
    return sorted({min(edges[0], lowest), *edges[1:-1], max(edges[-1], highest + 1)})


def edges_around(histograms: Collection[Histogram], rows: int) -> list[int]:
    """Return edges around all observations of these histograms, none of which is empty."""
    first = min(next(iter(histogram.counts)) for histogram in histograms)
    last = max(next(reversed(histogram.counts)) for histogram in histograms)
    return log_edges(highest(first), highest(last), rows)


def counts_between(histogram: Histogram, edges: Sequence[int]) -> list[int]:
    """Return the observations in each row; a bucket belongs to the row in which it ends."""
    inner = [histogram.before(index_of(edge)) for edge in edges[1:-1]]
    return [after - before for before, after in pairwise([0, *inner, histogram.n])]
