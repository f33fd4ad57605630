"""Latency of calls that wait, next to neighbours, against that of undisturbed calls.

    python benchmarks/scaled_waits.py [--kinds pool,server,fastapi] [--seconds 10] [--quiet 60]
        [--least 300] [--check] [--json FILE]

A call counts against the code by its attributed latency: without waits of what it waited for, and
with the CPU time of the waiting tree divided by the slowness that two probes show. Next to nothing,
its raw latency is measured where the probes before and after it ran at full speed. If attribution
is right, no quantile of attributed latency next to neighbours is above that of these calls by more
than the limits of `hancock-latency suggest` leave room for.

Run it on a machine on which nothing else runs. Linux only.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
from busy_waits import cost_of, steps_per_second
from goals import Goal, at_most, conclude, parser
from machine import compiling, copying_memory, spinning
from waits.kinds import KINDS

from pytest_hancock_latency.core.sample import Observations
from pytest_hancock_latency.measuring.plan import Plan
from pytest_hancock_latency.measuring.session_speed import SessionSpeed
from pytest_hancock_latency.plugin.item_settings import ItemSettings
from pytest_hancock_latency.plugin.sampler import Sampler
from pytest_hancock_latency.plugin.settings import Mode

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_S: Final = 600.0
QUANTILES: Final = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
ROOM: Final = 1.25
"""What `hancock-latency suggest` leaves above the quantile of a run."""
MOST_CALLS: Final = 1_000_000


@contextmanager
def compiling_and_spinning() -> Iterator[None]:
    """Compile on one core, compute on the other."""
    with compiling(1, LONGEST_S), spinning(1, set(), LONGEST_S):
        yield


NEIGHBOURS: Final[dict[str, Callable[[], AbstractContextManager[Any]]]] = {
    "nothing": ExitStack,
    "spinner": partial(spinning, 1, set(), LONGEST_S),
    "two spinners": partial(spinning, 2, set(), LONGEST_S),
    "compiling": partial(compiling, 1, LONGEST_S),
    "memory": partial(copying_memory, 1, LONGEST_S),
    "both cores": compiling_and_spinning,
}


def observed(kind: str, speed: SessionSpeed, steps_per_s: float, seconds: float) -> Observations:
    """Measure calls of a kind with both probes around each."""
    plan = Plan(samples=MOST_CALLS, time_limit_ns=int(seconds * 1e9), speed=speed, probes=True)
    settings = ItemSettings(kind, Mode.REPORT, plan, None, strict=False, gates=1)
    with KINDS[kind].opened(cost_of(KINDS[kind], steps_per_s)) as call:
        return Sampler(settings)(call).observations


def is_undisturbed(observations: Observations) -> Any:
    """Return whether both probes of each call were at full speed, before it and after it."""
    probed = observations.probed
    assert probed is not None
    return probed.undisturbed_before & probed.undisturbed_after


def row_of(kind: str, neighbour: str, observations: Observations, usual: Any) -> dict[str, Any]:
    """Return the row of a kind next to a neighbour.

    Args:
        usual: raw latencies of undisturbed calls next to nothing, shape (n,).
    """
    row: dict[str, Any] = {"kind": kind, "neighbour": neighbour, "n": len(observations)}
    row["undisturbed"] = int(is_undisturbed(observations).sum())
    for name, quantile in QUANTILES.items():
        undisturbed_ns = np.quantile(usual, quantile)
        row[name] = {
            "undisturbed_ms": float(undisturbed_ns) / 1e6,
            "raw": float(np.quantile(observations.wall_ns, quantile) / undisturbed_ns),
            "attributed": float(np.quantile(observations.attributed_ns, quantile) / undisturbed_ns),
        }
    return row


def line(row: dict[str, Any]) -> str:
    """Return a line of the table."""
    cells = [row["kind"], row["neighbour"], str(row["n"]), str(row["undisturbed"])]
    for name in QUANTILES:
        cells.append(f"{row[name]['raw']:.2f} / {row[name]['attributed']:.2f}")
    return f"| {' | '.join(cells)} |"


def goals(rows: Sequence[dict[str, Any]], kinds: Sequence[str], least: int) -> list[Goal]:
    """Return the goals: enough undisturbed calls, and no attributed quantile far above theirs."""
    made = []
    for kind in kinds:
        own = [row for row in rows if row["kind"] == kind]
        quiet = next(row for row in own if row["neighbour"] == "nothing")
        missing = max(0, least - quiet["undisturbed"])
        made.append(at_most(f"{kind}, undisturbed calls missing of {least}", missing, 0))
        for name in QUANTILES:
            worst = max(own, key=lambda row: row[name]["attributed"])
            ratio, where = worst[name]["attributed"], worst["neighbour"]
            made.append(at_most(f"{kind} {name}, attributed / undisturbed", ratio, ROOM, where))
    return made


def main() -> int:
    """Measure, print, judge."""
    options = parser(__doc__)
    options.add_argument("--kinds", default="pool,server,fastapi", help="(%(default)s)")
    options.add_argument("--seconds", type=float, default=10.0, help="of each cell (%(default)s)")
    options.add_argument("--quiet", type=float, default=60.0, help="next to nothing (%(default)s)")
    options.add_argument("--least", type=int, default=300, help="undisturbed calls (%(default)s)")
    chosen = options.parse_args()
    if not Path("/proc/thread-self/schedstat").exists():
        print("scaled_waits: needs Linux; nothing was measured")
        return 0
    print("Each cell: quantile of raw / attributed latency, over that of undisturbed calls.\n")
    print(f"| test | next to | calls | undisturbed | {' | '.join(QUANTILES)} |")
    print(f"|{'---|' * (4 + len(QUANTILES))}")
    kinds, rows = chosen.kinds.split(","), []
    steps_per_s = steps_per_second()
    for kind in kinds:
        speed = SessionSpeed()
        for neighbour, opened in NEIGHBOURS.items():
            seconds = chosen.quiet if neighbour == "nothing" else chosen.seconds
            with opened():
                observations = observed(kind, speed, steps_per_s, seconds)
            if neighbour == "nothing":
                usual = observations.wall_ns[is_undisturbed(observations)]
            rows.append(row_of(kind, neighbour, observations, usual))
            print(line(rows[-1]), flush=True)
    return conclude("scaled_waits", {"rows": rows}, goals(rows, kinds, chosen.least), chosen)


if __name__ == "__main__":
    sys.exit(main())
