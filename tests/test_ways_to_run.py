"""The benchmark suite in all the ways in which the performance guide runs it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SUITE = Path(__file__).with_name("benchmark_suite.py")
ROW = re.compile(r"^((?:GET|POST) /\S+) .*(within|inconclusive.*)$", re.M)
ENDPOINTS = ["GET /health", "GET /mode", "GET /models", "POST /v1/ask", "POST /v1/chat"]


@pytest.fixture
def environment() -> dict[str, str]:
    """Without settings of this session, which may itself be gated or a worker of pytest-xdist."""
    left_out = ("HANCOCK_", "PYTEST_")
    return {k: v for k, v in os.environ.items() if not k.startswith(left_out)}


def run(*command: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        cwd=SUITE.parents[1],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_by_itself_it_prints_the_table(environment: dict[str, str]) -> None:
    ran = run(str(SUITE), environment=environment)
    assert (ran.returncode, [name for name, _ in ROW.findall(ran.stdout)]) == (
        0,
        ENDPOINTS,
    )


def test_by_pytest_one_endpoint_can_be_chosen(environment: dict[str, str]) -> None:
    ran = run("-m", "pytest", str(SUITE), "-v", "-k", "health", environment=environment)
    assert (ran.returncode, [name for name, _ in ROW.findall(ran.stdout)]) == (0, ["GET /health"])


@pytest.mark.long
def test_a_slow_model_fails_the_endpoints_that_ask_it(
    environment: dict[str, str], tmp_path: Path
) -> None:
    artifact = tmp_path / "artifacts" / "performance-latency.json"
    environment |= {"HANCOCK_CANNED_DELAY": "400ms", "HANCOCK_PERF_ARTIFACT": str(artifact)}
    ran = run("-m", "pytest", str(SUITE), environment=environment)
    samples = json.loads(artifact.read_text())["samples"]
    outcomes = {sample["test"].partition("::")[2]: sample["outcome"] for sample in samples}
    assert ran.returncode == 1
    assert {name for name, outcome in outcomes.items() if outcome == "exceeded"} == {
        "test_chat",
        "test_ask",
    }
    assert (artifact.parent / "benchmark-summary.txt").exists()


SETTINGS_OF_A_SHELL = {
    "HANCOCK_RATE_LIMIT": "0",
    "HANCOCK_API_KEY": "key",
    "HANCOCK_WEBHOOK_SECRET": "whsec_",
    "HANCOCK_LLM_BACKEND": "none",
    "HANCOCK_LATENCY_MODE": "report",
    "HANCOCK_LATENCY_STRICT": "1",
}


@pytest.mark.parametrize(
    "files",
    [
        ("test_performance.py", "hancock_app/test_main.py", "hancock_app/test_routes.py"),
        ("plugin/test_usage_errors.py", "cli/test_gate.py"),
    ],
    ids=["hancock", "plugin"],
)
@pytest.mark.long
def test_our_own_tests_pass_whatever_the_shell_sets(
    environment: dict[str, str], tmp_path: Path, files: tuple[str, ...]
) -> None:
    environment |= SETTINGS_OF_A_SHELL
    environment["HANCOCK_LATENCY_JSON"] = str(tmp_path / "of-the-shell.json")
    paths = [str(SUITE.parent / file) for file in files]
    ran = run("-m", "pytest", "-q", "-p", "no:cacheprovider", *paths, environment=environment)
    assert ran.returncode == 0, ran.stdout
