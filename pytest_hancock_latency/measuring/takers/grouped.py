"""Takes observations of calls that are too short for readings around each of them.

Reading the counters takes 5 µs, so calls under 20 µs are measured bare. In the probing phase,
groups of a millisecond are the unit: the probes run between groups, and the time of a group that
the CPU clock does not explain is taken off its slowest calls. Which calls it hit is not known, so
that no call passes by it: for *within*, raw latency counts.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from ...core.attribution import OWN_NOISE_NS, SLOW_MACHINE, WAITED
from ...core.late_numpy import np
from ...core.sample import Observations, Probed
from ...core.undisturbed import surroundings
from ..clock import Clock, process_cpu, thread_cpu
from ..request import Request
from ..session_speed import SessionSpeed
from .bare import BareTaker, column
from .bracketed import GUARD_NS
from .probes import Probes

if TYPE_CHECKING:
    from ...core.attribution import Nanoseconds, Numbers

GROUP_NS: Final = 1_000_000
"""Length of a group: five times as long as the probes around it."""
_NEVER: Final = 2**62
"""A time that no clock ever reaches."""


class GroupedTaker(BareTaker):
    """Takes observations without readings around them; in groups in the probing phase."""

    def __init__(
        self, clock: Clock, speed: tuple[Probes, SessionSpeed], blocked: Callable[[], int]
    ) -> None:
        super().__init__(clock)
        self._probes, self._session_speed = speed
        self._times_blocked = blocked
        self._counts_from: int | None = None
        self._first = array("q")
        """Position of the first observation of each group."""
        self._off_ns = array("q")
        """Time of each group that the CPU clock does not explain."""
        self._probe = array("q")
        """Index of the last probe before each group."""

    @property
    def _is_probing(self) -> bool:
        return self._counts_from is not None and self._counts_from != _NEVER

    def expect_probing(self, title: str = "") -> None:
        """Let no call count for *exceeded* before the probing phase."""
        self._counts_from = _NEVER

    def start_probing(self) -> None:
        """Begin the probing phase."""
        if not self._is_probing:
            self._counts_from = self.clock() + GUARD_NS
            self._probes.run_several(self._session_speed.missing)

    def take(self, request: Request, count: int, until: int) -> None:
        """Take up to `count` observations, fewer if time is up or a request fails."""
        if not self._is_probing:
            super().take(request, count, until)
            return
        failed, enough = self.failures.total(), len(self) + count
        while len(self) < enough and self.clock() < until and self.failures.total() == failed:
            self._take_group(request, enough - len(self), until)
        self._probes.run()

    def _take_group(self, request: Request, count: int, until: int) -> None:
        self._probes.run()
        for call in request.calls(1):
            call()  # fills the caches again
        position, opening = len(self), self._readings()
        super().take(request, count, min(until, self.clock() + GROUP_NS))
        self._keep_group(position, self._off_time_ns(opening))

    def opening(self) -> tuple[Any, ...]:
        """Return the readings before a window that is timed elsewhere: a group of its own."""
        if not self._is_probing:
            return ()
        self._probes.run()
        return self._readings()

    def closing(self, opening: tuple[Any, ...], t0: int, t1: int) -> tuple[Any, ...]:
        """Return what to `keep` of such a window."""
        return t0, t1, self._off_time_ns(opening) if opening else None

    def keep(self, closed: tuple[Any, ...]) -> None:
        """Add an observation whose window was timed elsewhere."""
        t0, t1, off_ns = closed
        if off_ns is not None:
            self._keep_group(len(self), off_ns)
        super().keep((t0, t1))

    def _readings(self) -> tuple[int, int, int, int]:
        return self._times_blocked(), process_cpu(), thread_cpu(), self.clock()

    def _off_time_ns(self, opening: tuple[int, int, int, int]) -> int:
        """Return the time since these readings that the machine took; 0 if the test did itself."""
        blocked, process, cpu, begin = opening
        wall_ns, cpu_ns = self.clock() - begin, thread_cpu() - cpu
        others_ns = process_cpu() - process - cpu_ns
        off_ns = wall_ns - cpu_ns
        is_own = self._times_blocked() != blocked or others_ns > OWN_NOISE_NS
        return 0 if is_own or off_ns <= OWN_NOISE_NS else off_ns

    def _keep_group(self, position: int, off_ns: int) -> None:
        self._first.append(position)
        self._off_ns.append(off_ns)
        self._probe.append(self._probes.last)

    def everything(self) -> Observations:
        """Return all that was measured so far, attributed in the probing phase."""
        plain = super().everything()
        if self._counts_from is None:
            return plain
        wall, nothing = plain.wall_ns, np.zeros(len(plain), bool)
        reference = self._session_speed.reference(self._probes.times)
        if not len(self._first) or reference is None:
            probed = Probed(nothing, nothing, nothing)
            return replace(plain, at_most_ns=wall, probed=probed)
        group = np.searchsorted(column(self._first), np.arange(len(wall)), side="right") - 1
        around = surroundings(self._probes.times, column(self._probe), reference)
        off_ns = column(self._off_ns)
        on_cpu = without_off_time(wall, column(self._first), off_ns)
        is_grouped = group >= 0
        slowness: Numbers = np.where(is_grouped, around.slowness[group], 1.0)
        attributed: Nanoseconds = np.rint(on_cpu / slowness).astype(np.int64)
        return replace(
            plain,
            attributed_ns=attributed,
            slowness=slowness,
            excused_ns={
                WAITED: (wall - on_cpu).astype(np.float64),
                SLOW_MACHINE: (on_cpu - attributed).astype(np.float64),
            },
            at_most_ns=wall,
            probed=Probed(
                plain.start_ns + self.begin >= self._counts_from,
                is_grouped & around.undisturbed_before[group],
                is_grouped & around.undisturbed_after[group] & (off_ns[group] == 0),
                np.where(is_grouped, around.together[group], 1.0),
            ),
        )


def without_off_time(wall: Nanoseconds, first: Nanoseconds, off_ns: Nanoseconds) -> Nanoseconds:
    """Take the time off the CPU of each group off its slowest calls, down to their median.

    Args:
        wall: raw latencies, shape (n,).
        first: position of the first observation of each group, shape (groups,).
        off_ns: time off the CPU of each group, shape (groups,).

    Returns:
        An estimate of the time that each call took on the CPU, shape (n,).
    """
    rest = wall.copy()
    ends = np.append(first[1:], len(wall))
    for group in np.flatnonzero(off_ns).tolist():
        calls, left_ns = rest[first[group] : ends[group]], int(off_ns[group])
        if not len(calls):
            continue
        median_ns = int(np.median(calls))
        for at in np.argsort(calls)[::-1].tolist():
            taken_ns = min(left_ns, int(calls[at]) - median_ns)
            if taken_ns <= 0:
                break
            calls[at] -= taken_ns
            left_ns -= taken_ns
    return rest
