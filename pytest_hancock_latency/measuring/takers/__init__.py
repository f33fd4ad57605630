"""Which taker fits: bracketed by the kernel's counters where they can be read and are worth it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from statistics import median
from typing import Final

from ..clock import Clock
from .bare import BareTaker, Taker
from .bracketed import BracketTaker
from .host_speed import Probe
from .schedstat import NoScheduler, Scheduler, voluntary_switches

SHORTEST_BRACKETED_NS: Final = 20_000


def taker_for(
    stack: ExitStack, clock: Clock, probe: Probe, warmup: Sequence[int], *, attribution: bool = True
) -> tuple[Taker, str | None]:
    """A taker for the calling thread, and why it is the bare one if it is.

    What it opens is closed with the stack. warmup: latencies in ns of earlier calls.
    """
    if not attribution:
        return BareTaker(clock), "attribution is switched off"
    if warmup and median(warmup) < SHORTEST_BRACKETED_NS:
        return BareTaker(clock), "a call takes less than the 20 µs that pay for a bracket"
    switches = voluntary_switches()
    if switches is None:
        return BareTaker(clock), "this system does not count a thread's switches"
    try:
        scheduler = stack.enter_context(Scheduler())
    except NoScheduler as error:
        return BareTaker(clock), str(error)
    return BracketTaker(clock, probe, scheduler, switches), None
