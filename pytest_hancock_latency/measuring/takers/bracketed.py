"""Taking observations bracketed by the kernel's counters of the measuring thread.

The counters are read as near to the timed window as possible, outside of it, and read again where
something came between: preemptions like to fall into the reading, and crediting those to the
observation would excuse slow code.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable
from itertools import repeat
from typing import Any, Final

from ...core.attribution import Brackets, Circumstances, attribute, slowdown, waits_in_window
from ...core.sample import Observations
from ..clock import Clock
from ..request import Request
from .bare import Taker, column, extend, integers
from .host_speed import Probe
from .schedstat import LONGEST_LINE, Scheduler, process_cpu, run_queue_waits, thread_cpu

_TIGHT_NS: Final = 50_000
_TRIES: Final = 4
_READINGS: Final = (
    *("t0", "t1", "before", "after", "schedstat0", "schedstat1", "thread_cpu0", "thread_cpu1"),
    *("process_cpu0", "process_cpu1", "switches0", "switches1", "probe"),
)
"""Names of what is kept of each observation, in the order of the flat list that the loop fills."""


class BracketTaker(Taker):
    """The same with the thread's counters read as near to the window as possible."""

    def __init__(
        self, clock: Clock, probe: Probe, scheduler: Scheduler, switches: Callable[[], int]
    ) -> None:
        super().__init__(clock)
        self._probe = probe
        self._scheduler = scheduler
        self._switches = switches
        self._readings: list[Any] = []
        self._columns = {name: array("q") for name in _COLUMNS}

    def __len__(self) -> int:
        """Number of observations so far."""
        return len(self._columns["wall"]) + len(self._readings) // len(_READINGS)

    def take(self, request: Request, count: int, until: int) -> None:
        """Take up to `count` observations, fewer when time is up or a request fails."""
        clock, call, pread, checked = self.clock, request.call, os.pread, request.is_checked
        file, switches, probe = self._scheduler.descriptor, self._switches, self._probe.last
        tight, empty_call = _TIGHT_NS, _nothing
        readings = self._readings
        cpu0, process0, switches0 = thread_cpu(), process_cpu(), switches()
        for _ in repeat(None, count):
            before = clock()
            line0 = pread(file, LONGEST_LINE, 0)
            if clock() - before > tight:
                before, line0 = self._tight(pread, file)
            empty_call()  # calls are slow right after a system call; let this one pay for that
            t0 = clock()
            answer = call()
            t1 = clock()
            line1 = pread(file, LONGEST_LINE, 0)
            after = clock()
            cpu1, process1, switches1 = thread_cpu(), process_cpu(), switches()
            if checked and self.refuses(request, answer):
                return
            del answer  # freed here, not inside the next window
            readings += (t0, t1, before, after, line0, line1, cpu0, cpu1)
            readings += (process0, process1, switches0, switches1, probe)
            if after >= until:
                return
            # The next observation starts from here: the few µs of this loop count as its CPU time,
            # which excuses that much less, and save three system calls.
            cpu0, process0, switches0 = cpu1, process1, switches1
            if checked:
                cpu0, process0, switches0 = thread_cpu(), process_cpu(), switches()

    def opening(self) -> tuple[Any, ...]:
        """Readings before a window that is opened elsewhere."""
        cpu0, process0, switches0 = thread_cpu(), process_cpu(), self._switches()
        before, line0 = self._tight(os.pread, self._scheduler.descriptor)
        _nothing()
        return cpu0, process0, switches0, before, line0

    def waited_ns(self) -> int:
        """Run-queue wait of the thread so far."""
        return int(run_queue_waits([self._scheduler.read()])[0])

    def closing(self, opening: tuple[Any, ...], t0: int, t1: int) -> tuple[Any, ...]:
        """What to `keep` of such a window, read right after it."""
        line1 = os.pread(self._scheduler.descriptor, LONGEST_LINE, 0)
        after = self.clock()
        cpu1, process1, switches1 = thread_cpu(), process_cpu(), self._switches()
        cpu0, process0, switches0, before, line0 = opening
        times = (t0, t1, before, after, line0, line1, cpu0, cpu1)
        return (*times, process0, process1, switches0, switches1, self._probe.last)

    def keep(self, closed: tuple[Any, ...]) -> None:
        """Take in an observation whose window was opened and closed elsewhere."""
        self._readings += closed

    def _tight(self, pread: Callable[[int, int, int], bytes], file: int) -> tuple[int, bytes]:
        """Read again until nothing came between: preemptions like to fall into the reading."""
        for _ in range(_TRIES):
            before = self.clock()
            line = pread(file, LONGEST_LINE, 0)
            if self.clock() - before <= _TIGHT_NS:
                break
        return before, line

    def observations(self) -> Observations:
        """Everything taken so far, with what the code took of each."""
        self._settle()
        columns = {name: column(values) for name, values in self._columns.items()}
        wait = waits_in_window(
            Brackets(
                wall=columns["wall"],
                thread_cpu=columns["thread_cpu"],
                process_cpu=columns["process_cpu"],
                run_queue=columns["run_queue"],
                gap_before=columns["gap_before"],
                gap_after=columns["gap_after"],
            )
        )
        speed = slowdown(column(self._probe.durations), columns["probe"])
        blocked = columns["switches"] > 0
        circumstances = Circumstances(columns["wall"], wait, columns["thread_cpu"], speed, blocked)
        attribution = attribute(circumstances)
        return Observations(
            wall_ns=columns["wall"],
            attributed_ns=attribution.attributed,
            start_ns=columns["start"] - self.begin,
            blocked=blocked,
            least_ns=attribution.least,
            excused_ns=attribution.excused,
        )

    def _settle(self) -> None:
        """Turn readings into differences."""
        columns, step = self._columns, len(_READINGS)
        readings = {name: self._readings[at::step] for at, name in enumerate(_READINGS)}
        t0, t1, before, after, probe = (
            integers(readings[name]) for name in ("t0", "t1", "before", "after", "probe")
        )
        extend(columns["start"], t0)
        extend(columns["wall"], t1 - t0)
        extend(columns["gap_before"], t0 - before)
        extend(columns["gap_after"], after - t1)
        extend(columns["probe"], probe)
        waits = (run_queue_waits(readings[name]) for name in ("schedstat1", "schedstat0"))
        extend(columns["run_queue"], next(waits) - next(waits))
        for name in ("thread_cpu", "process_cpu", "switches"):
            begin, end = integers(readings[f"{name}0"]), integers(readings[f"{name}1"])
            extend(columns[name], end - begin)
        self._readings.clear()


def _nothing() -> None:
    """A call of a Python function that does nothing."""


_COLUMNS: Final = (
    *("start", "wall", "gap_before", "gap_after", "run_queue"),
    *("thread_cpu", "process_cpu", "switches", "probe"),
)
