"""``hancock-latency report``: show artifacts in any format; their verdict sets the exit code."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..errors import ArtifactError
from ..files.artifact import read_artifact
from ..files.kinds import KINDS
from ..reporting.groups import group_lines
from ..reporting.terminal import LOG_WIDTH, MOST_SHOWN, report_text
from .artifacts import (
    add_artifacts,
    add_columns,
    add_output,
    artifact_paths,
    columns_of,
    exit_code,
    group_by_of,
    put,
    session_of,
)

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

TEXT: Final = "text"
_FORMATS: Final = tuple(name for name, kind in KINDS.items() if kind.of_command)
_EXAMPLES = """\
examples:
  hancock-latency report artifacts/performance-latency.json
  hancock-latency report artifacts/
  hancock-latency report --format html -o report.html --baseline main.json branch.json
  hancock-latency report --group-by func --columns mean,ops artifacts/performance-latency.json
  hancock-latency report --format csv -o samples.csv artifacts/performance-latency.json
  hancock-latency report --strict shard-1.json shard-2.json

exit codes: 0 within, 1 exceeded, 2 invalid usage or nothing judged, 3 inconclusive with --strict
or with a strict budget
"""


def add_command(commands: Commands) -> None:
    """Add ``report`` to the command line."""
    parser = commands.add_parser(
        "report",
        help="show artifacts as a table, Markdown, HTML, or in the formats of other tools",
        description="Show artifacts. The exit code is their verdict.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_artifacts(parser)
    parser.add_argument("--format", choices=_FORMATS, default=TEXT, help="default: %(default)s")
    parser.add_argument(
        "--baseline",
        type=Path,
        metavar="ARTIFACT",
        help="earlier artifact to compare with (HTML only)",
    )
    add_columns(parser)
    parser.add_argument(
        "--group-by",
        metavar="param|func",
        help="compare samples with the same parameters, or of the same function (text only)",
    )
    parser.add_argument(
        "--all",
        action="store_true",
        help=f"show every sample, even if there are more than {MOST_SHOWN} (text only)",
    )
    parser.add_argument(
        "--strict", action="store_true", help="exit with code 3 if any sample is inconclusive"
    )
    add_output(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    if options.baseline and options.format != "html":
        raise ArtifactError("--baseline is for HTML only: add --format html")
    paths = artifact_paths(options)
    artifacts = [read_artifact(path) for path in paths]
    records = [record for artifact in artifacts for record in artifact.records]
    earlier = read_artifact(options.baseline) if options.baseline else None
    session = session_of(paths, artifacts)
    columns, group_by = columns_of(options), group_by_of(options)
    if options.format != TEXT and (columns or group_by):
        raise ArtifactError("--columns and --group-by are for text only: leave out --format")
    if options.format == TEXT:
        text = report_text(records, session, columns=columns, **_screen(options))
    else:
        text = KINDS[options.format].render(records, session, earlier)
    if group_by:
        text += "\n" + "\n".join(group_lines(records, group_by, columns)) + "\n"
    put(text, options.output)
    return exit_code(records, strict=options.strict)


def _screen(options: argparse.Namespace) -> dict[str, Any]:
    """Return how to lay out the text: for the terminal, or for a log or a file."""
    on_screen = options.output is None and bool(sys.stdout and sys.stdout.isatty())
    return {
        "width": shutil.get_terminal_size().columns if on_screen else LOG_WIDTH,
        "colour": on_screen and not os.environ.get("NO_COLOR"),
        "show_all": options.all,
    }
