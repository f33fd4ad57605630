"""The short load run: Hancock is served, loaded, judged, and stopped whatever happens."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

# Not imported: Locust patches the modules of the process that imports it.
pytestmark = pytest.mark.skipif(
    find_spec("locust") is None or find_spec("gunicorn") is None,
    reason="needs Locust and gunicorn",
)

SCRIPT = Path(__file__).with_name("load_hancock.py")
OF_THIS_SESSION = ("HANCOCK_", "PYTEST_", "LOCUST_", "GUNICORN_")


def begin(folder: Path, *arguments: str, **settings: str) -> subprocess.Popen[str]:
    """The script, started with its artifacts in a folder."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(OF_THIS_SESSION)}
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), "--artifacts", str(folder), *arguments],
        env={**inherited, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_run_is_judged_and_its_artifacts_are_written(tmp_path: Path) -> None:
    load = begin(tmp_path, "--time", "2s", "--users", "3")
    output, errors = load.communicate(timeout=120)
    assert load.returncode == 0, errors
    assert "GET /health" in output
    artifact = json.loads((tmp_path / "performance-latency.json").read_text(encoding="utf-8"))
    assert [sample["test"] for sample in artifact["samples"]] == ["GET /health"]


@pytest.mark.long
def test_an_exceeded_budget_sets_the_exit_code(tmp_path: Path) -> None:
    load = begin(tmp_path, "--time", "4s", "--profile", "MixedUser", HANCOCK_RATE_LIMIT="1")
    output, _ = load.communicate(timeout=120)
    assert load.returncode == 1, output


def test_a_hancock_that_does_not_start_is_one_line(tmp_path: Path) -> None:
    load = begin(tmp_path, HANCOCK_RATE_LIMIT="lots")
    _, errors = load.communicate(timeout=120)
    assert load.returncode == 2
    # gunicorn exits with 3 or 1, whichever of its workers fails first.
    assert re.fullmatch(
        r"Hancock does not answer at http://127\.0\.0\.1:\d+/health: gunicorn exited with [13]",
        errors.splitlines()[-1],
    )


@pytest.mark.long
def test_a_stopped_run_reports_and_stops_the_server(tmp_path: Path) -> None:
    load = begin(tmp_path, "--time", "10m")
    assert load.stderr is not None
    for line in load.stderr:
        if "All users spawned" in line:
            break
    load.send_signal(signal.SIGTERM)
    output, _ = load.communicate(timeout=120)  # ends only once the server's pipe is closed, too
    assert load.returncode == 130
    assert "GET /health" in output


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_make_passes_its_variables_on() -> None:
    variables = ("LOAD_PROFILE=ReadOnlyUser", "LOAD_USERS=50", "LOAD_TIME=1m", "ARTIFACTS=made")
    command = ["make", "--dry-run", "load", *variables]
    root = SCRIPT.parents[1]
    shown = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert (
        "tests/load_hancock.py --profile ReadOnlyUser --users 50 --time 1m --artifacts made/load"
    ) in " ".join(shown.stdout.replace("\\\n", " ").split())
