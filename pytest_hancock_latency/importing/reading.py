"""From a file of another tool to judged records."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from ..core.advice import Advice
from ..core.budget import Terms
from ..core.record import Record
from ..errors import ImportedFileError
from .layout import Conversion, Judge, Layout, Requests, by_condition
from .presets import (
    APACHE,
    CSV,
    JSON,
    LOG,
    NGINX,
    PRESETS,
    SAMPLES,
    Preset,
    guessed,
    of_csv,
    of_json,
    of_log,
    of_tool,
)
from .results import Results
from .rows import Notes
from .summaries import why_no_requests, why_not_raw
from .text import Lines, opened

AUTO: Final = "auto"
_LOGS: Final = (NGINX, APACHE, LOG)
FORMATS: Final = (AUTO, *PRESETS, *_LOGS, CSV, JSON)
_BINARY: Final = (
    "is binary: vegeta encode --to csv converts the results of Vegeta; the log of Gatling 3.12 and "
    "later can only be read by Gatling itself, so judge the access log of the server or of a proxy "
    "in front of it, or run Gatling 3.11"
)


@dataclass(frozen=True, slots=True)
class Columns:
    """Where a file of any tool has what is needed, or a known tool has something else.

    Columns of JSON are keys, with dots for those of objects in objects.
    """

    latency: str | None = None
    unit: str | None = None
    """By default ms, of logs s."""
    names: tuple[str, ...] = ()
    """Joined by spaces."""
    times: tuple[str, ...] = ()
    """Date and time, or one column with both."""
    time_format: str | None = None
    """As `strptime` has it; by default times are recognized."""
    ok: str | None = None
    """A condition such as ``status<400``; None if all requests succeeded."""


@dataclass(frozen=True, slots=True)
class ImportSettings:
    """How a file of another tool is read."""

    format: str = AUTO
    columns: Columns = Columns()
    log_format: str | None = None
    """As it stands in the configuration of the server."""
    delimiter: str | None = None
    """Of CSV; by default it is recognized."""
    rows: str | None = None
    """Key of the list of rows in a document of JSON."""
    only: tuple[str, ...] = ()
    """Conditions of the rows that are read."""
    jmeter: str = SAMPLES
    """What is read of the files of JMeter."""


def imported_records(
    path: Path,
    settings: ImportSettings,
    budgets: Mapping[str, Terms],
    of_all: Terms | None,
    progress: Callable[[int], None] = lambda _: None,
) -> list[Record]:
    """Read and judge a file, which may be compressed by gzip; ``-`` is standard input.

    Args:
        path: of the file.
        settings: how it is read.
        budgets: terms by name or pattern.
        of_all: terms of every name without a budget.
        progress: called with the number of bytes that were read so far.

    Raises:
        ImportedFileError: it cannot be read; the text begins with its path.
    """
    results = Results(budgets, of_all=of_all)
    try:
        with opened(path, progress) as lines:
            notes = Notes(lines)
            results.add(_chunks(path, lines, settings, results, notes))
    except ImportedFileError as error:
        raise ImportedFileError(f"{path}: {error}") from None
    except (OSError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or error
        raise ImportedFileError(f"{path}: {why}") from None
    if notes.cut_line is not None:
        results.advise(Advice.of("cut-line", line=notes.cut_line))
    records = results.records()
    if not records:
        raise ImportedFileError(f"{path}: has no requests{notes.hint}")
    return records


def _chunks(
    path: Path, lines: Lines, settings: ImportSettings, results: Results, notes: Notes
) -> Iterator[Requests]:
    if (why := why_not_raw(lines.begin)) is not None:
        raise ImportedFileError(why)
    if any(character < " " and character not in "\t\r\n\f" for character in lines.begin):
        raise ImportedFileError(_BINARY)
    preset = _preset(lines, settings)
    layout = _with_columns(preset.layout, settings)
    notes.hint = preset.hint
    if preset.leaves_out:
        results.advise(Advice.of("tool-leaves-out", tool=preset.leaves_out))
    conversion = Conversion(layout, preset.expected, path.stem)
    blocks = preset.reading(layout)(lines, notes)
    yield from conversion.requests(blocks, notes)
    if notes.unread and preset.roles:
        results.advise(Advice.of("rows-left-out", rows=notes.unread))


def _preset(lines: Lines, settings: ImportSettings) -> Preset:
    source, first, columns = settings.format, lines.begin, settings.columns
    if source in _LOGS or (source in PRESETS and settings.log_format is not None):
        if settings.log_format is None:
            raise ImportedFileError(
                f"--from {source} needs --log-format, as it stands in the server's configuration"
            )
        return of_log(settings.log_format, columns.latency)
    if source in (CSV, JSON):
        if columns.latency is None:
            raise ImportedFileError(f"--from {source} needs --latency-column")
        layout = Layout(())
        if source == CSV:
            return of_csv(layout, settings.delimiter)
        return of_json(layout, settings.rows, first)
    preset = guessed(first) if source == AUTO else of_tool(source, first)
    if preset is None:
        raise ImportedFileError(_why_unknown(lines))
    return preset.with_roles(settings.jmeter) if preset.roles else preset


def _with_columns(layout: Layout, settings: ImportSettings) -> Layout:
    columns = settings.columns
    options: dict[str, str] = {}
    if columns.latency is not None:
        options[columns.latency] = "--latency-column"
        layout = replace(layout, latency=(columns.latency,))
    if columns.unit is not None:
        layout = replace(layout, unit=columns.unit)
    if columns.names:
        options |= dict.fromkeys(columns.names, "--name-column")
        layout = replace(layout, names=columns.names)
    if columns.times:
        options |= dict.fromkeys(columns.times, "--time-column")
        layout = replace(layout, time=columns.times)
    if columns.time_format is not None:
        layout = replace(layout, time_format=columns.time_format)
    if columns.ok is not None:
        column, judge = by_condition("--ok", columns.ok)
        options[column] = "--ok"
        layout = replace(layout, outcome=((column, judge),))
    for condition in settings.only:
        column, judge = by_condition("--only", condition)
        options[column] = "--only"
        layout = replace(layout, only=(*layout.only, (column, partial(_is_met, judge))))
    return replace(layout, options=options)


def _is_met(judge: Judge, text: str) -> bool:
    return judge(text) == ""


def _why_unknown(lines: Lines) -> str:
    if lines.begin.lstrip()[:1] in ("{", "["):
        try:
            return why_no_requests(json.loads(lines.document()))
        except (ValueError, RecursionError) as error:
            return f"is not JSON: {error}"
    return f"unknown format: add --from {', '.join(FORMATS[1:-1])} or {FORMATS[-1]}"
