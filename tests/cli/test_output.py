"""Where output goes: pipes that close, disks that are full, folders that cannot be written to."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from ..programs import bound_by_modes
from ..reporting import gold
from .conftest import Command
from .making import SLOW, record, written

PROGRAM = (sys.executable, "-c", "import sys; from pytest_hancock_latency.cli import main; "
           "sys.exit(main())")  # fmt: skip


def piped(arguments: Sequence[str | Path], reader: Sequence[str]) -> tuple[int, str, str]:
    """Exit code and errors of the command, and what `reader` said of its output."""
    writing = subprocess.Popen(
        [*PROGRAM, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert writing.stdout is not None
    assert writing.stderr is not None
    with writing:
        read = subprocess.run(
            reader, stdin=writing.stdout, capture_output=True, text=True, check=False
        )
        writing.stdout.close()
        errors = writing.stderr.read()
    return writing.returncode, errors, read.stdout


@pytest.fixture
def many(tmp_path: Path) -> str:
    """An artifact whose table is longer than a pipe holds."""
    records = [record(*SLOW, test=f"test_{'x' * 100}.py::test_{n}") for n in range(600)]
    return written(tmp_path / "many.json", records)


@pytest.mark.skipif(os.name == "nt", reason="needs head")
@pytest.mark.parametrize(
    "command", [("report",), ("gate", "--budget", "p50=10")], ids=["report", "gate"]
)
def test_a_reader_that_has_seen_enough_changes_no_exit_code(
    many: str, command: tuple[str, ...]
) -> None:
    code, errors, read = piped([*command, many], ["head", "-1"])
    assert (code, errors) == (1, "")
    assert read == "latency budgets (latencies in ms, raw, by nearest rank)\n"


@pytest.mark.skipif(os.name == "nt", reason="needs head")
def test_a_merge_into_a_closed_pipe_says_nothing(many: str) -> None:
    code, errors, read = piped(["merge", many], ["head", "-1"])
    assert (code, errors, read) == (0, "", "{\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_behind_standard_output_is_one_line() -> None:
    with open("/dev/full", "w") as full:
        command = [*PROGRAM, "report", str(gold.FORMAT_1)]
        run = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (run.returncode, run.stderr) == (
        2,
        "hancock-latency: cannot write to standard output: No space left on device\n",
    )


def test_a_terminal_that_lacks_our_characters_shows_the_rest() -> None:
    run = subprocess.run(
        [*PROGRAM, "show", str(gold.FORMAT_1), "became_slow"],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "p99 ? 10.3 ms" in run.stdout
    assert run.stderr == ""


COMMANDS = (
    ("report",),
    ("show", "health"),
    ("merge",),
    ("gate", "--budget", "p50=1s"),
    ("suggest",),
)


def with_output(command: tuple[str, ...], output: Path) -> list[str | Path]:
    name, *rest = command
    return [name, gold.FORMAT_1, *rest, "-o", output]


@pytest.mark.parametrize("options", COMMANDS, ids=lambda options: options[0])
def test_a_folder_that_is_missing_is_made(
    command: Command, tmp_path: Path, options: tuple[str, ...]
) -> None:
    output = tmp_path / "not" / "yet" / "there.txt"
    assert command(*with_output(options, output)).err == ""
    assert output.read_text(encoding="utf-8").endswith("\n")


@pytest.mark.parametrize("options", COMMANDS, ids=lambda options: options[0])
def test_a_file_where_the_folder_should_be_is_one_line(
    command: Command, tmp_path: Path, options: tuple[str, ...]
) -> None:
    (tmp_path / "file").touch()
    output = tmp_path / "file" / "out.txt"
    ended = command(*with_output(options, output))
    assert (ended.code, ended.out) == (2, "")
    assert ended.err in (
        f"hancock-latency: cannot write {output}: File exists\n",
        f"hancock-latency: cannot write {output}: Not a directory\n",
    )


def test_a_folder_in_the_place_of_the_file_is_one_line(command: Command, tmp_path: Path) -> None:
    ended = command("report", gold.FORMAT_1, "-o", tmp_path)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == f"hancock-latency: cannot write {tmp_path}: Is a directory\n"
    assert list(tmp_path.parent.glob(f".{tmp_path.name}*")) == []


def test_a_folder_that_may_not_be_written_to_is_one_line(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    run = subprocess.run(
        [*bound_by_modes(), *PROGRAM, "report", str(gold.FORMAT_1), "-o", str(closed / "out.txt")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stdout, run.stderr) == (
        2,
        "",
        f"hancock-latency: cannot write {closed / 'out.txt'}: Permission denied\n",
    )


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("options", COMMANDS, ids=lambda options: options[0])
def test_a_pipe_as_output_is_written_to_and_stays_one(
    command: Command, tmp_path: Path, options: tuple[str, ...]
) -> None:
    pipe, read = tmp_path / "pipe", tmp_path / "read"
    os.mkfifo(pipe)
    with read.open("wb") as file:
        reader = subprocess.Popen(["cat", pipe], stdout=file)
    assert command(*with_output(options, pipe)).err == ""
    assert reader.wait() == 0
    assert read.read_text(encoding="utf-8").endswith("\n")
    assert pipe.is_fifo()
