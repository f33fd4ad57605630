"""What an artifact says about its session, and when that is looked up."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .conftest import Suite

FAST = "@latency_budget(p50=500, samples=1)\ndef test_fast(sample): sample(time.sleep, 0)\n"


@pytest.fixture
def asked(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with a line for each time that git was asked; this git knows nothing."""
    log = suite.path / "asked"
    git = suite.path / "bin" / "git"
    git.parent.mkdir()
    git.write_text(f'#!/bin/sh\necho "$@" >> "{log}"\nexit 128\n')
    git.chmod(0o755)
    monkeypatch.setenv("PATH", f"{git.parent}{os.pathsep}{os.environ['PATH']}")
    return log


def test_the_artifact_names_commit_run_and_machine(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("ACTIONS", "true"), ("SHA", "ab12"), ("REF_NAME", "main"), ("JOB", "j")):
        monkeypatch.setenv(f"GITHUB_{name}", value)
    suite.write(FAST)
    artifact = suite.artifact()
    assert artifact["commit"] == {"id": "ab12", "branch": "main", "dirty": None}
    assert artifact["ci"] == {"provider": "github", "run_url": None, "run_id": None, "job": "j"}
    assert {"load", "governor", "free_disk_bytes"} <= set(artifact["machine"])


def test_outside_of_ci_and_of_a_repository_both_are_null(suite: Suite, asked: Path) -> None:
    suite.write(FAST)
    artifact = suite.artifact()
    assert (artifact["commit"], artifact["ci"]) == (None, None)
    assert asked.read_text() == "--no-optional-locks rev-parse HEAD --abbrev-ref HEAD\n"


@pytest.mark.parametrize(
    "source", [FAST, "def test_plain(): pass\n"], ids=["no artifact", "no budget"]
)
def test_a_session_that_writes_nothing_of_it_asks_nobody(
    suite: Suite, asked: Path, source: str
) -> None:
    suite.write(source)
    suite.run().assert_outcomes(passed=1)
    assert not asked.exists()
