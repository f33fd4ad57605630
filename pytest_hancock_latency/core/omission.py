"""What a closed loop does not see: coordinated omission.

A user of a closed loop waits for its answer before it asks again, so a stall of a second counts as
one slow request, although as many as its pace has in a second would have met it. Tene's correction
(HdrHistogram's ``recordValueWithExpectedInterval``) adds those: for a latency v and a pace of one
request per interval I, also v − I, v − 2·I, … It is an estimate, for advice; an open loop measures.
"""

from __future__ import annotations

from collections import defaultdict

from .histogram import Histogram, index_of, middle


def as_if_open(closed: Histogram, interval_ns: int) -> Histogram:
    """About what an open loop would have counted. interval_ns: between requests of one user."""
    counts: dict[int, int] = defaultdict(int, closed.counts)
    for index, count in closed.counts.items():
        missing_ns = middle(index) - interval_ns
        while 0 < interval_ns <= missing_ns:
            counts[index_of(missing_ns)] += count
            missing_ns -= interval_ns
    return Histogram(counts)


def added_requests(closed: Histogram, interval_ns: int) -> int:
    """How many requests `as_if_open` would add."""
    if interval_ns <= 0:
        return 0
    least = index_of(interval_ns)
    held_back = ((index, count) for index, count in closed.counts.items() if index > least)
    return sum(count * max(0, middle(index) // interval_ns - 1) for index, count in held_back)
