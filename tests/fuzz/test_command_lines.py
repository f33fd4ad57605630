"""Command lines of `hancock-latency`: a documented exit code and one line of error, never more."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

from hypothesis import example
from hypothesis import strategies as st

from pytest_hancock_latency.cli import command_parser, duel

from ..cli.damaging import EXIT_CODES, GOLD, Ended, in_process
from ..importing.test_importing import CSV, NGINX, NGINX_FORMAT
from .fuzzing import fuzzed, odd_words

COMMANDS = ("report", "show", "compare", "merge", "gate", "suggest", "trend")
OPTIONS = (
    *("--format", "--baseline", "-o", "--output", "--strict", "--budget", "--budgets", "--unit"),
    *("--from", "--latency-column", "--name-column", "--time-column", "--ok", "--log-format"),
    *("--only", "--rows", "--delimiter", "--time-format", "--jmeter"),
    *("--columns", "--group-by", "--last", "--quantile", "--help", "--version", "--"),
    *("--url", "--query", "--percentile", "--headroom", "--sort", "--nowhere", "-x"),
)
VALUES = (
    *("text", "json", "markdown", "html", "junit", "csv", "hdrhistogram", "toml"),
    *("markers", "p95=25ms,p99=50ms,errors=0.1%", "p50=10", "p99=1", "rps=1", "p95", "ns", "us"),
    *("ms", "s", "auto", "jmeter", "nginx", "duration", "status", "status<400", "rps", "param"),
    *("har", "iis", "alb", "log", "json", "transactions", "all", ";", "%Y", "log.entries"),
    *("func", "test_health", "20%", "5", NGINX_FORMAT, "2", "out.json", "out.html", "out"),
)
FILES = ("whole.json", "budgets.toml", "results.csv", "access.log", "history", "empty", "nowhere")

words = st.one_of(
    st.sampled_from(OPTIONS),
    st.sampled_from(VALUES),
    st.sampled_from(FILES),
    # Output goes to the current folder, which is one of ours, so no path may lead out of it.
    odd_words.filter(lambda word: "/" not in word and "\\" not in word and word != ".."),
)
pairs = st.tuples(st.sampled_from(OPTIONS), st.sampled_from(VALUES) | st.sampled_from(FILES))
lines = st.builds(
    lambda command, file, options, rest: [
        command,
        file,
        *(word for pair in options for word in pair),
        *rest,
    ],
    st.sampled_from(COMMANDS) | odd_words,
    st.sampled_from(FILES),
    st.lists(pairs, max_size=3),
    st.lists(words, max_size=3),
)


@contextlib.contextmanager
def working_folder() -> object:
    """A current folder with files of every kind; nothing on standard input."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        shutil.copy(GOLD / "format-1.json", folder / "whole.json")
        (folder / "budgets.toml").write_text('[budgets.test_health]\np50 = 10\np99 = "50ms"\n')
        (folder / "results.csv").write_text(CSV)
        (folder / "access.log").write_text(NGINX)
        (folder / "history").mkdir()
        shutil.copy(GOLD / "format-1.json", folder / "history" / "run-1.json")
        (folder / "empty").write_text("")
        os.chdir(folder)
        stdin, sys.stdin = sys.stdin, StringIO("")
        try:
            yield
        finally:
            sys.stdin = stdin
            os.chdir(before)


def wrong_with(ended: Ended) -> str:
    """What is wrong with how a command ended; empty if nothing is."""
    if ended.code not in EXIT_CODES or "Traceback" in ended.err or "internal error" in ended.err:
        return f"exit code {ended.code}: {ended.err[-3000:]}"
    if ended.code == 2 and not ended.err.strip():
        return "exit code 2 without an explanation"
    if ended.code == 2 and not ended.err.startswith(("hancock-latency: ", "usage: ")):
        return f"not our error: {ended.err!r}"
    return ""


@fuzzed("command lines", lines)
@example(["gate", "whole.json", "--from", "prometheus", "--url", "http://[", "--query", "x"])
def test_any_command_line_ends_by_a_documented_exit_code(arguments: list[str]) -> None:
    with working_folder():
        assert wrong_with(in_process(arguments)) == ""


DUEL = (
    *("HEAD~1", "--head", "--tests", "own", "--env", "--url", "--method", "--header"),
    *("a:b", "--body", "--noise-threshold", "--equivalence-margin", "--quantile", "p90"),
    *("--passes", "3", "--time", "--no-fail", "--strict", "--json", "--html", "--", "tests"),
)


@fuzzed("command lines", st.lists(st.sampled_from(DUEL) | words, max_size=6), slower=4)
def test_any_arguments_of_a_duel_are_parsed_or_refused(arguments: Sequence[str]) -> None:
    """Only parsed: a duel would check out commits and install packages."""
    ours, _ = duel.split_arguments(["duel", *arguments])
    with contextlib.redirect_stdout(StringIO()), contextlib.redirect_stderr(StringIO()) as err:
        try:
            command_parser().parse_args(ours)
        except SystemExit as ended:
            assert ended.code in (0, 2)
            assert ended.code == 0 or err.getvalue()
