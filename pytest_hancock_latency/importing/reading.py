"""From a file of another tool to judged records."""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Final, TextIO, cast

from ..core.budget import Terms
from ..core.record import Record
from ..errors import ImportedFileError
from .formats import (
    CsvColumns,
    Requests,
    guess,
    read_csv,
    read_gatling,
    read_hey,
    read_jmeter,
    read_k6,
    read_nginx,
    read_oha,
    read_vegeta,
)
from .results import Results
from .summaries import why_not_raw

AUTO: Final = "auto"
_READERS: Final = {
    "k6": read_k6,
    "jmeter": read_jmeter,
    "vegeta": read_vegeta,
    "hey": read_hey,
    "oha": read_oha,
    "gatling": read_gatling,
}
FORMATS: Final = (AUTO, *_READERS, "nginx", "csv")
_STDIN: Final = Path("-")
_LONGEST_LINE: Final = 8 * 1024 * 1024
"""Maximum number of bytes of a line; those of Vegeta have the bodies of answers."""
_UNDECODED: Final = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True, slots=True)
class ImportSettings:
    """How a file of another tool is read."""

    format: str = AUTO
    columns: CsvColumns | None = None
    """Only for ``csv``."""
    log_format: str | None = None
    """Only for ``nginx``."""


def imported_records(
    path: Path, settings: ImportSettings, budgets: Mapping[str, Terms], of_all: Terms | None
) -> list[Record]:
    """Read and judge a file, which may be compressed by gzip; ``-`` is standard input.

    Args:
        budgets: terms by name or pattern.
        of_all: terms of every name without a budget.

    Raises:
        ImportedFileError: it cannot be read; the text begins with its path.
    """
    results = Results(budgets, of_all=of_all)
    try:
        with _opened(path) as file:
            results.add(_chunks(path, file, settings))
    except ImportedFileError as error:
        raise ImportedFileError(f"{path}: {error}") from None
    except (OSError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or error
        raise ImportedFileError(f"{path}: {why}") from None
    records = results.records()
    if not records:
        raise ImportedFileError(f"{path}: has no requests")
    return records


def _chunks(path: Path, file: TextIO, settings: ImportSettings) -> Iterator[Requests]:
    name = path.stem
    first, lines = _peeked(file)
    if (why := why_not_raw(first)) is not None:
        raise ImportedFileError(why)
    if settings.format == "csv":
        if settings.columns is None:
            raise ImportedFileError("--from csv needs --latency-column")
        return read_csv(lines, settings.columns, name)
    if settings.format == "nginx":
        if settings.log_format is None:
            raise ImportedFileError(
                "--from nginx needs --log-format, the log_format of nginx's configuration"
            )
        return read_nginx(lines, settings.log_format, name)
    kind = _guessed(first) if settings.format == AUTO else settings.format
    return _READERS[kind](lines, name)


def _guessed(first: str) -> str:
    kind = guess(first)
    if kind is not None:
        return kind
    if "\0" in first or _UNDECODED in first:
        raise ImportedFileError(
            "is binary: vegeta encode --to csv converts the results of Vegeta; Gatling 3.12 and "
            "later write a log that only Gatling reads, so no verdict can be based on it"
        )
    raise ImportedFileError(f"unknown format: add --from {', '.join(FORMATS[1:-1])} or csv")


def _peeked(file: TextIO) -> tuple[str, Iterator[str]]:
    """Return the first line that is not blank, and all lines from there on."""
    first = next((line for line in file if line.strip()), "")
    return first, chain([first] if first else [], file)


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    if path == _STDIN:
        yield _decoded(sys.stdin.buffer)
        return
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rb") as file:
        yield _decoded(cast("BinaryIO", file))


def _decoded(file: BinaryIO) -> TextIO:
    # It is not closed with the text: it may be standard input.
    lines = cast("BinaryIO", _Lines(cast("io.BufferedReader", file)))
    return io.TextIOWrapper(lines, encoding="utf-8", errors="replace", newline="")


class _Lines(io.BufferedIOBase):
    """A file none of whose lines is too long: 400 MB of digits are 400 kB when compressed."""

    def __init__(self, file: io.BufferedReader) -> None:
        self._file = file
        self._lines = self._length = 0
        """Ends of lines so far, and bytes since the last one."""

    def readable(self) -> bool:
        """Always true."""
        return True

    def read1(self, size: int = -1, /) -> bytes:
        """Return the next bytes.

        Raises:
            ImportedFileError: a line is too long.
        """
        block = self._file.read1(size)
        end = 1 + max(block.rfind(b"\n"), block.rfind(b"\r"))
        self._lines += block.count(b"\n")
        self._length = len(block) - end if end else self._length + len(block)
        if self._length > _LONGEST_LINE:
            raise ImportedFileError(
                f"line {self._lines + 1} has more than {_LONGEST_LINE} bytes, the maximum"
            )
        return block
