"""How far a long file has been read, on standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Final, TextIO

_SILENT_S: Final = 2.0
"""Nobody wonders about a shorter wait."""
_TERMINAL_EVERY_S, _LOG_EVERY_S = 0.5, 10.0
"""A terminal has one line that is written again; each line of a log stays."""
_MB: Final = 1e6


class Progress:
    """Says how many bytes of a file were read; called with that number."""

    def __init__(
        self, path: Path, clock: Callable[[], float] = monotonic, stream: TextIO | None = None
    ) -> None:
        """Start at zero.

        Args:
            path: of the file.
            clock: returns seconds.
            stream: where the lines go; by default standard error.
        """
        self._path = path
        self._clock = clock
        self._stream = sys.stderr if stream is None else stream
        self._next = clock() + _SILENT_S
        self._is_terminal = self._stream.isatty()

    def __call__(self, read: int) -> None:
        """Print the number if it is time. read: number of bytes so far, decompressed."""
        now = self._clock()
        if now < self._next:
            return
        text = f"{self._path.name}: {read / _MB:.0f} MB read"
        if self._is_terminal:
            self._next = now + _TERMINAL_EVERY_S
            print(f"\r{text}\033[K", end="\r", file=self._stream, flush=True)
        else:
            self._next = now + _LOG_EVERY_S
            print(text, file=self._stream, flush=True)
