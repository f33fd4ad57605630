"""Bencher Metric Format: what ``bencher run --adapter json`` reads. Values are nanoseconds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ..core.record import Record

_LONGEST_NAME: Final = 1024
_MEDIAN: Final = "p50"


def bencher_json(records: Sequence[Record]) -> str:
    """Each sample as a benchmark; the median is its ``latency``, p99 its ``p99-latency``.

    Bounds are those that hold with 95 % each.
    """
    benchmarks = {
        record.title[:_LONGEST_NAME]: {
            _measure(percentile): _metric(record, percentile) for percentile in record.quantiles_ns
        }
        for record in records
        if record.n
    }
    return json.dumps(benchmarks, indent=1, ensure_ascii=False) + "\n"


def _measure(percentile: str) -> str:
    """The slug of a measure; ``latency`` is built into Bencher, in nanoseconds."""
    return "latency" if percentile == _MEDIAN else f"{percentile.replace('.', '-')}-latency"


def _metric(record: Record, percentile: str) -> Mapping[str, Any]:
    low, high = record.bounds_ns.get(percentile, (None, None))
    metric = {"value": float(record.quantiles_ns[percentile])}
    if low is not None:
        metric["lower_value"] = float(low)
    if high is not None:
        metric["upper_value"] = float(high)
    return metric
