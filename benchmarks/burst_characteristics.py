"""How often repeated bursts are judged wrongly, and how many bursts a verdict takes.

    python benchmarks/burst_characteristics.py [--trials 400 | --full] [--check] [--json FILE]

Bursts of 120 requests, each of them over the limit with a known probability, which is given as
*rate* in units of the share that the limit allows. The requests of a burst depend on each other:

- *whole*: all requests of a burst are slow, or none is
- *clumps*: the share of slow requests in a burst is drawn at random (beta, half a pseudo-count)
- *independent*: each request by itself

*5 %* is evidence at a chance of error of 5 %, looked at after every burst for up to 500 bursts: the
share of trials in which the bursts, or else the counted requests, ever show *within* or *exceeded*.
Exactly at the limit (rate 1), that may be 5 %, which counted requests do not keep.

The verdict is that of `sample.burst(…, repeat="decided")` in a build of 200 gates or fewer, and
*bursts* the median number of bursts until then; – if most trials reach 500 without one.
"""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
import numpy.typing as npt
from goals import Goal, at_most, conclude, simulation_parser
from scipy.stats import binom

from pytest_hancock_latency.core.budget import LatencyBudget, Limit
from pytest_hancock_latency.core.evidence import EXCEEDED, WITHIN, boundaries
from pytest_hancock_latency.core.evidence_of_share import ShareProcess
from pytest_hancock_latency.core.quantile import P50, P95, P99, label
from pytest_hancock_latency.core.sample import Burst, Observations
from pytest_hancock_latency.judging.bursts import BurstJudge
from pytest_hancock_latency.judging.sequential import Policy

QUICK, FULL = 20, 400
PROCESSES: Final = 2
REQUESTS: Final = 120
MOST: Final = 500
ALPHA: Final = 0.05
FAST_NS, LIMIT_NS, SLOW_NS = 1, 2, 3
DEPENDENCE: Final = ("whole", "clumps", "independent")
RATES: Final = (0.1, 1.0, 3.0)
"""Over the allowed share, but never more than nine tenths of all requests."""


@dataclass(frozen=True)
class Kind:
    """One row of the table."""

    dependence: str
    quantile: Fraction
    rate: float

    @property
    def share(self) -> float:
        """The probability that a request is over the limit."""
        return min(0.9, self.rate * float(1 - self.quantile))


KINDS: Final = [
    Kind(dependence, quantile, rate)
    for dependence in DEPENDENCE
    for quantile in (P50, P95, P99)
    for rate in RATES
]


def slow_requests(kind: Kind, draw: np.random.Generator) -> npt.NDArray[np.int64]:
    """Draw the number of slow requests in each burst."""
    if kind.dependence == "whole":
        return REQUESTS * (draw.random(MOST) < kind.share).astype(np.int64)
    if kind.dependence == "independent":
        return draw.binomial(REQUESTS, kind.share, MOST)
    shares = draw.beta(kind.share / 2, (1 - kind.share) / 2, MOST)
    return draw.binomial(REQUESTS, shares)


def ever_shown(kind: Kind, slow: npt.NDArray[np.int64]) -> dict[str, bool]:
    """Whether bursts, and counted requests, ever show each outcome at a chance of error of 5 %."""
    allowed = 1 - kind.quantile
    table = boundaries(allowed, ALPHA, ALPHA)
    processes = {
        "within": ShareProcess(allowed, WITHIN, ALPHA),
        "exceeded": ShareProcess(allowed, EXCEEDED, ALPHA),
    }
    shown = dict.fromkeys(
        ("bursts within", "bursts exceeded", "requests within", "requests exceeded"), False
    )
    requests = over = 0
    for count in slow.tolist():
        requests, over = requests + REQUESTS, over + count
        for outcome, process in processes.items():
            process.add(count / REQUESTS)
            shown[f"bursts {outcome}"] |= process.is_shown
        shown["requests within"] |= table.shows_within(requests, over)
        shown["requests exceeded"] |= table.shows_exceeded(requests, over)
    return shown


def verdict(kind: Kind, slow: npt.NDArray[np.int64]) -> tuple[str, int]:
    """Return the outcome of a sample that goes on until it is decided, and its bursts."""
    judge = BurstJudge(LatencyBudget((Limit(kind.quantile, LIMIT_NS),)), Policy())
    start = np.arange(REQUESTS)
    number = 0
    for count in slow.tolist():
        number += 1
        wall = np.where(start < count, SLOW_NS, FAST_NS)
        judge.add(Observations(wall, wall, start), Burst(REQUESTS, 0, 1))
        if judge.is_decided:
            break
    return judge.verdict().outcome.value, number


def row(kind: Kind, trials: int) -> dict[str, Any]:
    """All trials of a kind, summed up."""
    shown, outcomes, bursts = [], [], []
    for seed in range(trials):
        slow = slow_requests(kind, np.random.default_rng(seed))
        shown.append(ever_shown(kind, slow))
        outcome, number = verdict(kind, slow)
        outcomes.append(outcome)
        bursts.append(number)
    return {
        **asdict(kind),
        "quantile": label(kind.quantile),
        **{name: float(np.mean([each[name] for each in shown])) for name in shown[0]},
        **{f"verdict {name}": outcomes.count(name) / trials for name in ("within", "exceeded")},
        "number": float(np.median(bursts)),
    }


def line(figures: dict[str, Any]) -> str:
    """A row of the table."""
    shares = (
        *("bursts within", "bursts exceeded", "requests within", "requests exceeded"),
        *("verdict within", "verdict exceeded"),
    )
    cells = [f"{figures[name]:.3f}" for name in shares]
    first = [figures["dependence"], figures["quantile"], f"{figures['rate']:g}"]
    last = f"{figures['number']:.0f}" if figures["number"] < MOST else "–"
    return f"| {' | '.join([*first, *cells, last])} |"


def goals_of(rows: list[dict[str, Any]], trials: int) -> list[Goal]:
    """What has to hold; a share is too large only if chance hardly explains it."""
    may = float(binom.ppf(0.999, trials, ALPHA)) / trials
    at_limit = [each for each in rows if each["rate"] == 1]
    within = max(each["bursts within"] for each in at_limit)
    exceeded = max(each["bursts exceeded"] for each in at_limit)
    clear = [each for each in rows if each["rate"] < 1]
    wrong = [each["verdict exceeded"] for each in rows if each["rate"] <= 1]
    wrong += [each["verdict within"] for each in rows if each["rate"] > 1]
    counted = [each["requests exceeded"] for each in at_limit if each["dependence"] == "whole"]
    return [
        at_most("within at the limit at 5 %, by bursts", within, may),
        at_most("exceeded at the limit at 5 %, by bursts", exceeded, may),
        at_most("wrong verdicts, share of a row", max(wrong), 0.0),
        at_most("passes missed at a tenth", 1 - min(e["verdict within"] for e in clear), 0.35),
        at_most("counted requests that stay right, whole bursts", 1 - min(counted), 0.5),
    ]


def main() -> int:
    """Simulate, print, check the goals."""
    options = simulation_parser(__doc__, QUICK, FULL, "each kind")
    chosen = options.parse_args()
    trials = chosen.trials
    print("| | | | 5 %, bursts | | 5 %, requests | | verdict | | |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    print("| slow | | rate | within | exceeded | within | exceeded | within | exceeded | bursts |")
    rows = []
    with ProcessPoolExecutor(PROCESSES) as pool:
        for figures in pool.map(partial(row, trials=trials), KINDS):
            rows.append(figures)
            print(line(figures), flush=True)
    return conclude("burst_characteristics", {"rows": rows}, goals_of(rows, trials), chosen)


if __name__ == "__main__":
    sys.exit(main())
