"""Output for GitHub Actions: the job summary, and annotations at the lines of tests."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import pytest

from ..core.record import Record
from ..reporting.annotations import Place, annotation_lines
from ..reporting.markdown import summary_markdown
from ..reporting.writer import append

SUMMARY: Final = "GITHUB_STEP_SUMMARY"


class GitHub:
    """Writes for GitHub Actions if the session runs there, otherwise nothing."""

    def __init__(self, environ: Mapping[str, str], rootdir: Path, *, gating: bool) -> None:
        """Find out whether the session runs in a GitHub workflow.

        Args:
            gating: whether an exceeded budget fails its test.
        """
        self._summary = environ.get(SUMMARY)
        self._annotates = environ.get("GITHUB_ACTIONS") == "true"
        self._workspace = Path(environ.get("GITHUB_WORKSPACE") or rootdir)
        self._rootdir = rootdir
        self._gating = gating
        self._places: dict[str, Place] = {}
        self.problem: str | None = None
        """Why the summary could not be written."""

    def note_place(self, test: str, report: pytest.TestReport) -> None:
        """Remember the location of a test, relative to the repository."""
        file, line, _ = report.location
        path = Path(os.path.normpath(self._rootdir / file))
        if path.is_relative_to(self._workspace):
            path = path.relative_to(self._workspace)
        self._places[test] = Place(path.as_posix(), None if line is None else line + 1)

    def summarise(self, records: Sequence[Record]) -> None:
        """Append the table to the job summary; a failure is only recorded and fails no test."""
        if not self._summary or not records:
            return
        try:
            append(Path(self._summary), summary_markdown(records))
        except OSError as error:
            self.problem = (
                f"cannot write the job summary {self._summary}: {error.strerror or error}"
            )

    def lines(self, records: Sequence[Record]) -> list[str]:
        """Return the workflow commands to print."""
        if not self._annotates:
            return []
        return annotation_lines(records, self._places, gating=self._gating)
