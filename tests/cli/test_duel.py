"""``hancock-latency duel``, with real repositories and processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ..duel.conftest import Commit, commit, git, repository  # noqa: F401 - fixtures
from .conftest import Command

if sys.platform == "win32":  # no descriptors are handed down there
    pytest.skip("a duel needs POSIX", allow_module_level=True)

TEST = "from measured_code import f\n\ndef test_f(sample):\n    sample(f)\n"


def code(work: int) -> str:
    return f"def f():\n    return sum(range({work}))\n"


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary folders, of the processes as well."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


@pytest.fixture
def slower(commit: Commit, temporary: Path) -> None:  # noqa: F811
    """Two commits, the second one three times slower."""
    commit({"measured_code.py": code(5_000), "test_it.py": TEST})
    commit({"measured_code.py": code(15_000)})


@pytest.mark.usefixtures("slower")
@pytest.mark.parametrize(
    ("option", "exit_code"),
    [
        pytest.param((), 1, marks=pytest.mark.long),
        pytest.param(("--no-fail",), 0, marks=pytest.mark.long),
    ],
)
def test_a_slower_head_is_found_and_sets_the_exit_code(
    command: Command, option: tuple[str, ...], exit_code: int
) -> None:
    ended = command("duel", "HEAD~1", *option, "--", "-q", "test_it.py")
    assert exit_code == ended.code
    assert "1 sample compared: 1 slower\n" in ended.out
    assert "test_it.py::test_f" in ended.out
    assert ended.err.startswith("pass 1: 0 of 1 samples settled, ")


@pytest.mark.usefixtures("slower")
@pytest.mark.parametrize(
    ("option", "exit_code"),
    [pytest.param((), 0, marks=pytest.mark.long), (("--strict",), 3)],
)
@pytest.mark.long
def test_an_inconclusive_sample_sets_the_exit_code_under_strict(
    command: Command, option: tuple[str, ...], exit_code: int
) -> None:
    ended = command("duel", "HEAD~1", "--passes", "2", *option, "--", "-q")
    assert exit_code == ended.code
    assert "1 sample compared: 1 inconclusive\n" in ended.out


@pytest.mark.long
@pytest.mark.usefixtures("slower")
def test_no_pass_begins_after_the_time(command: Command) -> None:
    ended = command("duel", "HEAD~1", "--time", "1ms", "--", "-q")
    assert ended.code == 0
    assert "(1 pass, " in ended.out


@pytest.mark.long
@pytest.mark.usefixtures("slower")
def test_ctrl_c_ends_everything_and_leaves_nothing(
    repository: Path,  # noqa: F811
    temporary: Path,
) -> None:
    # Where this suite runs in the background of a shell it ignores Ctrl-C, and so would the duel.
    program = (
        "import signal, sys; from pytest_hancock_latency.cli import main; "
        "signal.signal(signal.SIGINT, signal.default_int_handler); sys.exit(main())"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, "duel", "HEAD~1", "--", "-q"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    with process:
        assert process.stderr
        assert process.stderr.readline().startswith("pass 1: ")
        process.send_signal(signal.SIGINT)
        assert process.stdout
        text = process.stdout.read()
    assert process.returncode == 130
    assert "note: interrupted after 1 pass: unsettled samples are inconclusive" in text
    assert list(temporary.iterdir()) == []
    assert len(git(repository, "worktree", "list").splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("nowhere",),
            "'nowhere' is not a folder (and {here} is not in a git repository), or a version such "
            "as package==1.4",
        ),
        (
            (".", "--noise-threshold", "x"),
            "--noise-threshold='x' is not a share: write a string such as '0.1%'",
        ),
        (
            (".", "--noise-threshold", "6%"),
            "the noise threshold (6 %) must be less than the equivalence margin (5 %), and both "
            "must be at least 0 % and below 100 %",
        ),
        (
            (".", "--passes", "1"),
            "a duel of 1 samples in at most 1 passes: at least 1 sample and 2 passes are needed",
        ),
        (
            (".", "--time", "soon"),
            "--time: 'soon' is not a duration: write a number of milliseconds or a string such as "
            "'250us', '10ms' or '1.5s'",
        ),
    ],
)
def test_what_is_wrong_is_one_line(
    command: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = command("duel", *arguments, "--", "-q")
    expected = f"hancock-latency: {message.format(here=tmp_path)}\n"
    assert (2, "", expected) == (ended.code, ended.out, ended.err)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give either BASE or --url twice (see duel --help)"),
        (("HEAD", "--url", "x"), "give either BASE or --url twice (see duel --help)"),
        (("--url", "http://x"), "give --url twice: first base's, then head's"),
        (
            ("--url", "http://x", "--url", "http://y", "--", "tests"),
            "pytest arguments are for versions: --url runs no tests",
        ),
        (
            ("--url", "http://x", "--url", "http://y", "--header", "x"),
            "--header 'x' is not of the form NAME:VALUE",
        ),
        (
            ("--url", "http://x", "--url", "http://y", "--body", "@nowhere"),
            "--body @nowhere: No such file or directory",
        ),
        (
            ("HEAD", "--quantile", "p0"),
            "--quantile: p0 is not a percentile: it must lie between p0 and p100 (the largest is "
            "'max')",
        ),
    ],
)
def test_a_command_line_that_means_nothing_is_one_line(
    command: Command, arguments: tuple[str, ...], message: str
) -> None:
    ended = command("duel", *arguments)
    assert (2, "", f"hancock-latency: {message}\n") == (ended.code, ended.out, ended.err)


@pytest.mark.usefixtures("slower")
@pytest.mark.long
def test_every_format_is_written_and_a_percentile_compared(
    command: Command,
    repository: Path,  # noqa: F811
) -> None:
    files = [f"--{name}=duel.{name}" for name in ("json", "markdown", "html")]
    ended = command("duel", "HEAD~1", "--quantile", "p90", "--passes=2", *files, "--", "-q")
    assert ended.code == 0
    titles = [
        sample["title"] for sample in json.loads((repository / "duel.json").read_text())["samples"]
    ]
    assert {"test_it.py::test_f", "test_it.py::test_f p90"} == set(titles)
    for name in ("markdown", "html"):
        assert "inconclusive" in (repository / f"duel.{name}").read_text()


@pytest.mark.long
def test_a_duel_that_was_killed_is_cleaned_up_by_the_next_one(
    repository: Path,  # noqa: F811
    slower: None,
    temporary: Path,
    command: Command,
) -> None:
    program = "import sys; from pytest_hancock_latency.cli import main; sys.exit(main())"
    with subprocess.Popen(
        [sys.executable, "-c", program, "duel", "HEAD~1", "--", "-q"],
        stderr=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(temporary)},
    ) as process:
        assert process.stderr
        process.stderr.readline()
        process.kill()
    assert len(list(temporary.iterdir())) == 1
    assert command("duel", "HEAD~1", "--passes=2", "--", "-q").code == 0
    assert list(temporary.iterdir()) == []
    assert len(git(repository, "worktree", "list").splitlines()) == 1
