"""The ledger: all records of a session, and the artifacts written from them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ..core.record import Artifact, Record
from ..core.record_json import Plain
from ..core.verdict import worst
from ..files.artifact import ArtifactWriter, Journal
from ..files.history import prune
from ..files.kinds import KINDS, RUN
from ..files.options import KEPT_RUNS
from ..reporting.json_artifact import (
    artifact_of,
    journal_header,
    journal_line,
    text_of_lines,
)

JSON: Final = "json"
_GROWTH: Final = 8
"""Artifacts are rewritten whenever the number of records has grown by this factor, so all earlier
writes together cost a seventh of the last one."""

_OPENED: Final = {
    "html": "report",
    "json": "JSON",
    "text": "summary",
    "markdown": "Markdown",
    RUN: "history",
}
"""Display names of kinds of artifacts."""


@dataclass(frozen=True, slots=True)
class Session:
    """What the ledger needs from the session."""

    facts: Callable[[], Mapping[str, Any]]
    """Returns the first part of the JSON artifact; called when it is first written."""
    complete: Callable[[Callable[[], Plain]], str | None]
    """Returns the JSON artifact as changed by hooks; None without hooks or if one failed."""
    baseline: Artifact | None = None
    """Earlier artifact to compare with in the HTML report."""


class Ledger:
    """Records in the order in which tests finished.

    Each record is in the journal of the JSON artifact before the next test reports, so a session
    that is killed loses no finished test. The artifacts are written at intervals and at the end.
    """

    def __init__(
        self, paths: Mapping[str, Path], session: Session, kept_runs: int = KEPT_RUNS
    ) -> None:
        """Create an empty ledger.

        Args:
            paths: path of each kind of artifact to write.
            kept_runs: number of runs to keep in the history.
        """
        self._paths = paths
        self._kept_runs = kept_runs
        self._session = session
        self._records: dict[str, Record] = {}
        self._lines: dict[str, str] = {}
        """Records as lines of the journal, by title."""
        self._journal = Journal(paths[JSON]) if JSON in paths else None
        self._process = os.getpid()
        self._written_count = 0
        """Number of records when the artifacts were last written."""
        self.writer = ArtifactWriter()
        self.has_gates = False
        """Whether a test with a budget or a sample has run, so that there is something to write.

        Sessions that only collect tests, or that run others, keep the artifacts of earlier ones.
        """

    @property
    def records(self) -> list[Record]:
        """All records."""
        return list(self._records.values())

    @property
    def where(self) -> str:
        """The paths of artifacts for readers, on one line; empty if there are none."""
        paths = {kind: self._paths[kind] for kind in _OPENED if kind in self._paths}
        if not self.has_gates:
            earlier = ", ".join(_relative(path) for path in paths.values() if path.is_file())
            return f"no gate ran, so these are of an earlier session: {earlier}" if earlier else ""
        places = ", ".join(
            f"{_OPENED[kind]} {_relative(path)}"
            for kind, path in paths.items()
            if path not in self.writer.unwritable
        )
        return f"written: {places}" if places else ""

    def add(self, records: Sequence[Record]) -> None:
        """Add the records of a finished test, and write them to the journal.

        Records of a rerun include the observations of earlier attempts, and replace theirs. Of a
        test that each worker runs, the worst one is kept.
        """
        if self._is_forked:
            return
        self.has_gates = True
        records = [record for record in records if not self._is_milder(record)]
        for record in records:
            self._records.pop(record.title, None)
            self._records[record.title] = record
        if self._journal is not None and records:
            self._keep(records, self._journal)
        if len(self._records) >= _GROWTH * self._written_count:
            self._write_all([kind for kind in self._paths if KINDS[kind].at_intervals])

    def write(self) -> None:
        """Write all artifacts for the last time, if a gate has run."""
        if self._is_forked or not self.has_gates:
            return
        self._write_all(kind for kind in self._paths if kind != RUN or self._records)
        self.writer.finish()
        if RUN in self._paths:
            prune(self._paths[RUN].parent, self._kept_runs)
        if self._journal is not None and self._paths[JSON] not in self.writer.unwritable:
            self._journal.remove()

    def _is_milder(self, record: Record) -> bool:
        """Whether another worker has a worse record of the test, with ``--dist=each``."""
        other = self._records.get(record.title)
        return (
            other is not None
            and other.worker != record.worker
            and worst((other.outcome, record.outcome)) is not record.outcome
        )

    @property
    def _is_forked(self) -> bool:
        """Whether this is a child of the session, which a test forked and let go on with it."""
        return os.getpid() != self._process

    def _keep(self, records: Sequence[Record], journal: Journal) -> None:
        """Append to the journal; if that fails, try to write the artifact itself."""
        lines = {record.title: journal_line(record) for record in records}
        for title, line in lines.items():
            self._lines.pop(title, None)
            self._lines[title] = line
        try:
            journal.append(list(lines.values()), lambda: journal_header(self._session.facts()))
            self.writer.unwritable.pop(self._paths[JSON], None)
        except OSError:
            self._write(JSON)

    def _write_all(self, kinds: Iterable[str]) -> None:
        for kind in kinds:
            self._write(kind)
        self._written_count = len(self._records)

    def _write(self, kind: str) -> None:
        path, session = self._paths[kind], self._session
        if kind == JSON:
            # Outside the writer: a hook may end the session, which is not a failure.
            try:
                text = session.complete(self._artifact) or self._text()
            except BaseException:  # including Ctrl-C
                self.writer.write(path, self._text)
                raise
            self.writer.write(path, lambda: text)
            return
        self.writer.write(
            path, lambda: KINDS[kind].render(self.records, session.facts(), session.baseline)
        )

    def _artifact(self) -> Plain:
        return artifact_of(self.records, self._session.facts())

    def _text(self) -> str:
        return text_of_lines(self.records, self._lines.values(), self._session.facts())


def _relative(path: Path) -> str:
    """Return the path relative to the working directory, if it is below it."""
    with suppress(ValueError):
        return str(path.relative_to(Path.cwd()))
    return str(path)
