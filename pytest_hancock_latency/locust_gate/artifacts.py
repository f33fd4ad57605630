"""The artifacts of a load test, written while it runs, so that a killed master leaves them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from ..core.record import Record
from ..reporting.html import report_html
from ..reporting.json_artifact import artifact_of, artifact_text
from ..reporting.junit import junit_text
from ..reporting.markdown import summary_markdown
from ..reporting.table import summary_text
from ..reporting.writer import write_whole

Session = Mapping[str, Any]
_RENDERERS: Final[Mapping[str, Callable[[Sequence[Record], Session], str]]] = {
    "json": lambda records, session: artifact_text(artifact_of(records, session)),
    "text": lambda records, _: summary_text(records),
    "markdown": lambda records, _: summary_markdown(records),
    "html": report_html,
    "junit": lambda records, _: junit_text(records),
}


def write_artifacts(
    paths: Mapping[str, Path], records: Sequence[Record], session: Session
) -> dict[Path, str]:
    """Write every artifact that has a path, each in one step; what could not be written, and why.

    A run goes on with what cannot be written: the verdict matters more.
    """
    trouble = {}
    for kind, path in paths.items():
        try:
            write_whole(path, _RENDERERS[kind](records, session))
        except OSError as error:
            trouble[path] = error.strerror or str(error)
    return trouble
