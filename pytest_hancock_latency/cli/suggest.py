"""``hancock-latency suggest``: suggest budgets from measured latencies."""

from __future__ import annotations

import argparse
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..core.budget import parse_share
from ..core.quantile import format_percent
from ..errors import BudgetError
from ..files.artifact import read_unslowed
from ..files.budget import read_budgets
from ..files.budget_edit import with_limits
from ..files.history import read_history
from ..reporting.suggestions import ratchet_text, suggestions_markers, suggestions_toml
from ..runs.ratchet import ratchet
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

--ratchet proposes lower limits for a budget file, never higher ones, from the last twenty runs of a
history that were within on an undisturbed machine, as a patch; --write applies it.

examples:
  hancock-latency suggest artifacts/performance-latency.json
  hancock-latency suggest monday.json tuesday.json --margin 50% --format markers
  hancock-latency suggest --ratchet --history history --budgets budgets.toml
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
        "artifacts", nargs="*", type=Path, metavar="ARTIFACT", help="performance-latency.json files"
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
    parser.add_argument(
        "--ratchet", action="store_true", help="propose lower limits for the budgets of a file"
    )
    parser.add_argument(
        "--history", type=Path, metavar="DIR", help="runs of --latency-history, for --ratchet"
    )
    parser.add_argument(
        "--budgets",
        type=Path,
        metavar="FILE",
        default=Path("pyproject.toml"),
        help="file whose limits --ratchet lowers (default: %(default)s)",
    )
    parser.add_argument("--write", action="store_true", help="apply what --ratchet proposes")
    add_output(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    margin = parse_share("--margin", options.margin)
    if options.ratchet:
        return _ratchet(options, margin)
    if options.history is not None or options.write:
        raise BudgetError("--history and --write are for --ratchet: add it")
    if not options.artifacts:
        raise BudgetError("no artifact is given: hancock-latency suggest ARTIFACT")
    artifacts = [read_unslowed(path) for path in options.artifacts]
    records = [record for artifact in artifacts for record in artifact.records]
    measured = [record for record in records if record.n]
    if not measured:
        raise BudgetError("no measurements in these artifacts: there is nothing to suggest")
    machine = machine_of(artifacts)
    suggestions = suggest_for(measured, margin, machine)
    put(_FORMATS[options.format](suggestions, margin, machine), options.output)
    return 0


def _ratchet(options: argparse.Namespace, margin: Fraction) -> int:
    if options.history is None:
        raise BudgetError("--ratchet needs --history DIR, the folder of --latency-history")
    if options.artifacts:
        raise BudgetError("--ratchet reads a history: leave out the artifacts")
    history = read_history(options.history)
    proposal = ratchet(
        [run.artifact for run in history.runs], read_budgets(options.budgets), margin
    )
    before, after = with_limits(options.budgets, proposal.limits)
    if options.write and proposal.limits:
        put(after, options.budgets)
    put(ratchet_text(proposal, options.budgets.name, before, after), options.output)
    return 0
