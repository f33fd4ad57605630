"""``hancock-latency gate``: judge existing measurements against other budgets."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..artifact_file import artifact_of, artifact_source
from ..budget_file import read_budgets
from ..core.budget import Terms, parse_limits
from ..core.hdr_histogram import PREFIX, decode
from ..core.histogram import Histogram
from ..core.merging import judged_anew
from ..core.record import Artifact, Record
from ..errors import ArtifactError, BudgetError, read_as
from ..input_file import read_input
from ..reporting.json_artifact import json_text
from ..reporting.table import summary_text
from .artifacts import add_output, exit_code, put, session_of, titles

if TYPE_CHECKING:
    from .report import Commands

_EXAMPLES = """\
A budget of the file judges a sample if its name is that of the sample's budget, the sample's name,
the node id of its test, or the name of the test function. --budget judges all samples. A file in
HdrHistogram's V2 encoding is one sample, named after the file.

Counts alone cannot distinguish a single stall of the machine from slow code. Verdicts of pytest and
Locust are more reliable, because they see the run over time.

examples:
  hancock-latency gate artifacts/performance-latency.json --budgets pyproject.toml
  hancock-latency gate latencies.json --budget p95=25ms,p99=50ms,errors=0.1% --strict
  hancock-latency gate recorded.hdr --unit us --budget p99=50 -o judged.json

exit codes: 0 within, 1 exceeded, 2 invalid usage or nothing judged, 3 inconclusive with --strict
or with a strict budget
"""
_UNITS: Final = {"ns": 1, "us": 1_000, "ms": 1_000_000}


def add_command(commands: Commands) -> None:
    """Add ``gate`` to the command line."""
    parser = commands.add_parser(
        "gate",
        help="judge artifacts or HdrHistograms against other budgets",
        description="Judge existing measurements against other budgets.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "artifacts",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="a performance-latency.json, or a histogram in HdrHistogram's V2 encoding",
    )
    budgets = parser.add_mutually_exclusive_group(required=True)
    budgets.add_argument("--budgets", type=Path, metavar="TOML", help="TOML file of named budgets")
    budgets.add_argument(
        "--budget", metavar="LIMITS", help="one budget for all samples, such as p95=25ms,p99=50ms"
    )
    parser.add_argument(
        "--unit",
        choices=tuple(_UNITS),
        default="ns",
        help="unit of HdrHistogram values (default: ns)",
    )
    parser.add_argument(
        "--strict", action="store_true", help="exit with code 3 if any sample is inconclusive"
    )
    add_output(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    artifacts = [_read(path, _UNITS[options.unit]) for path in options.artifacts]
    records = [record for artifact in artifacts for record in artifact.records]
    if options.budget is not None:
        terms = read_as("--budget", BudgetError, parse_limits, options.budget)
        judged = [_by(terms, record, len(records)) for record in records]
    else:
        judged = _by_name(records, read_budgets(options.budgets), options.budgets)
    if options.output:
        session = session_of(options.artifacts, artifacts)
        put(json_text(judged, session), options.output)
    put(summary_text(judged), None)
    return exit_code(judged, strict=options.strict)


def _read(path: Path, unit_ns: int) -> Artifact:
    """Read an artifact, or a histogram as an artifact with one sample."""
    source = artifact_source(path)
    content = read_input(source, ArtifactError)
    if not content.startswith(PREFIX.encode("ascii")):
        return artifact_of(content, source)
    try:
        text = content.decode("ascii", errors="replace")
        return Artifact({}, [_record(path.stem, decode(text, unit_ns))])
    except ValueError as error:
        raise ArtifactError(f"{path}: {error}") from None


def _record(name: str, histogram: Histogram) -> Record:
    highest_ns = max((high for _, high, _ in histogram.buckets), default=0)
    return Record(name, "", histogram.n, {}, {"max": highest_ns}, {}, histogram=histogram)


def _by_name(records: Sequence[Record], budgets: Mapping[str, Terms], path: Path) -> list[Record]:
    judged = [_judged(record, budgets, len(records)) for record in records]
    if not any(record.verdict for record in judged):
        names = ", ".join(f'"{name}"' for name in budgets) or "none"
        raise BudgetError(
            f"{path}: no budget matches a sample: {names}; the samples are {titles(records)}"
        )
    return judged


def _judged(record: Record, budgets: Mapping[str, Terms], gates: int) -> Record:
    names = (record.budget_name, record.name, record.test, record.test.rpartition("::")[2])
    for name in names:
        if name and name in budgets:
            try:
                terms = budgets[name].without_rps()
            except BudgetError as error:
                return record.without_verdict(str(error))
            return replace(_by(terms, record, gates), budget_name=name)
    return record.without_verdict("no budget with its name")


def _by(terms: Terms, record: Record, gates: int) -> Record:
    """Return the record judged by these terms, replacing any earlier verdict."""
    judged = judged_anew(record, terms.budget(), gates, terms.samples or 1)
    return replace(judged, budget_name=None, strict=bool(terms.strict))
