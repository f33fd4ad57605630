"""Runs of forty fast gates that are killed midway, and the files they leave."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import jsonschema

from pytest_hancock_latency.files.artifact import journal_path, read_artifact
from pytest_hancock_latency.reporting.artifact_schema import schema_text
from pytest_hancock_latency.reporting.json_artifact import artifact_of

GATES: Final = 40
SUITE: Final = f"""\
import time

import pytest
from pytest_hancock_latency import latency_budget


@pytest.mark.parametrize("number", range({GATES}))
@latency_budget(p50=200, samples=1)
def test_gate(sample, number):
    sample(time.sleep, 0.0005)
"""
PROGRESS: Final = """\
import os

import pytest

WHO = os.environ.get("PYTEST_XDIST_WORKER", "")


def pytest_configure():
    with open(f"pid{WHO}", "w") as file:
        file.write(str(os.getpid()))


@pytest.hookimpl(trylast=True)  # after everybody else has handled, or sent, the report
def pytest_runtest_logreport(report):
    if report.when == "call":
        with open(f"finished{WHO}", "a") as file:
            file.write(f"{report.nodeid}\\n")
"""
JSON: Final = "performance-latency.json"
_LONGEST_S: Final = 120
# In the background of a shell, this process ignores Ctrl-C, and so would its children.
INTERRUPTIBLE: Final = """
import signal, sys, pytest
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(pytest.main(sys.argv[1:]))
"""


@dataclass(frozen=True)
class Remains:
    """The remains of a run."""

    exit_code: int
    finished: frozenset[str]
    """Tests that had finished or, with workers, had been reported."""
    artifact: dict[str, Any] | None
    """The complete, valid artifact; None if there is none."""
    unfinished_files: int
    """Number of files that were being written when the process was killed."""
    output: str

    @property
    def kept(self) -> frozenset[str]:
        """Tests in the artifact."""
        return frozenset(sample["test"] for sample in (self.artifact or {}).get("samples", ()))

    @property
    def lost(self) -> frozenset[str]:
        """Tests that had finished and are not in the artifact."""
        return self.finished - self.kept


def killed(folder: Path, after_s: float, workers: int = 0) -> Remains:
    """Kill a run this long after its first test finished; return its remains."""
    with _running(folder, workers) as session:
        wait_for(folder / "finished")
        time.sleep(after_s)
        session.kill()
    return _remains(folder, session, "finished")


def killed_while_writing(folder: Path, after_s: float) -> Remains:
    """Kill a run while it writes a file; return its remains."""
    with _running(folder, 0) as session:
        wait_for(folder / "finished")
        time.sleep(after_s)
        while session.poll() is None and not _unfinished(folder):
            pass
        session.kill()
    return _remains(folder, session, "finished")


def interrupted(folder: Path, after_s: float, workers: int = 0) -> Remains:
    """Send Ctrl-C to a run this long after its first test; return its remains."""
    with _running(folder, workers) as session:
        wait_for(folder / "finished")
        time.sleep(after_s)
        session.send_signal(signal.SIGINT)
        session.wait(_LONGEST_S)
    return _remains(folder, session, "finished")


def worker_killed(folder: Path, after_s: float) -> Remains:
    """Kill one of two workers this long after the first test; return the remains."""
    with _running(folder, 2) as session:
        wait_for(folder / "finishedgw0")
        time.sleep(after_s)
        with suppress(ProcessLookupError):  # it had already ended
            os.kill(int((folder / "pidgw0").read_text()), signal.SIGKILL)
        session.wait(_LONGEST_S)
    return _remains(folder, session, "finishedgw*")


def length_s(folder: Path, workers: int = 0) -> float:
    """Return how long a run takes after its first test."""
    with _running(folder, workers) as session:
        wait_for(folder / "finished")
        began = time.monotonic()
        session.wait(_LONGEST_S)
        return time.monotonic() - began


def moments(count: int, longest_s: float, seed: int) -> list[float]:
    """Return random moments of a run, the same for the same seed."""
    chance = random.Random(seed)
    return [chance.uniform(0, longest_s) for _ in range(count)]


def wait_for(path: Path) -> None:
    """Wait until the file exists."""
    deadline = time.monotonic() + _LONGEST_S
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} never came"
        time.sleep(0.002)


@contextmanager
def _running(folder: Path, workers: int) -> Iterator[subprocess.Popen[str]]:
    """Run a session with all artifacts in `folder`/out; it and its workers are ended afterwards."""
    folder.mkdir(exist_ok=True)
    (folder / "test_gates.py").write_text(SUITE)
    (folder / "conftest.py").write_text(PROGRESS)
    (folder / "pytest.ini").write_text("[pytest]\n")
    plugins = ("hancock_latency", "no:cacheprovider", *(("xdist",) if workers else ()))
    command = [sys.executable, "-c", INTERRUPTIBLE, "-q", "--latency-artifacts=out"]
    command += [word for plugin in plugins for word in ("-p", plugin)]
    command += ["-n", str(workers)] if workers else []
    with (folder / "output").open("w") as output:
        session = subprocess.Popen(
            command,
            cwd=folder,
            env={**_environment(), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            yield session
        finally:
            _end(session)


def _environment() -> dict[str, str]:
    ours = ("HANCOCK_", "PYTEST_", "GITHUB_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def _end(session: subprocess.Popen[str]) -> None:
    """Kill the session with its workers, which would otherwise take a moment to end."""
    with suppress(ProcessLookupError):
        os.killpg(session.pid, signal.SIGKILL)
    session.wait(_LONGEST_S)


def _remains(folder: Path, session: subprocess.Popen[str], progress: str) -> Remains:
    lines = [line for file in folder.glob(progress) for line in file.read_text().splitlines(True)]
    path = folder / "out" / JSON
    return Remains(
        exit_code=session.returncode,
        finished=frozenset(line.strip() for line in lines if line.endswith("\n")),
        artifact=whole(path) if path.exists() or journal_path(path).exists() else None,
        unfinished_files=_unfinished(folder),
        output=(folder / "output").read_text(),
    )


def _unfinished(folder: Path) -> int:
    return sum(name.startswith(".") for name in os.listdir(folder / "out"))


def whole(path: Path) -> dict[str, Any]:
    """Read an artifact or its journal, and check both against the schema."""
    if path.exists():
        _validator().validate(json.loads(path.read_text(encoding="utf-8")))
    read = read_artifact(path)
    artifact = artifact_of(read.records, read.session)
    _validator().validate(artifact)
    return artifact


@cache
def _validator() -> Any:
    schema = json.loads(schema_text())
    return jsonschema.validators.validator_for(schema)(schema)
