"""``hancock-latency compare``: compare an artifact with an earlier one."""

from __future__ import annotations

import argparse
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.budget import parse_share
from ..core.quantile import format_percent
from ..core.record import Artifact, Record, counterparts
from ..core.verdict import ExitCode
from ..files.artifact import read_unslowed
from ..reporting.comparison import BaselineComparison, Compared, comparison_text
from ..reporting.sessions import when_and_what
from ..reporting.table import with_small_print
from ..runs.baseline import ALLOWED, Change, judged_change, other_machine
from .artifacts import add_output, put

if TYPE_CHECKING:
    from .report import Commands

_EXAMPLES = """\
Only medians are judged, only on the same kind of machine, and only as a warning: even with
identical code, a fresh run differs from a saved one more often than not. With --strict, a slower
sample sets exit code 1. To compare two versions reliably, measure both in one test:
sample.pairs(new, old).

examples:
  hancock-latency compare main.json branch.json
  hancock-latency compare main.json branch.json --regression 25% --strict

exit codes: 0 compared, 1 slower with --strict, 2 invalid usage
"""


def add_command(commands: Commands) -> None:
    """Add ``compare`` to the command line."""
    parser = commands.add_parser(
        "compare",
        help="compare an artifact with an earlier one, sample by sample",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("baseline", type=Path, metavar="BASELINE")
    parser.add_argument("artifact", type=Path, metavar="ARTIFACT")
    parser.add_argument(
        "--regression",
        metavar="SHARE",
        default=f"{format_percent(ALLOWED)}%",
        help="how far a median may be above the baseline (default: %(default)s)",
    )
    parser.add_argument(
        "--strict", action="store_true", help="exit with code 1 if any sample is slower"
    )
    add_output(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    allowed = parse_share("--regression", options.regression)
    before, after = read_unslowed(options.baseline), read_unslowed(options.artifact)
    comparison = _comparison(before, after, allowed)
    put(comparison_text(comparison), options.output)
    return ExitCode.EXCEEDED if options.strict and comparison.slower else ExitCode.HELD


def _comparison(before: Artifact, after: Artifact, allowed: Fraction) -> BaselineComparison:
    matches = list(zip(after.records, counterparts(after.records, before.records), strict=True))
    common = [(record, earlier) for record, earlier in matches if earlier is not None]
    compared = {earlier.title for _, earlier in common}
    machine = other_machine(after.session, before.session)
    return BaselineComparison(
        compared=[
            Compared(
                earlier,
                record,
                _change(earlier, record, allowed, len(common), judged=not machine),
            )
            for record, earlier in common
        ],
        only_before=[with_small_print(r) for r in before.records if r.title not in compared],
        only_after=[with_small_print(record) for record, earlier in matches if earlier is None],
        allowed=allowed,
        sides=(when_and_what(before.session), when_and_what(after.session)),
        other_machine=", ".join(machine) or None,
    )


def _change(
    before: Record, after: Record, allowed: Fraction, compared: int, *, judged: bool
) -> Change:
    change = judged_change(before, after, allowed, compared=compared)
    return change if judged else replace(change, slower=False)
