"""A session beside an earlier one: a warning, and nothing that fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .conftest import Errors, Suite

SLEEPING = """
@latency_budget(p50=200, regression="10%", samples=200, max_samples=200)
def test_it(sample): sample(time.sleep, {seconds})
"""


def measured(suite: Suite, seconds: float) -> Path:
    """The artifact of a session whose only request takes this long."""
    suite.write(SLEEPING.format(seconds=seconds))
    path = suite.path / "baseline.json"
    suite.run(f"--latency-json={path}")
    return path


def advice(suite: Suite, baseline: Path) -> list[dict[str, Any]]:
    artifact = suite.artifact(f"--latency-baseline={baseline}")
    (sample,) = artifact["samples"]
    return [each for each in sample["measurement"]["advice"] if "baseline" in each["text"]]


def test_a_slower_median_is_advice_and_the_test_passes(suite: Suite) -> None:
    baseline = measured(suite, 0.001)
    suite.write(SLEEPING.format(seconds=0.003))
    result = suite.run(f"--latency-baseline={baseline}")
    result.assert_outcomes(passed=1)
    result.stdout.re_match_lines(
        [
            r"advice for test_it.py::test_it: slower than the baseline: median attributed latency "
            r"went from 1\.\d+ ms to 3\.\d+ ms \(\+\d+ %, allowed 10 %\)$"
        ]
    )


def test_the_same_median_is_not_worth_a_word(suite: Suite) -> None:
    assert advice(suite, measured(suite, 0.002)) == []


def test_a_sample_that_the_baseline_lacks_is_said(suite: Suite) -> None:
    baseline = measured(suite, 0.001)
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
    baseline = measured(suite, 0.001)
    content = json.loads(baseline.read_text())
    content["machine"] |= {"cpu": "Another", "cores": 64, "python": "3.13.0"}
    baseline.write_text(json.dumps(content))
    suite.write(SLEEPING.format(seconds=0.003))
    assert [each["text"] for each in advice(suite, baseline)] == [
        "not compared with the baseline: "
        "it is of another kind of machine (Another, 64 cores, Python 3.13.0)"
    ]


def test_the_report_shows_the_baseline_beside_what_is_new(suite: Suite) -> None:
    baseline = measured(suite, 0.001)
    suite.run(f"--latency-baseline={baseline}", "--latency-html=report.html")
    assert "median before" in (suite.path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, ": No such file or directory"),
        ("{}", " is not a latency artifact (performance-latency.json)"),
    ],
)
def test_a_baseline_that_cannot_be_read_is_one_clear_error(
    suite: Suite, errors: Errors, content: str | None, why: str
) -> None:
    suite.write(SLEEPING.format(seconds=0.001))
    if content is not None:
        (suite.path / "old.json").write_text(content)
    assert errors("--latency-baseline=old.json") == [
        f"ERROR: the baseline {suite.path}/old.json{why}"
    ]
