"""The formats of other tools' raw results, one request a line.

Each reader yields chunks of columns, so that a file of any size takes the same memory, and numbers
are converted by the column.
"""

from __future__ import annotations

import csv
import json
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice, repeat
from typing import TYPE_CHECKING, Any, Final

from ..errors import ImportedFileError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Numbers = npt.NDArray[np.float64]
    Flags = npt.NDArray[np.bool_]

_BLOCK: Final = 512
"""Lines converted at once: enough to divide what numpy spends on each call, and few enough for the
cache of a CPU."""
_MOST_REMEMBERED: Final = 10_000
"""Different texts of a column whose meaning is remembered: far more than there are statuses."""
UNITS: Final = {"ns": 1.0, "us": 1e3, "ms": 1e6, "s": 1e9}
"""Nanoseconds in a unit."""
_LONGEST_NS: Final = 2.0**62
"""No latency is longer than this: 146 years, which still fit into 64 bits."""
_LATEST_S: Final = 2.0**32
"""No request is later than this: in the year 2106. Milliseconds taken for seconds are. The time
between two requests, in nanoseconds, has to fit into 64 bits."""
_SHOWN_COLUMNS: Final = 20
"""Columns that a message lists: of a file that is not CSV, the first line can be long."""
_DIGITS_OF_SECONDS: Final = 10
"""Digits of a time since 1970 in seconds, from 2001 to 2286."""
_SUCCESS: Final = 400
"""The lowest status of HTTP that is an error."""
_BEGINNINGS: Final = {
    "jmeter": re.compile(r"timeStamp,elapsed,|\d{13},\d+,|<\?xml"),
    "hey": re.compile(r"response-time,"),
    "oha": re.compile(r"request-start,"),
    "k6": re.compile(r'metric_name,|\{"(metric|type)":'),
    "vegeta": re.compile(r'\{"attack":|\d{19},\d+,\d+,\d+,\d+,'),
    "gatling": re.compile(r"RUN\t|ASSERTION\t"),
}
"""How the first line of each format begins."""
NO_TIME: Final = "no latency"
"""Failure of a request for which a log has ``-`` in place of its latency."""
NO_CONDITION: Final = "no condition"
"""A CSV file of any tool without a condition of successful requests."""
NO_STATUS: Final = "no status"
"""A log format without a status."""
NO_TAGS: Final = "no tags"
"""No tag of k6 tells whether a request failed."""
ONLY_RESPONSES: Final = "only responses"
"""The tool leaves out requests without a response."""
_COMPARISONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}


@dataclass(frozen=True, slots=True, eq=False)
class Requests:
    """Columns of some requests, each of the same length."""

    names: Sequence[str]
    latencies_ns: Numbers
    failures: Sequence[str]
    """Kind of failure; empty if the request succeeded."""
    starts_s: Numbers | None = None
    """Seconds since 1970, or since the start of the run; None if the format does not have them."""
    failures_unknown: str = ""
    """Why some failures are unknown: `NO_CONDITION`, `NO_STATUS`, `NO_TAGS` or `ONLY_RESPONSES`."""


@dataclass(frozen=True, slots=True)
class CsvColumns:
    """Where a CSV file of any tool has what is needed, by the names in its first line."""

    latency: str
    unit: str = "ms"
    name: str | None = None
    time: str | None = None
    ok: str | None = None
    """A condition such as ``status<400``; None if all requests succeeded."""


_JMETER_COLUMNS: Final = (
    *("timeStamp", "elapsed", "label", "responseCode"),
    *("responseMessage", "threadName", "dataType", "success"),
)
"""The first columns of JMeter's CSV by default, the same in all versions."""
_REQUIRED_COLUMNS: Final = {"timeStamp", "elapsed", "label", "success"}

Column = Sequence[str]


@dataclass(frozen=True, slots=True)
class _Layout:
    """How the columns of a CSV file are read. Positions count from 0."""

    latency: int
    latency_ns: float
    """Nanoseconds in its unit."""
    names: Callable[[Sequence[Column]], Sequence[str]] | None
    """The name of each request; None if they have none."""
    failures: Callable[[Sequence[Column]], Sequence[str]]
    start: int | None = None
    start_s: float = 1.0
    """Seconds in its unit."""
    is_end: bool = False
    """Whether that time is when a request ended."""
    line_start: str | None = None
    """How the lines of requests begin; None if all of them are."""
    failures_unknown: str = ""
    """As in `Requests`."""


class _Remembered(dict[str, str]):
    """What a function returns for each text: a column has few different ones."""

    def __init__(self, function: Callable[[str], str]) -> None:
        super().__init__()
        self._function = function

    def __missing__(self, text: str) -> str:
        if len(self) >= _MOST_REMEMBERED:
            self.clear()
        result = self[text] = self._function(text)
        return result


def _of_column(
    at: int, function: Callable[[str], str]
) -> Callable[[Sequence[Column]], Sequence[str]]:
    """Return what applies a function to each text of one column."""
    remembered = _Remembered(function)
    return lambda columns: list(map(remembered.__getitem__, columns[at]))


def _itself(at: int) -> Callable[[Sequence[Column]], Sequence[str]]:
    return lambda columns: columns[at]


def read_csv(lines: Iterable[str], columns: CsvColumns, default: str) -> Iterator[Requests]:
    """Read a CSV file whose columns are named.

    Args:
        default: name of requests without one.
    """
    header, lines = _header(lines)

    def place(option: str, column: str) -> int:
        try:
            return header.index(column)
        except ValueError:
            have = ", ".join(f"{name:.40}" for name in header[:_SHOWN_COLUMNS]) or "none"
            raise ImportedFileError(f"{option}: no column {column!r}; there are {have}") from None

    at_name = None if columns.name is None else place("--name-column", columns.name)
    layout = _Layout(
        latency=place("--latency-column", columns.latency),
        latency_ns=UNITS[columns.unit],
        names=None if at_name is None else _itself(at_name),
        failures=_condition(columns.ok, place),
        start=None if columns.time is None else place("--time-column", columns.time),
        failures_unknown=NO_CONDITION if columns.ok is None else "",
    )
    return _by_layout(lines, layout, default)


def read_jmeter(lines: Iterable[str], default: str) -> Iterator[Requests]:
    """Read a JTL file in CSV, the default of JMeter; before version 3 it has no line of names."""
    first, lines = _peek(lines)
    if first.startswith("<"):
        raise ImportedFileError(
            "is JMeter's XML: write CSV by -Jjmeter.save.saveservice.output_format=csv"
        )
    if re.match(r"\d{13},", first):
        header = list(_JMETER_COLUMNS)
    else:
        header, lines = _header(lines)
    if missing := [
        name for name in _JMETER_COLUMNS if name not in header and name in _REQUIRED_COLUMNS
    ]:
        raise ImportedFileError(
            f"has no column {missing[0]}: expected the CSV of JMeter with its first line "
            "(jmeter.save.saveservice.output_format=csv, print_field_names=true)"
        )
    at = {name: position for position, name in enumerate(header)}
    code, success = at.get("responseCode"), at["success"]

    def failures(columns: Sequence[Column]) -> list[str]:
        outcomes = [*map(str.lower, columns[success])]
        if outcomes.count("true") == len(outcomes):
            return [""] * len(outcomes)
        codes = columns[code] if code is not None else repeat("")
        return [
            "" if outcome == "true" else reason or "failed"
            for outcome, reason in zip(outcomes, codes, strict=False)
        ]

    layout = _Layout(
        latency=at["elapsed"],
        latency_ns=UNITS["ms"],
        names=_itself(at["label"]),
        failures=failures,
        start=at["timeStamp"],
        start_s=1e-3,
    )
    return _by_layout(lines, layout, default)


def read_hey(lines: Iterable[str], default: str) -> Iterator[Requests]:
    """Read the output of ``hey -o csv``, which leaves out requests without a response."""
    header, lines = _header(lines)
    _expect(header, ("response-time", "status-code", "offset"), "hey -o csv")
    layout = _Layout(
        latency=0,
        latency_ns=UNITS["s"],
        names=None,
        failures=_of_column(6, _http_failure),
        start=7,
        failures_unknown=ONLY_RESPONSES,
    )
    return _by_layout(lines, layout, default)


def read_oha(lines: Iterable[str], default: str) -> Iterator[Requests]:
    """Read the output of ``oha --output-format csv``."""
    header, lines = _header(lines)
    _expect(header, ("request-start", "request-duration", "status"), "oha --output-format csv")
    at = {name: position for position, name in enumerate(header)}
    layout = _Layout(
        latency=at["request-duration"],
        latency_ns=UNITS["s"],
        names=None,
        failures=_of_column(at["status"], _http_failure),
        start=at["request-start"],
        failures_unknown=ONLY_RESPONSES,
    )
    return _by_layout(lines, layout, default)


def read_vegeta(lines: Iterable[str], default: str) -> Iterator[Requests]:
    """Read the output of ``vegeta encode --to csv`` (without a first line) or ``--to json``."""
    first, lines = _peek(lines)
    if first.startswith("{"):
        return _vegeta_json(lines, default)
    status, error, method, url = 1, 5, 9, 10
    http_failures = _Remembered(_http_failure)

    def failures(columns: Sequence[Column]) -> list[str]:
        pairs = zip(columns[error], columns[status], strict=True)
        return [reason or http_failures[code] for reason, code in pairs]

    def names(columns: Sequence[Column]) -> list[str]:
        if len(columns) <= url:  # of early versions
            return [default] * len(columns[0])
        return list(map(" ".join, zip(columns[method], columns[url], strict=True)))

    layout = _Layout(
        latency=2,
        latency_ns=UNITS["ns"],
        names=names,
        failures=failures,
        start=0,
        start_s=1e-9,
    )
    return _by_layout(lines, layout, default)


def read_k6(lines: Iterable[str], default: str) -> Iterator[Requests]:
    """Read the output of ``k6 run --out csv=FILE`` or ``--out json=FILE``."""
    first, lines = _peek(lines)
    if first.startswith("{"):
        return _k6_json(lines, default)
    header, lines = _header(lines)
    _expect(header, ("metric_name", "timestamp", "metric_value"), "k6 run --out csv=FILE")
    at = {name: position for position, name in enumerate(header)}
    row, lines = _peek(lines)
    times = row.split(",")[at["timestamp"] :]
    unit_s = _epoch_unit_s(times[0] if times else "")
    metric, tags = at["metric_name"], [at.get(tag) for tag in _K6_OUTCOME]
    parts = [at[column] for column in ("method", "name") if column in at]

    def names(columns: Sequence[Column]) -> list[str]:
        joined = map(" ".join, zip(*(columns[part] for part in parts), strict=True))
        return [name.strip() or default for name in joined] or [default] * len(columns[metric])

    def failures(columns: Sequence[Column]) -> list[str]:
        empty = [""] * len(columns[metric])
        outcome = (empty if place is None else columns[place] for place in tags)
        return list(map(_k6_failure, *outcome))

    layout = _Layout(
        latency=at["metric_value"],
        latency_ns=UNITS["ms"],
        names=names,
        failures=failures,
        start=at["timestamp"],
        start_s=unit_s,
        # Whole seconds, the default, are too coarse to subtract a latency from.
        is_end=unit_s < 1,
        line_start="http_req_duration,",
        failures_unknown=NO_TAGS if not any(tag in at for tag in _K6_OUTCOME) else "",
    )
    return _by_layout(lines, layout, default)


_K6_OUTCOME: Final = ("expected_response", "error_code", "status")
"""Tags that tell whether a request failed. Versions before 0.31 have no first one, nor does a run
with ``http.setResponseCallback(null)``, and ``systemTags`` can leave out any."""


def _k6_failure(expected: str, error_code: str, status: str) -> str:
    if expected:
        return "" if expected == "true" else status or error_code or "failed"
    return error_code or (_http_failure(status) if status else "")


def _epoch_unit_s(text: str) -> float:
    """Return the seconds in the unit of a time since 1970, which its number of digits tells."""
    if not text.isdigit() and text:
        raise ImportedFileError(
            f"its times are not numbers, but {text!r:.40}: "
            "set K6_CSV_TIME_FORMAT=unix_milli, or leave it out"
        )
    return 1e-3 ** max(0, (len(text) - _DIGITS_OF_SECONDS) // 3)


def read_gatling(lines: Iterable[str], default: str) -> Iterator[Requests]:
    """Read a simulation.log in text, as Gatling wrote it up to version 3.11."""
    first, lines = _peek(lines)
    if not first.startswith(("RUN\t", "ASSERTION\t")):
        raise ImportedFileError(
            "is not a simulation.log in text: Gatling 3.12 and later write a binary log, which "
            "only Gatling reads, and its reports have no raw latencies to judge"
        )
    rows = (line.rstrip("\n").split("\t") for line in lines if line.startswith("REQUEST\t"))
    return _batched(rows, _gatling_row)


def read_nginx(lines: Iterable[str], log_format: str, default: str) -> Iterator[Requests]:
    """Read an access log.

    Args:
        log_format: as in nginx's configuration, with ``$request_time``.
    """
    pattern = _nginx_pattern(log_format)

    def rows() -> Iterator[re.Match[str]]:
        for number, line in enumerate(lines, 1):
            match = pattern.fullmatch(line.rstrip("\n"))
            if match is None:
                raise ImportedFileError(f"line {number} is not of the log format: {line[:80]!r}")
            yield match

    return _batched(rows(), lambda match: _nginx_row(match.groupdict(), default))


def guess(first: str) -> str | None:
    """Return the format of a file by its first line; None if it is unclear."""
    return next((name for name, begin in _BEGINNINGS.items() if begin.match(first)), None)


def _header(lines: Iterable[str]) -> tuple[list[str], Iterator[str]]:
    """Return the names in the first line of a CSV file, and all other lines."""
    iterator = iter(lines)
    try:
        return next(csv.reader(iterator), []), iterator
    except csv.Error as error:
        raise ImportedFileError(f"line 1 is not CSV: {error}") from None


def _by_layout(lines: Iterable[str], layout: _Layout, default: str) -> Iterator[Requests]:
    iterator, line = iter(lines), 1
    while block := list(islice(iterator, _BLOCK)):
        first, line = line + 1, line + len(block)
        request_lines = block
        if layout.line_start is not None:
            request_lines = [text for text in block if text.startswith(layout.line_start)]
        try:
            columns = _columns(request_lines, iterator)
            if not columns:
                continue
            count = len(columns[0])
            latencies, starts = _latencies_and_starts(columns, layout)
            names = [default] * count if layout.names is None else layout.names(columns)
            failures = layout.failures(columns)
            yield Requests(names, latencies, failures, starts, layout.failures_unknown)
        except csv.Error as error:
            raise ImportedFileError(_not_csv(block, first, error)) from None
        except (ValueError, IndexError):
            try:
                why = _why(block, layout, first)
            except csv.Error as error:
                why = _not_csv(block, first, error)
            raise ImportedFileError(why) from None


def _latencies_and_starts(
    columns: Sequence[Column], layout: _Layout
) -> tuple[Numbers, Numbers | None]:
    """Return the latencies in ns, and the times in seconds if there are any.

    Raises:
        ValueError: one of them is not a number, or impossible.
        IndexError: the column is missing.
    """
    import numpy as np

    count = len(columns[0])
    with np.errstate(over="ignore", invalid="ignore"):  # then it is above the maximum
        latencies = np.fromiter(map(float, columns[layout.latency]), np.float64, count)
        latencies *= layout.latency_ns
        _check(latencies, _LONGEST_NS)
        if latencies.min() < 0:
            raise ValueError
        if layout.start is None:
            return latencies, None
        starts = np.fromiter(map(float, columns[layout.start]), np.float64, count)
        starts *= layout.start_s
        if layout.is_end:
            starts -= latencies / UNITS["s"]
        _check(starts, _LATEST_S)
    return latencies, starts


def _check(numbers: Numbers, maximum: float) -> None:
    """Raise ValueError if a number is nan or its absolute value is above a maximum."""
    import numpy as np

    if not np.abs(numbers).max() <= maximum:
        raise ValueError


def _columns(block: Sequence[str], rest: Iterator[str]) -> Sequence[Column]:
    """Return the columns of lines of CSV, without blank lines; none if there are no others.

    Args:
        rest: the lines after them, some of which a field with line ends may need.

    Raises:
        ValueError: a line has more or fewer columns than the first.
    """
    text = "".join(block)
    if '"' not in text:
        # A list for each line, as csv.reader makes it, would take most of the time. Instead, a line
        # end becomes one more column, which shows that each line has the same number of them.
        lines = text.replace("\r\n", "\n").removesuffix("\n") + "\n"
        width = lines.partition("\n")[0].count(",") + 2
        fields = lines.replace("\n", ",\n,").split(",")
        ends = fields[width - 1 :: width]
        if len(ends) * width + 1 == len(fields) and ends.count("\n") == len(ends):
            columns = [fields[at:-1:width] for at in range(width - 1)]
            return columns if columns != [[""]] else []
    rows, reader = [], csv.reader(chain(block, rest))
    for row in reader:
        if row:
            rows.append(row)
        if reader.line_num >= len(block):
            break
    return list(zip(*rows, strict=True))


def _not_csv(block: Sequence[str], first: int, error: csv.Error) -> str:
    return f"lines {first} to {first + len(block) - 1} are not CSV: {error}"


def _why(block: Iterable[str], layout: _Layout, first: int) -> str:
    """Return what is wrong with the first of these lines that cannot be converted.

    Raises:
        csv.Error: it is not CSV.
    """
    width = None
    for number, row in enumerate(csv.reader(block), first):
        if not row or (layout.line_start and f"{row[0]}," != layout.line_start):
            continue
        width = width or len(row)
        if len(row) != width:
            return f"line {number} has {len(row)} columns, and the lines before it have {width}"
        for at, unit, maximum, quantity in (
            (layout.latency, layout.latency_ns, _LONGEST_NS, "latency"),
            (layout.start, layout.start_s, _LATEST_S, "time in seconds"),
        ):
            if at is None:
                continue
            if at >= width:
                return f"line {number} has {width} columns, and column {at + 1} is needed"
            value = _number(row[at])
            if value is None:
                return f"line {number}: {row[at]!r:.40} is not a number"
            if not abs(value * unit) <= maximum:
                return f"line {number}: {row[at]!r:.40} is not a {quantity}"
            if value < 0 and at == layout.latency:
                return f"line {number}: {row[at]!r:.40} is negative, which no latency is"
    return f"line {first} has {width} columns, which are too few"


def _condition(
    text: str | None, place: Callable[[str, str], int]
) -> Callable[[Sequence[Column]], Sequence[str]]:
    """Return what gives the failures by a condition such as ``status<400``."""
    if text is None:
        return lambda columns: [""] * len(columns[0])
    match = re.fullmatch(r"\s*(\S+?)\s*(<=|>=|==|!=|<|>)\s*(.+?)\s*", text)
    if match is None:
        raise ImportedFileError(
            f"--ok: {text!r} is not a condition such as 'status<400' or 'error==none'"
        )
    column, sign, right = match.groups()
    compare, limit = _COMPARISONS[sign], _number(right)

    def failure(value: str) -> str:
        if limit is not None and (number := _number(value)) is not None:
            is_ok = compare(number, limit)
        else:
            is_ok = sign in ("==", "!=") and compare(value, right)
        return "" if is_ok else f"{column} {value}"

    return _of_column(place("--ok", column), failure)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _http_failure(status: str) -> str:
    number = _number(status)
    return "" if number is not None and 0 < number < _SUCCESS else f"HTTP {status or 'no status'}"


def _expect(header: Sequence[str], columns: Sequence[str], command: str) -> None:
    if missing := [column for column in columns if column not in header]:
        raise ImportedFileError(f"has no column {missing[0]}: expected the output of {command}")


def _peek(lines: Iterable[str]) -> tuple[str, Iterator[str]]:
    iterator = iter(lines)
    first = next(iterator, "")

    def all_lines() -> Iterator[str]:
        if first:
            yield first
        yield from iterator

    return first, all_lines()


Row = tuple[str, float, str, float, str]
"""Name, latency in nanoseconds, failure, start in seconds, why it is unknown whether it failed."""


def _batched(items: Iterator[Any], row_of: Callable[[Any], Row]) -> Iterator[Requests]:
    import numpy as np

    while chunk := list(islice(items, _BLOCK)):
        names, latencies, failures, starts, unknown = zip(*map(row_of, chunk), strict=True)
        latencies_ns, starts_s = np.array(latencies), np.array(starts)
        possible = (latencies_ns >= 0) & (latencies_ns <= _LONGEST_NS)
        possible &= np.abs(starts_s) <= _LATEST_S
        if not possible.all():
            at = int(possible.argmin())
            raise ImportedFileError(
                f"{names[at]:.40} has a line with a latency of {latencies[at] / UNITS['s']:g} s at "
                f"{starts[at]:g} s, which is impossible"
            )
        yield Requests(names, latencies_ns, failures, starts_s, max(unknown))


def _json_objects(lines: Iterable[str], required_text: str = "{") -> Iterator[dict[str, Any]]:
    """Yield the objects of lines that contain a text; the first line has to be JSON anyway."""
    for number, line in enumerate(lines, 1):
        if not line.strip() or (required_text not in line and number > 1):
            continue
        try:
            content = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ImportedFileError(f"line {number} is not JSON: {error}") from None
        if isinstance(content, dict):
            yield content


def _vegeta_json(lines: Iterable[str], default: str) -> Iterator[Requests]:
    def row(hit: dict[str, Any]) -> Row:
        name = f"{hit.get('method', '')} {hit.get('url', '')}".strip() or default
        failure = str(hit.get("error") or "") or _http_failure(str(hit.get("code", "")))
        return name, float(hit["latency"]), failure, _moment(hit["timestamp"]), ""

    return _batched(_json_objects(lines), _complete(row))


def _k6_json(lines: Iterable[str], default: str) -> Iterator[Requests]:
    # Nine of ten lines are about other metrics: most are dropped before they are parsed.
    points = (
        point.get("data")
        for point in _json_objects(lines, '"http_req_duration"')
        if point.get("type") == "Point" and point.get("metric") == "http_req_duration"
    )

    def row(point: dict[str, Any]) -> Row:
        tags = point.get("tags") or {}
        name = f"{tags.get('method', '')} {tags.get('name', '')}".strip() or default
        outcome = [str(tags.get(tag) or "") for tag in _K6_OUTCOME]
        latency_ns = float(point["value"]) * UNITS["ms"]
        # The time of a point is when the request ended.
        start_s = _moment(point["time"]) - latency_ns / UNITS["s"]
        unknown = "" if any(outcome) else NO_TAGS
        return name, latency_ns, _k6_failure(*outcome), start_s, unknown

    return _batched(points, _complete(row))


def _complete(row: Callable[[Any], Row]) -> Callable[[Any], Row]:
    def checked(content: object) -> Row:
        try:
            return row(content)
        except (KeyError, ValueError, TypeError, AttributeError, ArithmeticError):
            raise ImportedFileError(
                f"has a line without latency or time: {content!r:.80}"
            ) from None

    return checked


_FRACTION: Final = re.compile(r"(\.\d{6})\d+")
"""Digits beyond microseconds, which datetime does not read."""


def _moment(text: str) -> float:
    """Return a time of RFC 3339 in seconds since 1970."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:  # nanoseconds
        return datetime.fromisoformat(_FRACTION.sub(r"\1", text)).timestamp()


def _gatling_row(row: Sequence[str]) -> Row:
    # REQUEST, groups, name, start, end, OK or KO, message
    try:
        _, _groups, name, start, end, outcome, *message = row[:7]
        failure = "" if outcome == "OK" else (message[0] if message and message[0] else "KO")
        latency_ns = (float(end) - float(start)) * UNITS["ms"]
        return name, latency_ns, failure, float(start) / 1e3, ""
    except ValueError:
        raise ImportedFileError(
            f"has a line that is not a request: {chr(9).join(row)!r:.80}"
        ) from None


_VARIABLE: Final = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


def _nginx_pattern(log_format: str) -> re.Pattern[str]:
    """Return the regular expression of a line in an nginx log format."""
    parts, end, names = [], 0, set()
    for match in _VARIABLE.finditer(log_format):
        parts.append(re.escape(log_format[end : match.start()]))
        name = match[1] or match[2]
        # A variable used twice is only read once, and captures ($1) never; values may contain
        # anything up to what follows.
        is_read = name.isidentifier() and name not in names
        parts.append(f"(?P<{name}>.*?)" if is_read else ".*?")
        names.add(name)
        end = match.end()
    parts.append(re.escape(log_format[end:]))
    if "request_time" not in names:
        raise ImportedFileError("--log-format has no $request_time, the latency in seconds")
    return re.compile("".join(parts))


def _nginx_row(values: dict[str, str], default: str) -> Row:
    words = values.get("request", "").split()
    method = values.get("request_method") or (words[0] if len(words) > 1 else "")
    path = values.get("uri") or values.get("request_uri") or (words[1] if len(words) > 1 else "")
    name = f"{method} {path.partition('?')[0]}".strip() or default
    status, has_time = values.get("status"), values["request_time"] != "-"
    failure = _http_failure(status) if status else ""
    unknown = NO_STATUS if status is None else ""
    try:
        latency_s = float(values["request_time"]) if has_time else 0.0
        start_s = _nginx_end(values) - latency_s
        # A request without a time has no latency to judge, and must not vanish.
        failure = failure if has_time else failure or NO_TIME
        return name, latency_s * UNITS["s"], failure, start_s, unknown
    except ValueError:
        raise ImportedFileError(f"has a line without a time: {values!r:.80}") from None


def _nginx_end(values: dict[str, str]) -> float:
    """Return when a request ended."""
    if "msec" in values:
        return float(values["msec"])
    if "time_iso8601" in values:
        return _moment(values["time_iso8601"])
    if "time_local" in values:
        return datetime.strptime(values["time_local"], "%d/%b/%Y:%H:%M:%S %z").timestamp()
    raise ImportedFileError(
        "--log-format has no time: add $msec, $time_iso8601 or $time_local, so that a single "
        "stall can be told from slow code"
    )
