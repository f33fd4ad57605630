"""The trend of a history: where medians changed, and how it is shown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import jsonschema
import pytest
from lxml import html

from pytest_hancock_latency.cli import main
from pytest_hancock_latency.core.record import Artifact
from pytest_hancock_latency.files.history import run_path
from pytest_hancock_latency.reporting.html import trend_html
from pytest_hancock_latency.reporting.json_artifact import run_text
from pytest_hancock_latency.reporting.trend_json import trend_json
from pytest_hancock_latency.reporting.trend_report import trend_markdown, trend_text
from pytest_hancock_latency.reporting.writer import write_whole
from pytest_hancock_latency.runs.change_points import (
    LEAST_RUNS,
    ChangePoint,
    absolute_deviations,
    change_points,
)
from pytest_hancock_latency.runs.trend import Trend, trend_of

from ..cli.making import record

DAY_S = 86_400
MACHINE = {"cpu": "a CPU", "cores": 2, "python": "3.12.1"}


def run(number: int, latency_ms: float, machine: str = "a CPU") -> Artifact:
    """A run on the day of this number."""
    session = {
        "started_unix_s": 1_700_000_000 + number * DAY_S,
        "commit": {"id": f"{number:07d}abcdef"},
        "machine": {**MACHINE, "cpu": machine},
    }
    return Artifact(session, [record(*[latency_ms] * 60)])


@pytest.fixture
def slower(monkeypatch: pytest.MonkeyPatch) -> Trend:
    """Eight runs, the last three of which are slower, and a damaged file."""

    def step_at_5(values: Sequence[float]) -> list[ChangePoint]:
        return [ChangePoint(5, values[4], values[5])] if len(values) > 5 else []

    # Shown here is how a change looks; to be reported as one, it would need more runs.
    monkeypatch.setattr("pytest_hancock_latency.runs.trend.change_points", step_at_5)
    artifacts = [run(number, 1.0 if number < 5 else 1.1) for number in range(8)]
    return trend_of(artifacts, ["run-x.json is not JSON"])


def test_a_change_is_listed_with_its_commits_and_its_day(slower: Trend) -> None:
    lines = trend_text(slower, 20).splitlines()
    assert lines[0] == "8 runs, 2023-11-14 to 2023-11-21: 1 of 1 samples changed in the last 8"
    assert [line.split() for line in lines[2:4]] == [
        ["sample", "change", "before", "after", "commits", "since"],
        [
            *("test_it.py::test_health", "+10.0", "%", "1", "ms", "1.1", "ms"),
            *("0000004ab..0000005ab", "2023-11-19,", "3", "runs", "ago"),
        ],
    ]
    assert lines[-1] == "note: run-x.json is not JSON"


def test_a_change_that_is_long_ago_is_not_listed(slower: Trend) -> None:
    lines = trend_text(slower, 2).splitlines()
    assert lines[0] == "8 runs, 2023-11-14 to 2023-11-21: 0 of 1 samples changed in the last 2"
    assert "+10.0 %" not in trend_text(slower, 2)


def test_markdown_has_both_tables(slower: Trend) -> None:
    text = trend_markdown(slower, 20)
    assert (
        "| test\\_it.py::test\\_health | +10.0 % | 1 ms | 1.1 ms | 0000004ab..0000005ab |" in text
    )
    assert "| sample | runs | p50 | p95 | p99 | verdict |" in text
    assert "- note: run-x.json is not JSON\n" in text


def test_json_has_every_run_and_change(slower: Trend) -> None:
    plain = json.loads(trend_json(slower))
    (sample,) = plain["samples"]
    assert (plain["runs"], plain["kind"], len(sample["points"])) == (8, "trend", 8)
    (change,) = sample["changes"]
    assert change == {
        "before_run": 4,
        "after_run": 5,
        "commits": ["0000004ab", "0000005ab"],
        "ratio": pytest.approx(1.1, rel=0.001),
        "before_ns": pytest.approx(1_000_000, rel=0.001),
        "after_ns": pytest.approx(1_100_000, rel=0.001),
    }


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    """The published schema."""
    file = files("pytest_hancock_latency.reporting").joinpath("trend.schema.json")
    schema: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return schema


def test_json_fulfils_its_schema(slower: Trend, schema: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(trend_json(slower)), schema)
    unknown = trend_of([Artifact({}, [replace(record(1.0), verdict=None)])])
    jsonschema.validate(json.loads(trend_json(unknown)), schema)


def test_the_schema_describes_every_field(slower: Trend, schema: dict[str, Any]) -> None:
    plain = json.loads(trend_json(slower))
    (sample,) = plain["samples"]
    parts = {"sample": sample, "change": sample["changes"][0], "point": sample["points"][0]}
    assert plain.keys() == schema["properties"].keys()
    assert {name: list(part) for name, part in parts.items()} == {
        name: list(part["properties"]) for name, part in schema["$defs"].items()
    }


def test_commits_of_a_change_are_named_if_both_are_known(slower: Trend) -> None:
    ((change,),) = [sample.changes for sample in slower.samples]
    assert change.commits == "0000004ab..0000005ab"
    unknown = replace(change.before, commit="")
    assert "" == replace(change, before=unknown).commits == replace(change, after=unknown).commits


def test_the_latest_run_is_the_last_one(slower: Trend) -> None:
    (sample,) = slower.samples
    assert sample.latest.run == 7


def test_a_change_counts_from_its_first_run_on(slower: Trend) -> None:
    (sample,) = slower.samples
    (change,) = sample.changes
    assert [change] == sample.changes_since(change.after.run)
    assert sample.changes_since(change.after.run + 1) == []


def test_each_kind_of_machine_is_looked_at_by_itself() -> None:
    machines = ["a CPU"] * 12 + ["another CPU"] * 12
    steps = [run(at, 1 if at < 12 else 2, machine) for at, machine in enumerate(machines)]
    alternating = [
        run(at, 1 + (at % 2), machine) for at, machine in enumerate(["a CPU", "another CPU"] * 12)
    ]
    assert [trend_of(runs).changed_since(0) for runs in (steps, alternating)] == [[], []]


def test_a_step_on_one_kind_of_machine_is_a_change() -> None:
    trend = trend_of([run(at, 1 if at < 12 else 2) for at in range(24)])
    ((_, change),) = trend.changed_since(0)
    assert (change.before.run, change.after.run) == (11, 12)
    assert change.ratio == pytest.approx(2, rel=0.01)


def test_the_page_shows_changes_machines_and_verdicts(slower: Trend) -> None:
    page = html.fromstring(trend_html(slower, 20))
    assert page.cssselect("#overview td")[0].text == "+10.0 %"
    assert [mark.findtext("title") for mark in page.cssselect("svg line.change")] == [
        "+10.0 % 0000004ab..0000005ab"
    ]
    assert len(page.cssselect("svg polyline")) == 3
    on_two = trend_of([run(0, 1), run(1, 1, "another CPU")])
    marks = html.fromstring(trend_html(on_two, 20)).cssselect("svg line.machine-change")
    assert [m.findtext("title") for m in marks] == ["now on another CPU, 2 cores, Python 3.12.1"]


@pytest.mark.parametrize("count", [1, 3, 60, 500])
def test_a_page_of_any_number_of_runs_has_a_few_dates(count: int) -> None:
    trend = trend_of([run(number, 1.0) for number in range(count)])
    page = html.fromstring(trend_html(trend, 20))
    dates = [text for text in page.cssselect("svg text") if (text.text or "").startswith("20")]
    assert 1 <= len(dates) <= 7


def test_the_deviations_of_a_segment_are_those_from_its_median() -> None:
    draw = Random(1)
    values = [round(draw.gauss(0, 1), 1) for _ in range(40)]  # some are equal
    found = absolute_deviations(values)
    for start in range(40):
        for n in range(1, 41 - start):
            segment = values[start : start + n]
            expected = sum(abs(value - median(segment)) for value in segment)
            assert expected == pytest.approx(found[start][n])


def test_a_step_is_found_where_it_is() -> None:
    draw = Random(1)
    values = [1e6 * draw.lognormvariate(0, 0.02) * (1.08 if at >= 40 else 1) for at in range(60)]
    (found,) = change_points(values)
    assert abs(found.at - 40) <= 2
    assert 1.05 < found.ratio < 1.11


@pytest.mark.parametrize(
    "values",
    [
        [1e6] * 60,
        [1e6] * 3,
        [1e6 * (1 + 0.02 * (at % 2)) for at in range(60)],
        [1e6 * (5 if at in (10, 30, 31) else 1) for at in range(60)],
        [1e6 * (1.02 if at >= 30 else 1) for at in range(60)],
    ],
    ids=["equal", "few", "to and fro", "single bad runs", "too little to matter"],
)
def test_what_is_no_change_is_not_reported(values: list[float]) -> None:
    assert change_points(values) == []


def test_a_change_needs_runs_on_either_side() -> None:
    draw = Random(1)
    flat = [1e6 * draw.lognormvariate(0, 0.01) for _ in range(30)]
    slow = [1.5 * value for value in flat]
    assert change_points(flat + slow[: LEAST_RUNS // 2]) == []
    assert [found.at for found in change_points(flat + slow[:LEAST_RUNS])] == [30]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(3):
        artifact = run(number, 1.0)
        path = run_path(tmp_path / "history", artifact.session["started_unix_s"])
        write_whole(path, run_text(artifact.records, artifact.session))
    return tmp_path / "history"


@pytest.mark.parametrize(
    ("name", "begin"),
    [
        ("trend.html", "<!DOCTYPE html>"),
        ("trend.md", "### Latency trend\n"),
        ("trend.json", '{\n "format": 1'),
        ("trend.txt", "3 runs, 2023-11-14 to 2023-11-16: 0 of 1 samples changed in the last 3\n"),
    ],
)
def test_the_suffix_of_the_file_chooses_the_format(folder: Path, name: str, begin: str) -> None:
    path = folder.parent / name
    assert main(["trend", str(folder), "-o", str(path)]) == 0
    assert path.read_text(encoding="utf-8").startswith(begin)


def test_a_number_of_runs_below_one_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["trend", str(folder), "--last", "0"]) == 2
    assert capsys.readouterr().err == "hancock-latency: --last 0 must be at least 1\n"


def test_a_sample_without_latencies_has_a_row(slower: Trend) -> None:
    empty = replace(record(1.0), n=0, quantiles_ns={}, histogram=None, bounds_ns={})
    trend = trend_of([Artifact({}, [empty])])
    assert "–" in trend_text(trend, 20)
    assert "<svg" in trend_html(trend, 20)
