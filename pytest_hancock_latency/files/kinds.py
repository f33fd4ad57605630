"""The kinds of artifacts: a new format needs one renderer and one row here.

Imported while pytest starts, so this module imports next to nothing; renderers are imported on
first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..core.record import Artifact, Record

RUN = "run"
"""The kind of a run in a history, the artifact without details; see `history`."""


class ArtifactKind(NamedTuple):
    """One format of artifacts."""

    name: str
    """Used in ``--latency-NAME`` and ``hancock-latency report --format NAME``."""
    renderer: str
    """Module and function that renders records, session and baseline as text."""
    file_name: str = ""
    """File name in the folder of artifacts; if empty, only the command line writes it."""
    of_pytest: bool = True
    """Whether pytest writes it. It has its own JUnit file, to which our properties are added."""
    of_command: bool = True
    """Whether ``hancock-latency report`` renders it."""
    at_intervals: bool = True
    """Whether it is also written while tests run; not if it is too expensive."""

    def render(
        self,
        records: Sequence[Record],
        session: Mapping[str, Any],
        baseline: Artifact | None = None,
    ) -> str:
        """Render the artifact as text."""
        from importlib import import_module

        module, _, function = self.renderer.partition(":")
        text: str = getattr(import_module(f"..{module}", __package__), function)(
            records, session, baseline
        )
        return text


KINDS = {
    kind.name: kind
    for kind in (
        ArtifactKind("json", "reporting.json_artifact:json_text", "performance-latency.json"),
        ArtifactKind("text", "reporting.table:summary_text", "benchmark-summary.txt"),
        ArtifactKind("markdown", "reporting.markdown:summary_markdown", "benchmark-summary.md"),
        ArtifactKind(
            "html", "reporting.html:report_html", "latency-report.html", at_intervals=False
        ),
        ArtifactKind("junit", "reporting.junit:junit_text", "benchmark-junit.xml", of_pytest=False),
        ArtifactKind(RUN, "reporting.json_artifact:run_text", at_intervals=False, of_command=False),
        ArtifactKind("csv", "reporting.csv_table:csv_text"),
        ArtifactKind("otlp-json", "reporting.opentelemetry:otlp_json"),
    )
}
"""All kinds by name, in the order of the help."""
