"""The ledger: all records of a session, and the artifacts that are written from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ..artifact_file import ArtifactWriter, Journal
from ..artifact_kinds import KINDS
from ..core.record import Artifact, Record
from ..core.record_json import Plain
from ..reporting.json_artifact import (
    artifact_of,
    journal_header,
    journal_line,
    text_of_lines,
)

JSON: Final = "json"
_GROWTH: Final = 8
"""Artifacts are written again when there are so many times as many records, which costs a seventh
of the last writing in all, whatever their number."""

_OPENED: Final = {"html": "report", "json": "JSON", "text": "summary", "markdown": "Markdown"}
"""Kinds of artifacts and what people call them."""


@dataclass(frozen=True, slots=True)
class Session:
    """What the ledger asks of its surroundings."""

    facts: Callable[[], Mapping[str, Any]]
    """What the JSON artifact begins with; asked for when it is first written."""
    complete: Callable[[Callable[[], Plain]], str | None]
    """The text of the JSON artifact as hooks changed it; None without hooks, or if one failed."""
    baseline: Artifact | None = None
    """Earlier artifact that the HTML report compares with."""


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
        self._lines: dict[str, str] = {}
        """The record of a title as a line of the journal."""
        self._journal = Journal(paths[JSON]) if JSON in paths else None
        self._written = 0
        """Records in the artifacts when they were last written."""
        self.writer = ArtifactWriter()

    @property
    def records(self) -> list[Record]:
        """All records."""
        return list(self._records.values())

    @property
    def where(self) -> str:
        """Where the artifacts are that people open, as one line; nothing where there are none."""
        written = {kind: self._paths[kind] for kind in _OPENED if kind in self._paths}
        places = ", ".join(
            f"{_OPENED[kind]} {_relative(path)}"
            for kind, path in written.items()
            if path not in self.writer.unwritable
        )
        return f"written: {places}" if places else ""

    def add(self, records: Sequence[Record]) -> None:
        """Take in the records of a finished test, and keep them from being lost.

        A rerun's records have the observations of its earlier attempts, and replace theirs.
        """
        for record in records:
            self._records.pop(record.title, None)
            self._records[record.title] = record
        if self._journal is not None:
            self._keep(records, self._journal)
        if len(self._records) >= _GROWTH * self._written:
            self._write_all([kind for kind in self._paths if KINDS[kind].at_intervals])

    def write(self) -> None:
        """Write every artifact for the last time."""
        self._write_all(self._paths)
        self.writer.finish()
        if self._journal is not None and self._paths[JSON] not in self.writer.unwritable:
            self._journal.remove()

    def _keep(self, records: Sequence[Record], journal: Journal) -> None:
        """Append to the journal; where that fails, at least try to write the artifact."""
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
        self._written = len(self._records)

    def _write(self, kind: str) -> None:
        path, session = self._paths[kind], self._session
        if kind == JSON:
            # Not inside the writer: a hook may end the session, and that is not a failure.
            try:
                text = session.complete(self._artifact) or self._text()
            except BaseException:  # so may Ctrl-C
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
    """As somebody would type it here, where it is below the working directory."""
    with suppress(ValueError):
        return str(path.relative_to(Path.cwd()))
    return str(path)
