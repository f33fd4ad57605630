"""How often code passes whose slow calls come together, and what a sample had seen of them.

    python benchmarks/clusters.py [--trials 100 | --full] [--check] [--json FILE]

One call in so many begins a cluster of slow calls, at twice the share that the limit allows: every
so many calls (*regular*, from a random call on), or by chance (*random*). A sample ends as soon as
raw latency shows *within* or *exceeded*, and after 20 000 calls at the latest.

- *within*: the share of samples that pass, although they should not
- *unseen*: the share that pass without a single slow call; no rule can know better
- *within, samples=*: the same if the sample has at least as many calls as there are from the
  beginning of one cluster to that of the next
"""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
import numpy.typing as npt
from goals import Goal, at_most, conclude, simulation_parser

from pytest_hancock_latency.core.evidence import ALPHA_WITHIN, alpha_of_gate, boundaries
from pytest_hancock_latency.core.quantile import P95, P99, label

QUICK, FULL = 100, 1000
LEAST, LONGEST = 50, 20_000
TIMES_ALLOWED: Final = 2


@dataclass(frozen=True)
class Kind:
    """One row of the table."""

    quantile: Fraction
    calls: int
    """Of a cluster."""
    rhythm: str

    @property
    def allowed(self) -> Fraction:
        """The share of calls that may be slow."""
        return 1 - self.quantile

    @property
    def period(self) -> int:
        """Calls from the beginning of one cluster to that of the next."""
        return round(self.calls / (TIMES_ALLOWED * self.allowed))


KINDS: Final = [
    Kind(quantile, calls, rhythm)
    for quantile, rhythm, calls in product((P95, P99), ("regular", "random"), (1, 5, 20))
]


def slow_so_far(kind: Kind, draw: np.random.Generator) -> npt.NDArray[np.int64]:
    """Draw which calls are slow, and return the number of slow ones up to each call."""
    if kind.rhythm == "regular":
        begins = np.arange(-int(draw.integers(kind.period)), LONGEST, kind.period)
    else:
        begins = np.flatnonzero(draw.random(LONGEST + kind.calls) < 1 / kind.period) - kind.calls
    calls = (begins[:, None] + np.arange(kind.calls)).ravel()
    is_slow = np.zeros(LONGEST, bool)
    is_slow[calls[(calls >= 0) & (calls < LONGEST)]] = True
    return np.cumsum(is_slow)


def outcome(kind: Kind, slow: npt.NDArray[np.int64], least: int) -> str:
    """Judge a sample of at least so many calls as soon as there is a verdict."""
    table = boundaries(kind.allowed, ALPHA_WITHIN, alpha_of_gate(1))
    n = least
    while n <= LONGEST:
        over = int(slow[n - 1])
        if table.shows_exceeded(n, over):
            return "exceeded"
        if table.shows_within(n, over):
            return "within" if over else "unseen"
        n += 1
    return "inconclusive"


def row(kind: Kind, trials: int) -> dict[str, Any]:
    """All trials of a kind, summed up."""
    draws = [slow_so_far(kind, np.random.default_rng(seed)) for seed in range(trials)]
    by_default = [outcome(kind, slow, LEAST) for slow in draws]
    whole = [outcome(kind, slow, max(LEAST, kind.period)) for slow in draws]
    unseen = by_default.count("unseen") / trials
    return {
        **asdict(kind),
        "quantile": label(kind.quantile),
        "period": kind.period,
        "within": by_default.count("within") / trials + unseen,
        "unseen": unseen,
        "within, samples=": (whole.count("within") + whole.count("unseen")) / trials,
    }


def goals_of(rows: list[dict[str, Any]]) -> list[Goal]:
    """What has to hold."""
    seen = max(each["within"] - each["unseen"] for each in rows)
    regular = [each["within, samples="] for each in rows if each["rhythm"] == "regular"]
    return [
        at_most("passes of samples that met slow calls, share of a row", seen, 0.1),
        at_most("passes of regular clusters with samples=", max(regular), 0.0),
    ]


def main() -> int:
    """Simulate, print, check the goals."""
    chosen = simulation_parser(__doc__, QUICK, FULL, "each kind").parse_args()
    print("| limit | clusters | slow calls | of | within | unseen | within, samples= |")
    print("|---|---|---|---|---|---|---|")
    rows = []
    for kind in KINDS:
        figures = row(kind, chosen.trials)
        rows.append(figures)
        shares = [f"{figures[name]:.2f}" for name in ("within", "unseen", "within, samples=")]
        first = [figures["quantile"], kind.rhythm, str(kind.calls), str(kind.period)]
        print(f"| {' | '.join([*first, *shares])} |", flush=True)
    return conclude("clusters", {"rows": rows}, goals_of(rows), chosen)


if __name__ == "__main__":
    sys.exit(main())
