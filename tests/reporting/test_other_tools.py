"""Formats of other tools: accepted by their own schema, library or program."""

from __future__ import annotations

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from pytest_hancock_latency.core.histogram import Histogram
from pytest_hancock_latency.errors import ArtifactError
from pytest_hancock_latency.reporting.hdr_histogram import hdr_text, histogram_in
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


def test_a_million_values_go_to_hdrhistogram_and_back_with_equal_counts() -> None:
    latencies = np.random.default_rng(9).lognormal(15, 1.0, 1_000_000).astype(np.int64)
    ours = Histogram.of(latencies)
    text = hdr_text(ours)
    theirs = HdrHistogram.decode(text.encode("ascii"))
    assert theirs.get_total_count() == 1_000_000
    assert histogram_in(theirs.encode().decode("ascii")) == ours
    for percent in (50, 95, 99, 99.9):
        p = ours.quantile_ns(Fraction(str(percent)) / 100)
        assert theirs.get_value_at_percentile(percent) == pytest.approx(p, rel=5e-4)


@given(st.lists(st.integers(0, 2**42), min_size=1, max_size=50))
def test_what_the_library_recorded_has_the_same_buckets_here(latencies: list[int]) -> None:
    theirs = HdrHistogram(1, 2**43, 3)
    for latency in latencies:
        theirs.record_value(latency)
    ours = Histogram.of(np.array(latencies, dtype=np.int64))
    assert histogram_in(theirs.encode().decode("ascii")) == ours


def test_values_in_microseconds_are_read_as_such() -> None:
    theirs = HdrHistogram(1, 3_600_000_000, 3)
    for microseconds in range(1, 1001):
        theirs.record_value(microseconds)
    read = histogram_in(theirs.encode().decode("ascii"), 1_000)
    assert read.n == 1000
    assert read.quantile_ns(Fraction(1, 2)) == pytest.approx(500_000, rel=1e-3)


@pytest.mark.parametrize("text", ["", "HISTF", "HISTFAAAA", "no base64 !"])
def test_what_is_no_hdrhistogram_is_one_clear_error(text: str) -> None:
    with pytest.raises(ArtifactError, match=r"^is no HdrHistogram in V2 encoding \(\w+\)$"):
        histogram_in(text)


def test_without_the_library_the_message_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "hdrh.histogram", None)
    with pytest.raises(ArtifactError) as caught:
        hdr_text(Histogram())
    assert str(caught.value) == (
        "HdrHistogram needs the extra: pip install 'pytest-hancock-latency[hdrhistogram]'"
    )
