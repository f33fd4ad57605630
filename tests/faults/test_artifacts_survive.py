"""What is on disk after a kill, an interrupt, a full disk, a folder that closes: real processes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_hancock_latency.files.artifact import journal_path

from ..plugin.conftest import ALONE, Suite
from ..programs import bound_by_modes
from .killing import (
    GATES,
    JSON,
    Remains,
    interrupted,
    killed,
    killed_while_writing,
    length_s,
    moments,
    whole,
    worker_killed,
)

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(os.name == "nt", reason="needs the signals of Unix"),
]
SEED = 1


def assert_nothing_is_lost(remains: Remains) -> None:
    assert remains.finished
    assert frozenset() == remains.lost
    assert remains.artifact is not None
    assert remains.artifact["counts"]["within"] == len(remains.kept)


# --- kill -9 and Ctrl-C; `shows/kill_nine.py` does the same at fifty moments ------------------


def test_kill_nine_at_any_moment_leaves_a_whole_artifact_with_all_that_had_finished(
    tmp_path: Path,
) -> None:
    longest_s = length_s(tmp_path / "whole")
    for number, after_s in enumerate(moments(6, longest_s, SEED)):
        assert_nothing_is_lost(killed(tmp_path / str(number), after_s))


@pytest.mark.parametrize("after_s", moments(2, 0.5, SEED), ids="{:.2f} s".format)
def test_kill_nine_in_the_middle_of_a_write_leaves_the_file_before_it(
    tmp_path: Path, after_s: float
) -> None:
    assert_nothing_is_lost(killed_while_writing(tmp_path, after_s))


@pytest.mark.parametrize("after_s", moments(2, 0.7, SEED), ids="{:.2f} s".format)
def test_kill_nine_of_a_controller_leaves_all_that_workers_had_reported_to_it(
    tmp_path: Path, after_s: float
) -> None:
    pytest.importorskip("xdist")
    assert_nothing_is_lost(killed(tmp_path, after_s, workers=2))


def test_kill_nine_of_a_worker_loses_nothing_that_it_had_reported(tmp_path: Path) -> None:
    pytest.importorskip("xdist")
    remains = worker_killed(tmp_path, after_s=0.02)
    assert_nothing_is_lost(remains)
    assert "worker 'gw0' crashed" in remains.output
    assert len(remains.kept) == GATES - 1


@pytest.mark.parametrize("workers", [0, 2], ids=["alone", "xdist"])
def test_ctrl_c_in_mid_run_leaves_every_artifact_with_all_that_had_finished(
    tmp_path: Path, workers: int
) -> None:
    if workers:
        pytest.importorskip("xdist")
    remains = interrupted(tmp_path, 0.2, workers)
    assert_nothing_is_lost(remains)
    assert remains.exit_code == pytest.ExitCode.INTERRUPTED
    assert remains.unfinished_files == 0
    assert not journal_path(tmp_path / "out" / JSON).exists()
    counted = f"{len(remains.kept)} within"
    assert counted in remains.output
    for name in ("benchmark-summary.txt", "benchmark-summary.md"):
        assert counted in (tmp_path / "out" / name).read_text(encoding="utf-8")
    assert (tmp_path / "out" / "latency-report.html").read_text("utf-8").endswith("</html>\n")


# --- disks and folders that refuse ------------------------------------------------------------

ARTIFACTS = (JSON, "benchmark-summary.txt", "benchmark-summary.md", "latency-report.html")
EIGHT_GATES = """
@pytest.mark.parametrize("number", range(8))
@latency_budget(p50=200, samples=1)
def test_gate(sample, number):
    sample(time.sleep, 0)
    if number == 4:
        import os, subprocess
        {happening}
"""


@pytest.fixture
def small_disk(suite: Suite) -> Iterator[Path]:
    """A disk of 64 kB of its own."""
    disk = suite.path / "out"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if shutil.which("mount") is None:
        pytest.skip("mount is missing")
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be made: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def errors_of(suite: Suite, *before: str) -> tuple[int, list[str]]:
    """Exit code of a run of the suite, and its lines that begin with ERROR."""
    command = [*before, sys.executable, "-m", "pytest", *ALONE, "--latency-artifacts=out"]
    run = subprocess.run(command, cwd=suite.path, capture_output=True, text=True, check=False)
    assert "INTERNALERROR" not in run.stdout + run.stderr, run.stdout
    lines = [*run.stdout.splitlines(), *run.stderr.splitlines()]
    return run.returncode, [line for line in lines if line.startswith("ERROR")]


def test_a_disk_that_fills_up_is_one_line_an_artifact_and_keeps_the_last_whole_one(
    suite: Suite, small_disk: Path
) -> None:
    suite.write(EIGHT_GATES.format(happening="pass").replace("range(8)", "range(40)"))
    code, errors = errors_of(suite)
    assert code == pytest.ExitCode.USAGE_ERROR
    told = {line.removesuffix(": No space left on device") for line in errors}
    assert len(told) == len(errors)
    assert f"ERROR: cannot write {small_disk / JSON}" in told
    assert told <= {f"ERROR: cannot write {small_disk / name}" for name in ARTIFACTS}
    samples = whole(small_disk / JSON)["samples"]
    assert 1 < len(samples) < 40
    assert [each["test"] for each in samples] == [
        f"test_it.py::test_gate[{number}]" for number in range(len(samples))
    ]
    assert list(small_disk.glob(".*")) == []


def assert_all_refused(suite: Suite, errors: list[str], why: str, kept: int) -> None:
    """kept: samples that a reader finds; a closed folder lets the open journal grow."""
    folder = suite.path / "out"
    assert sorted(errors) == sorted(
        f"ERROR: cannot write {folder / name}: {why}" for name in ARTIFACTS
    )
    assert len(whole(folder / JSON)["samples"]) == kept


def test_a_disk_that_becomes_read_only_is_one_line_an_artifact(
    suite: Suite, small_disk: Path
) -> None:
    happening = f'subprocess.run(["mount", "-o", "remount,ro", "{small_disk}"], check=True)'
    suite.write(EIGHT_GATES.format(happening=happening))
    code, errors = errors_of(suite)
    assert code == pytest.ExitCode.USAGE_ERROR
    assert_all_refused(suite, errors, "Read-only file system", kept=4)


def test_a_folder_that_becomes_read_only_is_one_line_an_artifact(suite: Suite) -> None:
    suite.write(EIGHT_GATES.format(happening='os.chmod("out", 0o555)'))
    code, errors = errors_of(suite, *bound_by_modes())
    assert code == pytest.ExitCode.USAGE_ERROR
    assert_all_refused(suite, errors, "Permission denied", kept=8)


def test_a_folder_that_is_removed_is_made_again(suite: Suite) -> None:
    suite.write(EIGHT_GATES.format(happening='import shutil; shutil.rmtree("out")'))
    assert errors_of(suite) == (0, [])
    assert len(whole(suite.path / "out" / JSON)["samples"]) == 8


def test_what_can_be_written_again_later_is_no_error(suite: Suite) -> None:
    happening = (
        'os.chmod("out", 0o555)\n    if number == 6:\n        import os; os.chmod("out", 0o755)'
    )
    suite.write(EIGHT_GATES.format(happening=happening))
    assert errors_of(suite, *bound_by_modes()) == (0, [])
    assert len(whole(suite.path / "out" / JSON)["samples"]) == 8


def test_trouble_with_an_artifact_hides_no_failing_test(suite: Suite) -> None:
    happening = 'os.chmod("out", 0o555); assert False'
    suite.write(EIGHT_GATES.format(happening=happening))
    code, errors = errors_of(suite, *bound_by_modes())
    assert code == pytest.ExitCode.TESTS_FAILED
    assert_all_refused(suite, errors, "Permission denied", kept=8)
