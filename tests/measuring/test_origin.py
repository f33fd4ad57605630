"""Which commit was measured, and by which CI run."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from pytest_hancock_latency.measuring.origin import ask_git, ci_of, commit_of

GITHUB = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_SHA": "a1b2",
    "GITHUB_HEAD_REF": "",
    "GITHUB_REF_NAME": "main",
    "GITHUB_RUN_ID": "77",
    "GITHUB_SERVER_URL": "https://github.example",
    "GITHUB_REPOSITORY": "someone/something",
    "GITHUB_JOB": "gate",
}
GITLAB = {
    "GITLAB_CI": "true",
    "CI_COMMIT_SHA": "c3d4",
    "CI_COMMIT_REF_NAME": "feature",
    "CI_PIPELINE_ID": "12",
    "CI_JOB_URL": "https://gitlab.example/someone/something/-/jobs/34",
    "CI_JOB_NAME": "perf",
}
AZURE = {
    "TF_BUILD": "True",
    "BUILD_SOURCEVERSION": "e5f6",
    "BUILD_SOURCEBRANCH": "refs/heads/release/2",
    "BUILD_BUILDID": "5",
    "SYSTEM_COLLECTIONURI": "https://azure.example/someone/",
    "SYSTEM_TEAMPROJECT": "something",
    "SYSTEM_JOBNAME": "perf",
}
JENKINS = {
    "JENKINS_URL": "https://jenkins.example/",
    "GIT_COMMIT": "0789",
    "GIT_BRANCH": "origin/main",
    "BUILD_ID": "9",
    "BUILD_URL": "https://jenkins.example/job/perf/9/",
    "JOB_NAME": "perf",
}
KNOWN: list[tuple[dict[str, str], tuple[str, str], tuple[str, str, str, str]]] = [
    (
        GITHUB,
        ("a1b2", "main"),
        ("github", "https://github.example/someone/something/actions/runs/77", "77", "gate"),
    ),
    (
        GITLAB,
        ("c3d4", "feature"),
        ("gitlab", "https://gitlab.example/someone/something/-/jobs/34", "12", "perf"),
    ),
    (
        AZURE,
        ("e5f6", "release/2"),
        ("azure", "https://azure.example/someone/something/_build/results?buildId=5", "5", "perf"),
    ),
    (
        JENKINS,
        ("0789", "origin/main"),
        ("jenkins", "https://jenkins.example/job/perf/9/", "9", "perf"),
    ),
]
NAMES = [run[0] for _, _, run in KNOWN]


def no_git(folder: Path, command: str) -> str | None:
    raise AssertionError(f"git {command} was asked")


def git_says(**answers: str) -> Any:
    return lambda folder, command: answers.get(command.split()[0].replace("-", "_"))


@pytest.mark.parametrize(("environ", "commit", "run"), KNOWN, ids=NAMES)
def test_a_ci_provider_names_the_commit_and_git_is_not_asked(
    environ: dict[str, str], commit: tuple[str, str], run: tuple[str, ...]
) -> None:
    expected = {"id": commit[0], "branch": commit[1], "dirty": None}
    assert expected == commit_of(environ, Path(), no_git)


@pytest.mark.parametrize(("environ", "commit", "run"), KNOWN, ids=NAMES)
def test_a_ci_provider_names_its_run(
    environ: dict[str, str], commit: tuple[str, str], run: tuple[str, ...]
) -> None:
    assert dict(zip(("provider", "run_url", "run_id", "job"), run, strict=True)) == ci_of(environ)


def test_the_branch_of_a_pull_request_is_the_one_that_it_comes_from() -> None:
    found = commit_of({**GITHUB, "GITHUB_HEAD_REF": "feature"}, Path(), no_git)
    assert found == {"id": "a1b2", "branch": "feature", "dirty": None}


def test_what_a_provider_does_not_say_is_null() -> None:
    expected = {"provider": "github", "run_url": None, "run_id": None, "job": None}
    assert expected == ci_of({"GITHUB_ACTIONS": "true"})


def test_outside_of_ci_there_is_no_run() -> None:
    assert ci_of({}) is None


@pytest.mark.parametrize(
    ("head", "status", "branch", "dirty"),
    [
        ("ab12\nmain\n", "", "main", False),
        ("ab12\nmain\n", " M setup.py\n", "main", True),
        ("ab12\nHEAD\n", "", None, False),
        ("ab12\nmain\n", None, "main", None),
    ],
    ids=["clean", "changed", "detached", "too slow to tell"],
)
def test_git_is_asked_where_no_provider_tells(
    head: str, status: str | None, branch: str | None, dirty: bool | None
) -> None:
    answers = {"rev_parse": head} | ({} if status is None else {"status": status})
    expected = {"id": "ab12", "branch": branch, "dirty": dirty}
    assert expected == commit_of({}, Path(), git_says(**answers))


def test_a_provider_that_does_not_name_the_commit_leaves_it_to_git() -> None:
    found = commit_of({"JENKINS_URL": "x"}, Path(), git_says(rev_parse="ab12 main", status=""))
    assert found == {"id": "ab12", "branch": "main", "dirty": False}


def test_a_question_that_git_refuses_has_no_answer(tmp_path: Path) -> None:
    assert ask_git(tmp_path, "no-such-command") is None


def test_outside_of_a_repository_there_is_no_commit() -> None:
    assert commit_of({}, Path(), git_says()) is None


def test_a_real_repository_is_read(tmp_path: Path) -> None:
    who = ("-c", "user.name=n", "-c", "user.email=e@example.com")
    (tmp_path / "tracked").write_text("one")
    for command in (["init", "-q", "-b", "trunk"], ["add", "."], [*who, "commit", "-qm", "first"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    clean = commit_of({}, tmp_path)
    (tmp_path / "untracked").write_text("an artifact, perhaps")
    still_clean = commit_of({}, tmp_path)
    (tmp_path / "tracked").write_text("two")
    changed = commit_of({}, tmp_path)
    assert clean is not None
    assert changed is not None
    assert clean == still_clean == {"id": clean["id"], "branch": "trunk", "dirty": False}
    assert len(clean["id"]) == 40
    assert {**clean, "dirty": True} == changed


def test_a_folder_that_is_gone_is_no_error(tmp_path: Path) -> None:
    assert ask_git(tmp_path / "gone", "rev-parse HEAD") is None


def test_a_machine_without_git_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ask_git(tmp_path, "rev-parse HEAD") is None
