"""The engine on simulated time: what pytest runs, fed with latencies that somebody else made.

`decide` is the loop of `pytest_hancock_latency.measuring.shapes.closed_loop` with a feed in the
place of a taker and of the clock. All that judges is the engine's own: `attribute`,
`SequentialJudge`, the tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from pytest_hancock_latency.core.attribution import Circumstances, Windows, attribute
from pytest_hancock_latency.core.budget import LatencyBudget, Limit
from pytest_hancock_latency.core.evidence import boundaries
from pytest_hancock_latency.core.sample import Observations
from pytest_hancock_latency.core.verdict import Outcome
from pytest_hancock_latency.judging.sequential import LOOK_EVERY_NS, Policy, SequentialJudge
from pytest_hancock_latency.measuring.takers.foreign_work import WINDOW_NS

Nanoseconds = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

NS_PER_MS: Final = 1_000_000
POLICY: Final = Policy(gates=200)
"""The default of the plugin in a build of 200 gates: a chance of 0.01/200 for a false alarm."""
_CALM: Final = 0.05
"""A window in which the thread waited for a core for no more than this share was calm: recordings
have no pressure file."""


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Observations with their circumstances, in ns, each of shape (n,)."""

    wall: Nanoseconds
    wait: Nanoseconds
    cpu: Nanoseconds
    speed: Numbers
    start: Nanoseconds
    blocked: Flags

    def first(self, n: int) -> Columns:
        """The first n observations."""
        return Columns(*(getattr(self, each.name)[:n] for each in fields(self)))

    def observations(self) -> Observations:
        """As the bracketing taker hands them to the judge.

        Who was waited for is not recorded, so that every call that blocked waited for something
        unseen.
        """
        circumstances = Circumstances(
            start=self.start,
            wall=self.wall,
            run_queue=self.wait,
            own_wait=self.wait,
            thread_cpu=self.cpu,
            slowness=self.speed,
            blocked=self.blocked,
            tree_wait=np.zeros_like(self.wait),
            tree_cpu=self.cpu,
            own_work=np.zeros_like(self.cpu),
            siblings_cpu=np.zeros_like(self.cpu),
            queued=np.zeros(len(self.cpu), bool),
            unseen=self.blocked,
            timed_out=np.zeros(len(self.cpu), bool),
            window=(self.start + self.wall) // WINDOW_NS,
        )
        windows = _windows(circumstances)
        taken = attribute(circumstances, windows)
        provisional = self.blocked & (circumstances.window == len(windows.calm) - 1)
        return Observations(self.wall, taken.attributed, self.start, taken.excused, provisional)


def _windows(circumstances: Circumstances) -> Windows:
    """Accounting windows as far as they can be told from the thread alone; the last is open."""
    n = int(circumstances.window[-1]) + 1 if len(circumstances.window) else 1
    waited = np.bincount(circumstances.window, weights=circumstances.own_wait, minlength=n)
    calm = waited <= _CALM * WINDOW_NS
    calm[-1] = False
    foreign = np.full(n, np.inf)
    return Windows(
        foreign,
        consumed=np.ones(n),
        throttled=np.zeros(n),
        calm=calm,
        disk=np.zeros(n),
        busy_children=np.zeros(n, bool),
    )


class Feed(Protocol):
    """Where observations come from; time passes only by taking them."""

    now_ns: int
    """When the latest observation ended."""

    def take(self, count: int, until_ns: int) -> int:
        """Up to `count` further observations, fewer once `until_ns` has come; how many."""

    def seen(self) -> Columns:
        """All that were taken."""


def budget_of(budgets_ms: Mapping[float, float], least_time_ns: int = 0) -> LatencyBudget:
    """A budget from limits in ms by quantile, 0.99 for p99."""
    limits = (Limit(Fraction(str(q)), round(ms * NS_PER_MS)) for q, ms in budgets_ms.items())
    ascending = tuple(sorted(limits, key=lambda limit: limit.quantile))
    return LatencyBudget(ascending, least_time_ns=least_time_ns)


def decide(feed: Feed, budget: LatencyBudget, policy: Policy = POLICY) -> Outcome:
    """Take observations until there is a verdict or the feed ends; the verdict."""
    judge, skip = SequentialJudge(budget, policy), _Skip(budget, policy)
    left = judge.look(feed.seen().observations())
    while left:
        taken = feed.take(left, feed.now_ns + LOOK_EVERY_NS)
        if not taken:
            break
        left -= taken
        is_due = 0 < budget.least_time_ns <= feed.now_ns
        if not left or is_due or skip.may_show_exceeded(feed):
            left = judge.look(feed.seen().observations())
    seen = feed.seen().observations()
    judge.look(seen)
    return judge.verdict(seen).outcome


class _Skip:
    """Leaves out looks that cannot show *exceeded*, which makes a simulation ten times faster.

    Attributed latency is never above raw latency, and evidence for *exceeded* grows with the count:
    where even the raw count is too small, so is the attributed one. That is exact. That the machine
    is in the way is seen at a later look, which changes no verdict.
    """

    def __init__(self, budget: LatencyBudget, policy: Policy) -> None:
        alpha = policy.alpha_of_part(budget)
        self._tables = [
            (limit.limit_ns, boundaries(limit.allowed, policy.alpha_within, alpha))
            for limit in budget.limits
        ]
        self._over = [0] * len(self._tables)
        self._counted = 0

    def may_show_exceeded(self, feed: Feed) -> bool:
        """Whether the look that is due can show anything."""
        seen = feed.seen()
        fresh, n = seen.wall[self._counted :], len(seen.wall)
        self._counted = n
        for at, (limit_ns, _) in enumerate(self._tables):
            self._over[at] += int((fresh > limit_ns).sum())
        return any(
            table.exceeded_until(over) >= n
            for over, (_, table) in zip(self._over, self._tables, strict=True)
        )


class Arriving:
    """A feed from an iterator of floats in ms that carry .wait .cpu .speed .t .blocking."""

    def __init__(self, samples: Iterable[float]) -> None:
        self._samples = iter(samples)
        self._fresh: list[tuple[float, ...]] = []
        self._whole = np.empty((5, 512), dtype=np.int64)
        self._speed = np.empty(512)
        self._n = 0
        self.now_ns = 0

    def take(self, count: int, until_ns: int) -> int:
        """See `Feed`."""
        now, until, keep = float(self.now_ns), until_ns, self._fresh.append
        taken = 0
        for x in self._samples:
            t: float | None = x.t  # type: ignore[attr-defined]
            wall, start = x * NS_PER_MS, now if t is None else t * NS_PER_MS
            keep((wall, x.wait, x.cpu, start, x.blocking, x.speed))  # type: ignore[attr-defined]
            now, taken = start + wall, taken + 1
            if now >= until or taken >= count:
                break
        self.now_ns = round(now)
        return taken

    def seen(self) -> Columns:
        """See `Feed`."""
        self._settle()
        wall, wait, cpu, start, blocked = self._whole[:, : self._n]
        return Columns(wall, wait, cpu, self._speed[: self._n], start, blocked > 0)

    def _settle(self) -> None:
        """Move fresh observations into the columns, which double when they are full."""
        if not self._fresh:
            return
        fresh = np.array(self._fresh).T
        fresh[1:3] *= NS_PER_MS
        n = self._n + fresh.shape[1]
        while n > len(self._speed):
            self._whole = np.concatenate([self._whole, np.empty_like(self._whole)], axis=1)
            self._speed = np.concatenate([self._speed, np.empty_like(self._speed)])
        self._whole[:, self._n : n] = np.rint(fresh[:5])
        self._speed[self._n : n] = fresh[5]
        self._n = n
        self._fresh.clear()


@dataclass(eq=False)
class Prepared:
    """A feed from columns that are complete beforehand."""

    columns: Columns
    n: int = 0
    now_ns: int = 0

    def take(self, count: int, until_ns: int) -> int:
        """See `Feed`."""
        start, wall = self.columns.start, self.columns.wall
        before, most = self.n, min(len(wall), self.n + count)
        while self.n < most and self.now_ns < until_ns:
            self.now_ns = int(start[self.n] + wall[self.n])
            self.n += 1
        return self.n - before

    def seen(self) -> Columns:
        """See `Feed`."""
        return self.columns.first(self.n)
