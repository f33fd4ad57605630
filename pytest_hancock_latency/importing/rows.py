"""From lines to rows of named columns: CSV, JSON, access logs and the like.

Each reader yields blocks of rows, so that a file of any size takes the same memory. A line that
cannot be read is an error with its number, except a last one that is cut off, as that of every log
of a running or killed program.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, compress
from typing import Any, Final, NamedTuple
from xml.parsers import expat

from ..errors import ImportedFileError
from .log_format import LogFormat
from .text import Lines

BLOCK: Final = 512
"""Lines converted at once: enough to divide what numpy spends on each call, and few enough for the
cache of a CPU."""
DELIMITERS: Final = (",", ";", "\t", "|")
_LINE_LENGTH: Final = 80
"""Characters of a line that a message shows."""

ROLE: Final = "role"
"""Name of a column that says what JMeter's rows are: a file has each request up to three times."""
SAMPLE, TRANSACTION, PART = "sample", "transaction", "part"

Column = Sequence[str | None]
"""A value of each row; None where a JSON object has none."""


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Some rows, as columns of the same length."""

    columns: Mapping[str, Column]
    numbers: Sequence[int]
    """Of their lines, or of the last line of each."""

    def column(self, name: str) -> Column | None:
        """Return a column; None if it is not there, or has no value."""
        column = self.columns.get(name)
        return None if column is None or all(value is None for value in column) else column

    def at(self, places: Sequence[int]) -> Rows:
        """Return only the rows at these places."""
        columns = {name: [values[at] for at in places] for name, values in self.columns.items()}
        return Rows(columns, [self.numbers[at] for at in places])


Reader = Callable[[Lines, "Notes"], Iterator[Rows]]


class Notes:
    """What was left out of a file."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self.cut_line: int | None = None
        """Number of a last line that is cut off."""
        self.unread = 0
        """Rows that are not among those to be read."""
        self.hint = ""
        """What to do if there are no requests."""

    def is_cut(self, number: int) -> bool:
        """Whether a line that cannot be read is a last one that is cut off; it is noted."""
        if not self._lines.is_cut(number):
            return False
        self.cut_line = number
        return True


@dataclass(frozen=True, slots=True)
class CsvRows:
    """Reads rows with separators."""

    usual: Collection[str] = ()
    """Columns by which the delimiter is recognized."""
    required: Collection[str] = ()
    """Columns that every line must have."""
    header: Sequence[str] = ()
    """Names of the columns; by default those in the first line."""
    delimiter: str | None = None
    begin: str = ""
    """Of the lines that are read; all others are left out."""

    def __call__(self, lines: Lines, notes: Notes) -> Iterator[Rows]:
        """Yield the columns without rows, and then the rows.

        Raises:
            ImportedFileError: a line is not CSV, or has other columns than the line before.
        """
        delimiter = self.delimiter or _delimiter_of(lines.begin, self.usual)
        names = list(self.header)
        if not names:
            try:
                names = next(csv.reader(lines, delimiter=delimiter), [])
            except csv.Error as error:
                raise ImportedFileError(f"line 1 is not CSV: {error}") from None
        places = {name.strip(): at for at, name in reversed([*enumerate(names)])}
        yield Rows(dict.fromkeys(reversed(places), ()), ())
        width = 0
        while block := lines.take(BLOCK):
            first = lines.number - len(block) + 1
            numbers: Sequence[int] = range(first, first + len(block))
            if self.begin:
                begins = [line.startswith(self.begin) for line in block]
                numbers, block = [*compress(numbers, begins)], [*compress(block, begins)]
                if not block:
                    continue
            columns = _columns(block, delimiter, width)
            if columns is None:
                careful = _Careful(lines, notes, delimiter, width)
                columns, numbers = careful.columns(block, first, numbers)
            if columns and numbers:
                width = len(columns)
                self._check(width, places, numbers[0])
                yield Rows({n: columns[at] for n, at in places.items() if at < width}, numbers)

    def _check(self, width: int, places: Mapping[str, int], number: int) -> None:
        positions = [places[name] for name in self.required if name in places]
        if max(positions, default=-1) >= width:
            raise ImportedFileError(
                f"line {number} has {width} columns, and column {max(positions) + 1} is needed"
            )


def _delimiter_of(header: str, usual: Collection[str]) -> str:
    """Return the delimiter with which most of the usual columns are found, then most columns."""

    def found(delimiter: str) -> tuple[int, int]:
        names = [name.strip().strip('"') for name in header.split(delimiter)]
        return len(set(usual).intersection(names)), len(names)

    return max(DELIMITERS, key=found)


def _columns(block: Sequence[str], delimiter: str, width: int) -> Sequence[Column] | None:
    """Return the columns of simple lines; None if they need more care.

    width: number of columns of the lines before; 0 if there are none.
    """
    text = "".join(block)
    if '"' in text:
        return None
    # A list for each line, as csv.reader makes it, would take most of the time. Instead, a line
    # end becomes one more column, which shows that each line has the same number of them.
    lines = text.replace("\r\n", "\n").removesuffix("\n") + "\n"
    width = width or lines.partition("\n")[0].count(delimiter) + 1
    fields = lines.replace("\n", f"{delimiter}\n{delimiter}").split(delimiter)
    ends = fields[width :: width + 1]
    if not len(block) == len(ends) == ends.count("\n"):
        return None
    if len(ends) * (width + 1) + 1 != len(fields):
        return None
    columns = [fields[at : -1 : width + 1] for at in range(width)]
    return columns if width > 1 or "" not in columns[0] else None


class _Careful(NamedTuple):
    """Reads lines with quotes, blank lines, or a last line that is cut off."""

    lines: Lines
    notes: Notes
    delimiter: str
    width: int
    """Number of columns of the lines before; 0 if there are none."""

    def columns(
        self, block: Sequence[str], first: int, numbers: Sequence[int]
    ) -> tuple[Sequence[Column], Sequence[int]]:
        """Return the columns of a block and the number of the last line of each row.

        Fields with line ends may need some of the lines after the block.
        """
        rows, read, width = [], [], self.width
        reader = csv.reader(chain(block, self.lines), delimiter=self.delimiter)
        try:
            for row in reader:
                at = reader.line_num - 1
                number = numbers[at] if at < len(numbers) else self.lines.number
                width = width or len(row)
                if row and len(row) != width:
                    if self.notes.is_cut(number):
                        break
                    raise ImportedFileError(
                        f"line {number} has {len(row)} columns, and the lines before it have "
                        f"{width}"
                    )
                if row:
                    rows.append(row)
                    read.append(number)
                if reader.line_num >= len(block):
                    break
        except csv.Error as error:
            raise ImportedFileError(
                f"lines {first} to {self.lines.number} are not CSV: {error}"
            ) from None
        return list(zip(*rows, strict=True)), read


@dataclass(frozen=True, slots=True)
class EachLine:
    """Reads rows each of which is a line."""

    names: Sequence[str]
    """Of the columns."""
    values: Callable[[str], Sequence[str | None] | None]
    """Returns the values of a line: None if it is not of the format, empty without a request."""
    line_name: str
    """What a line should be, for a message."""

    def __call__(self, lines: Lines, notes: Notes) -> Iterator[Rows]:
        """Yield the rows.

        Raises:
            ImportedFileError: a line is not of the format.
        """
        while block := lines.take(BLOCK):
            rows, numbers = [], []
            for number, line in enumerate(block, lines.number - len(block) + 1):
                values = self.values(line.rstrip("\r\n")) if line.strip() else ()
                if values:
                    rows.append(values)
                    numbers.append(number)
                elif values is None and not notes.is_cut(number):
                    raise ImportedFileError(
                        f"line {number} is not {self.line_name}: {line[:_LINE_LENGTH]!r}"
                    )
            if rows:
                yield rows_of(self.names, rows, numbers)


def rows_of(
    names: Sequence[str], rows: Sequence[Sequence[str | None]], numbers: Sequence[int]
) -> Rows:
    """Return rows as columns."""
    return Rows(dict(zip(names, zip(*rows, strict=True), strict=True)), numbers)


def log_rows(log_format: LogFormat) -> Reader:
    """Return what reads lines of a log format; those that begin with # are comments."""
    return EachLine(
        log_format.names,
        lambda line: () if line.startswith("#") else log_format.values(line),
        "of the log format",
    )


_GATLING_COLUMNS: Final = ("group", "name", "start", "latency", "outcome", "message")
_GATLING_TIMES: Final = (2, 4)
"""Times in a line of a request: begin and end, in versions before 2.1 of request and response."""


_TIME: Final = re.compile(r"[0-9]{1,19}")


def _gatling_row(line: str) -> Sequence[str] | None:
    """Return the columns of a line: …, groups, name, times, outcome, message."""
    fields = line.split("\t")
    if "REQUEST" not in fields[:3]:
        return ()
    outcome = next((at for at, field in enumerate(fields) if at and field in ("OK", "KO")), 0)
    start = outcome
    while start and _TIME.fullmatch(fields[start - 1]) and outcome - start < _GATLING_TIMES[1]:
        start -= 1
    if not _GATLING_TIMES[0] <= min(outcome - start, start):
        return None
    latency = int(fields[outcome - 1]) - int(fields[start])
    group, name = fields[start - 2].strip().replace(",", " / "), fields[start - 1]
    message = " ".join(fields[outcome + 1 :]).strip()
    return group, name, fields[start], str(latency), fields[outcome], message


GATLING: Final = EachLine(_GATLING_COLUMNS, _gatling_row, "a request")


def read_w3c(lines: Lines, notes: Notes) -> Iterator[Rows]:
    """Read W3C's extended log format, whose columns are named by lines that begin with #Fields."""
    names: list[str] = []
    while block := lines.take(BLOCK):
        rows: list[list[str]] = []
        numbers: list[int] = []
        for number, line in enumerate(block, lines.number - len(block) + 1):
            values = line.split()
            if line.startswith("#Fields:"):
                if rows:
                    yield rows_of(names, rows, numbers)
                names, rows, numbers = values[1:], [], []
            elif not values or line.startswith("#"):
                continue
            elif len(values) == len(names):
                rows.append(values)
                numbers.append(number)
            elif not notes.is_cut(number):
                raise ImportedFileError(
                    f"line {number} has {len(values)} columns, and #Fields has {len(names)}"
                )
        if rows:
            yield rows_of(names, rows, numbers)


class _Keys:
    """Finds values in objects of JSON."""

    def __init__(self, paths: Collection[str]) -> None:
        self.names = list(dict.fromkeys(paths))
        self._by_parent: dict[str, list[tuple[int, str]]] = {}
        """Place and last key of the paths into each object."""
        for place, path in enumerate(self.names):
            parent, _, key = path.rpartition(".")
            self._by_parent.setdefault(parent, []).append((place, key))

    def values(self, content: object) -> list[str | None]:
        """Return the values at all paths; an empty list if the content is not an object."""
        if not isinstance(content, dict):
            return []
        values: list[str | None] = [None] * len(self.names)
        for parent, keys in self._by_parent.items():
            inner = _at(content, parent) if parent else content
            is_object = isinstance(inner, dict)
            for place, key in keys:
                value = inner.get(key) if is_object else None
                if value is None:
                    value = content.get(self.names[place])
                values[place] = value if isinstance(value, str) else _text(value)
        return values


def json_lines(paths: Collection[str], text: str = "{") -> Reader:
    """Return what reads an object a line.

    Args:
        paths: keys of the columns; those of objects in objects with dots.
        text: that every line of interest contains; others are not parsed.
    """
    keys = _Keys(paths)

    def values(line: str) -> Sequence[str | None] | None:
        if text not in line and line.endswith("}"):
            return ()
        try:
            return keys.values(json.loads(line))
        except (ValueError, RecursionError):
            return None

    return EachLine(keys.names, values, "JSON")


@dataclass(frozen=True, slots=True)
class JsonDocument:
    """Reads objects of a file that is one JSON document."""

    paths: Collection[str]
    """Keys of the columns; those of objects in objects with dots."""
    rows: str
    """Key of the list of objects; empty for the document itself."""
    latency: str
    """Path of the latency; a list of latencies is as many rows."""

    def __call__(self, lines: Lines, notes: Notes) -> Iterator[Rows]:
        """Yield the rows; their numbers are those of the objects.

        Raises:
            ImportedFileError: it is not JSON, or has no such objects.
        """
        del notes
        try:
            content = json.loads(lines.document())
        except (ValueError, RecursionError) as error:
            raise ImportedFileError(f"is not JSON: {error}") from None
        content = _at(content, self.rows) if self.rows else content
        keys, rows = _Keys(self.paths), []
        for row in content if isinstance(content, list) else [content]:
            latencies = _at(row, self.latency)
            for latency in latencies if isinstance(latencies, list) else [latencies]:
                if values := keys.values(row):
                    rows.append(values)
                    values[keys.names.index(self.latency)] = _text(latency)
        if not rows:
            raise ImportedFileError(f"has no objects at {self.rows!r}")
        for start in range(0, len(rows), BLOCK):
            part = rows[start : start + BLOCK]
            yield rows_of(keys.names, part, range(start + 1, start + 1 + len(part)))


def _at(content: Any, path: str) -> Any:
    """Return the value at these keys, one inside of the other; None if it is not there."""
    try:
        for key in path.split("."):
            content = content[key]
    except (KeyError, TypeError):  # of a list, a text or a number
        return None
    return content


def _text(value: object) -> str | None:
    """Return a value as other formats write it: ``true`` for True."""
    if value is None:
        return None
    return json.dumps(value) if isinstance(value, bool | list | dict) else str(value)


def read_jmeter_xml(lines: Lines, notes: Notes) -> Iterator[Rows]:
    """Read a JTL file in XML, as a stream; a file that is cut off is read up to there.

    Raises:
        ImportedFileError: it is not XML.
    """
    reading = _JmeterXml()
    while block := lines.take(BLOCK):
        reading.parse("".join(block))
        if reading.numbers:
            yield reading.taken()
    try:
        reading.parser.Parse("", True)
    except expat.ExpatError:
        notes.cut_line = lines.number


class _JmeterXml:
    """Collects the samples of a JTL file, and the role of each.

    A transaction contains its samples, and a sample its sub-results, such as the pictures of a
    page, whose time is part of its own.
    """

    _SAMPLES: Final = ("httpSample", "sample")
    _ATTRIBUTES: Final = {
        "timeStamp": "ts",
        "elapsed": "t",
        "label": "lb",
        "responseCode": "rc",
        "success": "s",
        "responseMessage": "rm",
    }

    def __init__(self) -> None:
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.StartDoctypeDeclHandler = self._refuse
        self._around: list[str] = []
        """The roles of the samples around."""
        self._rows: list[tuple[str | None, ...]] = []
        self.numbers: list[int] = []

    def parse(self, text: str) -> None:
        try:
            self.parser.Parse(text)
        except expat.ExpatError as error:
            raise ImportedFileError(f"is not XML: {error}") from None

    def taken(self) -> Rows:
        rows = rows_of((*self._ATTRIBUTES, ROLE), self._rows, self.numbers)
        self._rows, self.numbers = [], []
        return rows

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag not in self._SAMPLES:
            return
        role = PART if SAMPLE in self._around else role_of(attributes.get("rm") or "")
        self._around.append(role)
        self._rows.append((*map(attributes.get, self._ATTRIBUTES.values()), role))
        self.numbers.append(self.parser.CurrentLineNumber)

    def _end(self, tag: str) -> None:
        if tag in self._SAMPLES:
            self._around.pop()

    def _refuse(self, *_: object) -> None:
        raise ImportedFileError("has a document type: JMeter writes none")


def role_of(message: str) -> str:
    """Return whether a message of JMeter is on a transaction or on a sample."""
    return TRANSACTION if message.startswith("Number of samples in transaction") else SAMPLE
