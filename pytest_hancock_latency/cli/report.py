"""``hancock-latency report``: artifacts in any format, and what they say as the exit code."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..artifact_file import read_artifact
from ..core.record import Record
from ..errors import ArtifactError
from ..reporting.html import report_html
from ..reporting.json_artifact import Artifact
from ..reporting.markdown import summary_markdown
from ..reporting.other_tools import bencher_json, pytest_benchmark_json
from ..reporting.table import summary_text
from .artifacts import add_output, put, session_of
from .exits import exit_code_of

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

_EXAMPLES = """\
examples:
  hancock-latency report artifacts/performance-latency.json
  hancock-latency report --format html -o report.html --baseline main.json branch.json
  hancock-latency report --format bencher-bmf -o bmf.json artifacts/performance-latency.json
  hancock-latency report --strict shard-1.json shard-2.json

exit codes: 0 within, 1 exceeded, 2 usage or nothing judged, 3 inconclusive under --strict or by
a budget that is strict
"""
Render = Callable[[Sequence[Record], Mapping[str, Any], Artifact | None], str]
_FORMATS: Final[Mapping[str, Render]] = {
    "text": lambda records, *_: summary_text(records),
    "markdown": lambda records, *_: summary_markdown(records),
    "html": report_html,
    "bencher-bmf": lambda records, *_: bencher_json(records),
    "pytest-benchmark-json": lambda records, session, _: pytest_benchmark_json(records, session),
}


def add_command(commands: Commands) -> None:
    """Add ``report`` to the command line."""
    parser = commands.add_parser(
        "report",
        help="show artifacts: as a table, as Markdown, as HTML, or as other tools read them",
        description="Show artifacts; the exit code is what they say.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "artifacts", nargs="+", type=Path, metavar="ARTIFACT", help="performance-latency.json files"
    )
    parser.add_argument(
        "--format", choices=tuple(_FORMATS), default="text", help="default: %(default)s"
    )
    parser.add_argument(
        "--baseline", type=Path, metavar="ARTIFACT", help="an earlier one, shown beside in HTML"
    )
    parser.add_argument("--strict", action="store_true", help="exit with 3 if any is inconclusive")
    add_output(parser)
    parser.set_defaults(run=_run)


def _run(asked: argparse.Namespace) -> int:
    if asked.baseline and asked.format != "html":
        raise ArtifactError("--baseline is shown in HTML alone: add --format html")
    artifacts = [read_artifact(path) for path in asked.artifacts]
    records = [record for artifact in artifacts for record in artifact.records]
    earlier = read_artifact(asked.baseline) if asked.baseline else None
    session = session_of(asked.artifacts, artifacts)
    put(_FORMATS[asked.format](records, session, earlier), asked.output)
    return exit_code_of(records, strict=asked.strict)
