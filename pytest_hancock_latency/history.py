"""A history: a folder with one artifact for each run, which `hancock-latency trend` reads.

Each run has a file of its own, named after its start, so runs that end at the same time do not
disturb each other. A file is the JSON artifact without details: budgets, verdicts and histograms,
but not the slowest observations, the timeline and the advice.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from .artifact_file import read_artifact
from .core.record import Artifact, Record
from .errors import ArtifactError
from .reporting.json_artifact import json_text
from .shared_options import KEPT_RUNS

RUN: Final = "run"
"""Name among the kinds of artifacts."""
_PATTERN: Final = "run-*.json"


@dataclass(frozen=True, slots=True)
class Run:
    """A run in a history."""

    path: Path
    artifact: Artifact

    @property
    def started_unix_s(self) -> float:
        """When it began, in seconds since 1970; 0 if unknown."""
        started = self.artifact.session.get("started_unix_s")
        return float(started) if isinstance(started, int | float) else 0.0


@dataclass(frozen=True, slots=True)
class History:
    """All runs of a folder, in order of their start."""

    runs: Sequence[Run]
    damaged: Sequence[str]
    """One line for each file that cannot be read, with its path."""


def run_path(folder: Path, started_unix_s: float) -> Path:
    """Return the path of a new run; no other run has the same."""
    started = datetime.fromtimestamp(started_unix_s, UTC)
    moment = f"{started:%Y%m%dT%H%M%S}.{started.microsecond // 1000:03d}Z"
    return folder / f"run-{moment}-{uuid.uuid4().hex[:8]}.json"


def run_text(records: Sequence[Record], session: Mapping[str, Any], *_: object) -> str:
    """Render a run for a history: an artifact without details."""
    return json_text([_without_details(record) for record in records], session)


def prune(folder: Path, kept: int = KEPT_RUNS) -> None:
    """Delete the oldest runs, so that at most `kept` are left; names begin with the start."""
    for path in sorted(folder.glob(_PATTERN))[: -max(1, kept)]:
        with suppress(OSError):  # deleted by another run, or not ours
            path.unlink()


def read_history(folder: Path) -> History:
    """Read all runs of a history.

    Raises:
        ArtifactError: the folder does not exist, or has no runs.
    """
    if not folder.is_dir():
        raise ArtifactError(f"{folder} is not a folder with a history")
    runs, damaged = [], []
    for path in sorted(folder.glob(_PATTERN)):
        try:
            runs.append(Run(path, read_artifact(path)))
        except ArtifactError as error:
            damaged.append(str(error))
    if not runs and not damaged:
        raise ArtifactError(f"{folder} has no runs: add some with --latency-history={folder}")
    return History(sorted(runs, key=lambda run: run.started_unix_s), damaged)


def _without_details(record: Record) -> Record:
    measurement = replace(record.measurement, slowest=(), advice=())
    return replace(record, measurement=measurement, timeline=None)
