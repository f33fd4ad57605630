"""Taking observations in a tight loop, with nothing but the call between two clock readings.

Takers know neither budget nor plan: they take `count` observations, or fewer when the time `until`
has come or a request has failed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array
from collections import Counter
from typing import TYPE_CHECKING, Any

from ...core.sample import Observations
from ...errors import hides_frame
from ..clock import Clock
from ..request import Request

if TYPE_CHECKING:
    from ...core.attribution import Nanoseconds

__tracebackhide__ = hides_frame


class Taker(ABC):
    """Takes observations, and counts failures apart."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.begin = clock()
        self.failures: Counter[str] = Counter()
        self.answer: Any = None
        """The last answer; whatever came before it is freed."""

    @abstractmethod
    def __len__(self) -> int:
        """Number of observations so far."""

    @abstractmethod
    def take(self, request: Request, count: int, until: int) -> None:
        """Take up to `count` observations in one tight loop."""

    @abstractmethod
    def opening(self) -> tuple[Any, ...]:
        """Readings before a window that is opened elsewhere."""

    @abstractmethod
    def closing(self, opening: tuple[Any, ...], t0: int, t1: int) -> tuple[Any, ...]:
        """What to `keep` of such a window, read right after it."""

    def waited_ns(self) -> int:
        """Run-queue wait of the thread so far; 0 where it is not known."""
        return 0

    @abstractmethod
    def keep(self, closed: tuple[Any, ...]) -> None:
        """Take in an observation whose window was opened and closed elsewhere."""

    @abstractmethod
    def observations(self) -> Observations:
        """Everything taken so far."""

    def window(self) -> Window:
        """A context manager that times its block."""
        return Window(self)

    def refuses(self, request: Request, answer: Any) -> bool:
        """Count a request that failed; whether its latency is to be dropped."""
        failure = request.why_failed(answer)
        if failure is None:
            return False
        self.failures[failure] += 1
        return not request.is_observed(answer)

    @property
    def walls(self) -> tuple[int, ...]:
        """Latencies so far, in ns, for those who want no more than a few of them."""
        return tuple(self.observations().wall_ns.tolist())


class Window:
    """Times the block of a ``with`` statement; one that raises is not kept."""

    __slots__ = ("_opening", "_t0", "_taker")

    def __init__(self, taker: Taker) -> None:
        self._taker = taker

    def __enter__(self) -> None:
        self._opening = self._taker.opening()
        self._t0 = self._taker.clock()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        t1 = self._taker.clock()
        closed = self._taker.closing(self._opening, self._t0, t1)
        if kind is None:
            self._taker.keep(closed)


class BareTaker(Taker):
    """Two clock readings around each call, and nothing else.

    The loop only appends what it has read to a list, the cheapest thing that Python can do with it;
    columns are made of it when somebody looks.
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
        """Take up to `count` observations, fewer when time is up or a request fails."""
        loop = self._unchecked if not request.is_checked else self._checked
        self.answer = None
        self.answer = loop(request, count, until)

    def _unchecked(self, request: Request, count: int, until: int) -> Any:
        clock, times = self.clock, self._times
        answer = None
        for call in request.calls(count):
            answer = None  # the one before is freed here, not inside the window
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
            answer = None  # the one before is freed here, not inside the window
            t0 = clock()
            answer = call()
            t1 = clock()
            if self.refuses(request, answer):
                break
            times += (t0, t1)
            if t1 >= until:
                break
        return answer

    def opening(self) -> tuple[Any, ...]:
        """Nothing is read."""
        return ()

    def closing(self, opening: tuple[Any, ...], t0: int, t1: int) -> tuple[Any, ...]:
        """The two clock readings."""
        return t0, t1

    def keep(self, closed: tuple[Any, ...]) -> None:
        """Take in an observation whose window was opened and closed elsewhere."""
        self._times += closed

    def observations(self) -> Observations:
        """Everything taken so far; nothing is attributed."""
        times = integers(self._times)
        self._times.clear()
        extend(self._start, times[::2])
        extend(self._wall, times[1::2] - times[::2])
        wall = column(self._wall)
        return Observations(wall, wall, column(self._start) - self.begin)


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
