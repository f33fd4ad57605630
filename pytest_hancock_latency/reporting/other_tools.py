"""JSON formats of other tools: pytest-benchmark and Bencher.

For pytest-benchmark, mean, deviation and quartiles come from the histogram and have its accuracy;
durations are seconds. Percentiles, which its format lacks, are in ``extra_info``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any, Final

from ..core.histogram import Histogram, middle
from ..core.quantile import P50
from ..core.record import Record
from ..errors import ArtifactError

_S: Final = 1e-9
_VERSION: Final = "4.0.0"
"""Version of pytest-benchmark; later versions read files of earlier ones."""
_QUARTERS: Final = (Fraction(1, 4), Fraction(3, 4))
_WHISKER: Final = 1.5


def pytest_benchmark_json(records: Sequence[Record], session: Mapping[str, Any], *_: object) -> str:
    """Render all samples in the format of pytest-benchmark.

    Raises:
        ArtifactError: a sample has no histogram.
    """
    started = session.get("started_unix_s")
    at = datetime.fromtimestamp(started if isinstance(started, int | float) else 0, UTC)
    saved = {
        "machine_info": _machine_info(session.get("machine") or {}),
        "commit_info": _commit_info(session.get("commit") or {}),
        "benchmarks": [_benchmark(record) for record in records if record.n],
        "datetime": at.isoformat(),
        "version": _VERSION,
    }
    return json.dumps(saved, indent=1, ensure_ascii=False, default=str) + "\n"


def _machine_info(machine: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **machine,
        "node": machine.get("node", ""),
        "machine": machine.get("architecture", ""),
        "python_version": machine.get("python", ""),
        "python_implementation": machine.get("implementation", ""),
        "cpu": {"brand_raw": machine.get("cpu"), "count": machine.get("cores")},
    }


def _commit_info(commit: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": commit.get("id"), "branch": commit.get("branch"), "dirty": commit.get("dirty")}


def _benchmark(record: Record) -> dict[str, Any]:
    if record.histogram is None:
        raise ArtifactError(record.no_histogram)
    return {
        "group": None,
        "name": record.title.rpartition("::")[2],
        "fullname": record.title,
        "params": None,
        "param": None,
        "extra_info": {
            "latency_verdict": record.outcome,
            **{f"latency_{name}_ns": ns for name, ns in record.quantiles_ns.items()},
        },
        "options": {"disable_gc": False, "timer": "perf_counter_ns", "warmup": True},
        "stats": _stats(record.histogram),
    }


@dataclass(frozen=True, slots=True)
class _Spread:
    """Quartiles, and the bounds beyond which pytest-benchmark counts outliers; in ns."""

    q1: int
    q3: int

    @property
    def iqr(self) -> int:
        return self.q3 - self.q1

    @property
    def low(self) -> float:
        return self.q1 - _WHISKER * self.iqr

    @property
    def high(self) -> float:
        return self.q3 + _WHISKER * self.iqr


def _stats(histogram: Histogram) -> dict[str, Any]:
    values = {middle(index): count for index, count in histogram.counts.items()}
    n = histogram.n
    total = sum(ns * count for ns, count in values.items())
    mean, deviation = histogram.mean_ns, histogram.stddev_ns
    spread = _Spread(*(histogram.quantile_ns(quarter) for quarter in _QUARTERS))
    beyond = _count(values, (spread.low, spread.high))
    far = _count(values, (mean - deviation, mean + deviation))
    return {
        "min": histogram.least_ns * _S,
        "max": max(values) * _S,
        "mean": mean * _S,
        "stddev": deviation * _S,
        "rounds": n,
        "median": histogram.quantile_ns(P50) * _S,
        "iqr": spread.iqr * _S,
        "q1": spread.q1 * _S,
        "q3": spread.q3 * _S,
        "iqr_outliers": beyond,
        "stddev_outliers": far,
        "outliers": f"{far};{beyond}",
        "ld15iqr": min(_inside(values, spread), default=spread.q1) * _S,
        "hd15iqr": max(_inside(values, spread), default=spread.q3) * _S,
        "ops": 1 / (mean * _S) if mean else 0.0,
        "total": total * _S,
        "iterations": 1,
    }


def _count(values: Mapping[int, int], ends: tuple[float, float]) -> int:
    """Return the number of values outside the bounds."""
    return sum(count for ns, count in values.items() if not ends[0] <= ns <= ends[1])


def _inside(values: Iterable[int], spread: _Spread) -> list[int]:
    return [ns for ns in values if spread.low <= ns <= spread.high]


_LONGEST_NAME: Final = 1024
_MEDIAN: Final = "p50"


def bencher_json(records: Sequence[Record], *_: object) -> str:
    """Render each sample as a Bencher benchmark, with the median as ``latency`` and
    ``p99-latency``.

    Bounds hold at 95 % confidence each.

    Raises:
        ArtifactError: two samples have the same name, so one would be lost.
    """
    benchmarks: dict[str, dict[str, Mapping[str, Any]]] = {}
    for record in records:
        name = record.title[:_LONGEST_NAME]
        if name in benchmarks:
            raise ArtifactError(f"{name} occurs twice: merge the artifacts first")
        if record.n:
            benchmarks[name] = {_measure(p): _metric(record, p) for p in record.quantiles_ns}
    return json.dumps(benchmarks, indent=1, ensure_ascii=False) + "\n"


def _measure(percentile: str) -> str:
    """Return the slug of a measure; ``latency`` is built into Bencher, in nanoseconds."""
    return "latency" if percentile == _MEDIAN else f"{percentile.replace('.', '-')}-latency"


def _metric(record: Record, percentile: str) -> Mapping[str, Any]:
    low, high = record.bounds_ns.get(percentile, (None, None))
    metric = {"value": float(record.quantiles_ns[percentile])}
    if low is not None:
        metric["lower_value"] = float(low)
    if high is not None:
        metric["upper_value"] = float(high)
    return metric
