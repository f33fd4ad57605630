"""Waits for a calm moment before a call: on a machine that is busy by turns, calls fit in between.

A moment is calm if a CPU is free, counted by what is ready to run (`/proc/loadavg`). Only the state
before a call may decide whether to make it, never what the call then met: that would select fast
calls. What the test itself runs is no reason to wait, and pauses have a random length, so that a
neighbour in phase with the code's own rhythm does not decide which calls are made.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Final

from ..core.duration import NS_PER_S
from .clock import Sleep, sleep_ns

SHARE: Final = 0.5
"""Of the time limit of a sample, that pauses may take."""
_LONGEST_NS: Final = NS_PER_S
"""Of pauses in a row: where no moment was calm for so long, none is expected."""
_SHORTEST_PAUSE_NS, _LONGEST_PAUSE_NS = 2_000_000, 20_000_000
_PROC: Final = Path("/proc")


class Patience:
    """The pauses of one sample."""

    def __init__(self, most_ns: int, sleep: Sleep = sleep_ns, proc: Path = _PROC) -> None:
        """Allow pauses.

        Args:
            most_ns: how long they may be together.
        """
        self._left_ns = most_ns
        self._sleep = sleep
        self._proc = proc
        self._draw = Random()
        self._cpus = os.cpu_count() or 1

    def wait(self, tree: Iterable[int]) -> bool:
        """Wait until a CPU is free, if there is time left; return whether that took a pause.

        Args:
            tree: other processes that the test may be waiting for.
        """
        if self._left_ns <= 0 or self._is_calm(tree):
            return False
        waited_ns = 0
        while self._left_ns > 0:
            pause_ns = self._draw.randint(_SHORTEST_PAUSE_NS, _LONGEST_PAUSE_NS)
            self._sleep(pause_ns)
            self._left_ns -= pause_ns
            waited_ns += pause_ns
            if self._is_calm(tree):
                break
            if waited_ns >= _LONGEST_NS:
                self._left_ns = 0
        return True

    def _is_calm(self, tree: Iterable[int]) -> bool:
        running = self._running()
        if running < self._cpus:
            return True
        return running - self._own_running(tree) < self._cpus

    def _running(self) -> int:
        """Return how many threads of this machine run or are ready to, without this one."""
        with suppress(OSError, ValueError, IndexError):
            fields = (self._proc / "loadavg").read_text(encoding="ascii").split()
            return int(fields[3].partition("/")[0]) - 1
        return 0

    def _own_running(self, tree: Iterable[int]) -> int:
        """Return how many of them are of this process or of the tree."""
        threads = (
            thread
            for pid in (os.getpid(), *tree)
            for thread in (self._proc / str(pid) / "task").glob("*")
        )
        return sum(map(_is_running, threads)) - 1


def _is_running(thread: Path) -> bool:
    with suppress(OSError):  # it has ended
        # The name, which comes before the state, may contain anything.
        return (thread / "stat").read_bytes().rpartition(b")")[2].split()[0] == b"R"
    return False
