"""The ledger: all records of a session, and the artifacts that are written from it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ..core.record import Record
from ..core.record_json import Plain, from_plain
from ..reporting.html import report_html
from ..reporting.json_artifact import Artifact, artifact_of_plain, artifact_text
from ..reporting.markdown import summary_markdown
from ..reporting.table import summary_text
from ..reporting.writer import check_writable, write_whole
from .settings import Settings

_LEAST_PAUSE_S: Final = 1.0
_SHARE: Final = 20
"""Summaries may take a twentieth of the time: they are made of all records, again and again."""


@dataclass(frozen=True, slots=True)
class Session:
    """What the ledger asks of its surroundings."""

    facts: Callable[[], Mapping[str, Any]]
    """What the JSON artifact begins with; asked for when it is first written."""
    complete: Callable[[Plain], str | None]
    """The text of the JSON artifact, which it may change first; None if it failed."""
    baseline: Artifact | None = None
    """Shown beside in the HTML report."""
    clock: Callable[[], float] = time.monotonic


class Ledger:
    """Records in the order in which their tests finished.

    Every record is in the JSON artifact before the next test reports: a session that is killed
    loses nothing that had finished. The summaries, which can be made anew from it, follow at
    intervals and at the end.
    """

    def __init__(self, settings: Settings, session: Session) -> None:
        self._settings = settings
        self._session = session
        self._samples: dict[str, tuple[Record, Plain]] = {}
        self._summaries_due = 0.0
        self.trouble: dict[Path, str] = {}
        """Artifacts that could not be written, with the system's reason."""

    @property
    def records(self) -> list[Record]:
        """All records."""
        return [record for record, _ in self._samples.values()]

    def check(self) -> None:
        """Prove that every artifact can be written.

        Raises:
            OSError: one cannot; `filename` tells which.
        """
        for path in self._settings.paths:
            try:
                check_writable(path)
            except OSError as error:
                raise OSError(error.errno, error.strerror, str(path)) from error

    def add(self, samples: Sequence[Plain]) -> list[Record]:
        """Take in the plain records of a finished test, and write; the records.

        A rerun's records have the observations of its earlier attempts, and replace theirs.
        """
        records = [from_plain(plain) for plain in samples]
        for record, plain in zip(records, samples, strict=True):
            self._samples.pop(record.title, None)
            self._samples[record.title] = record, plain
        self._write(self._json())
        if self._session.clock() >= self._summaries_due:
            self._write_summaries()
        return records

    def write(self) -> None:
        """Write every artifact."""
        self._write(self._json())
        self._write_summaries()

    def _write_summaries(self) -> None:
        begin = self._session.clock()
        self._write(self._summaries())
        end = self._session.clock()
        self._summaries_due = end + max(_LEAST_PAUSE_S, _SHARE * (end - begin))

    def _write(self, texts: Iterator[tuple[Path | None, Callable[[], str]]]) -> None:
        """Write what is wanted; a failure is noted, since tests must go on."""
        for path, text in texts:
            if path is None:
                continue
            try:
                write_whole(path, text())
                self.trouble.pop(path, None)
            except OSError as error:
                self.trouble[path] = error.strerror or str(error)

    def _json(self) -> Iterator[tuple[Path | None, Callable[[], str]]]:
        yield self._settings.json, self._json_text

    def _json_text(self) -> str:
        return self._session.complete(self._artifact()) or artifact_text(self._artifact())

    def _artifact(self) -> Plain:
        samples = [dict(plain) for _, plain in self._samples.values()]  # a hook may change them
        return artifact_of_plain(samples, self._session.facts())

    def _summaries(self) -> Iterator[tuple[Path | None, Callable[[], str]]]:
        records = self.records
        yield self._settings.text, lambda: summary_text(records)
        yield self._settings.markdown, lambda: summary_markdown(records)
        yield (
            self._settings.html,
            lambda: report_html(records, self._session.facts(), self._session.baseline),
        )
