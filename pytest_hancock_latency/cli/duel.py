"""``hancock-latency duel``: whether head is slower than base, by running both in turns."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..core.budget import parse_share
from ..core.duration import parse_duration
from ..core.quantile import P50, parse_quantile
from ..duel.run_duel import RunPass, run_duel
from ..errors import DuelError, SettingError, read_as
from ..measuring.environment import load, machine_info
from ..measuring.origin import ci_of, commit_of
from ..reporting.duel_json import duel_json
from ..reporting.duel_report import duel_markdown, duel_text, progress_text
from ..runs.duel import INTERRUPTED, MOST_PASSES, Duel, DuelProgress, DuelRule
from .artifacts import put

if TYPE_CHECKING:
    from .report import Commands

NAME: Final = "duel"
_PAIR: Final = 2
_DESCRIPTION: Final = """\
Runs the tests on two versions in turns, in fresh processes for each pass, until it is known for
every sample whether head is slower than base. Uncommitted changes belong to head. Both run head's
tests, and share the packages of this environment unless their requirements differ.
"""
_EXAMPLES: Final = """\
examples:
  hancock-latency duel HEAD~1 -- tests/benchmark_suite.py
  hancock-latency duel origin/main --no-fail --markdown duel.md -- tests -k latency
  hancock-latency duel ../release-1.4 --equivalence-margin 10% -- tests/test_api.py
  hancock-latency duel markupsafe==2.0.1 --head markupsafe==3.0.2 -- tests/test_escape.py
  hancock-latency duel --url http://stable:8000/health --url http://canary:8000/health

exit codes: 0, 1 a sample is slower, 2 invalid usage or nothing was compared, 3 with --strict if
a sample is inconclusive, 130 interrupted
"""


def add_command(commands: Commands) -> None:
    """Add ``duel`` to the command line."""
    parser = commands.add_parser(
        NAME,
        help="run two versions in turns and say which samples became slower",
        usage="hancock-latency duel BASE [options] -- [PYTEST ARGUMENTS]",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_versions(parser)
    _add_servers(parser)
    _add_rule(parser)
    _add_outputs(parser)
    parser.set_defaults(run=_run, pytest_arguments=[])


def _add_versions(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("versions")
    group.add_argument(
        "base",
        metavar="BASE",
        nargs="?",
        help="commit, branch or tag of this repository, folder, or release such as package==1.4",
    )
    group.add_argument(
        "--head", metavar="VERSION", help="the same (default: the working folder as it is)"
    )
    group.add_argument(
        "--tests",
        choices=("head", "own"),
        default="head",
        help="base runs head's tests or its own (default: %(default)s)",
    )
    group.add_argument(
        "--env",
        choices=("auto", "shared", "separate"),
        default="auto",
        help="auto: a virtual environment for each version if their requirements differ "
        "(default: %(default)s)",
    )


def _add_servers(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("instead of versions")
    group.add_argument(
        "--url",
        metavar="URL",
        action="append",
        default=[],
        help="compare two running servers, base first; needs httpx",
    )
    group.add_argument("--method", metavar="NAME", default="GET", help="default: %(default)s")
    group.add_argument(
        "--header",
        metavar="NAME:VALUE",
        action="append",
        default=[],
        help="header of each request; may be given several times",
    )
    group.add_argument("--body", metavar="TEXT|@FILE", help="body of each request")


def _add_rule(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("rule")
    group.add_argument(
        "--noise-threshold",
        metavar="SHARE",
        default="2%",
        help="smallest change reported as slower or faster (default: 2%%)",
    )
    group.add_argument(
        "--equivalence-margin",
        metavar="SHARE",
        default="5%",
        help="largest slowdown that counts as not slower (default: 5%%)",
    )
    group.add_argument(
        "--quantile",
        metavar="PERCENTILE",
        help="compare this percentile of each sample too, such as p90",
    )
    group.add_argument(
        "--passes",
        metavar="N",
        type=int,
        default=MOST_PASSES,
        help="maximum number of passes (default: %(default)s)",
    )
    group.add_argument("--time", metavar="DURATION", help="begin no pass after this time")
    group.add_argument("--no-fail", action="store_true", help="exit with 0 if a sample is slower")
    group.add_argument(
        "--strict", action="store_true", help="exit with 3 if a sample is inconclusive"
    )


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("files")
    for name, text in (("json", "JSON"), ("markdown", "Markdown"), ("html", "a page")):
        group.add_argument(
            f"--{name}", metavar="FILE", type=Path, help=f"write the result as {text}"
        )


def split_arguments(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return our arguments, and those of pytest, which come after ``--``.

    Args:
        arguments: The whole command line.
    """
    words = list(arguments)
    if words[:1] != [NAME] or "--" not in words:
        return words, []
    at = words.index("--")
    return words[:at], words[at + 1 :]


def _run(options: argparse.Namespace) -> int:
    _check_what_is_compared(options)
    rule = DuelRule(
        noise_threshold=parse_share("--noise-threshold", options.noise_threshold),
        equivalence_margin=parse_share("--equivalence-margin", options.equivalence_margin),
        passes=options.passes,
    )
    longest = options.time
    longest_ns = (
        None if longest is None else read_as("--time", SettingError, parse_duration, longest)
    )
    session = _session()
    try:
        with _ending_by_signals(), ExitStack() as stack:
            run_pass, versions = _prepare(options, stack)
            duel = run_duel(run_pass, versions, rule, longest_ns=longest_ns, progress=_show)
    except KeyboardInterrupt:
        print("hancock-latency: interrupted before the first pass had ended", file=sys.stderr)
        return INTERRUPTED
    put(duel_text(duel), None)
    _write(options, duel, session)
    return duel.exit_code(no_fail=options.no_fail, strict=options.strict)


def _check_what_is_compared(options: argparse.Namespace) -> None:
    """Check that there is either a base or two URLs.

    Raises:
        DuelError: there is not.
    """
    if bool(options.base) == bool(options.url):
        raise DuelError("give either BASE or --url twice (see duel --help)")
    if not options.url:
        return
    if len(options.url) != _PAIR:
        raise DuelError("give --url twice: first base's, then head's")
    if options.pytest_arguments:
        raise DuelError("pytest arguments are for versions: --url runs no tests")


def _prepare(options: argparse.Namespace, stack: ExitStack) -> tuple[RunPass, tuple[str, str]]:
    """Return what runs a pass, and the names of base and head."""
    quantiles = _quantiles(options)
    if options.url:
        from ..duel.server_pass import ServerPass

        base, head = options.url
        run_pass = ServerPass(
            (base, head),
            options.method,
            _headers(options.header),
            _body(options.body),
            quantiles,
        )
        return run_pass, (base, head)
    from ..duel.environments import Environments
    from ..duel.pytest_pass import prepare_versions

    return stack.enter_context(
        prepare_versions(
            options.base,
            options.pytest_arguments,
            quantiles,
            head=options.head,
            own_tests=options.tests == "own",
            environments=Environments(options.env),
        )
    )


def _quantiles(options: argparse.Namespace) -> tuple[Fraction, ...]:
    if options.quantile is None:
        return (P50,)
    quantile = read_as("--quantile", SettingError, parse_quantile, options.quantile)
    return tuple(dict.fromkeys((P50, quantile)))


def _headers(lines: Sequence[str]) -> dict[str, str]:
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise DuelError(f"--header {line!r} is not of the form NAME:VALUE")
        headers[name.strip()] = value.strip()
    return headers


def _body(text: str | None) -> bytes | None:
    if text is None or not text.startswith("@"):
        return None if text is None else text.encode()
    try:
        return Path(text[1:]).read_bytes()
    except OSError as error:
        raise DuelError(f"--body {text}: {error.strerror}") from None


def _session() -> dict[str, Any]:
    """Return the facts at the beginning of the JSON."""
    here = Path.cwd()
    return {
        "tool": "pytest-hancock-latency",
        "started_unix_s": round(time.time(), 3),
        "machine": {**machine_info(here), "load": load()},
        "commit": commit_of(os.environ, here),
        "ci": ci_of(os.environ),
    }


def _write(options: argparse.Namespace, duel: Duel, session: Mapping[str, Any]) -> None:
    if options.json:
        put(duel_json(duel, session), options.json)
    if options.markdown:
        put(duel_markdown(duel), options.markdown)
    if options.html:
        from ..reporting.html import duel_html

        put(duel_html(duel, session), options.html)


def _show(progress: DuelProgress) -> None:
    print(progress_text(progress), file=sys.stderr, flush=True)


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
