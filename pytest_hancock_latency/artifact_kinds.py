"""The kinds of artifacts: a new format is one renderer, and one row here.

Read while pytest starts, so this module imports next to nothing; a renderer is imported when it is
first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .core.record import Artifact, Record


class ArtifactKind(NamedTuple):
    """One format of artifacts."""

    name: str
    """Its option is ``--latency-NAME``, and ``hancock-latency report --format NAME`` shows it."""
    renderer: str
    """Module and function; it takes records, session and baseline, and returns the text."""
    file_name: str = ""
    """In the folder of all artifacts; without one, only the command line makes it."""
    of_pytest: bool = True
    """Whether pytest writes it. It has a JUnit file of its own, which gets our properties."""
    at_intervals: bool = True
    """Whether it is also written while tests run; not if it costs more than all others together."""

    def render(
        self,
        records: Sequence[Record],
        session: Mapping[str, Any],
        baseline: Artifact | None = None,
    ) -> str:
        """The text of the artifact."""
        from importlib import import_module

        module, _, function = self.renderer.partition(":")
        text: str = getattr(import_module(f".{module}", __package__), function)(
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
        ArtifactKind("csv", "reporting.csv_table:csv_text"),
        ArtifactKind("bencher-bmf", "reporting.other_tools:bencher_json"),
        ArtifactKind("pytest-benchmark-json", "reporting.other_tools:pytest_benchmark_json"),
    )
}
"""By name, in the order in which help lists them."""
