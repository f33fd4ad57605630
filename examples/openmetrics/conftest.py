"""Write quantiles, limits and verdicts as OpenMetrics text to the file in LATENCY_METRICS."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Enum, Gauge
from prometheus_client.openmetrics.exposition import generate_latest

OUTCOMES = ["within", "exceeded", "inconclusive", "not judged"]
NS_PER_S = 1_000_000_000


@pytest.hookimpl(optionalhook=True)
def pytest_latency_artifact(config: pytest.Config, artifact: dict[str, Any]) -> None:
    """Write the metrics whenever the JSON artifact is written, with the samples of all workers."""
    path = os.environ.get("LATENCY_METRICS")
    if path:
        unfinished = Path(f"{path}.unfinished")
        unfinished.write_bytes(openmetrics(artifact["samples"]))
        unfinished.replace(path)  # so that no reader sees half a file


def openmetrics(samples: list[dict[str, Any]]) -> bytes:
    registry = CollectorRegistry()
    labels = ["test", "sample"]
    latency = Gauge("latency_seconds", "Raw latency.", [*labels, "quantile"], registry=registry)
    limit = Gauge("latency_limit_seconds", "Limit.", [*labels, "quantile"], registry=registry)
    verdict = Enum("latency_verdict", "Verdict.", labels, registry=registry, states=OUTCOMES)
    for sample in samples:
        named = (sample["test"], sample["name"])
        verdict.labels(*named).state(sample["outcome"])
        for quantile, ns in sample["quantiles_ns"].items():
            latency.labels(*named, quantile).set(ns / NS_PER_S)
        for part in (sample["verdict"] or {}).get("limits", []):
            limit.labels(*named, part["percentile"]).set(part["limit_ns"] / NS_PER_S)
    return bytes(generate_latest(registry))
