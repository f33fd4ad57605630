"""A history: a folder with one artifact for each run, which `hancock-latency trend` reads.

Each run has a file of its own, named after its start, so runs that end at the same time do not
disturb each other. A file is the JSON artifact without details: budgets, verdicts and histograms,
but not the slowest observations, the timeline and the advice.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Final

from ..core.record import Artifact, Record
from ..errors import ArtifactError, SettingError
from ..runs.pooling import READ_RUNS, has_open_limits, with_earlier_runs
from .artifact import read_unslowed
from .kinds import RUN

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


def prune(folder: Path, kept_runs: int) -> None:
    """Delete the oldest runs, so that at most `kept_runs` are left; names begin with the start."""
    for path in sorted(folder.glob(_PATTERN))[: -max(1, kept_runs)]:
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
            runs.append(Run(path, read_unslowed(path)))
        except ArtifactError as error:
            damaged.append(str(error))
    if not runs and not damaged:
        raise ArtifactError(f"{folder} has no runs: add some with --latency-history={folder}")
    return History(sorted(runs, key=lambda run: run.started_unix_s), damaged)


class EarlierRuns:
    """The last runs of a history, with which inconclusive limits of the present run are decided."""

    def __init__(self, own: Path) -> None:
        """Use the other files in the folder of a run.

        Args:
            own: the file of the present run, in the same folder.
        """
        self._own = own

    def added_to(self, record: Record, machine: Callable[[], Sequence[str]]) -> Record:
        """Return the record with limits that its last runs decide, and advice about them.

        Args:
            machine: returns the kind of this machine; called if a limit is inconclusive.
        """
        if not has_open_limits(record):
            return record
        return with_earlier_runs(record, machine(), self._artifacts)

    @cached_property
    def _artifacts(self) -> list[Artifact]:
        """The last runs, read when first needed; damaged files are left to ``trend`` to name."""
        artifacts = []
        for path in sorted(self._own.parent.glob(_PATTERN))[-READ_RUNS:]:
            with suppress(ArtifactError):
                if path != self._own:
                    artifacts.append(read_unslowed(path))
        return artifacts


def earlier_runs(paths: Mapping[str, Path]) -> EarlierRuns:
    """Return the earlier runs of the history that one of these artifacts is added to.

    Raises:
        SettingError: there is no history.
    """
    if RUN not in paths:
        raise SettingError(
            "--latency-pool-history adds up the runs of a history: name its folder with "
            "--latency-history=DIR"
        )
    return EarlierRuns(paths[RUN])
