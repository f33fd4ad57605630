"""How often a change is reported that does not exist, and how soon one that does.

    python benchmarks/trend_characteristics.py [--trials 10 | --full] [--recorded] [--check]

Histories of 60 medians, flat, and 8 % higher from run 40 on. Simulated noise is about 2 %: normal,
t(3), outliers (one run of 12 is slower by 15 % on average), and autocorrelated (0.4). With
``--recorded``, 200 histories more are drawn from 60 recorded runs of Hancock's gates, see
traces/README.md: blocks of consecutive runs of one endpoint, one after another until there are 60.

*Marked* is a flat history with a change, and *ever* one that had a change after any of its runs, as
if somebody had looked each time. *Located* is a step that is the only change, within two runs of
where it is. *First marked* is after how many runs with the step a change was first reported within
two runs of it; each run adds one median, as in CI.

`hancock-latency trend` is judged by its very code. Apache Otava, the other
implementation that was considered, is judged next to it if it is installed. It requires numpy 2.2
and clients of several databases, so it needs an environment of its own:

    python -m venv /tmp/otava
    /tmp/otava/bin/pip install apache-otava pytest
    PYTHONPATH=. /tmp/otava/bin/python benchmarks/trend_characteristics.py --full --recorded

Otava has two rows: with its own defaults (p < 0.001), and with changes of at least 3 % only, as
ours.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
import numpy.typing as npt
from goals import Goal, at_most, conclude, simulation_parser

from pytest_hancock_latency.runs.change_points import change_points

QUICK, FULL = 10, 100
RUNS: Final = 60
STEP_AT: Final = 40
STEP: Final = 1.08
NEAR: Final = 2
RECORDED: Final = Path(__file__).resolve().parent / "traces" / "history.csv"
RECORDED_HISTORIES: Final = 200
MOST_MARKS: Final = 2
"""In all recorded histories together."""
BLOCK: Final = 5
"""Consecutive runs that are drawn together: a neighbour's load lasted for one to three runs."""
OURS: Final = "ours"

Series = npt.NDArray[np.float64]
Rule = Callable[[Sequence[float]], Sequence[int]]
"""Returns the positions of changes."""
Noise = Callable[[np.random.Generator], Series]
"""Returns the logarithms of a flat history."""


def normal(draw: np.random.Generator) -> Series:
    return draw.normal(0, 0.02, RUNS)


def heavy_tailed(draw: np.random.Generator) -> Series:
    return 0.012 * draw.standard_t(3, RUNS)


def with_outliers(draw: np.random.Generator) -> Series:
    is_slow = draw.random(RUNS) < 1 / 12
    return draw.normal(0, 0.015, RUNS) + is_slow * draw.exponential(0.15, RUNS)


def autocorrelated(draw: np.random.Generator) -> Series:
    series = draw.normal(0, 0.016, RUNS)
    for at in range(1, RUNS):
        series[at] += 0.4 * series[at - 1]
    return series


@cache
def recorded_medians() -> Series:
    """Medians of the recorded runs relative to 1 ms: a column for each endpoint."""
    with RECORDED.open(encoding="utf-8", newline="") as file:
        rows = [[float(ns) for ns in row[2:]] for row in list(csv.reader(file))[1:]]
    return np.asarray(rows) / 1e6


def recorded(draw: np.random.Generator) -> Series:
    """Blocks of one endpoint's runs; the recording goes on at its start where it ends."""
    medians = recorded_medians()
    endpoint = draw.integers(medians.shape[1])
    starts = draw.integers(len(medians), size=-(-RUNS // BLOCK))
    at = (starts[:, None] + np.arange(BLOCK)).ravel()[:RUNS] % len(medians)
    series: Series = np.log(medians[at, endpoint])
    return series


NOISES: Final[Mapping[str, Noise]] = {
    "normal": normal,
    "t(3)": heavy_tailed,
    "outliers": with_outliers,
    "autocorrelated": autocorrelated,
}


def ours(values: Sequence[float]) -> Sequence[int]:
    return [change.at for change in change_points(values)]


def otava(min_magnitude: float) -> Rule:
    """Return the rule of Apache Otava for changes of at least this share."""
    from otava.analysis import compute_change_points

    def rule(values: Sequence[float]) -> Sequence[int]:
        found, _ = compute_change_points(list(values), min_magnitude=min_magnitude)
        return [change.index for change in found]

    return rule


def rules() -> dict[str, Rule]:
    """Ours, and those of Otava if it is installed."""
    if find_spec("otava") is None:
        return {OURS: ours}
    return {OURS: ours, "Otava": otava(0.0), "Otava, 3 %": otava(0.03)}


def trial(rule: Rule, noise: Noise, seed: int) -> dict[str, Any]:
    """A flat history, and one with a step."""
    draw = np.random.default_rng(seed)
    flat = np.exp(noise(draw)) * 1e6
    stepped = np.exp(noise(draw)) * 1e6
    stepped[STEP_AT:] *= STEP
    found = rule(stepped.tolist())
    first = next(
        (
            n
            for n in range(STEP_AT + 1, RUNS + 1)
            if any(abs(at - STEP_AT) <= NEAR for at in rule(stepped[:n].tolist()))
        ),
        None,
    )
    return {
        "false": len(rule(flat.tolist())),
        "ever": any(rule(flat[:n].tolist()) for n in range(1, RUNS + 1)),
        "located": len(found) == 1 and abs(found[0] - STEP_AT) <= NEAR,
        "delay": None if first is None else first - STEP_AT,
    }


def print_row(noise: str, rule: str, results: Sequence[Mapping[str, Any]]) -> None:
    n = len(results)
    delays = [row["delay"] for row in results if row["delay"] is not None]
    usual = "never" if not delays else f"{np.median(delays):g} runs"
    late = "never" if len(delays) < 0.9 * n else f"{np.sort(delays)[-(-9 * n // 10) - 1]:g}"
    print(
        f"| {noise} | {rule} | {sum(bool(row['false']) for row in results)} of {n} | "
        f"{sum(row['ever'] for row in results)} | "
        f"{sum(row['located'] for row in results)} of {n} | {usual} ({late}) |"
    )


def goals_of(rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Goal]:
    """Return the goals of our rule. rows: its trials by noise."""
    simulated = [row for name in NOISES for row in rows[name]]
    false = sum(row["false"] for row in simulated) / len(simulated)
    missed = 1 - sum(row["located"] for row in simulated) / len(simulated)
    ever = sum(row["ever"] for row in simulated) / len(simulated)
    goals = [
        at_most("false changes per history", false, 0.01),
        at_most("histories with a false change at any time", ever, 0.02),
        at_most("not located", missed, 0.05),
    ]
    if "recorded" in rows:
        marks = sum(row["false"] for row in rows["recorded"])
        goals.append(at_most("marks in recorded histories", marks, MOST_MARKS))
    return goals


def main() -> int:
    """Simulate, print, check the goals."""
    options = simulation_parser(__doc__, QUICK, FULL, "each noise")
    options.add_argument(
        "--recorded",
        action="store_true",
        help=f"{RECORDED_HISTORIES} histories of recorded runs as well",
    )
    chosen = options.parse_args()
    trials = dict.fromkeys(NOISES, chosen.trials)
    noises = dict(NOISES)
    if chosen.recorded:
        noises["recorded"], trials["recorded"] = recorded, RECORDED_HISTORIES
        spread = np.std(np.log(recorded_medians()), axis=0).mean()
        print(f"recorded medians: the standard deviation of the logarithm is {spread:.2f}\n")
    print("| noise | rule | flat, marked | ever | step located | first marked, median (90 %) |")
    print("|---|---|---|---|---|---|")
    rows: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for noise_name, noise in noises.items():
        for rule_name, rule in rules().items():
            results = [trial(rule, noise, seed) for seed in range(trials[noise_name])]
            rows.setdefault(rule_name, {})[noise_name] = results
            print_row(noise_name, rule_name, results)
    return conclude("trend_characteristics", {"rows": rows}, goals_of(rows[OURS]), chosen)


if __name__ == "__main__":
    sys.exit(main())
