"""Files that a user named, read whole and within bounds: artifacts, budgets, profiles.

Such a name may be a pipe (``<(curl …)``, ``/dev/stdin``), a device, a folder or a file of any size.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from stat import S_ISFIFO, S_ISREG
from typing import Final

from .errors import LatencyError

LARGEST: Final = 64 * 1024 * 1024
"""Bytes that are read: an artifact of some 15 000 samples. What Python makes of one byte of JSON
takes up to 20 bytes of memory."""
_PATIENCE_S: Final = 5.0
"""How long a named pipe may have no writer. A shell that starts both ends is done in far less."""
_PAUSE_S: Final = 0.05


def read_input(
    path: Path,
    error: type[LatencyError],
    *,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> bytes:
    """The content of a file or a pipe.

    now, sleep: the clock by which a pipe without a writer is waited for.

    Raises:
        error: it cannot be read, has more than `LARGEST` bytes, or is a named pipe that nobody
            opens for writing; the text starts with its path.
    """
    try:
        with open(path, "rb", opener=_without_blocking) as file:
            start = _start(file.fileno(), now, sleep)
            if start is None:
                raise error(f"{path}: no process writes to this named pipe")
            content = start + file.read(LARGEST + 1)
    except (OSError, ValueError) as failure:  # ValueError: a path with NUL
        raise error(f"{path}: {getattr(failure, 'strerror', None) or failure}") from None
    if len(content) > LARGEST:
        raise error(f"{path}: larger than {LARGEST} bytes, the maximum")
    return content


def _without_blocking(path: str, flags: int) -> int:
    # To open a pipe that has no writer would block until it has one.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _start(
    descriptor: int, now: Callable[[], float], sleep: Callable[[float], None]
) -> bytes | None:
    """What was read to find out whether a pipe has a writer; None where it gets none.

    Afterwards, reading blocks.
    """
    mode = os.fstat(descriptor).st_mode
    if S_ISREG(mode):
        return b""
    start, until = b"", now() + _PATIENCE_S
    # A pipe without a writer reads as one that ended; one with a silent writer would block.
    with suppress(BlockingIOError):
        while S_ISFIFO(mode) and not (start := os.read(descriptor, 1)):
            if now() >= until:
                return None
            sleep(_PAUSE_S)
    with suppress(OSError):  # Windows, where nothing was opened without blocking
        os.set_blocking(descriptor, True)
    return start
