"""Real processes on loopback: a server with known latencies, and Locust."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LOCUSTFILES = HERE / "locustfiles"
PATIENT_S = 60.0
NOWHERE = "http://unused"
ONE = ("-u", "1")
OF_THIS_SESSION = ("HANCOCK_", "PYTEST_", "LOCUST_")


@contextmanager
def served(*arguments: str) -> Iterator[str]:
    """Run a server with known latencies; yields its URL."""
    command = [sys.executable, str(HERE / "server.py"), *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.kill()
        process.communicate()


def counted_by(host: str) -> dict[str, int]:
    """Return the requests that the server received, by first part of the path."""
    with urllib.request.urlopen(f"{host}/counts", timeout=10) as answer:
        counts: dict[str, int] = json.load(answer)
        return counts


def environment(**added: str) -> dict[str, str]:
    """Return an environment without settings of this session."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(OF_THIS_SESSION)}
    return {**kept, **added}


def locust(*arguments: str, folder: Path, **added: str) -> subprocess.Popen[str]:
    """Start Locust in a folder."""
    return subprocess.Popen(
        [sys.executable, "-m", "locust", "--only-summary", *arguments],
        cwd=folder,
        env=environment(**added),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


class Ran:
    """A finished run."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self.out, self.err = process.communicate(timeout=180)
        self.exit_code = process.returncode
        self.artifact = artifact_in(folder)

    def sample(self, name: str) -> dict[str, Any]:
        """Return a sample of the artifact."""
        (found,) = (sample for sample in self.artifact["samples"] if sample["test"] == name)
        return dict(found)

    def __str__(self) -> str:
        return f"exit code {self.exit_code}\n{self.out}\n{self.err}"


def run(locustfile: str, *arguments: str, host: str, folder: Path, **added: str) -> Ran:
    """Run Locust headless until it ends, with artifacts in `artifacts/`."""
    return Ran(begin(locustfile, *arguments, host=host, folder=folder, **added), folder)


def begin(
    locustfile: str, *arguments: str, host: str, folder: Path, **added: str
) -> subprocess.Popen[str]:
    """Start such a run."""
    return locust(
        *("-f", str(LOCUSTFILES / locustfile), "--headless", "--host", host),
        *("--latency-artifacts", "artifacts", *arguments),
        folder=folder,
        **added,
    )


def artifact_in(folder: Path) -> dict[str, Any]:
    """Return the JSON artifact of a run in this folder."""
    path = folder / "artifacts" / "performance-latency.json"
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def all_requests(artifact: dict[str, Any]) -> int:
    """Return the number of requests of all samples."""
    return sum(requests_of(sample) for sample in artifact.get("samples", []))


def requests_of(sample: dict[str, Any]) -> int:
    """Return the number of requests of a sample, including failed ones."""
    return int(sample["n"]) + sum(sample["failures"].values())


def wait_for(what: Callable[[], object], name: str) -> None:
    """Wait until the condition is true, at most a minute."""
    deadline = time.monotonic() + PATIENT_S
    while not what():
        if time.monotonic() > deadline:
            raise TimeoutError(name)
        time.sleep(0.02)


def free_port() -> int:
    """Return an unused loopback port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
