"""Write each sample as a Bencher benchmark to the file in BENCHER_RESULTS."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

LONGEST_NAME = 1024
"""Bencher's maximum."""


@pytest.hookimpl(optionalhook=True)
def pytest_latency_artifact(config: pytest.Config, artifact: dict[str, Any]) -> None:
    """Write the results whenever the JSON artifact is written, with the samples of all workers."""
    path = os.environ.get("BENCHER_RESULTS")
    if path:
        unfinished = Path(f"{path}.unfinished")
        unfinished.write_text(json.dumps(results(artifact["samples"])), encoding="utf-8")
        unfinished.replace(path)  # so that no reader sees half a file


def results(samples: list[dict[str, Any]]) -> dict[str, dict[str, dict[str, float]]]:
    """Return the measures of each sample by its name."""
    return {
        title_of(sample)[:LONGEST_NAME]: {
            measure_of(percentile): metric(ns, *sample["bounds_ns"].get(percentile, (None, None)))
            for percentile, ns in sample["quantiles_ns"].items()
        }
        for sample in samples
        if sample["n"]
    }


def title_of(sample: dict[str, Any]) -> str:
    """Return the test and, if it has several samples, the name of this one."""
    return f"{sample['test']} [{sample['name']}]" if sample["name"] else str(sample["test"])


def measure_of(percentile: str) -> str:
    """Return the slug of a measure; ``latency`` is built into Bencher, in nanoseconds."""
    return "latency" if percentile == "p50" else f"{percentile.replace('.', '-')}-latency"


def metric(ns: int, low_ns: int | None, high_ns: int | None) -> dict[str, float]:
    """Return a value with the bounds that are known."""
    fields = {"value": ns, "lower_value": low_ns, "upper_value": high_ns}
    return {name: float(value) for name, value in fields.items() if value is not None}
