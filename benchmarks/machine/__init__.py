"""Making a machine busy on purpose, and never for longer than asked."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_SPIN: Final = """
import os, time
os.sched_setaffinity(0, {cores})
end, parent = time.monotonic() + {seconds}, {parent}
while time.monotonic() < end and os.getppid() == parent:
    for _ in range(100_000):
        pass
"""


@contextmanager
def spinning(count: int, cores: set[int], longest_s: float) -> Iterator[None]:
    """`count` processes that do nothing but run, pinned to `cores`, gone afterwards.

    They also end by themselves, when this process does or after `longest_s`.
    """
    code = _SPIN.format(cores=cores, seconds=longest_s, parent=os.getpid())
    spinners: list[subprocess.Popen[bytes]] = []
    try:
        for _ in range(count):
            spinners.append(subprocess.Popen([sys.executable, "-I", "-S", "-c", code]))
        time.sleep(0.3 if count else 0)  # until they have started
        yield
    finally:
        for each in spinners:
            each.kill()
        for each in spinners:
            each.wait()


@contextmanager
def pinned(cores: set[int]) -> Iterator[None]:
    """This process on `cores` alone, and where it was afterwards."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
