"""Additional columns: statistics without limits, named as in pytest-benchmark.

They are computed from the histogram of raw latency, which is accurate to 0.05 %, because artifacts
contain no single observations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from ..core.duration import NS_PER_S, format_ms
from ..core.histogram import Histogram
from ..core.record import Record
from ..core.sample import ONE_CALLER
from ..errors import SettingError, did_you_mean

NO_VALUE: Final = "–"
_HUNDRED: Final = 100


class Column(NamedTuple):
    """A statistic of a record; its value is None if unknown."""

    name: str
    """Its name in options, and its heading."""
    value: Callable[[Record], float | None]
    """Returns the value, in ns or as a plain number."""
    show: Callable[[float], str]
    note: str
    """Explains how it is computed."""

    def text(self, record: Record) -> str:
        """Return the cell of a record."""
        value = self.value(record)
        return NO_VALUE if value is None else self.show(value)


def calls_per_second(record: Record) -> float | None:
    """Return 1 / mean latency for one caller, and the achieved rate for a load."""
    if record.measurement.loop in ONE_CALLER:
        mean_ns = _of_histogram(lambda histogram: histogram.mean_ns)(record)
        return NS_PER_S / mean_ns if mean_ns else None
    elapsed_ns = record.measurement.elapsed_ns
    return record.n * NS_PER_S / elapsed_ns if elapsed_ns and record.n else None


def three_digits(number: float) -> str:
    """Format with three significant digits, or all digits before the point: ``1.23``, ``12300``."""
    return f"{number:.0f}" if number >= _HUNDRED else f"{number:.3g}"


def _of_histogram(statistic: Callable[[Histogram], float]) -> Callable[[Record], float | None]:
    def value(record: Record) -> float | None:
        return statistic(record.histogram) if record.histogram and record.histogram.n else None

    return value


def _ms(ns: float) -> str:
    return format_ms(round(ns))


_HISTOGRAM: Final = "from the histogram of raw latency, accurate to 0.05 %"
COLUMNS: Final = {
    column.name: column
    for column in (
        Column("min", _of_histogram(lambda histogram: histogram.least_ns), _ms, _HISTOGRAM),
        Column("max", lambda record: record.quantiles_ns.get("max"), _ms, "raw, exact"),
        Column("mean", _of_histogram(lambda histogram: histogram.mean_ns), _ms, _HISTOGRAM),
        Column("stddev", _of_histogram(lambda histogram: histogram.stddev_ns), _ms, _HISTOGRAM),
        Column(
            "ops",
            calls_per_second,
            three_digits,
            "calls per second: 1 / mean for one caller, observations / elapsed time for a load",
        ),
    )
}
"""All columns by name, in the order of the help."""


def parse_columns(text: object) -> tuple[Column, ...]:
    """Parse a list of columns such as ``"min,mean,ops"``, in this order.

    Raises:
        SettingError: a column is unknown, or there are none.
    """
    names = [name for name in map(str.strip, str(text).split(",")) if name]
    valid = ", ".join(COLUMNS)
    if not names:
        raise SettingError(f"{text!r} names no column: must be any of {valid}")
    for name in names:
        if name not in COLUMNS:
            near = did_you_mean(name, COLUMNS)
            raise SettingError(f"unknown column {name!r}{near}: must be any of {valid}")
    return tuple(COLUMNS[name] for name in dict.fromkeys(names))


def notes(columns: Sequence[Column]) -> list[str]:
    """Explain the columns, with one line for those with the same explanation."""
    names: dict[str, list[str]] = {}
    for column in columns:
        names.setdefault(column.note, []).append(column.name)
    return [f"{', '.join(same)}: {note}" for note, same in names.items()]
