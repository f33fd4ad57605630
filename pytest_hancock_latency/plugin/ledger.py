"""The ledger: all records of a session, and the artifacts that are written from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..core.plain import Plain
from ..core.record import Record
from ..reporting.json_artifact import artifact_of, artifact_text
from ..reporting.markdown import summary_markdown
from ..reporting.table import summary_text
from ..reporting.writer import check_writable, write_whole
from .settings import Settings


class Ledger:
    """Records in the order in which their tests finished.

    Every record is on disk before the next test reports: a session that is killed loses nothing
    that had finished.
    """

    def __init__(
        self,
        settings: Settings,
        session: Callable[[], Mapping[str, Any]],
        complete: Callable[[Plain], object],
    ) -> None:
        """session: what the JSON artifact begins with, asked for when it is first written.

        complete: may change the JSON artifact in place, each time before it is written.
        """
        self._settings = settings
        self._complete = complete
        self._session = session
        self.records: list[Record] = []
        self.trouble: dict[Path, str] = {}
        """Artifacts that could not be written, with the system's reason."""

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

    def add(self, records: list[Record]) -> None:
        """Take in the records of a finished test, and write.

        A rerun's records have the observations of its earlier attempts, and replace theirs.
        """
        titles = {record.title for record in records}
        self.records = [record for record in self.records if record.title not in titles]
        self.records += records
        self.write()

    def write(self) -> None:
        """Write every artifact; a failure is noted, since tests must go on."""
        for path, text in self._texts():
            try:
                write_whole(path, text)
                self.trouble.pop(path, None)
            except OSError as error:
                self.trouble[path] = error.strerror or str(error)

    def _texts(self) -> list[tuple[Path, str]]:
        settings, texts = self._settings, []
        if settings.json:
            artifact = artifact_of(self.records, self._session())
            self._complete(artifact)
            texts.append((settings.json, artifact_text(artifact)))
        if settings.text:
            texts.append((settings.text, summary_text(self.records)))
        if settings.markdown:
            texts.append((settings.markdown, summary_markdown(self.records)))
        return texts
