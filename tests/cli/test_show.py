"""``hancock-latency show``."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_hancock_latency.core.hdr_histogram import decode

from ..reporting import gold
from .conftest import Command
from .making import FAST, SLOW, record, unjudged, written


def test_one_sample_is_its_numbers_its_evidence_and_its_picture(
    command: Command, tmp_path: Path
) -> None:
    artifact = written(tmp_path / "a.json", [record(*SLOW)])
    ended = command("show", artifact)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == (
        "sample                    n  p50  p95  p99  limits (ms)  verdict\n"
        "test_it.py::test_health  60   90   90   90  p50 10       exceeded p50\n\n"
        "exceeded p50: 60 of 60 over 10 ms (100 %, allowed 50 %); p50 ≥ 90 ms\n\n"
        "distribution of 60 raw latencies (log scale)\n"
        "           ── p50 limit 10 ms ──\n"
        "  89.1 ms  ████████████████████████████████████████  60\n"
    )


def test_advice_is_below_the_sample(command: Command) -> None:
    assert command("show", gold.FORMAT_1, "test_compute").out.splitlines()[-1] == (
        "advice: only one core is available: anything else that runs slows down the test "
        "(single-core)"
    )


def test_a_part_of_the_title_is_enough(command: Command) -> None:
    ended = command("show", gold.FORMAT_1, "became_slow")
    assert "tests/test_demo.py::test_code_became_slow" in ended.out


def test_a_title_that_is_part_of_another_is_meant_itself(command: Command, tmp_path: Path) -> None:
    records = [record(*FAST, test="t.py::test_a"), record(*SLOW, test="t.py::test_a_slow")]
    artifact = written(tmp_path / "a.json", records)
    assert "test_a_slow" not in command("show", artifact, "t.py::test_a").out


def test_a_sample_without_a_budget_is_shown_as_well(command: Command, tmp_path: Path) -> None:
    artifact = written(tmp_path / "a.json", [unjudged(*FAST, name="warm")])
    assert command("show", artifact, "[warm]").out == (
        "sample                          n  p50  p95  p99  limits (ms)  verdict\n"
        "test_it.py::test_health [warm]  6    1    1    1  –            not judged\n\n"
        "not judged: no budget\n\n"
        "distribution of 6 raw latencies (log scale)\n"
        "     1 ms  ████████████████████████████████████████  6\n"
    )


def test_an_early_artifact_has_no_picture_and_says_so(command: Command) -> None:
    ended = command("show", gold.WITHOUT_HISTOGRAMS, "test_health")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == (
        "sample                             n  p50   p95   p99  limits (ms)   verdict\n"
        "tests/test_demo.py::test_health  354  1.1  1.88  2.34  10 / 25 / 50  within\n\n"
        "within: p50 0 of 354 over 10 ms, p95 0 of 354 over 25 ms, p99 0 of 354 over 50 ms; "
        "measured for 440 ms\n\n"
        "no picture: tests/test_demo.py::test_health has no histogram: "
        "it was measured by an early version: measure again\n"
    )


ALL_FOUR = ", ".join(
    f"tests/test_demo.py::{name}"
    for name in ("test_within_near", "test_code_became_slow", "test_health", "test_compute")
)


@pytest.mark.parametrize(
    ("part", "why"),
    [
        ("none", f"no sample has 'none' in its title: {ALL_FOUR}"),
        ("", f"4 samples match, be more specific: {ALL_FOUR}"),
    ],
)
def test_a_sample_that_is_not_clear_is_refused_with_those_there_are(
    command: Command, part: str, why: str
) -> None:
    ended = command("show", gold.FORMAT_1, part)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == f"hancock-latency: {gold.FORMAT_1}: {why}\n"


def test_of_many_samples_the_first_dozen_is_named(command: Command, tmp_path: Path) -> None:
    records = [record(*FAST, test=f"t{number}") for number in range(15)]
    artifact = written(tmp_path / "a.json", records)
    dozen = ", ".join(f"t{number}" for number in range(12))
    assert command("show", artifact).err == (
        f"hancock-latency: {artifact}: 15 samples match, be more specific: {dozen} and 3 more\n"
    )


def test_an_artifact_without_samples_has_none_to_show(command: Command, tmp_path: Path) -> None:
    artifact = written(tmp_path / "a.json", [])
    assert command("show", artifact, "x").err == (
        f"hancock-latency: {artifact}: it has no samples\n"
    )


def test_the_histogram_is_one_that_hdrhistogram_reads(command: Command) -> None:
    pytest.importorskip("hdrh")
    ended = command("show", gold.FORMAT_1, "became_slow", "--format", "hdrhistogram")
    assert (ended.code, ended.err) == (0, "")
    assert decode(ended.out) == gold.record("became_slow").histogram


def test_an_early_artifact_has_no_histogram_to_give(command: Command) -> None:
    ended = command("show", gold.WITHOUT_HISTOGRAMS, "became_slow", "--format", "hdrhistogram")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        f"hancock-latency: {gold.WITHOUT_HISTOGRAMS}: tests/test_demo.py::test_code_became_slow "
        "has no histogram: it was measured by an early version: measure again\n"
    )


def test_columns_come_on_demand(command: Command, tmp_path: Path) -> None:
    artifact = written(tmp_path / "a.json", [record(*FAST)])
    assert command("show", artifact, "--columns", "mean,ops").out.startswith(
        "sample                   n  p50  p95  p99  mean   ops  limits (ms)  verdict\n"
        "test_it.py::test_health  6    1    1    1     1  1000  p50 10       within\n"
        "mean: from the histogram of raw latency, accurate to 0.05 %\n"
        "ops: calls per second: 1 / mean for one caller, observations / elapsed time for a load\n\n"
    )
