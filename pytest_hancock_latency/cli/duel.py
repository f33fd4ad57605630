"""``hancock-latency duel``: whether head is slower than base, by running both in turns."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from ..core.budget import parse_share
from ..core.duration import parse_duration
from ..core.judging.duel import MOST_PASSES, DuelOutcome, DuelRule
from ..core.judging.verdict import ExitCode
from ..duel.sides import two_sides
from ..duel.tournament import fight
from ..errors import DuelError, SettingError, read_as
from ..reporting.duel_report import duel_text, progress_text
from .artifacts import put

if TYPE_CHECKING:
    from .report import Commands

NAME: Final = "duel"
_INTERRUPTED: Final = 130
"""Of a program that Ctrl-C ended, as shells count."""
_EXAMPLES: Final = """\
Runs the tests on both versions in turns, in fresh processes for each pass, until it is known of
every sample whether head is slower. What is not committed belongs to head. Both run the tests of
head, with the environment that this command is in.

examples:
  hancock-latency duel HEAD~1 -- tests/benchmark_suite.py
  hancock-latency duel origin/main --advise -- tests -k latency
  hancock-latency duel ../release-1.4 --matters 10% -- tests/test_api.py

exit codes: 0, 1 a sample is slower, 2 usage or nothing was compared, 3 under --strict where a
sample cannot be told
"""


def add_command(commands: Commands) -> None:
    """Add ``duel`` to the command line."""
    parser = commands.add_parser(
        NAME,
        help="run two versions in turns and say which samples became slower",
        usage="hancock-latency duel BASE [options] -- [PYTEST ARGUMENTS]",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "base", metavar="BASE", help="commit, branch or tag of this repository, or a folder"
    )
    parser.add_argument(
        "--head", metavar="REF", help="commit, branch or tag (default: the working folder)"
    )
    parser.add_argument(
        "--tests",
        choices=("head", "own"),
        default="head",
        help="whose tests base runs: those of head, or its own (default: %(default)s)",
    )
    parser.add_argument(
        "--noise",
        metavar="SHARE",
        default="2%",
        help="slower and faster are beyond it (default: 2%%)",
    )
    parser.add_argument(
        "--matters", metavar="SHARE", default="5%", help="not slower is below it (default: 5%%)"
    )
    parser.add_argument(
        "--passes",
        metavar="N",
        type=int,
        default=MOST_PASSES,
        help="greatest number of passes (default: %(default)s)",
    )
    parser.add_argument("--time", metavar="DURATION", help="begin no pass after this time")
    parser.add_argument("--advise", action="store_true", help="exit with 0 where any is slower")
    parser.add_argument("--strict", action="store_true", help="exit with 3 if any cannot be told")
    parser.set_defaults(run=_run, pytest_arguments=[])


def split_arguments(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """What is ours, and what comes after ``--`` and is pytest's."""
    words = list(arguments)
    if words[:1] != [NAME] or "--" not in words:
        return words, []
    at = words.index("--")
    return words[:at], words[at + 1 :]


def _run(options: argparse.Namespace) -> int:
    if sys.platform == "win32":
        raise DuelError("a duel needs Linux or macOS")
    rule = DuelRule(
        noise=parse_share("--noise", options.noise),
        matters=parse_share("--matters", options.matters),
        passes=options.passes,
    )
    time = options.time
    longest_ns = None if time is None else read_as("--time", SettingError, parse_duration, time)
    arguments = options.pytest_arguments
    own_tests = options.tests == "own"
    try:
        with (
            _ending_by_signals(),
            two_sides(options.base, arguments, head=options.head, own_tests=own_tests) as sides,
        ):
            duel = fight(sides, arguments, rule, longest_ns=longest_ns, progress=_show)
    except KeyboardInterrupt:
        print("hancock-latency: the duel was interrupted; nothing is left of it", file=sys.stderr)
        return _INTERRUPTED
    put(duel_text(duel, rule), None)
    if duel.count(DuelOutcome.SLOWER) and not options.advise:
        return ExitCode.EXCEEDED
    if duel.count(DuelOutcome.CANNOT_TELL) and options.strict:
        return ExitCode.INCONCLUSIVE
    return ExitCode.HELD


def _show(number: int, settled: int, samples: int, elapsed_s: float) -> None:
    print(progress_text(number, settled, samples, elapsed_s), file=sys.stderr, flush=True)


@contextmanager
def _ending_by_signals() -> Iterator[None]:
    """SIGTERM, which CI providers send, cleans up as Ctrl-C does."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
