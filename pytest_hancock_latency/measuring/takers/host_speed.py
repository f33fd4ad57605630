"""The reference probe: fixed work whose duration tells how fast the host is just now."""

from __future__ import annotations

from array import array
from typing import Final

from ..clock import Clock
from .schedstat import thread_cpu

EVERY_NS: Final = 5_000_000
"""Pause between two probes."""
_SPINS: Final = 1_400
"""About 70 µs on a machine of today."""


def spin(spins: int = _SPINS) -> int:
    """Fixed work without allocation of containers, system calls or branches on data."""
    x = 1
    for _ in range(spins):
        x = (x * 5 + 1) & 0xFFFF
    return x


class Probe:
    """Runs the reference work now and then, and keeps how much CPU time it took.

    CPU time, because being preempted tells nothing of the host's speed, and is excused already.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due = clock()
        self.durations = array("q")

    def run_if_due(self) -> int:
        """Probe if the pause is over; when the next one is due, on the same clock."""
        begin = self._clock()
        if begin < self._due:
            return self._due
        cpu = thread_cpu()
        spin()
        self.durations.append(thread_cpu() - cpu)
        self._due = self._clock() + EVERY_NS
        return self._due

    @property
    def last(self) -> int:
        """Index of the latest probe."""
        return len(self.durations) - 1
