"""The reference probe: fixed work whose duration shows the current speed of the host."""

from __future__ import annotations

from array import array
from typing import Final

from ..clock import Clock
from .schedstat import thread_cpu

EVERY_NS: Final = 5_000_000
"""Pause between two probes."""
_SPINS: Final = 1_400
"""Takes about 70 µs on a current machine."""


def spin(spins: int = _SPINS) -> int:
    """Do fixed work without allocating containers, system calls or data-dependent branches."""
    x = 1
    for _ in range(spins):
        x = (x * 5 + 1) & 0xFFFF
    return x


class Probe:
    """Runs the reference work from time to time, and records its CPU time.

    CPU time, because preemption says nothing about the host's speed and is already excused.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due = clock()
        self.durations = array("q")

    def run_if_due(self) -> int:
        """Probe if one is due; return when the next one is due, on the same clock."""
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
