"""Calls that count in the probing phase against the same calls in a bare loop.

    python benchmarks/counted_calls.py [--seconds 2] [--rounds 1] [--works integers,json] [--check]
        [--json FILE]

In the probing phase, both probes run before each call and evict what it had in the caches; one or
five calls in between, which are not counted, bring it back. Here, twenty calls in a bare loop
(clock, call, clock) and twenty as the plugin takes them in that phase alternate in random order,
for twelve kinds of work (`own_thread/works.py`). Twenty pairs of such blocks are a group: the ratio
of its p50 and of its p95, counted over bare, is one figure, and the median of all groups is shown,
with its 95 % interval by bootstrap. Blocks are short because the speed of a rented machine changes
from second to second, and rounds are several because it has phases of a minute in which one kind of
work suffers more than usual. Linux only; `chrt -f 10` in front of the command keeps other work off.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
from goals import Goal, at_most, conclude, parser
from own_thread.works import WORKS, Call

from pytest_hancock_latency.measuring.clock import system_clock
from pytest_hancock_latency.measuring.request import Request
from pytest_hancock_latency.measuring.session_speed import SessionSpeed
from pytest_hancock_latency.measuring.takers.bare import BareTaker, Taker
from pytest_hancock_latency.measuring.takers.bracketed import BracketTaker
from pytest_hancock_latency.measuring.takers.follower import Follower
from pytest_hancock_latency.measuring.takers.probes import Probes
from pytest_hancock_latency.measuring.takers.schedstat import Scheduler, times_blocked

BLOCK: Final = 20
PAIRS: Final = 20
"""Of blocks in a group. A disturbance hits several calls of one bare block, but single ones of many
counted blocks, which take longer: in small groups, most p95 of bare loops are free of it and those
of counted calls are not."""
UNCOUNTED: Final = 5
"""Calls before each block in the bare loop, which the probes before it would slow down."""
QUANTILES: Final = {"p50": 0.5, "p95": 0.95}
MOST: Final = 0.03
RESAMPLES: Final = 2_000
LEAST_GROUPS: Final = 2


def take(taker: Taker, request: Request) -> None:
    """Take a block of observations."""
    wanted = len(taker) + BLOCK
    while len(taker) < wanted:
        taker.take(request, wanted - len(taker), sys.maxsize)


def ratios(call: Call, seconds: float, draw: random.Random) -> tuple[Any, float]:
    """Return counted over bare of p50 and p95, shape (groups, 2), and the bare p50 in ms."""
    request = Request(call)
    with ExitStack() as stack:
        follower = stack.enter_context(Follower(system_clock))
        scheduler = stack.enter_context(Scheduler())
        blocked = times_blocked()
        assert blocked is not None
        speed = (Probes(system_clock), SessionSpeed())
        counted = BracketTaker(system_clock, speed, (scheduler, blocked), follower)
        bare = BareTaker(system_clock)
        take(counted, request)
        counted.start_probing()

        def take_bare() -> None:
            for _ in range(UNCOUNTED):
                call()
            take(bare, request)

        until = time.monotonic() + seconds
        while time.monotonic() < until or len(bare) < LEAST_GROUPS * PAIRS * BLOCK:
            for _ in range(PAIRS):
                blocks = [take_bare, partial(take, counted, request)]
                draw.shuffle(blocks)
                for block in blocks:
                    block()
        counted_ns, bare_ns = counted.observations().wall_ns[BLOCK:], bare.observations().wall_ns
    quantiles = [
        np.quantile(latencies.reshape(-1, PAIRS * BLOCK), list(QUANTILES.values()), axis=1).T
        for latencies in (counted_ns, bare_ns)
    ]
    return quantiles[0] / quantiles[1], float(np.median(bare_ns)) / 1e6


def interval(figures: Any, draw: np.random.Generator) -> tuple[float, float]:
    """Return the 95 % interval of the median by bootstrap."""
    resampled = np.median(draw.choice(figures, (RESAMPLES, len(figures))), axis=1)
    low, high = np.quantile(resampled, (0.025, 0.975))
    return float(low), float(high)


def summary(work: str, parts: Sequence[tuple[Any, float]]) -> dict[str, Any]:
    """Return the row of one kind of work, from the ratios of each round."""
    found = np.concatenate([figures for figures, _ in parts])
    bare_ms = float(np.median([bare_ms for _, bare_ms in parts]))
    row: dict[str, Any] = {"work": work, "bare_ms": bare_ms, "groups": len(found)}
    for name, figures in zip(QUANTILES, found.T, strict=True):
        row[name] = float(np.median(figures))
        row[f"{name}_interval"] = interval(figures, np.random.default_rng(1))
    return row


def line(row: dict[str, Any]) -> str:
    """Return a line of the table."""
    cells = [row["work"], f"{row['bare_ms']:.3g} ms", str(row["groups"])]
    for name in QUANTILES:
        low, high = row[f"{name}_interval"]
        cells.append(f"{row[name]:.3f} ({low:.3f}–{high:.3f})")
    return f"| {' | '.join(cells)} |"


def main() -> int:
    """Measure, print, judge."""
    options = parser(__doc__)
    options.add_argument(
        "--seconds", type=float, default=2.0, help="of each work and round (%(default)s)"
    )
    options.add_argument("--rounds", type=int, default=1, help="(%(default)s)")
    options.add_argument("--works", default=",".join(WORKS), help="(%(default)s)")
    chosen = options.parse_args()
    if not Path("/proc/thread-self/schedstat").exists():
        print("counted_calls: needs Linux; nothing was measured")
        return 0
    parts: dict[str, list[tuple[Any, float]]] = {work: [] for work in chosen.works.split(",")}
    for number in range(chosen.rounds):
        for work, found in parts.items():
            found.append(ratios(WORKS[work](), chosen.seconds, random.Random(number)))
    rows = [summary(work, found) for work, found in parts.items()]
    print("| work | bare loop | groups | p50, counted / bare | p95, counted / bare |")
    print(f"|{'---|' * 5}")
    for row in rows:
        print(line(row))
    return conclude("counted_calls", {"rows": rows}, goals(rows), chosen)


def goals(rows: Sequence[dict[str, Any]]) -> list[Goal]:
    """Return the goals: no ratio is further from 1 than 3 %."""
    made = []
    for name in QUANTILES:
        worst = max(rows, key=lambda row: abs(row[name] - 1))
        made.append(at_most(f"{name} off", abs(worst[name] - 1), MOST, worst["work"]))
    return made


if __name__ == "__main__":
    sys.exit(main())
