"""The table of samples as plain text, for the terminal and the text summary."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ..core.duration import NS_PER_MS, format_against, format_exactly, format_ms
from ..core.judging.verdict import LimitVerdict
from ..core.record import Record
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


HEADINGS: Final = ("sample", "n", "p50", "p95", "p99", "limits (ms)", "verdict")
NUMBERS: Final = frozenset({1, 2, 3, 4})
"""Columns that are set flush right."""
UNIT_NOTE: Final = "latencies in ms, raw, by nearest rank"


@dataclass(frozen=True, slots=True)
class Row:
    """One sample as texts."""

    sample: str
    n: str
    p50: str
    p95: str
    p99: str
    limits: str
    verdict: str

    @property
    def cells(self) -> tuple[str, ...]:
        """The texts in the order of `HEADINGS`."""
        return (self.sample, self.n, self.p50, self.p95, self.p99, self.limits, self.verdict)


def rows(records: Iterable[Record]) -> list[Row]:
    """A row for each record."""
    return [_row(record) for record in records]


def _row(record: Record) -> Row:
    parts = {part.limit.label: part for part in record.verdict.limits} if record.verdict else {}
    return Row(
        sample=record.title,
        n=str(record.n) + (f" +{sum(record.failures.values())}✗" if record.failures else ""),
        p50=_cell("p50", record.quantiles_ns, parts),
        p95=_cell("p95", record.quantiles_ns, parts),
        p99=_cell("p99", record.quantiles_ns, parts),
        limits=_limits(record),
        verdict=_verdict(record),
    )


def _cell(name: str, quantiles: Mapping[str, int], parts: Mapping[str, LimitVerdict]) -> str:
    if name not in quantiles:
        return "–"
    if name not in parts:
        return format_ms(quantiles[name])
    observed, _ = format_against(quantiles[name], parts[name].limit.limit_ns)
    amount, unit = observed.split(" ")
    return amount if unit == "ms" else format_ms(quantiles[name])


def _limits(record: Record) -> str:
    if record.verdict is None:
        return "–"
    parts = record.verdict.limits
    usual = [part.limit.label for part in parts]
    texts = [_milliseconds(part.limit.limit_ns) for part in parts]
    if usual == ["p50", "p95", "p99"]:
        return " / ".join(texts)
    return ", ".join(f"{name} {text}" for name, text in zip(usual, texts, strict=True))


def _milliseconds(ns: int) -> str:
    return f"{ns / NS_PER_MS:.6f}".rstrip("0").rstrip(".")


def _verdict(record: Record) -> str:
    decisive = record.verdict.decisive if record.verdict else None
    if decisive is None or record.outcome == "within":
        return record.outcome
    return f"{record.outcome} {decisive.limit.label}"


__all__ = ["HEADINGS", "NUMBERS", "UNIT_NOTE", "Row", "format_exactly", "rows"]
