"""The origin of a session: the commit that it measured, and its CI run.

CI providers set both in the environment. Elsewhere git is asked, with a short timeout; no answer is
needed.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

Environment = Mapping[str, str]
Git = Callable[[Path, str], str | None]
"""Runs a git command, given without the word ``git``, in a folder; returns its output or None."""
_PATIENCE_S: Final = 2
_HEAD: Final = "rev-parse HEAD --abbrev-ref HEAD"
_CHANGES: Final = "status --porcelain --untracked-files=no"


@dataclass(frozen=True, slots=True)
class _Provider:
    """Names of the environment variables of a CI provider."""

    sign: str
    """Always set by this provider."""
    commit: str
    branches: tuple[str, ...]
    """The first one that is set contains the branch."""
    run_id: str
    run_url: str
    """A URL with names of variables in braces."""
    job: str


_PROVIDERS: Final = {
    "github": _Provider(
        sign="GITHUB_ACTIONS",
        commit="GITHUB_SHA",
        branches=("GITHUB_HEAD_REF", "GITHUB_REF_NAME"),
        run_id="GITHUB_RUN_ID",
        run_url="{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}/actions/runs/{GITHUB_RUN_ID}",
        job="GITHUB_JOB",
    ),
    "gitlab": _Provider(
        sign="GITLAB_CI",
        commit="CI_COMMIT_SHA",
        branches=("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", "CI_COMMIT_REF_NAME"),
        run_id="CI_PIPELINE_ID",
        run_url="{CI_JOB_URL}",
        job="CI_JOB_NAME",
    ),
    "azure": _Provider(
        sign="TF_BUILD",
        commit="BUILD_SOURCEVERSION",
        branches=("SYSTEM_PULLREQUEST_SOURCEBRANCH", "BUILD_SOURCEBRANCH"),
        run_id="BUILD_BUILDID",
        run_url="{SYSTEM_COLLECTIONURI}{SYSTEM_TEAMPROJECT}/_build/results?buildId={BUILD_BUILDID}",
        job="SYSTEM_JOBNAME",
    ),
    # Last: a process started by Jenkins may run jobs of another provider and inherits this
    # variable.
    "jenkins": _Provider(
        sign="JENKINS_URL",
        commit="GIT_COMMIT",
        branches=("CHANGE_BRANCH", "BRANCH_NAME", "GIT_BRANCH"),
        run_id="BUILD_ID",
        run_url="{BUILD_URL}",
        job="JOB_NAME",
    ),
}


def ask_git(folder: Path, command: str) -> str | None:
    """Return git's output; None if git is missing or slow, or fails in the folder."""
    try:
        answer = subprocess.run(
            ["git", "--no-optional-locks", *command.split()],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.decode(errors="replace")


def commit_of(environ: Environment, folder: Path, git: Git = ask_git) -> dict[str, Any] | None:
    """Return `id`, `branch` and `dirty` (changed tracked files) of the commit; None if unknown.

    On CI the checkout matches the commit and is not checked for changes: `dirty` is None.
    """
    _, provider = _provider(environ)
    if provider and environ.get(provider.commit):
        return {
            "id": environ[provider.commit],
            "branch": _branch(environ, provider),
            "dirty": None,
        }
    head = (git(folder, _HEAD) or "").split()
    if not head:
        return None
    changes = git(folder, _CHANGES)
    return {
        "id": head[0],
        "branch": head[1] if head[1:] and head[1] != "HEAD" else None,
        "dirty": None if changes is None else bool(changes.strip()),
    }


def ci_of(environ: Environment) -> dict[str, Any] | None:
    """Return `provider`, `run_url`, `run_id` and `job` of the CI run; None outside known CI."""
    name, provider = _provider(environ)
    if provider is None:
        return None
    return {
        "provider": name,
        "run_url": _filled(provider.run_url, environ),
        "run_id": environ.get(provider.run_id),
        "job": environ.get(provider.job),
    }


def _provider(environ: Environment) -> tuple[str, _Provider | None]:
    signed = (
        (name, provider) for name, provider in _PROVIDERS.items() if environ.get(provider.sign)
    )
    return next(signed, ("", None))


def _branch(environ: Environment, provider: _Provider) -> str | None:
    branches = (environ[name] for name in provider.branches if environ.get(name))
    branch = next(branches, None)
    return branch.removeprefix("refs/heads/") if branch else None


def _filled(address: str, environ: Environment) -> str | None:
    try:
        return address.format_map(environ)
    except KeyError:
        return None
