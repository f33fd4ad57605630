"""Test suites for pytest in separate processes, because a plugin is loaded once per process."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# Other plugins have separate tests; elsewhere they would add output and startup time.
ALONE = ("-p", "hancock_latency", "-p", "no:cacheprovider")

# Code that is slow on every machine. A sleep is not: on a busy one, its wait counts as unknown. It
# takes the same CPU time however fast the machine is, so its latencies have to be far above their
# limits: next to other machines on its host, one at a fifth of its speed was seen.
CPU = """
import time

def use(seconds):
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass
"""


class Suite:
    """A test module, run by pytest with only the plugins that a test needs."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self._pytester = pytester
        self.path = pytester.path
        self.path.joinpath("cpu.py").write_text(CPU)

    def write(self, source: str, name: str = "test_it.py") -> Path:
        """Write a module; imports of `latency_budget`, `pytest`, `time`, `cpu` are added."""
        imports = (
            "import cpu, time\nimport pytest\nfrom pytest_hancock_latency import latency_budget\n"
        )
        return self._pytester.makepyfile(**{Path(name).stem: f"{imports}\n{source}"})

    def run(self, *arguments: str) -> pytest.RunResult:
        """Run it in a separate process, with our plugin and, if requested, xdist."""
        workers = ("-p", "xdist") if "-n" in arguments else ()
        return self._pytester.runpytest_subprocess(*ALONE, *workers, *arguments)

    def command(self, *arguments: str) -> str:
        """Run ``hancock-latency`` and return its output."""
        start = "import sys; from pytest_hancock_latency.cli import main; sys.exit(main())"
        result = self._pytester.run(sys.executable, "-c", start, *arguments)
        return "\n".join(result.outlines)

    def artifact(self, *arguments: str) -> dict[str, Any]:
        """Run the suite and return its JSON artifact."""
        path = self.path / "artifact.json"
        self.run(f"--latency-json={path}", *arguments)
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return content


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Suite:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    return Suite(pytester)


Errors = Callable[..., list[str]]


@pytest.fixture
def errors(suite: Suite) -> Errors:
    """Return the ERROR lines of a run that must exit with code 4 before any test."""

    def run(*arguments: str) -> list[str]:
        result = suite.run(*arguments)
        lines = [*result.errlines, *result.outlines]
        assert result.ret == pytest.ExitCode.USAGE_ERROR, "\n".join(lines)
        assert not any("Traceback" in line or "INTERNALERROR" in line for line in lines)
        assert not (suite.path / "ran").exists()
        return [line for line in lines if line.startswith("ERROR")]

    return run
