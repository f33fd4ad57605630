"""Whether a load reaches the minimum requests/s of its budget.

The load after its ramp-up is divided into intervals of one second or, for low limits, of as many
quarters of a second as ten requests take at the limit. An interval is short if it has fewer
answered requests than the limit requires. "At least 200/s" implies two things, and both must be
shown:

    within      the average reaches the limit, and at least half of the intervals do
    exceeded    the average misses it, and more than half of the intervals do, even without any two
                adjacent ones

"Half of the intervals" is a statement about a share, as p50 is, so the evidence for p50 applies.

The server is not blamed for delays elsewhere. Intervals in which the load generator was short of
CPU cannot contribute to *exceeded*. Users that spend most of their time waiting make few requests
however fast the responses are: if even instant responses would not reach the limit, nothing is
exceeded, and the load has to grow.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Final

from ..core.duration import NS_PER_S
from ..core.evidence import boundaries
from ..core.histogram import middle
from ..core.verdict import Outcome, Reason, RpsVerdict
from .counts import RunningTally
from .limit_judge import Table, survives_deletion
from .sequential import DELETION_WINDOW_NS, Policy
from .throughput_trend import Steady

_SHORT: Final = Fraction(1, 2)
"""The share of intervals that may be short."""
_LEAST_REQUESTS: Final = 10
"""Requests in an interval at the limit; with fewer, the median is far from the mean."""
_DELETED: Final = 2
"""Adjacent intervals that *exceeded* must hold without, see `survives_deletion`."""
_SATURATED: Final = 0.99
"""Share of waiting above which only the responses limit the rate."""
_FARTHEST: Final = 86_400
"""Intervals beyond which a forecast is useless: a day."""


@dataclass(frozen=True, slots=True)
class _Stretches:
    """Intervals of a load, and how many requests the limit requires in each."""

    requests: Sequence[int]
    required: float

    def __len__(self) -> int:
        return len(self.requests)

    @property
    def are_short(self) -> list[int]:
        """1 for each interval with fewer requests than required, 0 for the others."""
        return [int(requests < self.required) for requests in self.requests]

    @property
    def short(self) -> int:
        """The number of short intervals."""
        return sum(self.are_short)

    @property
    def miss(self) -> bool:
        """Whether the intervals miss the limit on average."""
        return sum(self.requests) < self.required * len(self)

    def show_within(self, table: Table) -> bool:
        """Whether the intervals reach the limit, on average and in at least half of them."""
        return not self.miss and table.shows_within(len(self), self.short)

    def show_exceeded(self, table: Table) -> bool:
        """Whether they miss it, on average and in most of them, even without any adjacent two."""
        return self.miss and survives_deletion(table, [1] * len(self), self.are_short)


def judge_rps(  # noqa: PLR0913, PLR0917 - what a verdict on a rate depends on
    steady: Steady,
    least_per_s: float,
    policy: Policy,
    alpha: float,
    strained: Container[int] = (),
    reachable_per_s: float | None = None,
) -> RpsVerdict:
    """Whether the answered requests of a load reach this rate.

    Args:
        steady: answered requests by window, and the span in which the load did not change.
        least_per_s: the limit.
        policy: how certain *within* must be.
        alpha: probability of a false *exceeded*.
        strained: windows in which the load generator or the server was short of CPU.
        reachable_per_s: requests/s if responses took no time; None if unlimited.
    """
    shortest_ns = max(NS_PER_S, _LEAST_REQUESTS / least_per_s * NS_PER_S)
    windows = ceil(shortest_ns / steady.window_ns)
    stretch_ns = windows * steady.window_ns
    number = max(0, steady.end - steady.begin) // windows
    requests = _requests(steady, windows, number)
    hit = [_is_hit(steady.begin + at * windows, windows, strained) for at in range(number)]
    required = least_per_s * stretch_ns / NS_PER_S
    stretches = _Stretches(requests, required)
    calm = _Stretches([n for n, is_hit in zip(requests, hit, strict=True) if not is_hit], required)
    table = boundaries(_SHORT, policy.alpha_within, alpha)
    needed_count = _needed(stretches, calm, table)
    is_small = reachable_per_s is not None and reachable_per_s < least_per_s
    reason = _reason(stretches, calm, table, is_small=is_small, needed_count=needed_count)
    outcome = Outcome.INCONCLUSIVE
    if reason is Reason.SHOWN:
        outcome = Outcome.WITHIN if stretches.show_within(table) else Outcome.EXCEEDED
    return RpsVerdict(
        least_per_s=least_per_s,
        outcome=outcome,
        reason=reason,
        per_s=sum(requests) / max(1, number) / stretch_ns * NS_PER_S,
        stretch_ns=stretch_ns,
        n=number,
        short=stretches.short,
        strained=sum(hit),
        short_strained=stretches.short - calm.short,
        needed=needed_count if reason is Reason.FEW else None,
        reachable_per_s=reachable_per_s,
    )


def waiting_share(tallies: Sequence[RunningTally], users: int) -> float:
    """Return the share of all users' time that they spend waiting for responses.

    By Little's law: responses per second times their latency is the number of waiting users.
    Source: Little 1961, "A proof for the queuing formula L = λW".

    Args:
        tallies: the requests of a closed loop, each request in exactly one of them.
        users: the number of users that make them.

    Returns:
        A share, without the time of failed requests; 1 if unknown, so that it limits no rate.
    """
    windows = [window for tally in tallies for window in tally.per_window]
    if not windows or not users:
        return 1.0
    elapsed_ns = (max(windows) - min(windows) + 1) * DELETION_WINDOW_NS
    waited_ns = sum(
        middle(index) * count
        for tally in tallies
        for index, count in tally.histogram.counts.items()
    )
    return waited_ns / (elapsed_ns * users)


def reachable_per_s(steady: Steady, waiting: float) -> float | None:
    """Return the requests/s that the same users would make if responses took no time.

    Args:
        steady: answered requests by window.
        waiting: the share of their time that the users wait, see `waiting_share`.

    Returns:
        Requests per second; None if only the responses limit the rate.
    """
    if waiting >= _SATURATED or not steady.length_ns:
        return None
    return steady.requests / (steady.length_ns / NS_PER_S) / (1 - waiting)


def _requests(steady: Steady, windows: int, number: int) -> list[int]:
    """Return the requests in each interval of `windows` windows, oldest first."""
    requests = [0] * number
    for window, count in steady.counts.items():
        at = (window - steady.begin) // windows
        if 0 <= at < number:
            requests[at] += count
    return requests


def _is_hit(begin: int, windows: int, strained: Container[int]) -> bool:
    return any(window in strained for window in range(begin, begin + windows))


def _reason(
    stretches: _Stretches,
    calm: _Stretches,
    table: Table,
    *,
    is_small: bool,
    needed_count: int | None,
) -> Reason:
    if stretches.show_within(table):
        return Reason.SHOWN
    if stretches.miss and is_small:
        return Reason.LOAD
    if calm.show_exceeded(table):
        return Reason.SHOWN
    if stretches.show_exceeded(table):
        return Reason.MACHINE
    return Reason.NEAR if needed_count is None else Reason.FEW


def _needed(stretches: _Stretches, calm: _Stretches, table: Table) -> int | None:
    """Estimate how many intervals would settle it at the current rates."""
    if not len(stretches):
        return table.within_from(0)
    if not calm.miss:
        if stretches.miss:
            return None
        return table.within_at_rate(len(stretches), stretches.short, _FARTHEST)
    added_count = table.exceeded_at_rate(len(calm), calm.short, _FARTHEST)
    return None if added_count is None else added_count + _DELETED
