"""Whether gates notice what `hancock-latency sensitivity` says that they would.

    python benchmarks/sensitivity.py [--kinds waiting|computing] [--check] [--json FILE]

Ten kinds of calls that wait, or five that compute, get three limits each: their p50, p95 and p99
times 1.3, 1.6 and 2.2. A run without a slowdown forecasts by how much all calls have to be slower
for a gate to fail. Then the suite runs with ``--latency-slowdown``, in steps of 10 %, from three
steps below the forecast to three above. The smallest slowdown that is noticed should be the
forecast one, give or take a step. A gate that is inconclusive because of the machine is asked
again, three times at most.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from goals import Goal, at_most, conclude, parser

from pytest_hancock_latency.core.record import Record
from pytest_hancock_latency.core.verdict import Outcome
from pytest_hancock_latency.files.artifact import read_artifact
from pytest_hancock_latency.judging.noticing import slowdown_of

SUITE: Final = Path(__file__).parent / "slowed" / "test_gates.py"
KINDS: Final = {
    "waiting": (
        *("1 ms", "3 ms", "6 ms", "uniform", "a tenth twice as long", "lognormal", "exponential"),
        *("computes a little", "computes half", "asks a thread"),
    ),
    "computing": ("integers", "json", "regular expression", "sorting", "hashing"),
}
LIMITS: Final = (("p50", 1.3), ("p95", 1.6), ("p99", 2.2))
FIRST_RUNS: Final = 5
"""After five sessions the speed of the undisturbed machine is known."""
STEP: Final = 0.1
AROUND: Final = 3
TRIES: Final = 3
"""A gate that a neighbour kept from a verdict is asked again."""
MOST_APART: Final = 3
"""Gates of thirty whose forecast may be more than a step off."""
LONGEST_S: Final = 900


def measured(
    folder: Path, *options: str, limits: Path | None = None, gates: Sequence[str] = ()
) -> dict[str, Record]:
    """Run gates of the suite, by default all; what was measured, by the name of the gate."""
    artifact = folder / "artifact.json"
    environment = {**os.environ, "PYTHONPATH": str(SUITE.parents[1])}
    if limits is not None:
        environment["LIMITS"] = str(limits)
    tests = [f"{SUITE}::test_gate[{name}]" for name in gates] or [str(SUITE)]
    command = [
        *(sys.executable, "-m", "pytest", "-q", "-p", "hancock_latency", "-p", "no:xdist"),
        *(f"--rootdir={folder}", "-c", str(folder / "pytest.ini"), *tests),
        *(f"--latency-json={artifact}", *options),
    ]
    ended = subprocess.run(
        command,
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
        check=False,
    )
    if ended.returncode not in (0, 1):
        raise SystemExit(ended.stdout + ended.stderr)
    records = read_artifact(artifact).records
    return {record.test.partition("[")[2].removesuffix("]"): record for record in records}


def limits_of(records: Mapping[str, Record], kinds: Sequence[str]) -> dict[str, dict[str, float]]:
    """The limits of each gate, in ms."""
    return {
        f"{kind} at {percentile}": {
            percentile: round(records[kind].attributed_quantiles_ns[percentile] * times / 1e6, 4)
        }
        for kind in kinds
        for percentile, times in LIMITS
    }


def forecasts(records: Mapping[str, Record]) -> dict[str, int | None]:
    """By how many steps all calls have to be slower."""
    steps = {}
    for name, record in records.items():
        slowdown = slowdown_of(record, len(records))
        steps[name] = None if slowdown is None else math.ceil(round(slowdown / STEP, 6))
    return steps


def found_live(
    folder: Path, limits: Path, forecast: Mapping[str, int | None]
) -> dict[str, int | None]:
    """The smallest number of steps that was noticed around the forecast; None if none was."""
    known = {name: steps for name, steps in forecast.items() if steps is not None}
    noticed: dict[str, int | None] = dict.fromkeys(forecast)
    for steps in range(1, max(known.values(), default=0) + AROUND + 1):
        asked = [
            name
            for name, expected in known.items()
            if abs(steps - expected) <= AROUND and noticed[name] is None
        ]
        for _ in range(TRIES):
            if not asked:
                break
            slowdown = f"--latency-slowdown={round(100 * STEP * steps)}%"
            records = measured(folder, slowdown, limits=limits, gates=asked)
            for name in asked:
                if records[name].outcome is Outcome.EXCEEDED:
                    noticed[name] = steps
            print(f"+{round(100 * STEP * steps)} %: {len(asked)} gates asked", flush=True)
            asked = [name for name in asked if _is_kept_open_by_machine(records[name])]
    return noticed


def _is_kept_open_by_machine(record: Record) -> bool:
    return record.verdict is not None and record.verdict.is_kept_open_by_machine


def rows(kinds: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Forecast and finding for each gate."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        folder.joinpath("pytest.ini").write_text("[pytest]\n", encoding="utf-8")
        for _ in range(FIRST_RUNS):
            measured(folder, "--latency=report", "--latency-max-samples=100")
        plain = measured(folder, "--latency=report")
        limits = folder / "limits.json"
        limits.write_text(json.dumps(limits_of(plain, kinds)), encoding="utf-8")
        forecast = forecasts(measured(folder, limits=limits))
        live = found_live(folder, limits, forecast)
    for name, expected in forecast.items():
        found = live[name]
        agrees = found is not None and expected is not None and abs(found - expected) <= 1
        row = {"gate": name, "forecast": _percent(expected), "live": _percent(found)}
        print(f"{name:<28} {row['forecast']!s:>8} {row['live']!s:>8}{'' if agrees else '  apart'}")
        yield {**row, "agrees": agrees}


def _percent(steps: int | None) -> int | None:
    return None if steps is None else round(100 * STEP * steps)


def goals(found: Sequence[Mapping[str, Any]]) -> list[Goal]:
    """What the rows have to reach."""
    apart = sum(not row["agrees"] for row in found)
    return [at_most("gates whose forecast is more than a step off", apart, MOST_APART)]


def main() -> int:
    """Measure, print, judge."""
    made = parser(__doc__)
    made.add_argument("--kinds", choices=KINDS, default="waiting", help="(%(default)s)")
    chosen = made.parse_args()
    found = list(rows(KINDS[chosen.kinds]))
    return conclude("sensitivity", {"rows": found}, goals(found), chosen)


if __name__ == "__main__":
    raise SystemExit(main())
