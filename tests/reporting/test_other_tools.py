"""Formats of other tools: accepted by their own schema, library or program."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from pytest_hancock_latency.core.histogram import Histogram
from pytest_hancock_latency.reporting.other_tools import bencher_json, pytest_benchmark_json

from . import gold

# As published by Bencher: https://bencher.dev/bmf.json
METRIC = {
    "type": "object",
    "properties": {name: {"type": "number"} for name in ("value", "lower_value", "upper_value")},
    "required": ["value"],
}
BENCHMARK = {"type": "object", "patternProperties": {".+": METRIC}}
BMF = {
    "$schema": "http://json-schema.org/draft-07/schema",
    "type": "object",
    "patternProperties": {".+": BENCHMARK},
}


def test_bencher_takes_every_sample_with_its_bounds() -> None:
    written = json.loads(bencher_json(gold.artifact().records))
    jsonschema.validate(written, BMF)
    slow = gold.record("became_slow")
    assert written[slow.title]["latency"] == {
        "value": float(slow.quantiles_ns["p50"]),
        "lower_value": float(slow.bounds_ns["p50"][0] or 0),
        "upper_value": float(slow.bounds_ns["p50"][1] or 0),
    }
    assert set(written[slow.title]["p99-latency"]) == {"value", "lower_value"}


def test_pytest_benchmark_compares_what_was_exported(tmp_path: Path) -> None:
    pytest.importorskip("pytest_benchmark")
    session = gold.artifact().session
    saved = tmp_path / "0001_exported.json"
    saved.write_text(pytest_benchmark_json(gold.artifact().records, session), encoding="utf-8")
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest_benchmark",
            "compare",
            str(saved),
            "--columns=median,rounds",
        ],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert "test_code_became_slow" in run.stdout
    assert str(gold.record("became_slow").n) in run.stdout


def test_the_statistics_of_pytest_benchmark_are_those_of_the_observations() -> None:
    latencies = np.random.default_rng(5).lognormal(15, 0.4, 3_000).astype(np.int64)
    record = gold.record("became_slow")
    made = type(record)("t", "", 3_000, {}, {"p50": 1}, {}, histogram=Histogram.of(latencies))
    stats = json.loads(pytest_benchmark_json([made], {}))["benchmarks"][0]["stats"]
    assert stats["mean"] == pytest.approx(latencies.mean() / 1e9, rel=5e-4)
    assert stats["stddev"] == pytest.approx(latencies.std(ddof=1) / 1e9, rel=5e-3)
    assert stats["median"] == pytest.approx(np.median(latencies) / 1e9, rel=2e-3)
    assert stats["max"] == pytest.approx(latencies.max() / 1e9, rel=5e-4)
