"""The `locust_run` fixture: a Locust profile in a process of its own, judged, from a test.

Locust patches the standard library for gevent, so it never runs in the process of the tests. Its
records become records of the test: they fail it where they must, and stand in the artifacts.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import pytest

from ..core.duration import NS_PER_MS
from ..core.quantile import parse_quantile
from ..core.record import Record
from ..core.record_json import to_plain
from ..errors import LatencyError, NothingMeasured
from ..reporting.json_artifact import artifact_in
from ..reporting.junit import junit_properties
from .failing import BudgetExceeded, details, headlines
from .item_hooks import RECORDS
from .item_settings import GATE
from .settings import Mode, Settings, read_settings

PLUGIN: Final = "hancock_latency_locust_runs"
_GATE: Final = Path(__file__).parents[1] / "locust_gate" / "locustfile.py"
_SPARE_S: Final = 60
"""For Locust to start, and to stop its users."""
_UNITS_S: Final = {"s": 1, "m": 60, "h": 3600}
_OF_THIS_SESSION: Final = ("HANCOCK_LATENCY_", "HANCOCK_PERF_ARTIFACT", "LOCUST_")
_FAILED_ALONE: Final = 2
_RUNS = pytest.StashKey[list[Record]]()


@dataclass(frozen=True, slots=True)
class LoadSample:
    """What was measured of one name of a request."""

    record: Record

    @property
    def n(self) -> int:
        """Number of observations."""
        return self.record.n

    @property
    def outcome(self) -> str:
        """``within``, ``exceeded`` or ``inconclusive``."""
        return self.record.outcome

    def quantile_ms(self, quantile: str) -> float:
        """A quantile of raw latency in milliseconds, exact but for the histogram's 0.05 %.

        Raises:
            NothingMeasured: every request failed.
        """
        if self.record.histogram is None or not self.record.n:
            raise NothingMeasured(f"{quantile} of {self.record.title!r}, which has no observation")
        return self.record.histogram.quantile_ns(parse_quantile(quantile)) / NS_PER_MS


@dataclass(frozen=True, slots=True)
class LocustRun:
    """A load test that has ended: ``run["GET /health"].quantile_ms("p99")``."""

    samples: Mapping[str, LoadSample]
    exit_code: int
    output: str
    """All that Locust and the gate said."""

    def __getitem__(self, name: str) -> LoadSample:
        if name not in self.samples:
            raise KeyError(f"no request was called {name!r}: {', '.join(self.samples)}")
        return self.samples[name]


class LocustRunner:
    """The `locust_run` fixture."""

    def __init__(self, item: pytest.Item, settings: Settings) -> None:
        self._item, self._settings = item, settings

    def __call__(
        self,
        locustfile: str | Path,
        *user_classes: str,
        host: str,
        run_time: str = "10s",
        **options: object,
    ) -> LocustRun:
        """Run Locust headless for a bounded time.

        The locustfile is looked for from the root of the session, and need not import the gate.
        Further keywords are Locust's own options: ``users=10, spawn_rate=5, processes=2``. A budget
        that is exceeded fails the test at its end.

        Raises:
            LatencyError: Locust is not installed, or the run measured nothing; with its output.
        """
        if find_spec("locust") is None:
            raise LatencyError(
                "locust_run needs Locust: pip install 'pytest-hancock-latency[locust]'"
            )
        if GATE in self._item.stash:
            raise LatencyError(
                "a test with locust_run has no latency_budget marker: "
                "the budgets of requests are those of the budget file, by 'METHOD name'"
            )
        options |= {"host": host, "run_time": run_time}
        files = f"{self._item.config.rootpath / locustfile},{_GATE}"
        with tempfile.TemporaryDirectory() as folder:
            artifact = Path(folder, "performance-latency.json")
            command = ["-f", files, *_switches(options), "--latency-json", str(artifact)]
            done = self._run([*command, *self._budgets(), *user_classes], _seconds(run_time))
            if not artifact.exists():
                raise LatencyError(f"Locust ended with {done.returncode}:\n{done.stdout}")
            found = list(artifact_in(artifact.read_text(encoding="utf-8")).records)
        return self._keep(found, done)

    def _run(self, arguments: list[str], seconds: float) -> subprocess.CompletedProcess[str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(_OF_THIS_SESSION)}
        return subprocess.run(
            [sys.executable, "-m", "locust", "--headless", "--only-summary", *arguments],
            cwd=self._item.config.rootpath,
            env=kept,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds + _SPARE_S,
            check=False,
        )

    def _budgets(self) -> list[str]:
        given = self._settings.budgets
        return ["--latency-budgets", str(given)] if given else []

    def _keep(self, found: list[Record], done: subprocess.CompletedProcess[str]) -> LocustRun:
        if done.returncode == _FAILED_ALONE or not any(r.n or r.failures for r in found):
            raise LatencyError(
                f"Locust measured nothing, it ended with {done.returncode}:\n{done.stdout}"
            )
        strict = self._settings.strict
        own = [
            replace(
                record, test=self._item.nodeid, name=record.test, strict=record.strict or strict
            )
            for record in found
        ]
        self._item.stash.setdefault(_RUNS, []).extend(own)
        samples = {record.name: LoadSample(record) for record in own}
        return LocustRun(samples, done.returncode, done.stdout)


class LocustRuns:
    """The hooks of a session that uses the fixture."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Fail a test whose body has passed, but not its load."""
        try:
            result = yield
        finally:
            for record in item.stash.get(_RUNS, []):
                item.user_properties.extend(junit_properties(record))
        gates = read_settings(item.config).mode is Mode.GATE
        failing = [record for record in item.stash.get(_RUNS, []) if gates and _fails(record)]
        if failing:
            raise BudgetExceeded(headlines(failing), details(failing))
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Send the records along with the report of the call, as those of samples are."""
        report = yield
        if call.when == "call" and _RUNS in item.stash:
            plain = [to_plain(record) for record in item.stash[_RUNS]]
            setattr(report, RECORDS, [*getattr(report, RECORDS, []), *plain])
            del item.stash[_RUNS]  # a rerun counts anew
        return report


def runner_of(item: pytest.Item) -> LocustRunner:
    """The fixture of a test."""
    manager = item.config.pluginmanager
    if not manager.has_plugin(PLUGIN):
        manager.register(LocustRuns(), PLUGIN)
    return LocustRunner(item, read_settings(item.config))


def _fails(record: Record) -> bool:
    strict_miss = record.strict and record.outcome == "inconclusive"
    return strict_miss or record.outcome == "exceeded"


def _switches(options: Mapping[str, object]) -> list[str]:
    """``users=10`` as Locust's ``--users 10``; what is None is left out, and True is a flag."""
    switches = []
    for name, value in options.items():
        switch = f"--{name.replace('_', '-')}"
        if value is True:
            switches.append(switch)
        elif value is not None and value is not False:
            switches += [switch, str(value)]
    return switches


def _seconds(run_time: str) -> float:
    """How long ``90``, ``90s`` or ``1h30m`` is, as Locust reads it."""
    total, digits = 0, ""
    for character in run_time:
        if character.isdigit():
            digits += character
        elif character in _UNITS_S and digits:
            total, digits = total + int(digits) * _UNITS_S[character], ""
        else:
            raise LatencyError(f"run_time={run_time!r} is no time such as '30s' or '1h30m'")
    return total + int(digits or 0)
