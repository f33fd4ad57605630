"""Counts in buckets that another program chose, such as those of a monitoring system.

They are too coarse for a `Histogram`, whose quantiles are accurate to 0.05 %. But for a limit, only
the number of observations above it matters, and that is known unless the limit lies inside a
bucket. The observations of that bucket count as over the limit for *within*, and as not over it for
*exceeded*.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate


@dataclass(frozen=True, slots=True)
class Bucket:
    """The number of latencies in an interval; its ends are in nanoseconds, rounded outwards."""

    above_ns: int
    """All of them are longer than this, or 0."""
    most_ns: int | None
    """None of them is longer than this; None if it is unknown."""
    count: int


@dataclass(frozen=True)
class CoarseHistogram:
    """Buckets of one or several histograms, in any order; those of several may overlap."""

    buckets: tuple[Bucket, ...]

    @cached_property
    def n(self) -> int:
        """Number of observations."""
        return sum(bucket.count for bucket in self.buckets)

    def surely_over(self, limit_ns: int) -> int:
        """Return the number of observations that were certainly above the limit."""
        return sum(bucket.count for bucket in self.buckets if bucket.above_ns >= limit_ns)

    def maybe_over(self, limit_ns: int) -> int:
        """Return the number of observations that may have been above the limit."""
        return sum(
            bucket.count
            for bucket in self.buckets
            if bucket.most_ns is None or bucket.most_ns > limit_ns
        )

    def low_of_rank(self, rank: int) -> int:
        """Return what the observation with this rank, counted from 1, is not below."""
        return _at(rank, ((bucket.above_ns, bucket.count) for bucket in self.buckets))

    def high_of_rank(self, rank: int) -> int | None:
        """Return what the observation with this rank is not above; None if it is unknown."""
        finite_edges = [
            (bucket.most_ns, bucket.count) for bucket in self.buckets if bucket.most_ns is not None
        ]
        return _at(rank, finite_edges) if rank <= sum(count for _, count in finite_edges) else None


def _at(rank: int, edges: Iterable[tuple[int, int]]) -> int:
    """Return the edge at a rank if each edge is there so many times."""
    ascending = sorted(edges)
    position = bisect_left(list(accumulate(count for _, count in ascending)), rank)
    return ascending[position][0]
