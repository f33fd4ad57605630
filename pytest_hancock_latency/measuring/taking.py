"""Taking observations in a tight loop, with nothing but the call between two clock readings.

Takers know neither budget nor plan: they take `count` observations, or fewer when the time `until`
has come or a request has failed.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING, Any

from ..core.sample import Observations
from .clock import Clock

if TYPE_CHECKING:
    from ..core.attribution import Nanoseconds

Call = Callable[[], Any]
Check = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Request:
    """What is measured: a call without arguments, the sample's name, a check of its answers."""

    call: Call
    name: str = ""
    check: Check | None = None

    def why_failed(self, answer: Any) -> str | None:
        """The class of failure of an answer, or None where the check is content.

        A check fails an answer by returning something false (but not None) or by an
        AssertionError.
        """
        if self.check is None:
            return None
        try:
            said = self.check(answer)
        except AssertionError as error:
            text = str(error).partition("\n")[0]
            return f"check: {text}" if text else "check: AssertionError"
        return None if said is None or said else f"check: returned {said!r}"


class BareTaker:
    """Two clock readings around each call, and nothing else.

    The loop only appends what it has read to a list, the cheapest thing that Python can do with it;
    columns are made of it when somebody looks.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._begin = clock()
        self._times: list[int] = []
        self._start = array("q")
        self._wall = array("q")
        self.failures: Counter[str] = Counter()

    def __len__(self) -> int:
        """Number of observations so far."""
        return len(self._wall) + len(self._times) // 2

    def take(self, request: Request, count: int, until: int) -> int:
        """Take up to `count` observations; how many calls were made."""
        before = len(self)
        loop = self._unchecked if request.check is None else self._checked
        failed = loop(request, count, until)
        return len(self) - before + failed

    def _unchecked(self, request: Request, count: int, until: int) -> int:
        clock, call, times = self._clock, request.call, self._times
        for _ in repeat(None, count):
            t0 = clock()
            call()
            t1 = clock()
            times += (t0, t1)
            if t1 >= until:
                break
        return 0

    def _checked(self, request: Request, count: int, until: int) -> int:
        clock, call, times = self._clock, request.call, self._times
        for _ in repeat(None, count):
            t0 = clock()
            answer = call()
            t1 = clock()
            if failure := request.why_failed(answer):
                self.failures[failure] += 1
                return 1
            del answer  # freed here, not inside the next window
            times += (t0, t1)
            if t1 >= until:
                break
        return 0

    @property
    def walls(self) -> tuple[int, ...]:
        """Latencies so far, in ns, for those who want no more than a few of them."""
        return tuple(self.observations().wall_ns.tolist())

    def observations(self) -> Observations:
        """Everything taken so far."""
        times = integers(self._times)
        self._times.clear()
        extend(self._start, times[::2])
        extend(self._wall, times[1::2] - times[::2])
        wall = column(self._wall)
        return Observations(wall, wall, column(self._start) - self._begin)


def integers(values: list[int]) -> Nanoseconds:
    """A column of readings."""
    import numpy as np

    return np.fromiter(values, np.int64, len(values))


def extend(column: array[int], values: Nanoseconds) -> None:
    """Append a column to the growing one that is kept."""
    column.frombytes(values.tobytes())


def column(values: array[int]) -> Nanoseconds:
    """A copy: an array that lends its memory could not grow meanwhile."""
    import numpy as np

    return np.array(values, dtype=np.int64)
