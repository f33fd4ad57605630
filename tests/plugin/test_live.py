"""Live progress, on a real terminal and nowhere else."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys

import pytest

from .conftest import ALONE, Suite

LONG = """
@latency_budget(p99_9=400, time_limit="2500ms")
def test_long(sample, capsys):
    sample(time.sleep, 0.002)
    print("captured")
"""
WARNING = r"test_long: p99\.9 needs 3672 observations, but only about \d+ fit into 2\.5 s"
PROGRESS = r"\rtest_long: \d+ in [\d.]+ s, p50 [\d.]+ ms, p99 [\d.]+ ms, inconclusive p99\.9 *"


def on_a_terminal(suite: Suite, *arguments: str, **environment: str) -> str:
    """What pytest writes to a terminal of 200 columns."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", *ALONE, *arguments],
        cwd=suite.path,
        env={**os.environ, "COLUMNS": "200", "TERM": "xterm", **environment},
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    written = b""
    while chunk := _read(ours):
        written += chunk
    process.wait(timeout=60)
    os.close(ours)
    return written.decode()


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # the other end is closed
        return b""


@pytest.fixture(autouse=True)
def no_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CI", "BUILD_NUMBER"):
        monkeypatch.delenv(name, raising=False)


def test_a_terminal_sees_how_far_a_long_sample_is_and_nothing_of_it_stays(suite: Suite) -> None:
    suite.write(LONG)
    written = on_a_terminal(suite)
    shown = re.findall(PROGRESS, written)
    assert 2 <= len(shown) <= 8
    assert "\r" + " " * 199 + "\r" in written
    assert re.search(WARNING, written)


@pytest.mark.long
@pytest.mark.parametrize("name", ["CI", "BUILD_NUMBER"])
def test_a_terminal_of_ci_sees_no_progress(suite: Suite, name: str) -> None:
    suite.write(LONG)
    assert "ms, inconclusive p" not in on_a_terminal(suite, **{name: "1"})


@pytest.mark.long
def test_a_quiet_terminal_sees_no_progress(suite: Suite) -> None:
    suite.write(LONG)
    assert "ms, inconclusive p" not in on_a_terminal(suite, "-q")


def test_a_log_has_no_progress_but_the_warning_before_measuring(suite: Suite) -> None:
    suite.write(LONG)
    written = suite.run().stdout.str()
    assert "ms, inconclusive p" not in written
    assert re.search(
        WARNING + r", so it will stay inconclusive; raise time_limit or --latency-time, ",
        written,
    )
