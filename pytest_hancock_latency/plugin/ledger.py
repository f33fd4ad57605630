"""The ledger: all records of a session, and the artifacts that are written from it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ..artifact_file import ArtifactWriter, Journal
from ..artifact_kinds import KINDS
from ..core.record import Artifact, Record
from ..core.record_json import Plain
from ..reporting.json_artifact import artifact_of, artifact_text

JSON: Final = "json"
_LEAST_PAUSE_S: Final = 1.0
_SHARE: Final = 20
"""Artifacts that are made while tests run take at most a twentieth of the time."""
_GROWTH: Final = 8
"""The JSON artifact is written again when the journal is this many times what it was, so that all
writing together, journal and final artifact included, is about three times the final size."""


@dataclass(frozen=True, slots=True)
class Session:
    """What the ledger asks of its surroundings."""

    facts: Callable[[], Mapping[str, Any]]
    """What the JSON artifact begins with; asked for when it is first written."""
    complete: Callable[[Plain], str | None]
    """The text of the JSON artifact, which hooks may change first; None if a hook failed."""
    baseline: Artifact | None = None
    """Earlier artifact that the HTML report compares with."""
    clock: Callable[[], float] = time.monotonic


class Ledger:
    """Records in the order in which their tests finished.

    Every record is in the journal of the JSON artifact before the next test reports: a session that
    is killed loses nothing that had finished. The artifacts themselves follow at intervals and at
    the end.
    """

    def __init__(self, paths: Mapping[str, Path], session: Session) -> None:
        """paths: of each kind of artifact that is to be written."""
        self._paths = paths
        self._session = session
        self._records: dict[str, Record] = {}
        self._journal = Journal(paths[JSON]) if JSON in paths else None
        self._due = 0.0
        self._written_at = 0
        """Size of the journal when the JSON artifact was last written."""
        self.writer = ArtifactWriter()

    @property
    def records(self) -> list[Record]:
        """All records."""
        return list(self._records.values())

    def add(self, records: Sequence[Record]) -> None:
        """Take in the records of a finished test, and keep them from being lost.

        A rerun's records have the observations of its earlier attempts, and replace theirs.
        """
        for record in records:
            self._records.pop(record.title, None)
            self._records[record.title] = record
        if not self._paths:
            return
        self._keep(records)
        if self._session.clock() >= self._due:
            self._write_some()

    def write(self) -> None:
        """Write every artifact for the last time."""
        for kind in self._paths:
            self._write(kind)
        if self._journal and self._paths[JSON] not in self.writer.unwritable:
            self._journal.remove()

    def _keep(self, new: Sequence[Record]) -> None:
        """Append to the journal; where that fails, at least try to write the artifact."""
        if self._journal is None:
            return
        path = self._paths[JSON]
        try:
            self._journal.append(new, self._session.facts, lambda: self.records)
            self.writer.unwritable.pop(path, None)
        except OSError:
            self._write(JSON)

    def _write_some(self) -> None:
        """Write what is worth its time now: summaries always, the JSON artifact when it grew."""
        begin = self._session.clock()
        for kind in self._paths:
            if kind != JSON:
                self._write(kind)
        if self._journal and self._journal.size >= _GROWTH * self._written_at:
            self._write(JSON)
            self._written_at = self._journal.size
        end = self._session.clock()
        self._due = end + max(_LEAST_PAUSE_S, _SHARE * (end - begin))

    def _write(self, kind: str) -> None:
        path, session = self._paths[kind], self._session
        if kind == JSON:
            # Not inside the writer: a hook may end the session, and that is not a failure.
            text = session.complete(self._artifact()) or artifact_text(self._artifact())
            self.writer.write(path, lambda: text)
            return
        self.writer.write(
            path, lambda: KINDS[kind].render(self.records, session.facts(), session.baseline)
        )

    def _artifact(self) -> Plain:
        return artifact_of(self.records, self._session.facts())
