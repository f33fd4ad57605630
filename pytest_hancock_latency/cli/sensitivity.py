"""``hancock-latency sensitivity``: what each gate would have noticed."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ..errors import ArtifactError
from ..files.artifact import read_unslowed
from ..reporting.sensitivity import sensitivity_text
from .artifacts import add_artifacts, add_output, artifact_paths, put

if TYPE_CHECKING:
    from .report import Commands

_EXAMPLES = """\
For each limit, from the latencies that were measured:

  in use                  the percentile, as a share of the limit
  notices all calls from  by how much all calls would have to be slower for the gate to fail
  2 % of calls 3 times slower
                          whether it would fail if a few calls took that much longer

To try it with the tests themselves: pytest --latency-slowdown=30%

examples:
  hancock-latency sensitivity artifacts/performance-latency.json
  hancock-latency sensitivity artifacts/*/performance-latency.json -o sensitivity.txt
"""


def add_command(commands: Commands) -> None:
    """Add ``sensitivity`` to the command line."""
    parser = commands.add_parser(
        "sensitivity",
        help="show how much slower code has to be until each gate notices it",
        description="Show how much slower code has to be until each gate notices it.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_artifacts(parser)
    add_output(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    artifacts = [read_unslowed(path) for path in artifact_paths(options)]
    records = [record for artifact in artifacts for record in artifact.records]
    if not any(record.verdict for record in records):
        raise ArtifactError(
            "nothing was judged in these artifacts, so no gate could notice anything"
        )
    put(sensitivity_text(records, gates=len(records)), options.output)
    return 0
