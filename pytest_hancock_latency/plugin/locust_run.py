"""The `locust_run` fixture: runs a Locust profile from a test, in a separate process, and judges
it.

Locust patches the standard library for gevent, so it never runs in the process of the tests. Its
records become records of the test and are treated like those of samples.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pytest

from ..core.duration import NS_PER_MS
from ..core.quantile import parse_quantile
from ..core.record import Record
from ..core.verdict import ExitCode, Outcome
from ..errors import LatencyError, NothingMeasured
from ..files.artifact import read_artifact
from ..files.options import ENVIRONMENT, GUIDE_ARTIFACT
from .item_hooks import LOAD_RECORDS
from .item_settings import ITEM_SETTINGS, test_of
from .settings import Mode, Settings

_GATE_LOCUSTFILE: Final = Path(__file__).parents[1] / "locust_gate" / "locustfile.py"
_SPARE_S: Final = 60
"""Time for Locust to start, and to stop its users."""
_UNITS_S: Final = {"s": 1, "m": 60, "h": 3600}
_OF_THIS_SESSION: Final = (ENVIRONMENT, GUIDE_ARTIFACT, "LOCUST_")
"""Prefixes of environment variables that a run must not inherit from this session."""
_ONCE: Final = {"users": 1, "spawn_rate": 1, "run_time": "1s"}
"""Options in mode ``off``: the shortest load that shows whether the profile works."""


@dataclass(frozen=True, slots=True)
class LoadSample:
    """The measurements of requests with the same name."""

    record: Record

    @property
    def n(self) -> int:
        """Number of observations."""
        return self.record.n

    @property
    def outcome(self) -> Outcome:
        """The outcome of the budget of the request."""
        return self.record.outcome

    def quantile_ms(self, quantile: str) -> float:
        """Return a quantile of raw latency in milliseconds, accurate to 0.05 %.

        Raises:
            NothingMeasured: every request failed.
        """
        if self.record.histogram is None or not self.record.n:
            raise NothingMeasured(
                f"cannot compute {quantile} of {self.record.title!r}: it has no observations"
            )
        return self.record.histogram.quantile_ns(parse_quantile(quantile)) / NS_PER_MS


@dataclass(frozen=True, slots=True)
class LocustRun:
    """A finished load test: ``run["GET /health"].quantile_ms("p99")``."""

    samples: Mapping[str, LoadSample]
    exit_code: int
    output: str
    """The complete output of Locust and the gate."""

    def __getitem__(self, name: str) -> LoadSample:
        if name not in self.samples:
            raise KeyError(f"no request is named {name!r}: the run has {', '.join(self.samples)}")
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
        """Run Locust headless for a limited time.

        The locustfile is relative to the root of the session, and need not import the gate. Further
        keywords are Locust's own options: ``users=10, spawn_rate=5, processes=2``. An exceeded
        budget fails the test at its end. With ``--latency=off`` one user runs for a second, and
        nothing is judged.

        Raises:
            LatencyError: Locust is not installed, or the run measured nothing; includes its
                output.
        """
        if find_spec("locust") is None:
            raise LatencyError(
                "locust_run needs Locust: pip install 'pytest-hancock-latency[locust]'"
            )
        if ITEM_SETTINGS in self._item.stash:
            raise LatencyError(
                "a test with locust_run takes no latency_budget marker: requests are judged by the "
                "budgets named 'METHOD name' in the budget file"
            )
        options |= {"host": host, "run_time": run_time}
        if self._settings.mode is Mode.OFF:
            options |= _ONCE
        files = f"{self._item.config.rootpath / locustfile},{_GATE_LOCUSTFILE}"
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "performance-latency.json")
            command = ["-f", files, *_switches(options), "--latency-json", str(path)]
            seconds = _seconds(str(options["run_time"]))
            process = self._run([*command, *self._budgets(), *user_classes], seconds)
            if not path.exists():
                raise LatencyError(
                    f"Locust exited with code {process.returncode}:\n{process.stdout}"
                )
            records = list(read_artifact(path).records)
        return self._keep(records, process)

    def _run(self, arguments: list[str], seconds: float) -> subprocess.CompletedProcess[str]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith(_OF_THIS_SESSION)}
        return subprocess.run(
            [sys.executable, "-m", "locust", "--headless", "--only-summary", *arguments],
            cwd=self._item.config.rootpath,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds + _SPARE_S,
            check=False,
        )

    def _budgets(self) -> list[str]:
        path = self._settings.budgets
        scale = ["--latency-scale", str(float(self._settings.scale))]
        return [*scale, "--latency-budgets", str(path)] if path else scale

    def _keep(self, records: list[Record], process: subprocess.CompletedProcess[str]) -> LocustRun:
        if process.returncode == ExitCode.USAGE or not any(r.n or r.failures for r in records):
            raise LatencyError(
                "Locust measured nothing and exited with code "
                f"{process.returncode}:\n{process.stdout}"
            )
        strict = self._settings.strict
        own = [
            replace(
                record, test=test_of(self._item), name=record.test, strict=record.strict or strict
            )
            for record in records
        ]
        if self._settings.mode is Mode.OFF:
            own = [record.without_verdict("--latency=off") for record in own]
        else:
            self._item.stash.setdefault(LOAD_RECORDS, []).extend(own)
        samples = {record.name: LoadSample(record) for record in own}
        return LocustRun(samples, process.returncode, process.stdout)


def _switches(options: Mapping[str, object]) -> list[str]:
    """Convert ``users=10`` to Locust's ``--users 10``; None is left out, and True is a flag."""
    switches = []
    for name, value in options.items():
        switch = f"--{name.replace('_', '-')}"
        if value is True:
            switches.append(switch)
        elif value is not None and value is not False:
            switches += [switch, str(value)]
    return switches


def _seconds(run_time: str) -> float:
    """Parse ``90``, ``90s`` or ``1h30m`` as Locust does; return seconds."""
    total, digits = 0, ""
    for character in run_time:
        if character.isdigit():
            digits += character
        elif character in _UNITS_S and digits:
            total, digits = total + int(digits) * _UNITS_S[character], ""
        else:
            raise LatencyError(f"run_time={run_time!r} is not a time such as '30s' or '1h30m'")
    return total + int(digits or 0)
