"""The history that the action keeps: on a branch that several jobs push to, or in a cache."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pytest_hancock_latency.files.history import run_path
from pytest_hancock_latency.files.options import KEPT_RUNS
from pytest_hancock_latency.reporting.json_artifact import run_text
from pytest_hancock_latency.reporting.writer import write_whole

from ..duel.conftest import git
from ..reporting import gold

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).resolve().parents[2]
HISTORY = ROOT / ".github" / "actions" / "history.sh"
BRANCH = "latency-history"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs bash")


@pytest.fixture
def remote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bare repository with one commit on main."""
    for name in list(os.environ):
        if name.startswith(("HANCOCK_", "GITHUB_", "GIT_")):
            monkeypatch.delenv(name)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    monkeypatch.setenv("PATH", path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    bare = tmp_path / "remote.git"
    git(tmp_path, "init", "-q", "--bare", "-b", "main", str(bare))
    git(tmp_path, "clone", "-q", str(bare), "seed")
    git(tmp_path / "seed", "commit", "-q", "--allow-empty", "-m", "main")
    git(tmp_path / "seed", "push", "-q", "origin", "HEAD:main")
    return bare


class Job:
    """A job of a workflow: a clone of one commit, and a folder for the history."""

    def __init__(self, remote: Path, name: str, **environ: str) -> None:
        self.clone = remote.parent / name
        self.folder = remote.parent / f"{name}-history"
        git(remote.parent, "clone", "-q", "--depth=1", f"file://{remote}", name)
        self.environ = {
            **os.environ,
            "HISTORY": "branch",
            "BRANCH": BRANCH,
            "FOLDER": str(self.folder),
            "ARTIFACTS": str(self.clone),
            "NAME": "",
            **environ,
        }

    def start(self, command: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["bash", HISTORY, command],
            cwd=self.clone,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def does(self, command: str) -> str:
        """The output of a command, which has to succeed."""
        started = self.start(command)
        output, errors = started.communicate()
        assert started.returncode == 0, output + errors
        return output

    def measures(self, started_unix_s: float) -> str:
        """Add a run, as the plugin does; its name."""
        artifact = gold.artifact()
        path = run_path(self.folder, started_unix_s)
        write_whole(path, run_text(artifact.records, artifact.session))
        return path.name


def on_branch(remote: Path) -> list[str]:
    return git(remote, "ls-tree", "-r", "--name-only", BRANCH).splitlines()


@pytest.mark.long
def test_the_runs_of_earlier_jobs_are_fetched_and_the_new_one_is_pushed(remote: Path) -> None:
    first, second = Job(remote, "first"), Job(remote, "second")
    first.does("get")
    names = [first.measures(1e8)]
    first.does("keep")
    second.does("get")
    assert names == [path.name for path in second.folder.glob("run-*")]
    names.append(second.measures(2e8))
    second.does("keep")
    assert names == on_branch(remote)
    assert git(second.clone, "status", "--short") == ""


@pytest.mark.long
def test_jobs_that_push_at_once_lose_nothing(remote: Path) -> None:
    jobs = [Job(remote, f"job-{number}") for number in range(3)]
    for job in jobs:
        job.does("get")
    names = [job.measures(at * 1e8) for at, job in enumerate(jobs)]
    pushing = [job.start("keep") for job in jobs]
    outputs = [process.communicate() for process in pushing]
    assert outputs == [("", "")] * 3
    assert names == on_branch(remote)


@pytest.mark.long
def test_each_gate_has_a_folder_of_its_own(remote: Path) -> None:
    named, other = Job(remote, "named", NAME="py 3.12"), Job(remote, "other")
    for job in (named, other):
        job.does("get")
        job.measures(1e8)
        job.does("keep")
    assert sorted(
        re.split(r"[/.]run|\.000Z", path)[0].removesuffix("/") for path in on_branch(remote)
    ) == ["py 3.12", "run-19730303T094640"]
    again = Job(remote, "again", NAME="py 3.12")
    again.does("get")
    assert len(list(again.folder.glob("run-*"))) == 1


@pytest.mark.long
def test_the_oldest_runs_on_the_branch_are_deleted(remote: Path) -> None:
    first = Job(remote, "first")
    first.does("get")
    for at in range(3):
        first.measures(at * 1e8)
    first.does("keep")
    second = Job(remote, "second", HANCOCK_LATENCY_HISTORY_KEEP="2")
    second.does("get")
    newest = second.measures(9e8)
    second.does("keep")
    kept = on_branch(remote)
    assert (2, newest) == (len(kept), kept[-1])


def test_as_many_runs_are_kept_as_by_the_plugin() -> None:
    script = HISTORY.read_text(encoding="utf-8")
    assert [str(KEPT_RUNS)] == re.findall(r"HANCOCK_LATENCY_HISTORY_KEEP:-(\d+)", script)


@pytest.mark.long
def test_a_push_that_is_refused_is_a_warning(remote: Path) -> None:
    hook = remote / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    job = Job(remote, "job")
    job.does("get")
    job.measures(1e8)
    assert job.does("keep") == (
        "::warning::this run is not in the history: cannot push to the branch latency-history, for "
        "which the job needs the permission contents: write\n"
    )


@pytest.mark.long
def test_a_job_without_a_sample_pushes_nothing(remote: Path) -> None:
    job = Job(remote, "job")
    job.does("get")
    job.does("keep")
    assert git(remote, "branch", "--format=%(refname:short)") == "main"


def test_an_input_that_means_nothing_ends_the_action(remote: Path) -> None:
    started = Job(remote, "job", HISTORY="cahe").start("get")
    output, _ = started.communicate()
    assert started.returncode == 2
    assert output == "::error::history: 'cahe' is not one of none, cache, branch\n"


@pytest.mark.long
def test_the_trend_is_in_the_log_and_a_page_among_the_artifacts(remote: Path) -> None:
    job = Job(remote, "job")
    assert job.does("show") == (
        "no history: this run has no samples, and there is no earlier one\n"
    )
    job.measures(1e8)
    assert job.does("show").startswith("1 run")
    page = (job.clone / "trend.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")


def steps() -> dict[str, Any]:
    """The steps of the action by their names."""
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    return {step["name"]: step for step in action["runs"]["steps"]}


def test_runs_of_a_pull_request_are_never_kept() -> None:
    for name in ("Save the history", "Push the history"):
        assert "!startsWith(github.event_name, 'pull_request')" in steps()[name]["if"]


def test_a_cache_is_restored_under_the_name_by_which_it_is_saved() -> None:
    restored, saved = (steps()[f"{does} the history"]["with"] for does in ("Restore", "Save"))
    assert restored["path"] == saved["path"]
    assert saved["key"].startswith(restored["restore-keys"])
    assert restored["key"].startswith(restored["restore-keys"])


def test_every_step_uses_the_same_folder() -> None:
    folder = "${{ runner.temp }}/latency-history"
    used = [step.get("env", {}).get("FOLDER") for step in steps().values()]
    assert [folder] * 3 == [name for name in used if name]
    assert folder == steps()["Save the history"]["with"]["path"]
    assert "format('{0}/latency-history', runner.temp)" in steps()["Gate"]["env"]["HISTORY_FOLDER"]
