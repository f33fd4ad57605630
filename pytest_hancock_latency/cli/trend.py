"""``hancock-latency trend``: a history of runs, and what changed in it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..errors import ArtifactError
from ..files.history import read_history
from ..reporting.trend_json import trend_json
from ..reporting.trend_report import trend_markdown, trend_text
from ..runs.trend import Trend, trend_of
from .artifacts import add_output, put

if TYPE_CHECKING:
    from .report import Commands

_BY_SUFFIX: Final = {".html": "html", ".md": "markdown", ".json": "json"}
_FORMATS: Final = ("text", "markdown", "json", "html")
_LAST: Final = 20
_DESCRIPTION: Final = """\
Shows the runs of a history, which --latency-history=DIR of pytest and Locust adds, and where the
median of a sample changed: by at least 3 %, on one kind of machine, shown by at least five runs on
either side. A change is reported late rather than wrongly.
"""
_EXAMPLES: Final = """\
examples:
  hancock-latency trend history
  hancock-latency trend history -o trend.html
  hancock-latency trend history --last 50 --format markdown
"""


def add_command(commands: Commands) -> None:
    """Add ``trend`` to the command line."""
    parser = commands.add_parser(
        "trend",
        help="show a history of runs, and what changed in it",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("history", type=Path, metavar="DIR", help="folder with a history")
    parser.add_argument(
        "--format", choices=_FORMATS, help="default: by the suffix of FILE, otherwise text"
    )
    parser.add_argument(
        "--last",
        type=int,
        metavar="N",
        default=_LAST,
        help="list changes in the last N runs (default: %(default)s)",
    )
    add_output(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    if options.last < 1:
        raise ArtifactError(f"--last {options.last} must be at least 1")
    history = read_history(options.history)
    trend = trend_of([run.artifact for run in history.runs], history.damaged)
    suffix = options.output.suffix if options.output else ""
    kind = options.format or _BY_SUFFIX.get(suffix, "text")
    put(_rendered(trend, kind, options.last), options.output)
    return 0


def _rendered(trend: Trend, kind: str, last: int) -> str:
    if kind == "html":
        from ..reporting.html import trend_html

        return trend_html(trend, last)
    if kind == "json":
        return trend_json(trend)
    return trend_markdown(trend, last) if kind == "markdown" else trend_text(trend, last)
