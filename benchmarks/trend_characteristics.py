"""How often a change is reported that does not exist, and how soon one that does.

    python benchmarks/trend_characteristics.py [--trials 10 | --full] [--check] [--json FILE]

Histories of 60 medians with noise of about 2 %: normal, t(3), outliers (one run of 12 is slower by
15 % on average), and autocorrelated (0.4). One half are flat; in the other, medians are 8 % higher
from run 40 on. A trial is judged by the very code of `hancock-latency trend`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
import numpy.typing as npt
from goals import at_most, conclude, parser

from pytest_hancock_latency.core.changes import change_points

QUICK, FULL = 10, 100
RUNS: Final = 60
STEP_AT: Final = 40
STEP: Final = 1.08
NEAR: Final = 2

Series = npt.NDArray[np.float64]


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


NOISES: Final[dict[str, Callable[[np.random.Generator], Series]]] = {
    "normal": normal,
    "t(3)": heavy_tailed,
    "outliers": with_outliers,
    "autocorrelated": autocorrelated,
}


def trial(noise: Callable[[np.random.Generator], Series], seed: int) -> dict[str, Any]:
    """A flat history, and one with a step."""
    draw = np.random.default_rng(seed)
    flat = np.exp(noise(draw)) * 1e6
    stepped = np.exp(noise(draw)) * 1e6
    stepped[STEP_AT:] *= STEP
    found = [change.at for change in change_points(stepped.tolist())]
    first = next(
        (n for n in range(STEP_AT + 1, RUNS + 1) if change_points(stepped[:n].tolist())), None
    )
    return {
        "false": len(change_points(flat.tolist())),
        "located": len(found) == 1 and abs(found[0] - STEP_AT) <= NEAR,
        "delay": None if first is None else first - STEP_AT,
    }


def main() -> int:
    """Simulate, print, check the goals."""
    options = parser(__doc__)
    options.add_argument("--trials", type=int, default=QUICK, help="of each noise")
    options.add_argument("--full", action="store_true", help=f"{FULL} trials of each noise")
    chosen = options.parse_args()
    trials = FULL if chosen.full else chosen.trials
    rows = {name: [trial(noise, seed) for seed in range(trials)] for name, noise in NOISES.items()}
    print("| noise | flat histories with a change | step located | first reported after (median) |")
    print("|---|---|---|---|")
    for name, results in rows.items():
        delays = [row["delay"] for row in results if row["delay"] is not None]
        print(
            f"| {name} | {sum(bool(row['false']) for row in results)} of {trials} | "
            f"{sum(row['located'] for row in results)} of {trials} | "
            f"{np.median(delays) if delays else float('nan'):g} runs |"
        )
    everything = [row for results in rows.values() for row in results]
    false = sum(row["false"] for row in everything) / len(everything)
    missed = 1 - sum(row["located"] for row in everything) / len(everything)
    goals = [
        at_most("false changes per history", false, 0.01),
        at_most("not located", missed, 0.05),
    ]
    return conclude("trend_characteristics", {"rows": rows}, goals, chosen)


if __name__ == "__main__":
    sys.exit(main())
