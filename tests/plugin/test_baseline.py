"""A session beside an earlier one: a warning, and nothing that fails."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_hancock_latency.core.histogram import Histogram, index_of
from pytest_hancock_latency.files.artifact import read_artifact
from pytest_hancock_latency.reporting.json_artifact import json_text

from .conftest import Errors, Suite

MS = 1_000_000
MEASURED = """
@latency_budget(p50="60s", regression="10%", samples=200, max_samples=200)
def test_it(sample): sample(time.sleep, 0.001)
"""
FAST_MS, SLOW_MS = 0.001, 60_000
"""Far below and far above what a sleep of 1 ms takes, however busy the machine is: all of the time
asleep may be excused, and the 10 µs of CPU time remain."""


def measured(suite: Suite) -> Path:
    """The artifact of a session."""
    suite.write(MEASURED)
    path = suite.path / "baseline.json"
    suite.run(f"--latency-json={path}")
    return path


def with_latency(baseline: Path, ms: float) -> Path:
    """The same artifact as if each request had taken this long.

    What two sessions measure is not compared here: on a busy machine, the medians of the same
    sleep differ by more than is allowed.
    """
    artifact = read_artifact(baseline)
    (record,) = artifact.records
    histogram = Histogram({index_of(round(ms * MS)): record.n})
    quantiles_ns = dict.fromkeys(record.quantiles_ns, round(ms * MS))
    changed = replace(
        record,
        histogram=histogram,
        attributed_histogram=None,
        quantiles_ns=quantiles_ns,
        attributed_quantiles_ns=quantiles_ns,
    )
    baseline.write_text(json_text([changed], artifact.session), encoding="utf-8")
    return baseline


def advice(suite: Suite, baseline: Path) -> list[dict[str, Any]]:
    artifact = suite.artifact(f"--latency-baseline={baseline}")
    (sample,) = artifact["samples"]
    return [each for each in sample["measurement"]["advice"] if "baseline" in each["text"]]


def test_a_slower_median_is_advice_and_the_test_passes(suite: Suite) -> None:
    baseline = with_latency(measured(suite), FAST_MS)
    result = suite.run(f"--latency-baseline={baseline}")
    result.assert_outcomes(passed=1)
    result.stdout.re_match_lines(
        [
            r"advice for test_it.py::test_it: slower than the baseline: median attributed latency "
            r"rose from 1 µs to [\d.]+ m?s \(\+\d+ %, allowed 10 %\) \(slower\)$"
        ]
    )


def test_a_median_that_is_not_slower_is_not_mentioned(suite: Suite) -> None:
    assert advice(suite, with_latency(measured(suite), SLOW_MS)) == []


def test_a_sample_that_the_baseline_lacks_is_said(suite: Suite) -> None:
    baseline = measured(suite)
    content = json.loads(baseline.read_text())
    content["samples"] = []
    baseline.write_text(json.dumps(content))
    assert advice(suite, baseline) == [
        {
            "kind": "not-compared",
            "figures": {"why": "it has no such sample"},
            "text": "not compared with the baseline: it has no such sample",
        }
    ]


def test_a_baseline_of_another_machine_is_not_compared_with(suite: Suite) -> None:
    baseline = measured(suite)
    content = json.loads(baseline.read_text())
    content["machine"] |= {"cpu": "Another", "cores": 64, "python": "3.13.0"}
    baseline.write_text(json.dumps(content))
    with_latency(baseline, FAST_MS)
    assert [each["text"] for each in advice(suite, baseline)] == [
        "not compared with the baseline: "
        "it was measured on a different kind of machine (Another, 64 cores, Python 3.13.0)"
    ]


def test_the_report_shows_the_baseline_next_to_the_new_samples(suite: Suite) -> None:
    baseline = measured(suite)
    suite.run(f"--latency-baseline={baseline}", "--latency-html=report.html")
    assert "median before" in (suite.path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, ": No such file or directory"),
        ("{}", " is not a latency artifact (performance-latency.json)"),
    ],
)
def test_a_baseline_that_cannot_be_read_is_one_error(
    suite: Suite, errors: Errors, content: str | None, why: str
) -> None:
    suite.write(MEASURED)
    if content is not None:
        (suite.path / "old.json").write_text(content)
    assert errors("--latency-baseline=old.json") == [
        f"ERROR: the baseline {suite.path}/old.json{why}"
    ]
