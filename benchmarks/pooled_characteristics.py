"""How often the last runs of a history let a broken limit pass, and for how long.

    python benchmarks/pooled_characteristics.py [--trials 200 | --full] [--check] [--json FILE]

Each trial is a history of 40 runs of one sample with a p99 limit, each run with as many calls as a
slow endpoint gets: 12, 60 or 200, too few to decide by itself (p99 needs 354). Each run is judged
by the very code of `--latency-pool-history`, changes of the median included.

- *unchanged*: the true rate over the limit is a tenth of the allowed one, the allowed one
  (p99 is exactly at its limit), or twice of it, in all runs.
- *slower from a random run on*: from a tenth of the allowed rate to 1.25, 2, 5 and 20 times of it,
  either because all calls become slower, or only the slowest few of them (the median stays).

Medians of runs differ by 2 % (the machine).

*passes before* is the share of runs that pass before the change; *first* is the share of histories
in which the first slower run passes; *passes after* is the mean number of slower runs that pass, of
20 or more; *last* the 95th percentile of the last one of them; *told* how many runs it takes until
the present run or the last runs together show the limit to be exceeded (median; – if never).
"""

from __future__ import annotations

import math
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
import numpy.typing as npt
from goals import at_most, conclude, simulation_parser
from scipy.stats import norm

from pytest_hancock_latency.core.budget import LatencyBudget, Limit
from pytest_hancock_latency.core.histogram import Histogram
from pytest_hancock_latency.core.record import Artifact, Record
from pytest_hancock_latency.core.verdict import Outcome
from pytest_hancock_latency.judging.counts import Tally, judge_counts
from pytest_hancock_latency.judging.sequential import Policy
from pytest_hancock_latency.runs.baseline import kind_of_machine
from pytest_hancock_latency.runs.pooling import with_earlier_runs

QUICK, FULL = 10, 100
PROCESSES: Final = 2
RUNS: Final = 40
ALLOWED: Final = 0.01
LIMIT: Final = Limit(Fraction(99, 100), 300_000_000)
BUDGET: Final = LatencyBudget((LIMIT,))
SIGMA: Final = 0.3
"""Of the logarithm of a latency: the p99 is twice the median."""
RUN_TO_RUN: Final = 0.02
SESSION: Final = {"machine": {"cpu": "a CPU", "cores": 2, "python": "3.12"}}
MACHINE: Final = kind_of_machine(SESSION)
CALLS: Final = (12, 60, 200)
STEPS: Final = (1.25, 2.0, 5.0, 20.0)
EARLIEST: Final = 10
"""Runs before a change: without any, there is nothing to pool."""
LATEST: Final = RUNS - 20

Series = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Kind:
    """One row: calls of a run, and rates over the limit in units of the allowed one."""

    calls: int
    before: float
    after: float | None = None
    tail_only: bool = False

    @property
    def name(self) -> str:
        """As in the table."""
        if self.after is None:
            return f"unchanged, {self.before:g}"
        how = "slowest calls" if self.tail_only else "all calls"
        return f"{self.before:g} to {self.after:g}, {how}"


KINDS: Final = [
    Kind(calls, before, after, tail_only)
    for calls in CALLS
    for before, after, tail_only in (
        (0.1, None, False),
        (1.0, None, False),
        (2.0, None, False),
        *((0.1, step, tail_only) for tail_only in (False, True) for step in STEPS),
    )
]


def median_for(rate: float) -> float:
    """Return the median at which this share of lognormal latencies is over the limit, in ns."""
    return LIMIT.limit_ns * math.exp(-SIGMA * float(norm.isf(rate)))


def latencies(kind: Kind, *, slower: bool, draw: np.random.Generator) -> Series:
    """Latencies of one run in ns."""
    rate = ALLOWED * (kind.after if slower and kind.after else kind.before)
    shape = ALLOWED * kind.before if kind.tail_only else rate
    machine = math.exp(draw.normal(0, RUN_TO_RUN))
    drawn = median_for(shape) * machine * np.exp(draw.normal(0, SIGMA, kind.calls))
    if kind.tail_only and slower:
        is_slow = draw.random(kind.calls) < rate - shape
        drawn = np.where(is_slow, 1.5 * LIMIT.limit_ns, drawn)
    return drawn


def record_of(wall_ns: Series) -> Record:
    """Judge one run by itself."""
    histogram = Histogram.of(wall_ns.astype(np.int64))
    verdict = judge_counts(Tally(histogram, histogram), BUDGET, Policy())
    return Record("test", "", len(wall_ns), {}, {}, {}, verdict=verdict, histogram=histogram)


def trial(kind: Kind, seed: int) -> dict[str, Any]:
    """One history, judged run by run."""
    draw = np.random.default_rng(seed)
    changed = RUNS if kind.after is None else int(draw.integers(EARLIEST, LATEST))
    history: list[Artifact] = []
    passed, told = [], []
    for run in range(RUNS):
        alone = record_of(latencies(kind, slower=run >= changed, draw=draw))
        judged = with_earlier_runs(alone, MACHINE, history)
        history.append(Artifact(SESSION, [alone]))
        passed.append(judged.outcome is Outcome.WITHIN)
        advice = {a.kind for a in judged.measurement.advice}
        told.append(judged.outcome is Outcome.EXCEEDED or "pooled-exceeded" in advice)
    after = [at for at, passes in enumerate(passed[changed:], 1) if passes]
    return {
        "before": float(np.mean(passed[EARLIEST - 1 : changed])),
        "first": 1 in after,
        "after": len(after),
        "last": after[-1] if after else 0,
        "told": next((at for at, so in enumerate(told[changed:], 1) if so), None),
    }


def row(kind: Kind, trials: int) -> dict[str, Any]:
    """All trials of a kind, summed up."""
    results = [trial(kind, seed) for seed in range(trials)]
    told = [result["told"] or math.inf for result in results]
    return {
        "calls": kind.calls,
        "kind": kind.name,
        "before": float(np.mean([result["before"] for result in results])),
        "first": float(np.mean([result["first"] for result in results])),
        "after": float(np.mean([result["after"] for result in results])),
        "last": float(np.quantile([result["last"] for result in results], 0.95)),
        "told": float(np.median(told)),
    }


def line(figures: dict[str, Any]) -> str:
    """A row of the table."""
    changed = not figures["kind"].startswith("unchanged")
    after = (
        f"{figures['first']:.2f} | {figures['after']:.2f} | {figures['last']:.0f} | "
        f"{'–' if math.isinf(figures['told']) else format(figures['told'], '.0f')}"
        if changed
        else "| | |"
    )
    return f"| {figures['calls']} | {figures['kind']} | {figures['before']:.3f} | {after} |"


def main() -> int:
    """Simulate, print, check the goals."""
    options = simulation_parser(__doc__, QUICK, FULL, "each kind")
    chosen = options.parse_args()
    trials = chosen.trials
    print("| calls | rate over allowed | passes before | first | passes after | last | told |")
    print("|---|---|---|---|---|---|---|")
    rows = []
    with ProcessPoolExecutor(PROCESSES) as pool:
        for figures in pool.map(row, KINDS, [trials] * len(KINDS)):
            rows.append(figures)
            print(line(figures), flush=True)
    at_limit = [r["before"] for r in rows if r["kind"] == "unchanged, 1"]
    beyond = [r["before"] for r in rows if r["kind"] == "unchanged, 2"]
    twice = [r["after"] for r in rows if r["kind"].startswith("0.1 to 2,")]
    five = [r["after"] for r in rows if r["kind"].startswith("0.1 to 5,")]
    goals = [
        at_most("passes of code just at its limit, share of runs", max(at_limit), 0.05),
        at_most("passes of code at twice the allowed rate, share of runs", max(beyond), 0.001),
        at_most("passes after a change to twice the allowed rate, runs", max(twice), 4),
        at_most("passes after a change to five times, runs", max(five), 1.5),
    ]
    return conclude("pooled_characteristics", {"rows": rows}, goals, chosen)


if __name__ == "__main__":
    sys.exit(main())
