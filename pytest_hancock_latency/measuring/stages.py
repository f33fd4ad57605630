"""Stages within calls: the first item of a stream, the longest gap, and marks set by hand.

A stage has one latency in each call that reaches it, so calls stay the unit of evidence. It takes
no counters of its own: nothing but the clock is read inside a call. All waits for the machine in
the whole call may have been in the stage, so all of them are excused of it, down to zero, and of
the rest what a machine as slow would take of it: a stage is *exceeded* only if it would be without
that, and *within* by its raw latency.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ..core.attribution import SLOW_MACHINE
from ..core.budget import check_clock
from ..core.late_numpy import np
from ..core.sample import Observations
from ..errors import LatencyError
from .slowing import Took
from .takers.bare import Taker, column

if TYPE_CHECKING:
    from ..core.attribution import Nanoseconds

_FEWEST_AT_ONCE = 5
"""Calls that may all have been answered in one piece by chance are fewer."""
_AT_ONCE = 0.9
"""Share of its time after which the first item of a call came with the last one."""


@dataclass(slots=True)
class Latencies:
    """The latencies of one stage, each with the position of its call."""

    positions: array[int] = field(default_factory=lambda: array("q"))
    ns: array[int] = field(default_factory=lambda: array("q"))


class Stages:
    """The stages of all calls of a sample, by name, in the order in which they were reached."""

    def __init__(self, taker: Taker) -> None:
        self._taker = taker
        self._latencies: dict[str, Latencies] = {}

    def keep(self, taker: Taker, reached_ns: Mapping[str, int]) -> None:
        """Add the stages of the call that a taker is about to keep.

        Args:
            taker: one of calls that are not counted has no stages.
            reached_ns: latency of each stage that the call reached.
        """
        if taker is not self._taker:
            return
        for name, ns in reached_ns.items():
            latencies = self._latencies.setdefault(name, Latencies())
            latencies.positions.append(len(taker))
            latencies.ns.append(ns)

    @property
    def names(self) -> Sequence[str]:
        """The stages that a call has reached."""
        return tuple(self._latencies)

    def observations(self, name: str) -> Observations:
        """Return the observations of a stage; none if no call reached it."""
        everything = self._taker.everything()
        latencies = self._latencies.get(name, Latencies())
        refused = self._taker.refused(everything)
        at, wall_ns = column(latencies.positions), column(latencies.ns)
        if refused is not None:
            at, wall_ns = at[~refused[at]], wall_ns[~refused[at]]
        return _of_stages(everything.at(at), wall_ns)

    def came_at_once(self, name: str) -> bool:
        """Whether a stage ended with its call in every call, so that it measures nothing else."""
        whole, stage = self._taker.everything().wall_ns, self._latencies.get(name, Latencies())
        if len(stage.ns) < _FEWEST_AT_ONCE:
            return False
        return bool((column(stage.ns) >= _AT_ONCE * whole[column(stage.positions)]).all())


def _of_stages(whole: Observations, wall_ns: Nanoseconds) -> Observations:
    """Return observations of stages of calls.

    Args:
        whole: the calls, one for each stage.
        wall_ns: raw latency of each stage.
    """
    slowed = whole.excused_ns.get(SLOW_MACHINE, np.zeros(len(wall_ns)))
    waits = whole.wall_ns - whole.attributed_ns - slowed
    left = np.maximum(0.0, wall_ns - waits)
    if whole.slowness is not None:  # a slow machine slows down each stage by that much at most
        slowed = np.minimum(slowed, left * (1 - 1 / whole.slowness))
    excused_ns = {cause: np.minimum(times, wall_ns) for cause, times in whole.excused_ns.items()}
    if SLOW_MACHINE in excused_ns:
        excused_ns[SLOW_MACHINE] = np.minimum(slowed, left)
    return replace(
        whole,
        wall_ns=wall_ns,
        attributed_ns=np.rint(np.maximum(0.0, left - slowed)).astype(np.int64),
        excused_ns=excused_ns,
        at_most_ns=None if whole.at_most_ns is None else wall_ns,
        timed_out=None,
    )


class StagedWindow:
    """Times the block of a ``with`` statement, and stages in it; not kept if the block raises.

    >>> def measure_stages(sample: Sampler) -> None:
    ...     for _ in sample.rounds():
    ...         with sample.observe() as call:
    ...             connection = connect()
    ...             call.mark("connected")
    ...             connection.fetch()
    """

    __slots__ = ("_begin", "_is_open", "_opening", "_reached", "_stages", "_taker")

    def __init__(self, taker: Taker, stages: Stages | None) -> None:
        """stages: None if nobody wants to know, as in the warm-up."""
        self._taker, self._stages = taker, stages
        self._reached: dict[str, int] = {}
        self._is_open = False

    def __enter__(self) -> Self:
        self._opening = self._taker.opening()
        self._is_open = True
        self._begin = self._taker.clock()
        return self

    def mark(self, name: str) -> None:
        """End a stage of the call, which began with it.

        Raises:
            LatencyError: the call is over, the stage has ended already, or it cannot have that
                name.
        """
        ns = self._taker.clock() - self._begin
        self._reached[self._checked(name)] = ns

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        end = self._taker.clock()
        closed = self._taker.closing(self._opening, self._begin, end)
        self._is_open = False
        if kind is not None:
            return
        if self._stages is not None:
            self._stages.keep(self._taker, self._reached)
        self._taker.keep(closed)

    def _checked(self, name: str) -> str:
        if not self._is_open:
            raise LatencyError(
                f"call.mark({name!r}) came outside of `with sample.observe() as call:`: mark "
                "stages inside the block"
            )
        if name in self._reached:
            raise LatencyError(f"call.mark({name!r}) came twice in a call: give each its own name")
        check_clock(name)
        return name


class SlowedWindow:
    """Such a window whose block is slowed down on purpose."""

    def __init__(self, window: StagedWindow, share: float) -> None:
        self._window, self._share = window, share

    def __enter__(self) -> Self:
        self._window.__enter__()
        self._took = Took()
        return self

    def mark(self, name: str) -> None:
        """End a stage, which is slowed down as well."""
        self._took.make_longer(self._share)
        self._window.mark(name)
        self._took = Took()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self._took.make_longer(self._share)
        self._window.__exit__(kind, error, traceback)
