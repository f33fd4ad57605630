"""The text of a file of another tool: decompressed, decoded, line by line, and bounded."""

from __future__ import annotations

import codecs
import gzip
import io
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final, TextIO, cast

from ..errors import ImportedFileError

_STDIN: Final = Path("-")
LONGEST_LINE: Final = 8 * 1024 * 1024
"""Maximum number of bytes of a line; those of Vegeta have the bodies of answers."""
LONGEST_DOCUMENT: Final = 64 * 1024 * 1024
"""Maximum number of characters of a file that can only be read as a whole; as objects of Python
they take about ten times as much memory."""
_LINES_OF_BEGIN: Final = 3
"""Lines of a document of JSON in which the first key is."""
_BYTE_ORDER_MARKS: Final = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""What a file begins with, and how it is encoded. Redirected output of PowerShell is UTF-16."""
_AS_LATIN_1: Final = "pytest-hancock-latency-latin-1"
"""Name of the error handler for bytes that are not UTF-8: a name like "Requête" stays readable."""

codecs.register_error(
    _AS_LATIN_1,
    lambda error: (
        (error.object[error.start : error.end].decode("latin-1"), error.end)
        if isinstance(error, UnicodeDecodeError)
        else ("?", 0)
    ),
)


class Lines:
    """The lines of a file, with their line ends, and what is known about the last one."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._last = ""
        self.number = 0
        """Number of lines so far."""
        self._pending = [line] if (line := self._skip_blank()) else []
        if line.strip() in ("{", "["):
            self._pending += islice(file, _LINES_OF_BEGIN)
        self.number -= bool(line)
        self.begin = "".join(self._pending)
        """The first line that is not blank, of JSON over several lines some more; they are read
        again. Empty if there is none."""

    def _skip_blank(self) -> str:
        while line := self._file.readline():
            self.number += 1
            self._last = line
            if line.strip():
                return line
        return ""

    def take(self, count: int) -> list[str]:
        """Return the next lines, fewer only at the end of the file."""
        lines, self._pending = self._pending[:count], self._pending[count:]
        lines += islice(self._file, count - len(lines))
        if lines:
            self.number += len(lines)
            self._last = lines[-1]
        return lines

    def __iter__(self) -> Iterator[str]:
        """Yield the lines one by one."""
        while lines := self.take(1):
            yield lines[0]

    def document(self) -> str:
        """Return all that is left of the file.

        Raises:
            ImportedFileError: it is too long.
        """
        text = "".join(self._pending) + self._file.read(LONGEST_DOCUMENT)
        self._pending = []
        if len(text) >= LONGEST_DOCUMENT:
            raise ImportedFileError(
                f"is JSON of more than {LONGEST_DOCUMENT} characters over several lines, the "
                "maximum: write an object a line, as jq --compact-output does"
            )
        return text

    def is_cut(self, number: int) -> bool:
        """Whether this is the last line, and has no line end: it may not be complete."""
        return number >= self.number and not self.take(1) and not self._last.endswith(("\n", "\r"))


@contextmanager
def opened(path: Path, progress: Callable[[int], None]) -> Iterator[Lines]:
    """Open a file, which may be compressed by gzip; ``-`` is standard input.

    Args:
        path: where it is.
        progress: called with the number of bytes that were read so far.
    """
    if path == _STDIN:
        yield _decoded(sys.stdin.buffer, progress)
        return
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rb") as file:
        yield _decoded(cast("BinaryIO", file), progress)


def _decoded(file: BinaryIO, progress: Callable[[int], None]) -> Lines:
    # It is not closed with the text: it may be standard input.
    binary = _Binary(cast("io.BufferedReader", file), progress)
    begin = binary.peek()
    encoding = next(
        (name for mark, name in _BYTE_ORDER_MARKS.items() if begin.startswith(mark)), ""
    )
    return Lines(
        io.TextIOWrapper(
            cast("BinaryIO", binary), encoding or "utf-8", errors=_AS_LATIN_1, newline=""
        )
    )


class _Binary(io.BufferedIOBase):
    """A file none of whose lines is too long: 400 MB of digits are 400 kB when compressed."""

    def __init__(self, file: io.BufferedReader, progress: Callable[[int], None]) -> None:
        self._file = file
        self._progress = progress
        self._begin = b""
        self._lines = self._length = self._read = 0
        """Ends of lines so far, bytes since the last one, and bytes."""

    def readable(self) -> bool:
        """Always true."""
        return True

    def peek(self) -> bytes:
        """Return the first bytes, which are read again."""
        self._begin = self._file.read1(io.DEFAULT_BUFFER_SIZE)
        return self._begin

    def read1(self, size: int = -1, /) -> bytes:
        """Return the next bytes.

        Raises:
            ImportedFileError: a line is too long.
        """
        block, self._begin = self._begin or self._file.read1(size), b""
        self._read += len(block)
        self._progress(self._read)
        end = 1 + max(block.rfind(b"\n"), block.rfind(b"\r"))
        self._lines += block.count(b"\n")
        self._length = len(block) - end if end else self._length + len(block)
        if self._length > LONGEST_LINE:
            raise ImportedFileError(
                f"line {self._lines + 1} has more than {LONGEST_LINE} bytes, the maximum"
            )
        return block
