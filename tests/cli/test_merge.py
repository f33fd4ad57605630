"""``hancock-latency merge``."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import jsonschema

from pytest_hancock_latency.core.histogram import Histogram
from pytest_hancock_latency.files.artifact import read_artifact
from pytest_hancock_latency.reporting.artifact_schema import schema_text

from ..reporting import gold
from .conftest import Command
from .making import FEW, record, unjudged, written


def test_shards_of_a_sample_become_one_that_is_judged_by_all_of_them(
    command: Command, tmp_path: Path
) -> None:
    shards = [written(tmp_path / f"{n}.json", [record(*FEW, n)]) for n in (2, 3, 4)]
    ended = command("merge", *shards, "-o", tmp_path / "merged.json")
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    (merged,) = read_artifact(tmp_path / "merged.json").records
    assert (merged.n, merged.outcome) == (12, "within")


def test_without_a_file_it_goes_to_standard_output(command: Command, tmp_path: Path) -> None:
    shards = [written(tmp_path / f"{n}.json", [record(n)]) for n in (2, 3)]
    merged = json.loads(command("merge", *shards).out)
    jsonschema.validate(merged, json.loads(schema_text()))
    assert merged["counts"]["inconclusive"] == 1


def test_the_session_says_what_is_the_same_and_where_the_rest_is_from(
    command: Command, tmp_path: Path
) -> None:
    same = {"tool": "pytest-hancock-latency", "machine": {"cores": 2}}
    one = written(tmp_path / "one.json", [record(1)], {**same, "started_unix_s": 20.5})
    two = written(tmp_path / "two.json", [record(2)], {**same, "started_unix_s": 10.5})
    merged = json.loads(command("merge", one, two).out)
    assert {key: merged[key] for key in (*same, "started_unix_s")} == {
        **same,
        "started_unix_s": 10.5,
    }
    assert merged["merged_from"] == [
        {"file": "one.json", "started_unix_s": 20.5},
        {"file": "two.json", "started_unix_s": 10.5},
    ]


def test_failures_add_up(command: Command, tmp_path: Path) -> None:
    budget = {"p50": 10, "errors": "20%"}
    shards = [
        written(tmp_path / f"{n}.json", [record(*[1] * n, failures=n, budget=budget)])
        for n in (40, 60)
    ]
    command("merge", *shards, "-o", tmp_path / "merged.json")
    (merged,) = read_artifact(tmp_path / "merged.json").records
    assert (merged.n, merged.failures, merged.outcome) == (100, {"status 503": 100}, "exceeded")


def test_samples_of_different_tests_are_kept_side_by_side(command: Command, tmp_path: Path) -> None:
    one, two = record(*FEW, test="t::one"), record(*FEW, test="t::two")
    paths = [written(tmp_path / f"{r.test[3:]}.json", [r]) for r in (one, two)]
    command("merge", *paths, "-o", tmp_path / "merged.json")
    assert read_artifact(tmp_path / "merged.json").records == [one, two]


def test_what_was_not_judged_stays_so(command: Command, tmp_path: Path) -> None:
    shards = [written(tmp_path / f"{n}.json", [unjudged(n)]) for n in (1, 2)]
    assert json.loads(command("merge", *shards).out)["samples"][0]["not_judged"] == "no budget"


def test_the_same_artifact_twice_would_count_twice(command: Command, tmp_path: Path) -> None:
    one = written(tmp_path / "one.json", [record(*FEW)])
    copy = written(tmp_path / "copy.json", [record(*FEW)])
    ended = command("merge", one, copy)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        f"hancock-latency: {one} and {copy} have the same content, which would be counted twice\n"
    )


def test_a_copy_that_is_written_differently_would_count_twice_as_well(
    command: Command, tmp_path: Path
) -> None:
    one, copy = written(tmp_path / "one.json", [record(*FEW)]), tmp_path / "copy.json"
    copy.write_text(json.dumps(json.loads(Path(one).read_text()), indent=8))
    assert "have the same content, which would be counted twice" in command("merge", one, copy).err


def test_artifacts_without_a_sample_may_be_equal(command: Command, tmp_path: Path) -> None:
    empty = [written(tmp_path / f"{name}.json", []) for name in "ab"]
    merged = command("merge", *empty, written(tmp_path / "one.json", [record(*FEW)]))
    assert (merged.code, len(json.loads(merged.out)["samples"])) == (0, 1)


def test_different_budgets_are_refused_and_named(command: Command, tmp_path: Path) -> None:
    shards = [
        written(tmp_path / f"{limit}.json", [record(*FEW, budget={"p50": limit, "errors": 0.1})])
        for limit in (10, 11)
    ]
    ended = command("merge", *shards, "-o", tmp_path / "merged.json")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        "hancock-latency: test_it.py::test_health has different budgets in the artifacts to merge: "
        "p50 10 ms, errors 10 % / p50 11 ms, errors 10 %\n"
    )
    assert not (tmp_path / "merged.json").exists()


def test_early_samples_cannot_be_added_and_that_is_said(command: Command) -> None:
    ended = command("merge", gold.FORMAT_1, gold.WITHOUT_HISTOGRAMS)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        "hancock-latency: tests/test_demo.py::test_within_near has no histogram: "
        "it was measured by an early version: measure again\n"
    )


def test_early_samples_may_be_kept_next_to_others(command: Command, tmp_path: Path) -> None:
    other = written(tmp_path / "other.json", [record(*FEW)])
    merged = json.loads(command("merge", gold.WITHOUT_HISTOGRAMS, other).out)
    assert len(merged["samples"]) == 5


def test_a_budget_that_is_strict_anywhere_is_strict(command: Command, tmp_path: Path) -> None:
    shards = [written(tmp_path / f"{n}.json", [replace(record(n), strict=n == 1)]) for n in (1, 2)]
    command("merge", *shards, "-o", tmp_path / "merged.json")
    assert command("report", tmp_path / "merged.json").code == 3


def test_four_shards_have_the_buckets_of_one_run(command: Command, tmp_path: Path) -> None:
    latencies = [1 + number / 7 for number in range(400)]
    shards = [written(tmp_path / f"{n}.json", [record(*latencies[n::4])]) for n in range(4)]
    command("merge", *shards, "-o", tmp_path / "merged.json")
    (merged,) = read_artifact(tmp_path / "merged.json").records
    whole = record(*latencies).histogram
    assert isinstance(whole, Histogram)
    assert merged.histogram == whole
