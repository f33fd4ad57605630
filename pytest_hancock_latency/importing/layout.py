"""From rows to requests: which columns have the latency, the name, the time and the outcome."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from ..errors import ImportedFileError
from .rows import Column, Notes, Rows

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Numbers = npt.NDArray[np.float64]

UNITS: Final = {"ns": 1.0, "us": 1e3, "ms": 1e6, "s": 1e9}
"""Nanoseconds in a unit."""
_SUFFIXES: Final = {**UNITS, "": 0.0, "µs": 1e3, "μs": 1e3, "sec": 1e9, "min": 60e9}
_LONGEST_NS: Final = 2.0**62
"""No latency is longer than this: 146 years, which still fit into 64 bits."""
_LATEST_S: Final = 2.0**32
"""No request is later than this: in the year 2106. The time between two requests, in nanoseconds,
has to fit into 64 bits."""
_MOST_REMEMBERED: Final = 10_000
"""Different texts of a column whose meaning is remembered: far more than there are statuses."""
_SUCCESS: Final = 400
"""The lowest status of HTTP that is an error."""
_DIGITS_OF_SECONDS: Final = 10
"""Digits of a time since 1970 in seconds, from 2001 to 2286."""
_LONGEST: Final = 40
"""Characters of a value that a message shows."""
_MOST_COLUMNS: Final = 20
"""Columns that a message lists: of a file that is not CSV, the first line can be long."""
NO_TIME: Final = "no latency"
"""Failure of a request whose latency is empty or ``-``."""
NO_CONDITION: Final = "no condition"
"""A file of any tool without a condition of successful requests."""
NO_STATUS: Final = "no status"
"""A log format without a status."""
NO_TAGS: Final = "no tags"
"""No tag of k6 tells whether a request failed."""
NO_OUTCOME: Final = "no outcome"
"""The tool does not write whether a request failed."""

_VALUE: Final = re.compile(r"\s*([-+]?[\d.,]+(?:[eE][-+]?\d+)?|[-+]?(?:nan|inf))\s*([a-zµμ]*)\s*")
_DECIMAL_COMMA: Final = re.compile(r"[-+]?\d+,\d+")
_FRACTION: Final = re.compile(r"(\.\d{6})\d+")
"""Digits beyond microseconds, which datetime does not read."""
_EPOCH: Final = re.compile(r"([0-9]{1,19})(\.[0-9]*)?")
_ACCESS_LOG: Final = re.compile(
    r"\[?(\d{1,2})/(\w{3})/(\d{4}):(\d\d:\d\d:\d\d(?:\.\d+)?)(?: ([-+]\d{4}))?\]?"
)
_MONTHS: Final = "JanFebMarAprMayJunJulAugSepOctNovDec"
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
    """Why some failures are unknown: `NO_CONDITION`, `NO_STATUS`, `NO_TAGS`, …"""


Judge = Callable[[str], str | None]
"""Returns the failure that a value stands for; empty for a success, None if it says nothing."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where rows have what is needed. Columns that are not there are passed over."""

    latency: tuple[str, ...]
    """Its column, or several that are added up."""
    unit: str = "ms"
    missing: tuple[str, ...] = ("", "-")
    """What stands for no latency."""
    names: tuple[str, ...] = ()
    """Columns that are joined by spaces."""
    is_target: bool = False
    """Whether names are requests of HTTP, whose query and protocol are left out."""
    joint: str = " "
    time: tuple[str, ...] = ()
    """Its column, or date and time."""
    is_end: bool = False
    """Whether that time is when a request ended."""
    time_format: str | None = None
    """As `strptime` has it; by default times are recognized."""
    outcome: tuple[tuple[str, Judge], ...] = ()
    """Columns that tell whether a request failed: the first one that says something counts."""
    reasons: tuple[str, ...] = ()
    """Columns with the kind of a failure, if the outcome has none."""
    unknown: str = NO_CONDITION
    """Why failures are unknown if no column tells them."""
    only: tuple[tuple[str, Callable[[str], bool]], ...] = ()
    """Conditions of the rows that are read."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Columns that the user asked for, and by which option."""

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that are used."""
        return (
            *(*self.latency, *self.names, *self.time, *self.reasons),
            *(column for column, _ in (*self.outcome, *self.only)),
        )


class _BadValueError(ValueError):
    """A value that cannot be converted; the text begins with the value."""


class _Remembered(dict[str | None, Any]):
    """What a function returns for each text: a column has few different ones. None is None."""

    def __init__(self, function: Callable[[str], Any]) -> None:
        super().__init__()
        self._function = function

    def __missing__(self, text: str | None) -> Any:
        if text is None:
            return None
        if len(self) >= _MOST_REMEMBERED:
            self.clear()
        result = self[text] = self._function(text)
        return result


@dataclass(slots=True)
class Conversion:
    """Converts the rows of one file."""

    layout: Layout
    expected: str
    """What writes such rows, for a message."""
    default: str
    """Name of requests without one."""
    _time: Callable[[Column], Numbers] | None = None
    """Chosen by the first time of the file."""
    _has_times: bool | None = None
    _is_end: bool = False
    _only: Mapping[str, _Remembered] = field(init=False)
    _judges: Mapping[str, _Remembered] = field(init=False)
    _targets: _Remembered = field(init=False)

    def __post_init__(self) -> None:
        self._only = {column: _Remembered(is_read) for column, is_read in self.layout.only}
        self._judges = {column: _Remembered(judge) for column, judge in self.layout.outcome}
        self._targets = _Remembered(_target)
        self._is_end = self.layout.is_end

    def requests(self, blocks: Iterable[Rows], notes: Notes) -> Iterator[Requests]:
        """Convert all rows.

        Args:
            blocks: of rows.
            notes: to note what is left out.

        Raises:
            ImportedFileError: a column is missing, or a row cannot be converted.
        """
        is_checked = False
        for block in blocks:
            rows = self._selected(block)
            notes.unread += len(block.numbers) - len(rows.numbers)
            if not is_checked and (rows.numbers or not block.numbers):
                self._expect(rows)
                is_checked = True
            if not rows.numbers:
                continue
            try:
                yield self._converted(rows)
            except _BadValueError:
                rows = self._readable(rows, notes)
                if rows.numbers:
                    yield self._converted(rows)

    def _readable(self, rows: Rows, notes: Notes) -> Rows:
        """Return a block without another header in the middle, and without a cut line."""
        places = []
        for place, number in enumerate(rows.numbers):
            try:
                self._converted(rows.at([place]))
            except _BadValueError as error:
                if not self._is_header(rows, place) and not notes.is_cut(number):
                    raise ImportedFileError(f"line {number}: {error}") from None
            else:
                places.append(place)
        return rows.at(places)

    def _is_header(self, rows: Rows, place: int) -> bool:
        columns = ((name, rows.columns.get(name)) for name in self.layout.latency)
        return all(column is not None and column[place] == name for name, column in columns)

    def _selected(self, rows: Rows) -> Rows:
        for column, is_read in self._only.items():
            values = rows.columns.get(column)
            if values is not None:
                places = [at for at, value in enumerate(values) if is_read[value or ""]]
                rows = rows if len(places) == len(values) else rows.at(places)
        return rows

    def _expect(self, rows: Rows) -> None:
        """Refuse a file without a column. Of a header alone, there are no values yet."""
        names = [name for name in rows.columns if not rows.numbers or rows.column(name)]
        for column in (*self.layout.latency, *self.layout.options):
            if column in names:
                continue
            if column not in self.layout.options:
                raise ImportedFileError(
                    f"has no column {column}: expected the output of {self.expected}"
                )
            have = ", ".join(f"{name:.{_LONGEST}}" for name in names[:_MOST_COLUMNS])
            raise ImportedFileError(
                f"{self.layout.options[column]}: no column {column!r}; there are {have or 'none'}"
            )

    def _converted(self, rows: Rows) -> Requests:
        failures, unknown = self._failures(rows)
        latencies, failures = self._latencies(rows, failures)
        starts = self._starts(rows, latencies)
        return Requests(self._names(rows), latencies, failures, starts, unknown)

    def _names(self, rows: Rows) -> Sequence[str]:
        layout = self.layout
        columns = [column for name in layout.names if (column := rows.column(name))]
        if not columns:
            return [self.default] * len(rows.numbers)
        names = columns[0]
        if len(columns) > 1:
            joined = zip(*columns, strict=True)
            names = [layout.joint.join(filter(None, values)) for values in joined]
        if layout.is_target:
            names = [self._targets[name or ""] for name in names]
        if "" in names or None in names:
            names = [name or self.default for name in names]
        return cast("Sequence[str]", names)

    def _failures(self, rows: Rows) -> tuple[list[str], str]:
        """Return the failure of each row, and why some may be unknown."""
        columns = [
            (column, self._judges[name], judge is by_error)
            for name, judge in self.layout.outcome
            if (column := rows.column(name))
        ]
        judged: list[str | None] = [None] * len(rows.numbers)
        for column, judge, _ in columns:
            if judged.count(None) == len(judged):
                judged = list(map(judge.__getitem__, column))
            elif None in judged:
                judged = [
                    judge[value] if before is None else before
                    for before, value in zip(judged, column, strict=True)
                ]
        failures = [failure or "" for failure in judged]
        if FAILED in failures:
            self._give_reasons(rows, failures)
        has_errors = any(is_error for _, _, is_error in columns)  # empty for a success
        is_known = has_errors or any(failure is not None for failure in judged)
        return failures, "" if is_known else self.layout.unknown

    def _give_reasons(self, rows: Rows, failures: list[str]) -> None:
        columns = [column for name in self.layout.reasons if (column := rows.column(name))]
        for at, failure in enumerate(failures):
            if failure == FAILED:
                reasons = (str(column[at]) for column in columns if column[at])
                failures[at] = next(reasons, FAILED)

    def _latencies(self, rows: Rows, failures: list[str]) -> tuple[Numbers, list[str]]:
        """Return the latencies in ns, and the failures with those of requests without a latency."""
        import numpy as np

        unit_ns = UNITS[self.layout.unit]
        total = np.zeros(len(rows.numbers))
        for name in self.layout.latency:
            column = cast("Sequence[str]", rows.columns[name])
            try:
                with np.errstate(over="ignore"):  # then it is above the maximum
                    latencies = np.fromiter(map(float, column), np.float64, len(column)) * unit_ns
            except (TypeError, ValueError):
                latencies = np.full(len(column), -1.0)
            if not 0 <= latencies.min() <= latencies.max() <= _LONGEST_NS:
                values = [self._latency_ns(value or "", unit_ns) for value in column]
                failures = [
                    failure or NO_TIME if value is None else failure
                    for failure, value in zip(failures, values, strict=True)
                ]
                latencies = np.array([value or 0.0 for value in values])
            total += latencies
        return total, failures

    def _latency_ns(self, text: str, unit_ns: float) -> float | None:
        """Return a latency such as ``20``, ``20,5`` or ``20ms``; None if there is none."""
        if text.strip() in self.layout.missing:
            return None
        match = _VALUE.fullmatch(text)
        number, suffix = match.groups() if match else ("", "")
        if _DECIMAL_COMMA.fullmatch(number):
            number = number.replace(",", ".")
        value, value_text = _number(number), f"{text!r:.{_LONGEST}}"
        if value is None or suffix not in _SUFFIXES:
            raise _BadValueError(f"{value_text} is not a number")
        latency_ns = value * (_SUFFIXES[suffix] or unit_ns)
        if latency_ns < 0:
            raise _BadValueError(f"{value_text} is negative, which no latency is")
        if not latency_ns <= _LONGEST_NS:
            raise _BadValueError(f"{value_text} is not a latency")
        return latency_ns

    def _starts(self, rows: Rows, latencies: Numbers) -> Numbers | None:
        import numpy as np

        columns = [column for name in self.layout.time if (column := rows.column(name))]
        if self._has_times is None:
            self._has_times = bool(columns)
        if self._has_times != bool(columns):
            raise ImportedFileError(
                f"has requests with and without a time, around line {rows.numbers[0]}"
            )
        if not columns:
            return None
        column = columns[0]
        if len(columns) > 1:
            column = [" ".join(map(str, values)) for values in zip(*columns, strict=True)]
        if self._time is None:
            self._time, is_coarse = _time_reader(column[0] or "", self.layout.time_format)
            self._is_end = self._is_end and not is_coarse
        starts = self._time(column)
        if self._is_end:
            starts = starts - latencies / UNITS["s"]
        if not np.abs(starts).max() <= _LATEST_S:
            raise _BadValueError(f"{column[0]!r:.{_LONGEST}} is not a time")
        return starts


def _time_reader(text: str, time_format: str | None) -> tuple[Callable[[Column], Numbers], bool]:
    """Return what converts times like this one to seconds, and whether they are whole seconds."""
    if time_format is not None:
        return partial(_moments, _Remembered(partial(_by_format, time_format))), False
    epoch = _EPOCH.fullmatch(text.strip())
    if epoch is None:
        return partial(_moments, _Remembered(_moment)), False
    # Milliseconds have three digits more than seconds, and so on; fewer digits are since the start.
    thousands = max(0, (len(epoch[1]) - _DIGITS_OF_SECONDS) // 3)
    is_coarse = not thousands and not epoch[2] and len(epoch[1]) == _DIGITS_OF_SECONDS
    return partial(_epoch_times, 1e-3**thousands), is_coarse


def _epoch_times(unit_s: float, column: Column) -> Numbers:
    import numpy as np

    try:
        numbers = map(float, cast("Sequence[str]", column))
        return np.fromiter(numbers, np.float64, len(column)) * unit_s
    except (TypeError, ValueError):
        raise _BadValueError(f"{column[0]!r:.{_LONGEST}} is not a time") from None


def _moments(remembered: _Remembered, column: Column) -> Numbers:
    import numpy as np

    times = (remembered[value or ""] for value in column)
    return np.fromiter(times, np.float64, len(column))


def _by_format(time_format: str, text: str) -> float:
    try:
        return _since_1970(datetime.strptime(text.strip("[]"), time_format))
    except ValueError:
        raise _BadValueError(f"{text!r:.{_LONGEST}} is not a time like {time_format}") from None


def _moment(text: str) -> float:
    """Return the seconds since 1970 of a time of ISO 8601, JMeter, or an access log."""
    with suppress(ValueError):
        return _since_1970(datetime.fromisoformat(text))
    if access_log := _ACCESS_LOG.fullmatch(text):
        day, month, year, clock, zone = access_log.groups()
        number = _MONTHS.find(month) // len(month) + 1
        text = f"{year}-{number:02}-{int(day):02}T{clock}{zone or ''}"
    text = _FRACTION.sub(r"\1", text.strip().replace("/", "-").replace(",", "."))
    try:
        return _since_1970(datetime.fromisoformat(text))
    except ValueError:
        raise _BadValueError(
            f"{text!r:.{_LONGEST}} is not a time that is recognized: add --time-format, such as "
            "'%Y-%m-%d %H:%M:%S'"
        ) from None


def _since_1970(moment: datetime) -> float:
    """Return the seconds since 1970; without a time zone it is UTC."""
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _target(request: str) -> str:
    """Return a request of HTTP without its query and its protocol.

    >>> _target("GET /items/7?page=2 HTTP/1.1")
    'GET /items/7'
    """
    return (request.rpartition(" HTTP/")[0] or request).partition("?")[0].strip()


FAILED: Final = "failed"
"""A failure of which no more is known."""


def by_status(status: str) -> str:
    """Judge a status of HTTP."""
    number = _number(status)
    return "" if number is not None and 0 < number < _SUCCESS else f"HTTP {status or 'no status'}"


def by_status_if_any(status: str) -> str | None:
    """Judge a status of HTTP; an empty one says nothing."""
    return by_status(status) if status else None


def by_error(error: str) -> str | None:
    """Judge a column that has a text only if the request failed."""
    return error or None


def by_word(word: str, text: str) -> str | None:
    """Judge a column that has a certain word, in any case, if the request succeeded."""
    return ("" if text.lower() == word.lower() else FAILED) if text else None


def by_condition(option: str, text: str) -> tuple[str, Judge]:
    """Return the column and the judge of a condition such as ``status<400``.

    Args:
        option: that the condition was given to.
        text: the condition.

    Raises:
        ImportedFileError: it is none.
    """
    match = re.fullmatch(r"\s*(\S+?)\s*(?:(<=|>=|==|!=|<|>)\s*(.*?)|is empty)\s*", text)
    if match is None:
        raise ImportedFileError(
            f"{option}: {text!r} is not a condition such as 'status<400' or 'error is empty'"
        )
    column, sign, right = match[1], match[2] or "==", match[3] or ""
    compare, limit = _COMPARISONS[sign], _number(right)

    def failure(value: str) -> str:
        number = _number(value)
        if limit is not None and number is not None:
            is_ok = compare(number, limit)
        else:
            is_ok = sign in ("==", "!=") and compare(value, right)
        return "" if is_ok else f"{column} {value}"

    return column, failure


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
