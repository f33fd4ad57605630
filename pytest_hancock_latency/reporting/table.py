"""The table of samples as plain text, for the terminal and the text summary."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Final

from ..core.record import Record
from .rows import HEADINGS, NUMBERS, UNIT_NOTE, rows
from .wording import explain

_LONGEST: Final = 121
"""Letters of a title in the table; parameters may have thousands, and the evidence has them all."""


def table_lines(records: Sequence[Record]) -> list[str]:
    """A heading and a line per record, columns aligned."""
    cells = [(_shortened(row.sample), *row.cells[1:]) for row in rows(records)]
    return aligned([HEADINGS, *cells], NUMBERS)


def _shortened(title: str) -> str:
    """A title on one line, without its middle where it would push every figure away."""
    title = " ".join(title.splitlines())
    if len(title) <= _LONGEST:
        return title
    half = (_LONGEST - 1) // 2
    return f"{title[:half]}…{title[-half:]}"


def aligned(lines: Sequence[Sequence[str]], numbers: Container[int]) -> list[str]:
    """Lines of cells with their columns aligned. numbers: columns that are set flush right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [_line(line, widths, numbers) for line in lines]


def _line(cells: Sequence[str], widths: Sequence[int], numbers: Container[int]) -> str:
    padded = [
        text.rjust(width) if column in numbers else text.ljust(width)
        for column, (text, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join(padded).rstrip()


def count_line(records: Sequence[Record]) -> str:
    """How many samples have which outcome: ``4 within, 1 exceeded``."""
    order = ("within", "exceeded", "inconclusive", "not judged")
    counted = [(sum(r.outcome == outcome for r in records), outcome) for outcome in order]
    return ", ".join(f"{count} {outcome}" for count, outcome in counted if count)


def summary_text(records: Sequence[Record]) -> str:
    """The whole text summary: the table, the counts, and the evidence of what is not within."""
    lines = [f"latency budgets ({UNIT_NOTE})", "", *table_lines(records), "", count_line(records)]
    for record in records:
        if record.outcome != "within":
            lines += ["", record.title, *(f"  {line}" for line in explain(record))]
        lines += [f"  advice for {record.title}: {a.text}" for a in record.measurement.advice]
    return "\n".join(lines) + "\n"
