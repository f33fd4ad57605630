"""``hancock-latency show``: show one sample, with its distribution."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.hdr_histogram import encode
from ..core.record import Record
from ..errors import ArtifactError
from ..files.artifact import read_artifact
from ..reporting.advice import advice_text
from ..reporting.columns import Column, notes
from ..reporting.picture import picture_lines
from ..reporting.table import table_lines
from ..reporting.wording import explain
from .artifacts import add_columns, add_output, columns_of, put, titles

if TYPE_CHECKING:
    from .report import Commands

_EXAMPLES = """\
SAMPLE is any unique part of a sample's title.

examples:
  hancock-latency show artifacts/performance-latency.json test_health
  hancock-latency show artifacts/performance-latency.json test_health --format hdrhistogram
"""


def add_command(commands: Commands) -> None:
    """Add ``show`` to the command line."""
    parser = commands.add_parser(
        "show",
        help="show one sample: figures, evidence and distribution",
        description="Show one sample: figures, evidence and distribution.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "artifact", type=Path, metavar="ARTIFACT", help="a performance-latency.json"
    )
    parser.add_argument(
        "sample",
        nargs="?",
        default="",
        metavar="SAMPLE",
        help="unique part of the title of a sample",
    )
    parser.add_argument(
        "--format",
        choices=("text", "hdrhistogram"),
        default="text",
        help="hdrhistogram: raw latency in its V2 encoding, in ns",
    )
    add_columns(parser)
    add_output(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    record = _one(read_artifact(options.artifact).records, options.sample, options.artifact)
    if options.format == "text":
        put(_text(record, columns_of(options)), options.output)
        return 0
    if record.histogram is None:
        raise ArtifactError(f"{options.artifact}: {record.no_histogram}")
    put(encode(record.histogram) + "\n", options.output)
    return 0


def _one(records: Sequence[Record], part: str, path: Path) -> Record:
    matching = [record for record in records if part in (record.title, record.test, record.label)]
    if len(matching) != 1:
        matching = [record for record in records if part in record.title or part in record.label]
    if len(matching) == 1:
        return matching[0]
    if not records:
        raise ArtifactError(f"{path}: it has no samples")
    if not matching:
        raise ArtifactError(f"{path}: no sample has {part!r} in its title: {titles(records)}")
    raise ArtifactError(
        f"{path}: {len(matching)} samples match, be more specific: {titles(matching)}"
    )


def _text(record: Record, columns: Sequence[Column]) -> str:
    lines = [*table_lines([record], columns), *notes(columns), "", *explain(record)]
    if record.histogram is None:
        lines += ["", f"no picture: {record.no_histogram}"]
    if picture := picture_lines(record):
        lines += ["", *picture]
    lines += [f"advice: {advice_text(advice)}" for advice in record.measurement.advice]
    return "\n".join(lines) + "\n"
