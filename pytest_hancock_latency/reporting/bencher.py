"""Bencher Metric Format: what ``bencher run --adapter json`` reads. Values are nanoseconds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ..core.record import Record
from ..errors import ArtifactError

_LONGEST_NAME: Final = 1024
_MEDIAN: Final = "p50"


def bencher_json(records: Sequence[Record]) -> str:
    """Each sample as a benchmark; the median is its ``latency``, p99 its ``p99-latency``.

    Bounds are those that hold with 95 % each.

    Raises:
        ArtifactError: two samples have the same name, of which one would be lost.
    """
    benchmarks: dict[str, dict[str, Mapping[str, Any]]] = {}
    for record in records:
        name = record.title[:_LONGEST_NAME]
        if name in benchmarks:
            raise ArtifactError(f"{name} is there twice: merge the artifacts first")
        if record.n:
            benchmarks[name] = {_measure(p): _metric(record, p) for p in record.quantiles_ns}
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
