"""Histograms of latencies, which merge by addition and have a known maximum error.

The buckets are those of an HdrHistogram with three significant digits and a unit of 1 ns, so that
conversion is lossless: every latency below 2048 ns has its own bucket, and every octave above is
split into 1024 buckets of equal width. A latency and the middle of its bucket differ by at most
1/2048 of the latency, which is less than 0.05 %. That is the only error: counts are exact, merging
adds counts, and a quantile is the middle of the bucket that holds the observation of that rank.

    index = shift · 1024 + (ns >> shift)        shift = max(0, bit length of ns − 11)
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from itertools import accumulate
from math import sqrt
from typing import TYPE_CHECKING, Final

from .late_numpy import np
from .quantile import rank

if TYPE_CHECKING:
    from .attribution import Nanoseconds

RELATIVE_ERROR: Final = Fraction(1, 2048)
"""Maximum difference between a quantile and the observation it stands for, as a share."""
SIGNIFICANT_DIGITS: Final = 3
"""Significant digits of an HdrHistogram with the same buckets."""

_HALF_BITS: Final = 10
_HALF: Final = 1 << _HALF_BITS


def index_of(ns: int) -> int:
    """Return the bucket of a latency in integer nanoseconds; negative latencies count as zero."""
    if ns < 2 * _HALF:
        return max(0, ns)
    shift = ns.bit_length() - _HALF_BITS - 1
    return (shift << _HALF_BITS) + (ns >> shift)


def indexes_of(latencies_ns: Nanoseconds) -> Nanoseconds:
    """Return the bucket of each latency, as `index_of`; both of shape (n,)."""
    column = np.maximum(latencies_ns, 0)
    _, bits = np.frexp(column.astype(np.float64))
    shift = np.maximum(0, bits.astype(np.int64) - _HALF_BITS - 1)
    indexes: Nanoseconds = (shift << _HALF_BITS) + (column >> shift)
    return indexes


def lowest(index: int) -> int:
    """Return the smallest latency of a bucket, in nanoseconds."""
    shift = max(0, (index >> _HALF_BITS) - 1)
    return (index - (shift << _HALF_BITS)) << shift


def highest(index: int) -> int:
    """Return the largest latency of a bucket, in nanoseconds."""
    return lowest(index + 1) - 1


def middle(index: int) -> int:
    """Return the latency that represents a bucket, in nanoseconds."""
    return (lowest(index) + highest(index)) // 2


@dataclass(frozen=True)
class Histogram:
    """The number of observations in each bucket.

    ``counts`` is ascending by bucket and has no empty bucket; the constructor ensures both.
    """

    counts: Mapping[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if any(index < 0 or count < 0 for index, count in self.counts.items()):
            raise ValueError("a histogram has neither negative buckets nor negative counts")
        ascending = {
            index: self.counts[index] for index in sorted(self.counts) if self.counts[index]
        }
        object.__setattr__(self, "counts", ascending)

    @classmethod
    def of(cls, latencies_ns: Nanoseconds) -> Histogram:
        """Make the histogram of a column of latencies, shape (n,), integer nanoseconds."""
        buckets, counts = np.unique(indexes_of(latencies_ns), return_counts=True)
        return cls(dict(zip(buckets.tolist(), counts.tolist(), strict=True)))

    @classmethod
    def sum(cls, parts: Iterable[Histogram]) -> Histogram:
        """Add all histograms."""
        counts: dict[int, int] = {}
        for part in parts:
            for index, count in part.counts.items():
                counts[index] = counts.get(index, 0) + count
        return cls(counts)

    def __add__(self, other: Histogram) -> Histogram:
        return Histogram.sum((self, other))

    @cached_property
    def n(self) -> int:
        """Number of observations."""
        return sum(self.counts.values())

    @property
    def buckets(self) -> Iterator[tuple[int, int, int]]:
        """Yield lowest latency, highest latency and count of each non-empty bucket, ascending."""
        return ((lowest(i), highest(i), count) for i, count in self.counts.items())

    def quantile_ns(self, quantile: Fraction) -> int:
        """Return a quantile by nearest rank, accurate to `RELATIVE_ERROR`.

        Raises:
            ValueError: there are no observations.
        """
        return middle(self.bucket_of_rank(rank(quantile, self.n)))

    def bucket_of_rank(self, at: int) -> int:
        """Return the bucket that holds the observation with this rank, counted from 1."""
        if not 1 <= at <= self.n:
            raise ValueError(f"rank {at} of {self.n} observations")
        return self._indexes[bisect_right(self._cumulated, at - 1)]

    @property
    def ends_ns(self) -> tuple[int, int]:
        """The lowest latency of the first non-empty bucket and the highest of the last.

        Raises:
            ValueError: there are no observations.
        """
        if not self.counts:
            raise ValueError("an empty histogram has no ends")
        return lowest(next(iter(self.counts))), highest(next(reversed(self.counts)))

    @property
    def least_ns(self) -> int:
        """The smallest latency, accurate to `RELATIVE_ERROR`."""
        return middle(self.bucket_of_rank(1))

    @cached_property
    def mean_ns(self) -> float:
        """The arithmetic mean, accurate to `RELATIVE_ERROR`.

        Raises:
            ZeroDivisionError: there are no observations.
        """
        return sum(count * middle(index) for index, count in self.counts.items()) / self.n

    @cached_property
    def stddev_ns(self) -> float:
        """The sample standard deviation, with n − 1; 0 for a single observation."""
        mean = self.mean_ns
        squares = sum(count * (middle(index) - mean) ** 2 for index, count in self.counts.items())
        return sqrt(squares / (self.n - 1)) if self.n > 1 else 0.0

    def before(self, index: int) -> int:
        """Return the number of observations in buckets below this one."""
        position = bisect_left(self._indexes, index)
        return self._cumulated[position - 1] if position else 0

    def surely_over(self, limit_ns: int) -> int:
        """Return the number of observations that were certainly above the limit."""
        edge = index_of(limit_ns)
        return sum(count for index, count in self.counts.items() if index > edge)

    def maybe_over(self, limit_ns: int) -> int:
        """Return the number of observations that may have been above the limit."""
        edge = index_of(limit_ns)
        at_edge = self.counts.get(edge, 0) if highest(edge) > limit_ns else 0
        return self.surely_over(limit_ns) + at_edge

    @cached_property
    def _indexes(self) -> tuple[int, ...]:
        return tuple(self.counts)

    @cached_property
    def _cumulated(self) -> tuple[int, ...]:
        return tuple(accumulate(self.counts.values()))


def as_if_open(closed: Histogram, interval_ns: int) -> Histogram:
    """Estimate what an open loop would have counted.

    Args:
        interval_ns: time between requests of one user.
    """
    counts: dict[int, int] = defaultdict(int, closed.counts)
    for index, count in closed.counts.items():
        missing_ns = middle(index) - interval_ns
        while 0 < interval_ns <= missing_ns:
            counts[index_of(missing_ns)] += count
            missing_ns -= interval_ns
    return Histogram(counts)


def omitted_requests(closed: Histogram, interval_ns: int) -> int:
    """Return how many requests `as_if_open` would add."""
    if interval_ns <= 0:
        return 0
    first_bucket = index_of(interval_ns)
    held_back = ((index, count) for index, count in closed.counts.items() if index > first_bucket)
    return sum(count * max(0, middle(index) // interval_ns - 1) for index, count in held_back)
