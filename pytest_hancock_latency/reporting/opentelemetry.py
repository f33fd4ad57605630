"""OpenTelemetry: histograms, limits and verdicts as OTLP in JSON, for a collector or a back end.

Histograms are exponential ones, which Prometheus stores as native histograms. Their buckets grow by
a factor of at most 2^(1/8), or less if the latencies span less: a data point has at most 160
buckets, like those of OpenTelemetry's own libraries.

Source: OpenTelemetry metrics data model (exponential histogram) and OTLP 1 (JSON encoding: integers
of 64 bits are strings).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from math import ceil, log2
from typing import Any, Final

from ..core.duration import NS_PER_S
from ..core.histogram import Histogram, middle
from ..core.record import Record
from ..errors import ArtifactError

_MOST_BUCKETS: Final = 160
"""Default of OpenTelemetry's libraries; back ends refuse far more."""
_FINEST: Final = 8
"""256 buckets in each power of two, the finest that Prometheus stores."""
_CUMULATIVE: Final = 2
"""AGGREGATION_TEMPORALITY_CUMULATIVE: since the start of the run."""

Plain = dict[str, Any]


def otlp_json(records: Sequence[Record], session: Mapping[str, Any], *_: object) -> str:
    """Render all samples as one OTLP request, on one line.

    Raises:
        ArtifactError: a sample has no histogram.
    """
    measured = [record for record in records if record.n]
    metrics = [
        _metric(
            "latency", "Raw latency.", "s", exponentialHistogram=_histograms(measured, session)
        ),
        _metric("latency.limit", "Limit of a quantile.", "s", gauge=_limits(measured, session)),
        _metric("latency.verdict", "1 for the outcome.", "1", gauge=_outcomes(records, session)),
    ]
    request = {
        "resourceMetrics": [
            {
                "resource": {"attributes": _attributes(_resource(session))},
                "scopeMetrics": [{"scope": {"name": "pytest-hancock-latency"}, "metrics": metrics}],
            }
        ]
    }
    return json.dumps(request, ensure_ascii=False) + "\n"


def exponential(histogram: Histogram) -> Plain:
    """Return the buckets of a histogram of ns as those of an exponential histogram of seconds."""
    values = {middle(index) / NS_PER_S: count for index, count in histogram.counts.items()}
    positive = {value: count for value, count in values.items() if value}
    scale = _scale(min(positive), max(positive)) if positive else 0
    counts: dict[int, int] = {}
    for value, count in positive.items():
        at = _index(value, scale)
        counts[at] = counts.get(at, 0) + count
    first, last = (min(counts), max(counts)) if counts else (0, -1)
    return {
        "count": str(histogram.n),
        "sum": sum(value * count for value, count in values.items()),
        "min": min(values),
        "max": max(values),
        "scale": scale,
        "zeroCount": str(histogram.n - sum(positive.values())),
        "positive": {
            "offset": first,
            "bucketCounts": [str(counts.get(at, 0)) for at in range(first, last + 1)],
        },
    }


def _scale(lowest: float, highest: float) -> int:
    """Return the finest scale at which all values fit into the buckets."""
    scale = _FINEST
    while _index(highest, scale) - _index(lowest, scale) >= _MOST_BUCKETS:
        scale -= 1
    return scale


def _index(value: float, scale: int) -> int:
    """Return the bucket of a value: it is above base^index and at most base^(index+1)."""
    return ceil(log2(value) * 2.0**scale) - 1


def _metric(name: str, description: str, unit: str, **data: Plain) -> Plain:
    return {"name": name, "description": description, "unit": unit, **data}


def _histograms(records: Sequence[Record], session: Mapping[str, Any]) -> Plain:
    points = []
    for record in records:
        if record.histogram is None:
            raise ArtifactError(record.no_histogram)
        points.append({**_point(record, session), **exponential(record.histogram)})
    return {"aggregationTemporality": _CUMULATIVE, "dataPoints": points}


def _limits(records: Sequence[Record], session: Mapping[str, Any]) -> Plain:
    return {
        "dataPoints": [
            {
                **_point(record, session, quantile=part.limit.label),
                "asDouble": part.limit.limit_ns / NS_PER_S,
            }
            for record in records
            for part in (record.verdict.limits if record.verdict else ())
        ]
    }


def _outcomes(records: Sequence[Record], session: Mapping[str, Any]) -> Plain:
    return {
        "dataPoints": [
            {**_point(record, session, outcome=record.outcome.value), "asInt": "1"}
            for record in records
        ]
    }


def _point(record: Record, session: Mapping[str, Any], **names: str) -> Plain:
    """Return what all data points of a sample have: names and times."""
    attributes = {"test": record.test, "sample": record.name, "budget": record.budget_name, **names}
    measurement = record.measurement
    started = measurement.started_unix_s or session.get("started_unix_s") or 0
    ended = measurement.ended_unix_s or started + measurement.elapsed_ns / NS_PER_S
    return {
        "attributes": _attributes(attributes),
        "startTimeUnixNano": _unix_ns(started),
        "timeUnixNano": _unix_ns(ended),
    }


def _resource(session: Mapping[str, Any]) -> dict[str, object]:
    """Return the facts about a run that tell its metrics from those of other runs."""
    machine, commit = session.get("machine"), session.get("commit")
    facts = machine if isinstance(machine, Mapping) else {}
    commit_id = commit.get("id") if isinstance(commit, Mapping) else None
    return {
        "service.name": "pytest-hancock-latency",
        "host.name": facts.get("node"),
        "host.cpu.model.name": facts.get("cpu"),
        "vcs.ref.head.revision": commit_id,
    }


def _attributes(attributes: Mapping[str, object]) -> list[Plain]:
    return [
        {"key": key, "value": {"stringValue": str(value)}}
        for key, value in attributes.items()
        if value
    ]


def _unix_ns(seconds: object) -> str:
    return str(int(float(seconds) * NS_PER_S)) if isinstance(seconds, int | float) else "0"
