"""The command line: ``hancock-latency``. Its exit codes are `core.verdict.ExitCode`."""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Sequence

from ..core.verdict import ExitCode
from ..errors import LatencyError
from ..reporting.wording import printable
from . import compare, duel, gate, merge, report, sensitivity, show, suggest, trend

_EXAMPLES = """\
examples:
  hancock-latency report artifacts/performance-latency.json
  hancock-latency report artifacts/performance-latency.json --format html -o report.html
  hancock-latency show artifacts/performance-latency.json test_health
  hancock-latency compare main.json branch.json
  hancock-latency merge shard-1.json shard-2.json -o merged.json
  hancock-latency gate merged.json --budgets pyproject.toml
  hancock-latency suggest merged.json
  hancock-latency sensitivity merged.json
  hancock-latency duel HEAD~1 -- tests/benchmark_suite.py
  hancock-latency trend history -o trend.html

Run hancock-latency COMMAND --help for the options of a command.
"""
_COMMANDS = (report, show, compare, merge, gate, suggest, sensitivity, duel, trend)


def command_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line, with all commands."""
    parser = argparse.ArgumentParser(
        prog="hancock-latency",
        description="Show, compare and judge measured latencies, and compare two versions of code.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, help="show the version and exit")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.add_command(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    parser = command_parser()
    own_arguments, of_pytest = duel.split_arguments(
        sys.argv[1:] if arguments is None else arguments
    )
    options = parser.parse_args(own_arguments)
    options.pytest_arguments = of_pytest
    try:
        exit_code: int = options.run(options)
    except LatencyError as error:
        _complain(printable(str(error)))
        return ExitCode.USAGE
    except Exception:
        # Python's own exit code for an exception is 1, which means exceeded here.
        _complain(f"internal error; please report it:\n{traceback.format_exc()}")
        return ExitCode.USAGE
    return exit_code


def _complain(text: str) -> None:
    if sys.stderr is not None:  # it is None if the caller closed it
        print(f"hancock-latency: {text}", file=sys.stderr)


class _Version(argparse.Action):
    """``--version``, looked up only when needed."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str | None = None) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"hancock-latency {version('pytest-hancock-latency')}")
        parser.exit()
