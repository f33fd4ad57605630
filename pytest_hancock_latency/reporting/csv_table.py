"""The samples as CSV (RFC 4180): one row per sample, for spreadsheets and data frames.

Durations are integer nanoseconds and their columns end in ``_ns``, as in the JSON artifact. Missing
values are empty cells.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from ..core.quantile import parse_quantile
from ..core.record import Record
from .columns import COLUMNS
from .wording import printable

_FORMULA = ("=", "+", "-", "@")
_OF_HISTOGRAM = ("min", "mean", "stddev")


def csv_text(records: Sequence[Record], *_: object) -> str:
    """Render a heading and a row for each record; all rows have the same columns.

    Percentiles are those of all records, ascending; limits have separate columns.
    """
    quantiles = _ascending(label for record in records for label in record.quantiles_ns)
    limits = _ascending(label for record in records for label in _limits(record))
    rows = [_row(record, quantiles, limits) for record in records]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0] if rows else _row(_EMPTY, [], [])))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _cell(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    cell = printable(text)
    return f"'{cell}" if cell.lstrip().startswith(_FORMULA) else cell


def _row(record: Record, quantiles: Sequence[str], limits: Sequence[str]) -> dict[str, Any]:
    measurement, own_limits = record.measurement, _limits(record)
    ops = COLUMNS["ops"].value(record)
    statistics = {name: COLUMNS[name].value(record) for name in _OF_HISTOGRAM}
    return {
        "test": _cell(record.test),
        "name": _cell(record.name),
        "outcome": record.outcome,
        "n": record.n,
        "failures": sum(record.failures.values()),
        **{f"{label}_ns": record.quantiles_ns.get(label) for label in quantiles},
        **{
            f"attributed_{label}_ns": record.attributed_quantiles_ns.get(label)
            for label in quantiles
        },
        **{f"limit_{label}_ns": own_limits.get(label) for label in limits},
        **{f"{name}_ns": None if ns is None else round(ns) for name, ns in statistics.items()},
        "ops": None if ops is None else round(ops, 3),
        "loop": measurement.loop,
        "elapsed_ns": measurement.elapsed_ns,
        "started_unix_s": measurement.started_unix_s,
        "budget_name": _cell(record.budget_name or ""),
        "worker": _cell(record.worker or ""),
        "attempt": record.attempt,
    }


def _limits(record: Record) -> Mapping[str, int]:
    parts = record.verdict.limits if record.verdict else ()
    return {part.limit.label: part.limit.limit_ns for part in parts}


def _ascending(labels: Any) -> list[str]:
    return sorted(set(labels), key=parse_quantile)


_EMPTY = Record("", "", 0, {}, {}, {})
