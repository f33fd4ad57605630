"""The JSON artifact: its schema, its history, its size."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from pytest_hancock_latency.core.attribution import CAUSES
from pytest_hancock_latency.core.budget import parse_terms
from pytest_hancock_latency.core.histogram import Histogram
from pytest_hancock_latency.core.record import Record, TestRun, record_of
from pytest_hancock_latency.core.record_json import from_plain, to_plain
from pytest_hancock_latency.core.sample import Measurement, Observations, Sample, Slow
from pytest_hancock_latency.files.artifact import read_artifact
from pytest_hancock_latency.judging.sequential import Policy, SequentialJudge
from pytest_hancock_latency.reporting.artifact_schema import schema_text
from pytest_hancock_latency.reporting.json_artifact import (
    artifact_in,
    artifact_of,
    artifact_text,
)

from . import gold

MS = 1_000_000
SCHEMA = json.loads(schema_text())


def closed(schema: Any) -> Any:
    """The schema with every field that it does not describe forbidden."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    narrowed = {key: closed(value) for key, value in schema.items()}
    if "properties" in narrowed:
        narrowed["additionalProperties"] = False
    return narrowed


def measured(n: int, seed: int = 1) -> Record:
    """A record of n latencies around 3 ms, each 1 ms of it the machine's doing now and then."""
    random = np.random.default_rng(seed)
    wall = random.lognormal(15, 0.3, n).astype(np.int64)
    attributed = np.where(random.random(n) < 0.2, wall * 3 // 4, wall)
    observations = Observations(wall, attributed, np.cumsum(wall))
    judge = SequentialJudge(parse_terms({"p50": 10, "p95": 25, "p99": 50}).budget(), Policy())
    judge.look(observations)
    slow = tuple(
        Slow(i, i * MS, int(wall[i]), int(attributed[i]), ("preempted",)) for i in range(5)
    )
    sample = Sample(
        "",
        observations,
        verdict=judge.verdict(observations, elapsed_ns=int(wall.sum())),
        measurement=Measurement(slowest=slow, warmup_ns=tuple(wall[:5].tolist())),
    )
    return record_of(sample, TestRun(f"tests/test_some_service.py::test_an_endpoint[{seed}]"))


@pytest.mark.parametrize("path", gold.ALL, ids=lambda path: path.stem)
def test_every_format_ever_written_is_valid_and_read(path: Path) -> None:
    jsonschema.validate(json.loads(path.read_text()), SCHEMA)
    outcomes = sorted(record.outcome for record in read_artifact(path).records)
    assert outcomes == ["exceeded", "inconclusive", "within", "within"]


def test_what_is_written_today_has_no_field_that_the_schema_does_not_describe() -> None:
    artifact = artifact_of([measured(400), *gold.artifact().records], gold.artifact().session)
    jsonschema.validate(json.loads(artifact_text(artifact)), closed(SCHEMA))


@pytest.mark.parametrize("cause", CAUSES)
def test_an_observation_with_any_cause_can_be_read_back(cause: str) -> None:
    record = measured(100)
    slow = Slow(0, 0, 2 * MS, MS, (cause,))
    record = replace(record, measurement=replace(record.measurement, slowest=(slow,)))
    read = artifact_in(artifact_text(artifact_of([record], gold.artifact().session)).encode())
    assert read.records[0].measurement.slowest == (slow,)


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_reading_an_artifact_and_writing_it_again_changes_nothing() -> None:
    read = artifact_in(gold.FORMAT_1.read_bytes())
    again = artifact_in(artifact_text(artifact_of(read.records, read.session)).encode())
    assert again == read


@pytest.mark.parametrize("record", gold.artifact().records, ids=lambda record: record.title)
def test_the_plain_form_gives_back_the_record(record: Record) -> None:
    assert from_plain(json.loads(json.dumps(to_plain(record)))) == record


def test_the_histogram_of_an_artifact_holds_every_observation() -> None:
    record = gold.record("became_slow")
    assert isinstance(record.histogram, Histogram)
    assert record.histogram.n == record.n > 0


def test_two_hundred_samples_with_p99_stay_under_a_megabyte() -> None:
    records = [measured(700, seed) for seed in range(200)]
    assert len(artifact_text(artifact_of(records, gold.artifact().session))) < 1_000_000


def test_fields_that_a_hook_added_are_kept_by_a_reader() -> None:
    artifact = artifact_of([], {"service_version": "1.4.2"})
    assert artifact_in(artifact_text(artifact).encode()).session == {"service_version": "1.4.2"}


def test_a_value_that_json_does_not_know_becomes_its_text() -> None:
    text = artifact_text({**artifact_of([], {}), "where": Path("some/place")})
    assert json.loads(text)["where"] == "some/place"


def test_every_sample_is_a_line_of_its_own() -> None:
    text = artifact_text(artifact_of(gold.artifact().records, {}))
    assert sum(line.lstrip().startswith('{"test":') for line in text.splitlines()) == 4
