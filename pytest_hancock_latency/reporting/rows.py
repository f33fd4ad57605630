"""Rows of the table of samples: made once, set in every format from the same cells."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from ..core.duration import NS_PER_MS, format_against, format_exactly, format_ms
from ..core.judging.verdict import LimitVerdict
from ..core.record import Record

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
