"""OTLP in JSON: every count in a bucket that holds it, and names and times for each point."""

from __future__ import annotations

import json
from dataclasses import replace
from math import log2
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_hancock_latency.core.histogram import Histogram, middle
from pytest_hancock_latency.errors import ArtifactError
from pytest_hancock_latency.reporting.opentelemetry import exponential, otlp_json

from . import gold


def written() -> dict[str, Any]:
    artifact = gold.artifact()
    request = json.loads(otlp_json(artifact.records, artifact.session))
    (resource,) = request["resourceMetrics"]
    return resource


def metrics() -> dict[str, dict[str, Any]]:
    ((scope),) = written()["scopeMetrics"]
    return {metric["name"]: metric for metric in scope["metrics"]}


def attributes(point: dict[str, Any]) -> dict[str, str]:
    return {pair["key"]: pair["value"]["stringValue"] for pair in point["attributes"]}


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=60))
def test_each_latency_is_in_the_bucket_that_holds_it(latencies_ns: list[int]) -> None:
    histogram = Histogram.of(np.array(latencies_ns, dtype=np.int64))
    point = exponential(histogram)
    counts = [int(count) for count in point["positive"]["bucketCounts"]]
    assert len(latencies_ns) == int(point["count"]) == int(point["zeroCount"]) + sum(counts)
    assert len(counts) <= 160
    width = 2.0 ** -point["scale"]
    expected: dict[int, int] = {}
    for index, count in histogram.counts.items():
        if not middle(index):
            continue
        exact = log2(middle(index) / 1e9) / width - point["positive"]["offset"]
        at = next(i for i in range(len(counts)) if i - 1e-6 < exact <= i + 1 + 1e-6)
        expected[at] = expected.get(at, 0) + count
    assert {at: count for at, count in enumerate(counts) if count} == expected


def test_latencies_in_a_narrow_span_have_the_finest_buckets() -> None:
    assert exponential(Histogram.of(np.array([10_000_000, 12_000_000])))["scale"] == 8
    assert exponential(Histogram.of(np.array([1, 10**12])))["scale"] == 2


def test_every_sample_has_its_histogram_with_names_and_times() -> None:
    points = metrics()["latency"]["exponentialHistogram"]["dataPoints"]
    slow = gold.record("became_slow")
    (point,) = [point for point in points if attributes(point)["test"] == slow.test]
    assert str(slow.n) == point["count"]
    assert int(point["startTimeUnixNano"]) < int(point["timeUnixNano"])


def test_limits_and_outcomes_are_gauges() -> None:
    slow = gold.record("became_slow")
    assert slow.verdict is not None
    limits = {
        attributes(point)["quantile"]: point["asDouble"]
        for point in metrics()["latency.limit"]["gauge"]["dataPoints"]
        if attributes(point)["test"] == slow.test
    }
    assert {p.limit.label: p.limit.limit_ns / 1e9 for p in slow.verdict.limits} == limits
    outcomes = [
        attributes(point)["outcome"]
        for point in metrics()["latency.verdict"]["gauge"]["dataPoints"]
        if attributes(point)["test"] == slow.test
    ]
    assert [slow.outcome] == outcomes


def test_the_run_is_named_by_its_machine_and_commit() -> None:
    assert {"service.name", "host.cpu.model.name", "vcs.ref.head.revision"} <= set(
        attributes(written()["resource"])
    )


def test_a_sample_without_a_histogram_is_refused() -> None:
    record = replace(gold.record("became_slow"), histogram=None)
    with pytest.raises(ArtifactError) as raised:
        otlp_json([record], {})
    assert record.no_histogram == str(raised.value)
