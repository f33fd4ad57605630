"""Makes artifacts for tests of the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pytest_hancock_latency.core.budget import parse_terms
from pytest_hancock_latency.core.record import Record, TestRun, record_of
from pytest_hancock_latency.core.sample import Measurement, Observations, Sample
from pytest_hancock_latency.judging.sequential import Policy, SequentialJudge
from pytest_hancock_latency.reporting.json_artifact import artifact_of, artifact_text

MS = 1_000_000
HEALTH = "test_it.py::test_health"
FAST, SLOW, FEW = (1,) * 6, (90,) * 60, (1,) * 3
"""Latencies in ms that are within, exceeded and inconclusive with a budget of p50=10."""


def record(
    *latencies_ms: float,
    test: str = HEALTH,
    name: str = "",
    failures: int = 0,
    budget: Mapping[str, Any] | None = None,
) -> Record:
    """Make a sample with these latencies, one per 100 ms, judged by p50=10 or another budget."""
    wall = np.array([round(ms * MS) for ms in latencies_ms], dtype=np.int64)
    observations = Observations(wall, wall, np.arange(len(wall)) * 100 * MS)
    judge = SequentialJudge(parse_terms(budget or {"p50": 10}).budget(), Policy(least=1))
    judge.look(observations, failures)
    elapsed_ns = len(wall) * 100 * MS
    sample = Sample(
        name,
        observations,
        failures={"status 503": failures} if failures else {},
        verdict=judge.verdict(observations, failures, elapsed_ns),
        measurement=Measurement(elapsed_ns=elapsed_ns),
    )
    return record_of(sample, TestRun(test))


def unjudged(*latencies_ms: float, **changes: Any) -> Record:
    """Make such a sample without a verdict."""
    return replace(record(*latencies_ms), **changes).without_verdict("no budget")


def written(path: Path, records: Sequence[Record], session: Mapping[str, Any] | None = None) -> str:
    """Write an artifact with these records and return its path."""
    artifact = artifact_of(records, {"machine": {}} if session is None else session)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(artifact_text(artifact), encoding="utf-8")
    return str(path)
