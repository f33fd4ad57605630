"""The history: a file for each run, whoever else writes and whatever happens."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_hancock_latency.errors import ArtifactError, SettingError
from pytest_hancock_latency.files.history import (
    prune,
    read_history,
    run_path,
)
from pytest_hancock_latency.files.options import parse_kept
from pytest_hancock_latency.reporting.json_artifact import run_text
from pytest_hancock_latency.reporting.writer import write_whole

from ..reporting import gold

TEST = "def test_it(sample):\n    sample(sorted, range(100))\n"


@pytest.fixture
def run(pytester: pytest.Pytester) -> Callable[..., pytest.RunResult]:
    """Run a session with these options."""
    pytester.makepyfile(test_it=TEST)

    def session(*options: str) -> pytest.RunResult:
        return pytester.runpytest_subprocess("-p", "hancock_latency", *options)

    return session


def add(folder: Path, started_unix_s: float) -> Path:
    artifact = gold.artifact()
    session = {**artifact.session, "started_unix_s": started_unix_s}
    path = run_path(folder, started_unix_s)
    write_whole(path, run_text(artifact.records, session))
    return path


def test_each_session_adds_a_run(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    for _ in range(2):
        run("--latency-history=history").stdout.fnmatch_lines(
            ["written: history history/run-*.json"]
        )
    history = read_history(pytester.path / "history")
    assert (list(history.damaged), len(history.runs)) == ([], 2)
    (record,) = history.runs[0].artifact.records
    assert record.test == "test_it.py::test_it"
    assert record.histogram is not None
    assert record.measurement.slowest == ()
    assert record.timeline is None


def test_a_session_without_a_sample_adds_nothing(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    run("--latency-history=history", "-k", "nothing")
    assert list((pytester.path / "history").iterdir()) == []


def test_the_oldest_runs_are_deleted(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    for started in (3e8, 1e8, 2e8):
        add(pytester.path / "history", started)
    run("--latency-history=history", "--latency-history-keep=2")
    first, _latest = read_history(pytester.path / "history").runs
    assert first.started_unix_s == 3e8


def test_at_least_the_latest_run_is_kept(tmp_path: Path) -> None:
    latest = add(tmp_path, 2e8)
    add(tmp_path, 1e8)
    prune(tmp_path, 0)
    assert [latest] == list(tmp_path.iterdir())


def test_a_number_of_runs_that_means_nothing_is_an_error_of_usage(
    run: Callable[..., pytest.RunResult],
) -> None:
    ran = run("--latency-history-keep=many")
    ran.stderr.fnmatch_lines(
        [
            "ERROR: command line option --latency-history-keep: 'many' must be a whole number of "
            "at least 1"
        ]
    )
    with pytest.raises(SettingError, match="'0' must be a whole number of at least 1"):
        parse_kept("0")


def test_a_folder_that_cannot_be_written_is_an_error_before_any_test(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    (pytester.path / "file").write_text("")
    ran = run("--latency-history=file/history")
    assert ran.ret == pytest.ExitCode.USAGE_ERROR
    ran.stderr.fnmatch_lines(["ERROR: cannot write the latency artifact */file/history/run-*"])


def test_a_damaged_run_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    whole, torn = add(tmp_path, 1e8), add(tmp_path, 2e8)
    torn.write_text(torn.read_text()[:5000])
    history = read_history(tmp_path)
    assert [whole] == [run.path for run in history.runs]
    (line,) = history.damaged
    assert line.startswith(f"{torn} is not JSON: ")


def test_runs_are_in_the_order_of_their_start(tmp_path: Path) -> None:
    for started in (3e8, 1e8, 2e8):
        add(tmp_path, started)
    assert [run.started_unix_s for run in read_history(tmp_path).runs] == [1e8, 2e8, 3e8]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere", "{folder}/nowhere is not a folder with a history"),
        (".", "{folder} has no runs: add some with --latency-history={folder}"),
    ],
)
def test_a_folder_without_a_history_is_one_error(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(ArtifactError) as refused:
        read_history(tmp_path / name)
    assert message.format(folder=tmp_path) == str(refused.value)


def test_sessions_at_the_same_time_lose_nothing_even_if_one_is_killed(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(test_it=TEST + "\ndef test_that_waits():\n    input()\n")
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "hancock_latency"]
    command += ["--latency-history=history"]
    sessions = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        for _ in range(3)
    ]
    sessions[0].kill()
    for session in sessions:
        session.communicate(b"\n")
    history = read_history(pytester.path / "history")
    assert (list(history.damaged), len(history.runs)) == ([], 2)


SLOW = """
from pytest_hancock_latency.reporting.json_artifact import run_text
from pytest_hancock_latency import latency_budget

@latency_budget(p99="10s", samples=20, max_samples=60)
def test_it(sample):
    sample(sorted, range(100))
"""


def seven_runs(pytester: pytest.Pytester, run: Callable[..., pytest.RunResult]) -> None:
    """Fill a history with seven copies of a run that leaves p99 inconclusive."""
    pytester.makepyfile(test_it=SLOW)
    run("--latency-history=history").stdout.fnmatch_lines(["1 inconclusive: too few calls*"])
    (path,) = (pytester.path / "history").iterdir()
    for number in range(6):
        path.with_name(path.name.replace("Z-", f"Z-{number}")).write_bytes(path.read_bytes())


def test_the_last_runs_decide_a_limit_if_asked(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    seven_runs(pytester, run)
    (pytester.path / "history" / "run-20260101T000000.000Z-torn.json").write_text("{")
    session = run("--latency-history=history", "--latency-pool-history=on", "--latency-strict")
    session.assert_outcomes(passed=1)
    session.stdout.fnmatch_lines(
        [
            "advice for test_it.py::test_it: p99 is within over the last 6 runs (360 calls, "
            "1 minute), not by this run alone (pooled-within)"
        ]
    )
    latest = read_history(pytester.path / "history").runs[-1].artifact.records[0]
    assert latest.verdict
    assert (latest.n, latest.verdict.limits[0].reason) == (60, "pooled")


def test_the_last_runs_decide_nothing_unless_asked(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    seven_runs(pytester, run)
    run("--latency-history=history", "--latency-strict").assert_outcomes(failed=1)


def test_pooling_needs_a_history(run: Callable[..., pytest.RunResult]) -> None:
    run("--latency-pool-history=on").stderr.fnmatch_lines(
        [
            "ERROR: --latency-pool-history adds up the runs of a history: name its folder with "
            "--latency-history=DIR"
        ]
    )
