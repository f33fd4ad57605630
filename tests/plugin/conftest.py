"""Suites to run pytest on, in processes of their own: a plugin is loaded once per process."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# Neighbours have tests of their own; elsewhere nobody else shall speak, or take time to start.
ALONE = ("-p", "hancock_latency", "-p", "no:cacheprovider")


class Suite:
    """One test module, run by pytest with only the plugins that a test wants."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self._pytester = pytester
        self.path = pytester.path

    def write(self, source: str, name: str = "test_it.py") -> Path:
        """Write a module; `latency_budget`, `pytest` and `time` are imported already."""
        imports = "import time\nimport pytest\nfrom pytest_hancock_latency import latency_budget\n"
        return self._pytester.makepyfile(**{Path(name).stem: f"{imports}\n{source}"})

    def run(self, *arguments: str) -> pytest.RunResult:
        """Run it in a process of its own, with our plugin and, where asked for, xdist."""
        workers = ("-p", "xdist") if "-n" in arguments else ()
        return self._pytester.runpytest_subprocess(*ALONE, *workers, *arguments)

    def command(self, *arguments: str) -> str:
        """What ``hancock-latency`` prints."""
        start = "import sys; from pytest_hancock_latency.cli import main; sys.exit(main())"
        result = self._pytester.run(sys.executable, "-c", start, *arguments)
        return "\n".join(result.outlines)

    def artifact(self, *arguments: str) -> dict[str, Any]:
        """The JSON artifact of a run."""
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
    """The lines that begin with ERROR of a run that must end with exit code 4 and no test run."""

    def run(*arguments: str) -> list[str]:
        result = suite.run(*arguments)
        lines = [*result.errlines, *result.outlines]
        assert result.ret == pytest.ExitCode.USAGE_ERROR, "\n".join(lines)
        assert not any("Traceback" in line or "INTERNALERROR" in line for line in lines)
        assert not (suite.path / "ran").exists()
        return [line for line in lines if line.startswith("ERROR")]

    return run
