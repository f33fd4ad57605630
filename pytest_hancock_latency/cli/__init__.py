"""The command line: ``hancock-latency``.

Exit codes: 0 within, 1 exceeded, 2 usage, 3 inconclusive under ``--strict``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from ..errors import LatencyError
from . import report

_EXAMPLES = """\
examples:
  hancock-latency report artifacts/performance-latency.json
  hancock-latency report artifacts/performance-latency.json --format markdown
  hancock-latency report --strict shard-1.json shard-2.json
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code."""
    parser = argparse.ArgumentParser(
        prog="hancock-latency",
        description="Read the artifacts of latency budgets.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    report.add_command(commands)
    asked = parser.parse_args(arguments)
    try:
        exit_code: int = asked.run(asked)
    except LatencyError as error:
        print(f"hancock-latency: {error}", file=sys.stderr)
        return 2
    return exit_code
