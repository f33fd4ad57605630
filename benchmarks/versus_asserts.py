"""What other ways of limiting latency say about the same call, in real pytest runs.

    python benchmarks/versus_asserts.py [--runs 10] [--machines NAMES] [--check] [--json FILE]

A call does a fixed amount of work. Its limit is twice what it takes here while nothing else runs:
the unchanged call is at half of the limit, and the slower one, which does three times the work, at
one and a half times. Each run is two sessions of pytest, with every rule in them:

- assert: fifty calls, `sorted(times)[int(50 * 0.95)] <= limit`
- fail-slow: pytest-fail-slow, a test of fifty calls that may take fifty limits
- benchmark: pytest-benchmark, `--benchmark-compare-fail=mean:10%` against a run saved at the start
- ours: `@latency_budget(p95=limit)`

A rule that compares with a saved run has no limit: for it, unchanged is unchanged and slower is
slower. Ten runs take two to three minutes. `spinners-4` is four processes that compute all the
time.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent))

from goals import Goal, at_most, conclude, parser
from machine import spinning

ROOT: Final = Path(__file__).resolve().parents[1]
CALL_S: Final = 0.002
LONGEST_S: Final = 900.0
HANDLERS: Final = {"unchanged": 1, "slower": 3}
"""How much work a call does."""
RULES: Final = ("assert", "fail-slow", "benchmark", "ours")
WORK: Final = """
def work(steps):
    x = 1
    for _ in range(steps):
        x = (x * 1_103_515_245 + 12_345) % 2_147_483_648
    return x
"""
SUITE: Final = """
import time
import pytest
from pytest_hancock_latency import latency_budget
{work}
LIMIT_MS, STEPS = {limit_ms}, {steps}

def test_assert():
    times = []
    for _ in range(50):
        begin = time.perf_counter()
        work(STEPS)
        times.append(time.perf_counter() - begin)
    assert sorted(times)[int(50 * 0.95)] * 1000 <= LIMIT_MS

@pytest.mark.fail_slow(50 * LIMIT_MS / 1000)
def test_fail_slow():
    for _ in range(50):
        work(STEPS)

@latency_budget(p95=LIMIT_MS)
def test_ours(sample):
    sample(work, STEPS)
"""
BENCHMARK: Final = """
{work}
def test_benchmark(benchmark):
    benchmark(work, {steps})
"""
OURS: Final = ("-p", "hancock_latency", "-p", "pytest_fail_slow")
THEIRS: Final = ("-p", "pytest_benchmark.plugin")
COMPARED: Final = ("--benchmark-compare=0001", "--benchmark-compare-fail=mean:10%")


@dataclass(frozen=True)
class Row:
    """What one rule said of one handler on one machine."""

    machine: str
    handler: str
    rule: str
    runs: int
    failed: int
    inconclusive: int = 0


class Project:
    """A folder with the suites of both handlers."""

    def __init__(self, folder: Path, steps: int, limit_ms: float) -> None:
        self._folder = folder
        for handler, times in HANDLERS.items():
            home = folder / handler
            home.mkdir()
            work = {"work": WORK, "steps": steps * times}
            suite = SUITE.format(limit_ms=limit_ms, **work)
            (home / "test_limits.py").write_text(suite, encoding="utf-8")
            # pytest-benchmark compares what has the same name below the root.
            (home / "test_saved.py").write_text(BENCHMARK.format(**work), encoding="utf-8")
            (home / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")

    def save(self) -> None:
        """Save the run that pytest-benchmark compares with."""
        saved = self._saved("unchanged", "--benchmark-save=base")
        if saved.returncode:
            raise RuntimeError(saved.stdout + saved.stderr)

    def run(self, handler: str) -> dict[str, str]:
        """What each rule says: the outcome of ours; of the others *exceeded* or nothing."""
        path = self._folder / "artifact.json"
        ran = self._pytest(handler, "test_limits.py", *OURS, "-rf", f"--latency-json={path}")
        (sample,) = json.loads(path.read_text(encoding="utf-8"))["samples"]
        red = {
            "assert": "::test_assert" in ran.stdout.partition("short test summary")[2],
            "fail-slow": "::test_fail_slow" in ran.stdout.partition("short test summary")[2],
            "benchmark": self._saved(handler, *COMPARED).returncode != 0,
        }
        others = {rule: "exceeded" if is_red else "" for rule, is_red in red.items()}
        return {**others, "ours": sample["outcome"]}

    def _saved(self, handler: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        storage = f"--benchmark-storage={self._folder / 'saved'}"
        return self._pytest(handler, "test_saved.py", *THEIRS, storage, *arguments)

    def _pytest(self, handler: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
        added = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT)}
        return subprocess.run(
            command,
            cwd=self._folder / handler,
            env={**os.environ, **added},
            capture_output=True,
            text=True,
            check=False,
            timeout=LONGEST_S,
        )


def quiet_steps() -> tuple[int, float]:
    """The work of one call and its median in ms, as it is now."""
    namespace: dict[str, Any] = {}
    exec(WORK, namespace)
    work, steps = namespace["work"], 20_000
    for _ in range(3):
        steps = max(1, round(steps * CALL_S / _median_s(work, steps)))
    return steps, _median_s(work, steps) * 1000


def _median_s(work: Any, steps: int) -> float:
    times = []
    for _ in range(100):
        begin = time.perf_counter()
        work(steps)
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def measured(machines: list[str], runs: int) -> Iterator[Row]:
    """Every handler on every machine, by every rule."""
    steps, median_ms = quiet_steps()
    print(f"a call takes {median_ms:.3g} ms, its limit is {2 * median_ms:.3g} ms", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        project = Project(Path(folder), steps, 2 * median_ms)
        project.save()
        for machine in machines:
            spinners = int(machine.partition("-")[2] or 0)
            with spinning(spinners, set(), LONGEST_S) if spinners else nullcontext():
                for handler in HANDLERS:
                    yield from _rows(project, machine, handler, runs)


def _rows(project: Project, machine: str, handler: str, runs: int) -> list[Row]:
    said: dict[str, Counter[str]] = {rule: Counter() for rule in RULES}
    for _ in range(runs):
        for rule, outcome in project.run(handler).items():
            said[rule][outcome] += 1
    return [
        Row(machine, handler, rule, runs, counts["exceeded"], counts["inconclusive"])
        for rule, counts in said.items()
    ]


def goals_of(rows: list[Row]) -> list[Goal]:
    """No false alarm of ours, and no slower call that passes as within."""
    ours = [row for row in rows if row.rule == "ours"]
    alarms = sum(row.failed for row in ours if row.handler == "unchanged")
    slower = [row for row in ours if row.handler == "slower"]
    missed = sum(row.runs - row.failed - row.inconclusive for row in slower)
    return [at_most("unchanged exceeded", alarms, 0), at_most("slower within", missed, 0)]


def main() -> int:
    """Run, print, judge; the exit code."""
    options = parser(__doc__)
    options.add_argument("--runs", type=int, default=10, help="of each cell (%(default)s)")
    options.add_argument("--machines", default="quiet,spinners-4", help="(%(default)s)")
    chosen = options.parse_args()
    rows = []
    print(
        f"{'machine':<12} {'handler':<10} {'rule':<10} {'runs':>5} {'failed':>7}"
        f" {'inconclusive':>12}"
    )
    for row in measured(chosen.machines.split(","), chosen.runs):
        rows.append(row)
        print(
            f"{row.machine:<12} {row.handler:<10} {row.rule:<10} {row.runs:>5} {row.failed:>7}"
            f" {row.inconclusive if row.rule == 'ours' else '':>12}",
            flush=True,
        )
    figures = {"rows": [asdict(row) for row in rows]}
    return conclude("versus_asserts", figures, goals_of(rows), chosen)


if __name__ == "__main__":
    sys.exit(main())
