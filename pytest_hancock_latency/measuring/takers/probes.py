"""Two probes: fixed work whose CPU time shows how fast this machine is at the moment.

arithmetic   integer arithmetic: slower next to a busy hyperthread or on a throttled CPU
memory       a copy of 2 MB: slower while somebody else uses the caches or the memory

Each is timed by the CPU clock of the thread, since waiting for a CPU is excused already. Of the
memory probe, the second of two passes counts: the first also sees what the code itself evicted.
"""

from __future__ import annotations

from array import array
from functools import cache
from typing import Final

from ...core.late_numpy import np
from ...core.undisturbed import ProbeTimes
from ..clock import Clock, process_cpu, thread_cpu
from .bare import column

VERSION: Final = 1
"""Increases with every change of the work, which makes earlier reference speeds useless."""
EVERY_NS: Final = 5_000_000
"""Pause between two arithmetic probes outside of the probing phase."""
_STEPS: Final = 1_400
"""Takes about 70 µs on a current machine."""
_COPIED_BYTES: Final = 2 * 1024 * 1024
"""More than a core's own caches hold, and less than the caches that cores share: takes 50 µs."""
_DISTURBED: Final = 0.05
"""From this share of its time on, the process itself disturbed a probe by other threads."""


def spin(steps: int = _STEPS) -> int:
    """Do fixed work without allocating containers, system calls or data-dependent branches."""
    x = 1
    for _ in range(steps):
        x = (x * 5 + 1) & 0xFFFF
    return x


@cache
def _buffers() -> tuple[memoryview, memoryview]:
    # Touched once, so that no probe has to wait for pages.
    return memoryview(bytearray(b"x" * _COPIED_BYTES)), memoryview(bytearray(b"y" * _COPIED_BYTES))


def copy() -> None:
    """Copy 2 MB from one place in memory to another."""
    source, target = _buffers()
    target[:] = source


class Probes:
    """Runs the probes of one sample, and keeps their CPU times."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due = clock()
        self._arithmetic = array("q")
        self._memory = array("q")
        self._disturbed = array("b")

    def __len__(self) -> int:
        """Number of probes so far."""
        return len(self._arithmetic)

    def run_if_due(self) -> int:
        """Run the arithmetic probe if it is due; return when the next one is due on the clock."""
        begin = self._clock()
        if begin < self._due:
            return self._due
        cpu = thread_cpu()
        spin()
        self._keep(thread_cpu() - cpu)
        self._due = self._clock() + EVERY_NS
        return self._due

    def run(self) -> None:
        """Run both probes."""
        process, begin = process_cpu(), thread_cpu()
        spin()
        arithmetic_end = thread_cpu()
        copy()
        second_pass = thread_cpu()
        copy()
        end = thread_cpu()
        others_ns = process_cpu() - process - (end - begin)
        self._keep(
            arithmetic_end - begin,
            end - second_pass,
            is_disturbed=others_ns > _DISTURBED * (end - begin),
        )

    def run_several(self, count: int) -> None:
        """Run both probes several times."""
        for _ in range(count):
            self.run()

    def _keep(self, arithmetic_ns: int, memory_ns: int = 0, *, is_disturbed: bool = False) -> None:
        self._arithmetic.append(arithmetic_ns)
        self._memory.append(memory_ns)
        self._disturbed.append(is_disturbed)

    @property
    def last(self) -> int:
        """Index of the latest probe; −1 before the first."""
        return len(self._arithmetic) - 1

    @property
    def times(self) -> ProbeTimes:
        """The CPU times of all probes so far."""
        return ProbeTimes(
            arithmetic_ns=column(self._arithmetic),
            memory_ns=column(self._memory),
            is_disturbed=np.array(self._disturbed, dtype=bool),
        )
