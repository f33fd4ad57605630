"""``hancock-latency suggest``: suggest budgets from measured latencies."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..core.budget import parse_share
from ..core.quantile import format_percent
from ..errors import BudgetError
from ..files.artifact import read_artifact
from ..reporting.suggestions import suggestions_markers, suggestions_toml
from ..runs.suggestion import MARGIN, machine_of, suggest_for
from .artifacts import add_output, put

if TYPE_CHECKING:
    from .report import Commands

_EXAMPLES = """\
A limit is the upper bound of a percentile at 95 % confidence, plus a margin. Percentiles are p50,
p95, p99 and those of existing budgets, except those with too few observations. Of several runs, the
largest bound counts, since the machine differs between them. The speed of the machine is written
beside the limits: what a slower machine explains is not exceeded.

Measure where the gate will run: limits from a laptop say little about a CI runner.
--latency=report measures tests without failing any.

examples:
  hancock-latency suggest artifacts/performance-latency.json
  hancock-latency suggest monday.json tuesday.json --margin 50% --format markers
"""
_FORMATS: Final = {"toml": suggestions_toml, "markers": suggestions_markers}


def add_command(commands: Commands) -> None:
    """Add ``suggest`` to the command line."""
    parser = commands.add_parser(
        "suggest",
        help="suggest budgets from measured latencies",
        description="Suggest budgets from measured latencies.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "artifacts", nargs="+", type=Path, metavar="ARTIFACT", help="performance-latency.json files"
    )
    parser.add_argument(
        "--format", choices=tuple(_FORMATS), default="toml", help="default: %(default)s"
    )
    parser.add_argument(
        "--margin",
        metavar="SHARE",
        default=f"{format_percent(MARGIN)}%",
        help="margin above measured latencies, below 100%% (default: %(default)s)",
    )
    add_output(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    margin = parse_share("--margin", options.margin)
    artifacts = [read_artifact(path) for path in options.artifacts]
    records = [record for artifact in artifacts for record in artifact.records]
    measured = [record for record in records if record.n]
    if not measured:
        raise BudgetError("no measurements in these artifacts: there is nothing to suggest")
    machine = machine_of(artifacts)
    suggestions = suggest_for(measured, margin, machine)
    put(_FORMATS[options.format](suggestions, margin, machine), options.output)
    return 0
