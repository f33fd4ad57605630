"""Takes observations in a tight loop, with only the call between two clock readings.

Takers are independent of budget and plan: they take `count` observations, or fewer when the time
`until` is reached or a request fails.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array
from collections import Counter
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any, Final

from ...core.late_numpy import np
from ...core.sample import Observations
from ...errors import hides_frame
from ..clock import Clock
from ..request import Request

if TYPE_CHECKING:
    from ...core.attribution import Flags, Nanoseconds
    from ...core.sensitivity import ProbedSession

__tracebackhide__ = hides_frame

_MOST_LATE_AT_FIRST: Final = 10
"""Answers that fail their check, before one has passed, that may all have been too slow: next to
four loops, the first three calls of a server in a row were. More of them are simply wrong."""


@dataclass(slots=True)
class Checked:
    """Latencies of the requests whose answers were checked, of all callers of a load.

    A check that refuses slow answers refuses only those that are slower than all that pass.
    """

    longest_ns: int = 0
    """Of those that passed; 0 before the first."""
    shortest_refused_ns: float = inf
    refused: int = 0

    def note_passed(self, latency_ns: int) -> None:
        """Note an answer that passed its check."""
        self.longest_ns = max(self.longest_ns, latency_ns)

    def note_refused(self, latency_ns: int) -> None:
        """Note an answer that failed its check."""
        self.refused += 1
        self.shortest_refused_ns = min(self.shortest_refused_ns, latency_ns)

    @property
    def may_be_late(self) -> bool:
        """Whether those that failed may have done so because they were too slow."""
        if not self.longest_ns and self.refused > _MOST_LATE_AT_FIRST:
            return False  # no answer passes, however fast
        return self.shortest_refused_ns > self.longest_ns


class Taker(ABC):
    """Takes observations, and counts failures separately."""

    is_attributing = False
    """Whether it measures how much of each latency the machine took."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.begin = clock()
        self.failures: Counter[str] = Counter()
        self.answer: Any = None
        """The last answer; earlier ones are freed."""
        self._timed_out: list[int] = []
        """Positions of the observations that failed because they timed out."""
        self._late: list[int] = []
        """Positions of those that failed their check, perhaps because they were too slow."""
        self.checked = Checked()
        self.has_late = False
        """Whether the last request may have failed its check by being too slow, which ends a loop
        as other failures do."""

    @abstractmethod
    def __len__(self) -> int:
        """Number of observations so far."""

    @abstractmethod
    def take(self, request: Request, count: int, until: int) -> None:
        """Take up to `count` observations in one tight loop."""

    @abstractmethod
    def opening(self) -> tuple[Any, ...]:
        """Return the readings before a window that is timed elsewhere."""

    @abstractmethod
    def closing(self, opening: tuple[Any, ...], t0: int, t1: int) -> tuple[Any, ...]:
        """Return what to `keep` of such a window, read right after it."""

    @property
    def is_probing(self) -> bool:
        """Whether the probing phase has begun."""
        return False

    def expect_probing(self, title: str = "") -> None:  # noqa: B027 - it may have no such phase
        """Let no call count for *exceeded* before the probing phase, if this taker has one.

        title: that of the sample, by which earlier sessions know the test.
        """

    def start_probing(self) -> None:  # noqa: B027
        """Begin the probing phase, if this taker has one."""

    @property
    def probed_session(self) -> ProbedSession | None:
        """What the calls show for later sessions; None if too few of them were probed."""
        return None

    def waited_ns(self) -> int:
        """Return the run-queue wait of the thread so far; 0 if unknown."""
        return 0

    @abstractmethod
    def keep(self, closed: tuple[Any, ...]) -> None:
        """Add an observation whose window was timed elsewhere."""

    @abstractmethod
    def everything(self) -> Observations:
        """Return all that was measured so far, also of answers that a check refused as too late."""

    def observations(self) -> Observations:
        """Return all observations so far."""
        everything = self.everything()
        return everything.without(self.refused(everything))

    def refuses(self, request: Request, answer: Any, latency_ns: int) -> bool:
        """Count a request if it failed; return whether to drop its latency.

        A check may refuse an answer because it took too long. Where all that it refuses are slower
        than all that pass, those that the machine delayed count as requests that timed out.
        """
        failure = request.why_failed(answer)
        if failure is None:
            self.checked.note_passed(latency_ns)
            return False
        self.failures[failure] += 1
        if request.is_observed(answer):
            self._timed_out.append(len(self))
            return False
        if isinstance(answer, Exception):
            return True
        self.checked.note_refused(latency_ns)
        if not (self.is_attributing and self.checked.may_be_late):
            return True
        self._late.append(len(self))
        self.has_late = True
        return False

    def timed_out(self) -> Flags | None:
        """Return which of the observations so far timed out; None if none did."""
        late = self._late if self.checked.may_be_late else []
        return self._flags(self._timed_out + late)

    def refused(self, everything: Observations) -> Flags | None:
        """Return what of all that was measured only failed its check; None if nothing did."""
        late = self._flags(self._late)
        if late is None or not self.checked.may_be_late:
            return late
        blamed = everything.blamed
        return late if blamed is None else late & blamed

    def _flags(self, positions: list[int]) -> Flags | None:
        if not positions:
            return None
        flags = np.zeros(len(self), bool)
        flags[positions] = True
        return flags

    @property
    def walls(self) -> tuple[int, ...]:
        """Return the latencies so far, in ns; for a small number of them."""
        return tuple(self.observations().wall_ns.tolist())


class BareTaker(Taker):
    """Takes two clock readings around each call, and nothing else.

    The loop only appends the readings to a list, which is the fastest way in Python; they become
    columns when observations are requested.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._times: list[int] = []
        self._start = array("q")
        self._wall = array("q")

    def __len__(self) -> int:
        """Number of observations so far."""
        return len(self._wall) + len(self._times) // 2

    def take(self, request: Request, count: int, until: int) -> None:
        """Take up to `count` observations, fewer if time is up or a request fails."""
        loop = self._unchecked if not request.is_checked else self._checked
        self.answer = None
        self.answer = loop(request, count, until)

    def _unchecked(self, request: Request, count: int, until: int) -> Any:
        clock, times = self.clock, self._times
        answer = None
        for call in request.calls(count):
            answer = None  # frees the previous answer outside the timed window
            t0 = clock()
            answer = call()
            t1 = clock()
            times += (t0, t1)
            if t1 >= until:
                break
        return answer

    def _checked(self, request: Request, count: int, until: int) -> Any:
        clock, times = self.clock, self._times
        answer = None
        for call in request.calls(count):
            answer = None  # frees the previous answer outside the timed window
            t0 = clock()
            answer = call()
            t1 = clock()
            if self.refuses(request, answer, t1 - t0):
                break
            times += (t0, t1)
            if t1 >= until:
                break
        return answer

    def opening(self) -> tuple[Any, ...]:
        """Return nothing: there are no counters to read."""
        return ()

    def closing(self, opening: tuple[Any, ...], t0: int, t1: int) -> tuple[Any, ...]:
        """Return the two clock readings."""
        return t0, t1

    def keep(self, closed: tuple[Any, ...]) -> None:
        """Add an observation whose window was timed elsewhere."""
        self._times += closed

    def everything(self) -> Observations:
        """Return all that was measured so far, without attribution."""
        times = integers(self._times)
        self._times.clear()
        extend(self._start, times[::2])
        extend(self._wall, times[1::2] - times[::2])
        wall = column(self._wall)
        start = column(self._start) - self.begin
        return Observations(wall, wall, start, timed_out=self.timed_out())


def integers(values: list[int]) -> Nanoseconds:
    """Make a column of readings."""
    return np.fromiter(values, np.int64, len(values))


def extend(column: array[int], values: Nanoseconds) -> None:
    """Append values to a growing column."""
    column.frombytes(values.tobytes())


def column(values: array[int]) -> Nanoseconds:
    """Return a copy: an array that exports its buffer cannot grow meanwhile."""
    return np.array(values, dtype=np.int64)
