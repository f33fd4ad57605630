"""A history as JSON, by the published schema `trend.schema.json`: every run and every change.

Format 1, under the rules of the artifact of a session: adding a field is not a breaking change;
renaming, removing or reinterpreting one is, and raises the number. Latencies are nanoseconds.
"""

from __future__ import annotations

from typing import Any, Final

from ..runs.trend import SampleTrend, Trend, TrendChange, TrendPoint
from .json_artifact import artifact_text

FORMAT: Final = 1


def trend_json(trend: Trend) -> str:
    """The history as JSON text."""
    plain = {
        "format": FORMAT,
        "kind": "trend",
        "runs": trend.runs,
        "notes": list(trend.notes),
        "samples": [_sample(sample) for sample in trend.samples],
    }
    return artifact_text(plain)


def _sample(sample: SampleTrend) -> dict[str, Any]:
    return {
        "title": sample.title,
        "label": sample.label,
        "changes": [_change(change) for change in sample.changes],
        "points": [_point(point) for point in sample.points],
    }


def _change(change: TrendChange) -> dict[str, Any]:
    return {
        "before_run": change.before.run,
        "after_run": change.after.run,
        "commits": [change.before.commit or None, change.after.commit or None],
        "ratio": change.ratio,
        "before_ns": round(change.point.before),
        "after_ns": round(change.point.after),
    }


def _point(point: TrendPoint) -> dict[str, Any]:
    return {
        "run": point.run,
        "started_unix_s": point.started_unix_s,
        "commit": point.commit or None,
        "machine": point.machine or None,
        "n": point.n,
        "outcome": point.outcome.value,
        "median_ns": point.median_ns or None,
        "quantiles_ns": dict(point.quantiles_ns),
        "bounds_ns": {label: list(bounds) for label, bounds in point.bounds_ns.items()},
        "limits_ns": dict(point.limits_ns),
    }
