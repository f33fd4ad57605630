"""The table of samples: its rows, shared by all formats, and the table as plain text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..core.duration import format_against, format_duration, format_ms, plain_ms
from ..core.quantile import COLUMNS, format_percent, label
from ..core.record import Record
from ..core.verdict import WORST_FIRST, LimitVerdict, Outcome, Route
from .advice import advice_lines
from .columns import NO_VALUE, Column, notes
from .wording import (
    explain,
    part_besides_limits,
    printable,
    scale_lines,
    scale_of,
    why_inconclusive,
)

PERCENTILES: Final = tuple(map(label, COLUMNS))
HEADINGS: Final = ("sample", "n", *PERCENTILES, "limits (ms)", "verdict")
NUMBERS: Final = frozenset(range(1, 2 + len(PERCENTILES)))
"""Right-aligned columns."""
UNIT_NOTE: Final = "latencies in ms, raw, by nearest rank"
_COUNTED: Final = (Outcome.WITHIN, *(o for o in WORST_FIRST if o is not Outcome.WITHIN))
_SLOW_NS: Final = 10_000_000_000
_SLOWEST: Final = 3
_NARROWEST: Final = 16
_GAP: Final = 2
"""Spaces between two cells."""
SEPARATOR: Final = "::"
"""Separator of the parts of a node id."""
_LONGEST: Final = 121
"""Maximum characters of a title; parameters may have thousands, which the evidence shows."""


@dataclass(frozen=True, slots=True)
class Row:
    """The texts of one sample."""

    sample: str
    small_print: str
    """The test, if the name is that of a budget."""
    n: str
    quantiles: tuple[str, ...]
    """One text for each of `PERCENTILES`."""
    limits: str
    verdict: str

    @property
    def cells(self) -> tuple[str, ...]:
        """The texts in the order of `HEADINGS`."""
        return (self.sample, self.n, *self.quantiles, self.limits, self.verdict)


def labels(records: Sequence[Record]) -> list[str]:
    """Return a name for each record, with the test if several have the same name."""
    counts = Counter(record.label for record in records)
    return [
        with_small_print(record) if counts[record.label] > 1 else printable(record.label)
        for record in records
    ]


def with_small_print(record: Record) -> str:
    """Return label and test: ``GET /health (tests/test_api.py::test_health)``."""
    label_, test = printable(record.label), printable(record.small_print)
    return f"{label_} ({test})" if test else label_


def rows(records: Iterable[Record]) -> list[Row]:
    """Return a row for each record."""
    return [_row(record) for record in records]


def _row(record: Record) -> Row:
    limits = record.verdict.limits if record.verdict else ()
    by_label = {part.limit.label: part for part in limits}
    return Row(
        sample=printable(record.label),
        small_print=printable(record.small_print),
        n=str(record.n) + (f" +{sum(record.failures.values())}✗" if record.failures else ""),
        quantiles=tuple(_cell(name, record.quantiles_ns, by_label) for name in PERCENTILES),
        limits=_limits(record),
        verdict=_verdict(record),
    )


def _cell(name: str, quantiles_ns: Mapping[str, int], limits: Mapping[str, LimitVerdict]) -> str:
    if name not in quantiles_ns:
        return NO_VALUE
    if name not in limits:
        return format_ms(quantiles_ns[name])
    observed, _ = format_against(quantiles_ns[name], limits[name].limit.limit_ns)
    amount, unit = observed.split(" ")
    return amount if unit == "ms" else format_ms(quantiles_ns[name])


def _limits(record: Record) -> str:
    if record.verdict is None:
        return NO_VALUE
    limits, errors, rps = record.verdict.limits, record.verdict.failures.allowed, record.verdict.rps
    growth = record.verdict.growth
    labels = tuple(part.limit.label for part in limits)
    texts = [plain_ms(part.limit.limit_ns) for part in limits]
    parts = [f"{name} {text}" for name, text in zip(labels, texts, strict=True)]
    if labels == PERCENTILES:
        parts = [" / ".join(texts)]
    if errors:
        parts.append(f"errors {format_percent(errors)} %")
    if rps:
        parts.append(f"≥ {rps.least_per_s:.12g}/s")
    if growth:
        parts.append(f"growth {growth.at_most}")
    return ", ".join(parts)


def _verdict(record: Record) -> str:
    """Return the outcome and what decided it: a limit, the errors, requests/s or growth.

    *within* has the route if it is not raw latency, which the other columns show.
    """
    verdict = record.verdict
    if verdict is None:
        return record.outcome
    if record.outcome is Outcome.WITHIN:
        return f"{record.outcome}{route_note(record)}"
    if verdict.decisive is not None:
        return f"{record.outcome} {verdict.decisive.limit.label}"
    return f"{record.outcome} {part_besides_limits(verdict)}"


def route_note(record: Record) -> str:
    """Return the route to *within* in brackets; empty if it is raw latency."""
    verdict = record.verdict
    if verdict is None or record.outcome is not Outcome.WITHIN or verdict.route is Route.RAW:
        return ""
    return f" ({verdict.route})"


def cells_of(records: Sequence[Record], columns: Sequence[Column] = ()) -> list[tuple[str, ...]]:
    """Return headings and a row per record; additional columns follow the percentiles."""
    at = 2 + len(PERCENTILES)
    table = [(HEADINGS, tuple(column.name for column in columns))]
    for row, record in zip(rows(records), records, strict=True):
        table.append((row.cells, tuple(column.text(record) for column in columns)))
    return [(*cells[:at], *texts, *cells[at:]) for cells, texts in table]


def number_columns(columns: Sequence[Column] = ()) -> range:
    """Return the right-aligned columns of `cells_of`."""
    return range(1, 2 + len(PERCENTILES) + len(columns))


def table_lines(records: Sequence[Record], columns: Sequence[Column] = ()) -> list[str]:
    """Render a heading and a line per record, with aligned columns."""
    heading, *lines = cells_of(records, columns)
    named_lines = zip(labels(records), lines, strict=True)
    cells = [heading, *((shortened(name, _LONGEST), *line[1:]) for name, line in named_lines)]
    return aligned(cells, number_columns(columns))


def room_for_names(figures: Sequence[str], width: int) -> int:
    """Return the maximum length of names next to these figures; lines may exceed `width`.

    Names shorter than a minimum would not identify a test.
    """
    return max(_NARROWEST, width - _GAP - max(map(len, figures)))


def shortened(text: str, width: int) -> str:
    """Shorten a text by cutting its middle, because both ends distinguish names."""
    if len(text) <= width:
        return text
    half = (width - 1) // 2
    return f"{text[: width - 1 - half]}…{text[len(text) - half :]}"


def natural(text: str) -> list[tuple[int, str]]:
    """Return a natural sort key: ``test[9]`` before ``test[10]``.

    Numbers are compared by their digits, because Python converts at most 4300 of them.
    """
    parts = re.split(r"0*(\d+)", text)  # texts and numbers by turns
    return [(len(part) if part.isdecimal() else 0, part) for part in parts]


def aligned(lines: Sequence[Sequence[str]], numbers: Container[int]) -> list[str]:
    """Align the columns of lines.

    Args:
        numbers: right-aligned columns.
    """
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [_line(line, widths, numbers) for line in lines]


def _line(cells: Sequence[str], widths: Sequence[int], numbers: Container[int]) -> str:
    padded = [
        text.rjust(width) if column in numbers else text.ljust(width)
        for column, (text, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return (" " * _GAP).join(padded).rstrip()


def count_line(records: Sequence[Record]) -> str:
    """Return the number of samples by outcome, best first: ``4 within, 1 exceeded``.

    Inconclusive samples are counted by reason: ``2 inconclusive: too few calls``.
    """
    counts: Counter[str] = Counter()
    for outcome in _COUNTED:
        counts.update(_counted_as(record) for record in records if record.outcome is outcome)
    return ", ".join(f"{count} {words}" for words, count in counts.items())


def _counted_as(record: Record) -> str:
    if record.outcome is not Outcome.INCONCLUSIVE:
        return record.outcome
    why = why_inconclusive(record)
    return f"{record.outcome}: {why}" if why else record.outcome


def slowest_lines(records: Sequence[Record]) -> list[str]:
    """Name the samples that took the longest, with advice; empty if none is slow."""
    slow = [
        record
        for record in records
        if record.measurement.elapsed_ns >= _SLOW_NS and record.measurement.clock is None
    ]
    if not slow:
        return []
    slow.sort(key=lambda record: -record.measurement.elapsed_ns)
    names = ", ".join(
        f"{printable(record.title)} {format_duration(record.measurement.elapsed_ns)}"
        for record in slow[:_SLOWEST]
    )
    return [
        f"slowest samples: {names}; a lower percentile or sample.burst(…, concurrency=8) takes "
        "less time"
    ]


def summary_text(
    records: Sequence[Record],
    session: Mapping[str, Any] | None = None,
    *_: object,
    columns: Sequence[Column] = (),
) -> str:
    """Render the text summary: table, counts, and evidence for samples that are not within."""
    return text_around(table_lines(records, columns), records, session, columns)


def text_around(
    table: Sequence[str],
    records: Sequence[Record],
    session: Mapping[str, Any] | None = None,
    columns: Sequence[Column] = (),
) -> str:
    """Render the text summary around an existing table."""
    lines = [f"latency budgets ({UNIT_NOTE})", "", *table, "", count_line(records), *notes(columns)]
    lines += scale_lines(scale_of(session))
    for record in records:
        if record.outcome is not Outcome.WITHIN:
            lines += ["", with_small_print(record), *(f"  {line}" for line in explain(record))]
    if advice := advice_lines(records):
        lines += ["", *advice]
    return "\n".join(lines) + "\n"
