"""Reads whole files named by users, up to a maximum size: artifacts, budgets, profiles.

Such a file may be a pipe (``<(curl …)``, ``/dev/stdin``), a device, a folder, or of any size.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from stat import S_ISFIFO, S_ISREG
from typing import Final

from ..errors import LatencyError

LARGEST: Final = 64 * 1024 * 1024
"""Maximum number of bytes: an artifact of about 15 000 samples. In Python, one byte of JSON takes
up to 20 bytes of memory."""
_PATIENCE_S: Final = 5.0
"""How long to wait for a writer of a named pipe. A shell starts both ends much faster."""
_PAUSE_S: Final = 0.05


def read_input(
    path: Path,
    error: type[LatencyError],
    *,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> bytes:
    """Return the content of a file or a pipe.

    Args:
        error: the class of the exception to raise.
        now: the clock, in seconds, used to wait for the writer of a pipe.
        sleep: waits for a number of seconds.

    Raises:
        error: it cannot be read, has more than `LARGEST` bytes, or is a named pipe without a
            writer; the text starts with its path.
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
    # Opening a pipe without a writer would block until it has one.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _start(
    descriptor: int, now: Callable[[], float], sleep: Callable[[float], None]
) -> bytes | None:
    """Return what was read while waiting for the writer of a pipe; None if there is no writer.

    After this call, reading blocks.
    """
    mode = os.fstat(descriptor).st_mode
    if S_ISREG(mode):
        return b""
    start, until = b"", now() + _PATIENCE_S
    # A pipe without a writer reads as ended; a pipe with a silent writer would block.
    with suppress(BlockingIOError):
        while S_ISFIFO(mode) and not (start := os.read(descriptor, 1)):
            if now() >= until:
                return None
            sleep(_PAUSE_S)
    with suppress(OSError):  # Windows, which has no non-blocking open
        os.set_blocking(descriptor, True)
    return start
