"""From a file of another tool to judged records."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

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

    budgets: by name or pattern. of_all: budget of all names.

    Raises:
        ImportedFileError: it cannot be read; the text begins with its path.
    """
    results = Results(budgets, of_all=of_all)
    try:
        with _opened(path) as file:
            results.add(_chunks(path, file, settings))
    except ImportedFileError as error:
        raise ImportedFileError(f"{path}: {error}") from None
    except (OSError, EOFError) as error:
        why = getattr(error, "strerror", None) or error
        raise ImportedFileError(f"{path}: {why}") from None
    records = results.records()
    if not records:
        raise ImportedFileError(f"{path}: has no requests")
    return records


def _chunks(path: Path, file: TextIO, settings: ImportSettings) -> Iterator[Requests]:
    name = path.stem
    if settings.format == "csv":
        if settings.columns is None:
            raise ImportedFileError("--from csv needs --latency-column")
        return read_csv(file, settings.columns, name)
    if settings.format == "nginx":
        if settings.log_format is None:
            raise ImportedFileError(
                "--from nginx needs --log-format, the log_format of nginx's configuration"
            )
        return read_nginx(file, settings.log_format, name)
    lines, kind = _guessed(file) if settings.format == AUTO else (file, settings.format)
    return _READERS[kind](lines, name)


def _guessed(file: TextIO) -> tuple[Iterator[str], str]:
    first = file.readline()
    kind = guess(first)
    if kind is None:
        raise ImportedFileError(
            f"cannot tell which tool wrote it: add --from {', '.join(FORMATS[1:-1])} or csv"
        )

    def lines() -> Iterator[str]:
        yield first
        yield from file

    return lines(), kind


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    if path == _STDIN:
        yield sys.stdin
        return
    is_compressed = path.suffix == ".gz"
    opener = gzip.open if is_compressed else open
    with opener(path, "rt", encoding="utf-8", errors="replace", newline="") as file:
        yield file
