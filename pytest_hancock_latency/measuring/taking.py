"""Taking observations in a tight loop: bare, or bracketed by the kernel's counters.

Nothing but the call lies between the two clock readings of an observation. The takers know neither
budget nor plan: they take `count` observations, or fewer when the time `until` has come or a
request has failed.
"""

from __future__ import annotations

import os
from array import array
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from ..core.attribution import Brackets, attribute, slowdown, waits_in_window
from ..core.sample import Observations
from .clock import Clock
from .probe import Probe
from .scheduler import Scheduler, process_cpu, run_queue_wait, thread_cpu

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Call = Callable[[], Any]
Check = Callable[[Any], Any]

_TIGHT_NS: Final = 50_000
_TRIES: Final = 4


def why_failed(check: Check, answer: Any) -> str | None:
    """The class of failure of an answer, or None where the check is content.

    A check fails an answer by returning something false (but not None) or by an AssertionError.
    """
    try:
        said = check(answer)
    except AssertionError as error:
        text = str(error).partition("\n")[0]
        return f"check: {text}" if text else "check: AssertionError"
    return None if said is None or said else f"check: returned {said!r}"


class BareTaker:
    """Two clock readings around each call, and nothing else."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._begin = clock()
        self.start = array("q")
        self.wall = array("q")
        self.failures: Counter[str] = Counter()

    def take(self, call: Call, count: int, until: int, check: Check | None) -> int:
        """Take up to `count` observations; how many calls were made."""
        clock, start, wall = self._clock, self.start.append, self.wall.append
        made = 0
        for made in range(1, count + 1):  # noqa: B007 - how far it came is the answer
            t0 = clock()
            answer = call()
            t1 = clock()
            if check is not None and (failure := why_failed(check, answer)) is not None:
                self.failures[failure] += 1
                break
            answer = None  # freed here, not inside the next window
            start(t0)
            wall(t1 - t0)
            if t1 >= until:
                break
        return made

    def observations(self) -> Observations:
        """Everything taken so far."""
        wall, start = _column(self.wall), _column(self.start) - self._begin
        return Observations(wall, wall, start)


class BracketTaker:
    """The same with the thread's counters read as near to the window as possible."""

    def __init__(
        self, clock: Clock, probe: Probe, scheduler: Scheduler, switches: Callable[[], int]
    ) -> None:
        self._clock = clock
        self._probe = probe
        self._begin = clock()
        self._scheduler = scheduler
        self._switches = switches
        self._last_switches = switches()
        self.start = array("q")
        self.wall = array("q")
        self.failures: Counter[str] = Counter()
        self._lines: list[bytes] = []  # two raw schedstat lines each, parsed when looked at
        self._run_queue = array("q")
        self._thread_cpu = array("q")
        self._process_cpu = array("q")
        self._gap_before = array("q")
        self._gap_after = array("q")
        self._blocked = array("b")
        self._probe_of = array("q")

    def take(self, call: Call, count: int, until: int, check: Check | None) -> int:
        """Take up to `count` observations; how many calls were made."""
        clock, pread, file = self._clock, os.pread, self._scheduler.descriptor
        made = 0
        for made in range(1, count + 1):  # noqa: B007 - how far it came is the answer
            cpu0, process0 = thread_cpu(), process_cpu()
            before = clock()
            line0 = pread(file, 96, 0)
            t0 = clock()
            if t0 - before > _TIGHT_NS:
                before, line0, t0 = self._tight(pread, file)
            answer = call()
            t1 = clock()
            line1 = pread(file, 96, 0)
            after = clock()
            cpu1, process1 = thread_cpu(), process_cpu()
            if check is not None and (failure := why_failed(check, answer)) is not None:
                self.failures[failure] += 1
                self._last_switches = self._switches()
                break
            answer = None
            self.start.append(t0)
            self.wall.append(t1 - t0)
            self._lines += (line0, line1)
            self._thread_cpu.append(cpu1 - cpu0)
            self._process_cpu.append(process1 - process0)
            self._gap_before.append(t0 - before)
            self._gap_after.append(after - t1)
            switches = self._switches()
            self._blocked.append(switches != self._last_switches)
            self._last_switches = switches
            if after >= until:
                break
        self._parse()
        return made

    def _tight(self, pread: Callable[[int, int, int], bytes], file: int) -> tuple[int, bytes, int]:
        """Read again until nothing came between: preemptions like to fall into the reading."""
        for _ in range(_TRIES - 1):
            before = self._clock()
            line = pread(file, 96, 0)
            t0 = self._clock()
            if t0 - before <= _TIGHT_NS:
                break
        return before, line, t0

    def observations(self) -> Observations:
        """Everything taken so far, with what the code took of each."""
        import numpy as np

        wall, cpu = _column(self.wall), _column(self._thread_cpu)
        wait = waits_in_window(
            Brackets(
                wall=wall,
                thread_cpu=cpu,
                process_cpu=_column(self._process_cpu),
                run_queue=_column(self._run_queue),
                gap_before=_column(self._gap_before),
                gap_after=_column(self._gap_after),
            )
        )
        speed = slowdown(_column(self._probe.durations), _column(self._probe_of))
        return Observations(
            wall_ns=wall,
            attributed_ns=attribute(wall, wait, cpu, speed),
            start_ns=_column(self.start) - self._begin,
            blocked=np.array(self._blocked, dtype=bool),
        )

    def _parse(self) -> None:
        waits = [run_queue_wait(line) for line in self._lines]
        self._run_queue.extend(b - a for a, b in zip(waits[::2], waits[1::2], strict=True))
        self._probe_of.extend([self._probe.last] * (len(waits) // 2))
        self._lines.clear()


def _column(values: array[int]) -> npt.NDArray[np.int64]:
    """A copy: an array that lends its memory could not grow meanwhile."""
    import numpy as np

    return np.array(values, dtype=np.int64)
