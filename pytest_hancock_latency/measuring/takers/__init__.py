"""Selects the taker: with the kernel's counters if they can be read and are worth their cost."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from statistics import median
from typing import Final

from ..plan import Plan
from ..session_speed import SessionSpeed
from .bare import BareTaker, Taker
from .bracketed import BracketTaker
from .follower import Follower
from .grouped import GroupedTaker
from .probes import Probes
from .schedstat import NoScheduler, Scheduler, times_blocked

SHORTEST_BRACKETED_NS: Final = 20_000
"""Reading the counters takes 5 µs, which is not worth it for shorter calls."""
TOO_SHORT: Final = "calls shorter than 20 µs are not worth the cost of attribution"


def taker_for(  # noqa: PLR0913 - what a taker depends on
    stack: ExitStack,
    probes: Probes,
    follower: Follower,
    speed: SessionSpeed,
    *,
    follows: bool = False,
    why_bare: str | None = None,
) -> tuple[Taker, str | None]:
    """Return a taker for the calling thread and, if it is a bare one, the reason.

    Files that it opens are closed with the stack.

    follower: shared by all takers of a load.
    follows: whether calls are expected to block, so that waits are followed from the first call.
    why_bare: why a bare taker is wanted; None if it is not.
    """
    blocked = times_blocked()
    if why_bare == TOO_SHORT and blocked is not None:
        return GroupedTaker(follower.clock, (probes, speed), blocked), why_bare
    if why_bare is not None:
        return BareTaker(follower.clock), why_bare
    if blocked is None:
        return BareTaker(follower.clock), "this system does not count context switches per thread"
    try:
        scheduler = stack.enter_context(Scheduler())
    except NoScheduler as error:
        return BareTaker(follower.clock), str(error)
    return BracketTaker(
        follower.clock, (probes, speed), (scheduler, blocked), follower, follows=follows
    ), None


def why_bare(plan: Plan, warmup: Sequence[int], *, has_maximum: bool = False) -> str | None:
    """Return why calls with these latencies in ns are not worth a bracket; None if they are.

    has_maximum: the budget limits the maximum, which a single delay by the host would exceed.
    """
    if not plan.attribution:
        return "attribution is off"
    if warmup and median(warmup) < SHORTEST_BRACKETED_NS and not has_maximum:
        return TOO_SHORT
    return None
