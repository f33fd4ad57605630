"""Waiting for a calm moment before a call, where such moments come and go.

Only the state *before* a call decides whether to make it now, never what happens meanwhile: a call
in which a neighbour begins to compute counts like any other. Pauses have a random length, so that a
neighbour in phase with the rhythm of the code is not selected away with it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Final

from ..core.duration import NS_PER_MS, NS_PER_S
from .clock import Clock, system_clock
from .own_modules import UNKNOWN, Place, own_time, read_file

_LONGEST_PAUSE_NS: Final = 40 * NS_PER_MS
"""Neighbours were on and off for 300 ms each in the measurements: a tenth of that is lost."""
_HOPELESS_NS: Final = 1 * NS_PER_S
"""Pauses without a single calm moment, after which none is expected in this sample."""
_SEED: Final = 20_261_130
_LOAD: Final = "/proc/loadavg"


def others_run(file: Place = _LOAD) -> bool:
    """Whether a task besides the present one wants a CPU, as far as the kernel says."""
    with suppress(*UNKNOWN):
        running, _, _ = read_file(file).split()[3].partition(b"/")
        return int(running) > 1
    return False


def patience_of(clock: Clock) -> Patience | None:
    """Return the patience of a sample; None on a clock that does not move while one waits."""
    return Patience(clock) if clock is system_clock else None


class Patience:
    """The pauses of one sample."""

    def __init__(
        self,
        clock: Clock,
        sleep: Callable[[float], None] = own_time.sleep,
        is_busy: Callable[[], bool] = others_run,
    ) -> None:
        """Prepare for a sample.

        Args:
            sleep: pauses for so many seconds.
            is_busy: whether others use the machine at the moment.
        """
        self._clock = clock
        self._sleep = sleep
        self._is_busy = is_busy
        self._draw = Random(_SEED)
        self._since_calm_ns = 0
        self.paused_ns = 0
        """Length of all pauses so far."""

    def wait(self, most_ns: int) -> bool:
        """Pause until the machine is calm; return whether it is, after a pause.

        Args:
            most_ns: how long all pauses of the sample may be.
        """
        is_paused = False
        while self._is_busy():
            if self._since_calm_ns >= _HOPELESS_NS or self.paused_ns >= most_ns:
                return False
            is_paused = True
            begin = self._clock()
            self._sleep(self._draw.uniform(0.1, 1.0) * _LONGEST_PAUSE_NS / NS_PER_S)
            pause_ns = self._clock() - begin
            self._since_calm_ns += pause_ns
            self.paused_ns += pause_ns
        self._since_calm_ns = 0
        return is_paused
