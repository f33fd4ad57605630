"""Hancock's gates while other processes spin on the same core, unchanged and with a slower handler.

    python benchmarks/busy_machine.py [--runs 40] [--spinners 0,1,4,20] [--check] [--json FILE]

A run is the five endpoint budgets of pyproject.toml against a new application, and `GET /health`
with a handler that takes 1.5 times its limits, once by computing and once by sleeping: 15 ms, and
37.5 ms in 6 of 100 requests, 75 ms in 1.5 of 100. Ours is the plugin's own sampler with its
defaults. The original rule is fifty requests after five, `sorted(fifty)[int(50 * q)] <= limit`,
stopped as soon as its answer is certain. Everything is pinned to one core, together with the
spinners. Linux only.
"""

from __future__ import annotations

import math
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent))

from flask import Flask
from goals import Goal, at_most, conclude, parser
from machine import pinned, spinning

from hancock_app import Settings, create_app
from pytest_hancock_latency.core.budget import LatencyBudget
from pytest_hancock_latency.files.budget import read_budgets
from pytest_hancock_latency.measuring.plan import Plan
from pytest_hancock_latency.plugin.item_settings import ItemSettings
from pytest_hancock_latency.plugin.sampler import Sampler
from pytest_hancock_latency.plugin.settings import Mode

PYPROJECT: Final = Path(__file__).resolve().parents[1] / "pyproject.toml"
QUICK: Final = 1
GATES: Final = 200
SLOWED: Final = "GET /health"
TIMES_OVER: Final = 1.5
TAILS: Final = ((0.015, 0.99), (0.06, 0.95), (1.0, 0.5))
"""Share of the requests that take 1.5 times which limit: a little more than each limit allows."""
FIFTY, WARMUP = 50, 5
BODIES: Final = {
    "POST /v1/chat": {"message": "What is a port scan?"},
    "POST /v1/ask": {"question": "What is a port scan?"},
}

Call = Callable[[], Any]
Spend = Callable[[float], None]


def work(steps: int) -> int:
    """Fixed work: it takes the longer the slower the host is just now, as real code does."""
    x = 1
    for _ in range(steps):
        x = (x * 5 + 1) & 0xFFFF
    return x


@cache
def steps_per_second() -> float:
    """How much of it a calm host does, by the best of many short runs."""
    best = min(_cpu_seconds(CALIBRATION) for _ in range(200))
    return CALIBRATION / best


def _cpu_seconds(steps: int) -> float:
    begin = time.thread_time_ns()
    work(steps)
    return (time.thread_time_ns() - begin) / 1e9


def compute(seconds: float) -> None:
    """Do what takes a calm host so much CPU time."""
    work(round(seconds * steps_per_second()))


CALIBRATION: Final = 2_000
HOW: Final[Mapping[str, Spend]] = {"computing": compute, "sleeping": time.sleep}


def hancock() -> Flask:
    """The application as the endpoint suite makes it."""
    return create_app(Settings(rate_limit=0))


def slowed(app: Flask, budget: LatencyBudget, spend: Spend, seed: int) -> Flask:
    """The application with a handler of `SLOWED` that is over every limit of its budget."""
    method, path = SLOWED.split()
    rules = app.url_map.iter_rules()
    name = next(r.endpoint for r in rules if r.rule == path and method in (r.methods or ()))
    quick, draw = app.view_functions[name], random.Random(seed).random
    limit_s = {float(limit.quantile): limit.limit_ns / 1e9 for limit in budget.limits}

    def handler(**arguments: Any) -> Any:
        drawn = draw()
        share = next(quantile for most, quantile in TAILS if drawn < most)
        spend(TIMES_OVER * limit_s[share])
        return quick(**arguments)

    app.view_functions[name] = handler
    return app


def asking(app: Flask, name: str) -> Call:
    """The request of a budget, named by method and path."""
    method, path = name.split()
    client = app.test_client()
    if method == "GET":
        return partial(client.get, path)
    return partial(client.post, path, json=BODIES[name])


def ours(call: Call, name: str, budget: LatencyBudget) -> tuple[str, int]:
    """The verdict of the plugin and the number of observations it took."""
    gate = ItemSettings(name, Mode.GATE, Plan(), budget, strict=False, gates=GATES)
    sample = Sampler(gate)(call, check=lambda answer: answer.status_code == 200)
    assert sample.verdict is not None
    return str(sample.verdict.outcome), len(sample)


def original(call: Call, budget: LatencyBudget) -> str:
    """The original rule: passed or failed."""
    for _ in range(WARMUP):
        call()
    # Number int(50·q) of the ascending fifty is above the limit as soon as that many are.
    left = {limit: FIFTY - int(FIFTY * float(limit.quantile)) for limit in budget.limits}
    for _ in range(FIFTY):
        begin = time.perf_counter_ns()
        call()
        wall = time.perf_counter_ns() - begin
        for limit in budget.limits:
            left[limit] -= wall > limit.limit_ns
        if min(left.values()) <= 0:
            return "failed"
    return "passed"


@dataclass
class Tally:
    """What was said of one kind of handler beside so many spinners."""

    spinners: int
    handler: str
    ours: Counter[str] = field(default_factory=Counter)
    original: Counter[str] = field(default_factory=Counter)
    observations: int = 0
    seconds: float = 0.0
    alarms: list[str] = field(default_factory=list)
    """Gates of unchanged handlers that were exceeded."""

    def judge(self, call: Call, name: str, budget: LatencyBudget) -> None:
        """One gate by both rules, each of which makes its own requests."""
        begin = time.perf_counter()
        said, taken = ours(call, name, budget)
        self.seconds += time.perf_counter() - begin
        self.ours[said] += 1
        self.observations += taken
        if said == "exceeded":
            self.alarms.append(name)
        self.original[original(call, budget)] += 1

    @property
    def gates(self) -> int:
        """How many were judged."""
        return self.ours.total()

    def __str__(self) -> str:
        said, gates = self.ours, max(1, self.gates)
        return (
            f"{self.spinners:>8} {self.handler:<10} {self.gates:>6}"
            f" {said['within']:>8} {said['inconclusive']:>13} {said['exceeded']:>9}"
            f" {self.original['failed']:>9}"
            f" {self.observations / gates:>9.0f} {self.seconds / gates:>7.2f}"
        )


HEAD: Final = (
    f"{'spinners':>8} {'handler':<10} {'gates':>6} {'within':>8} {'inconclusive':>13}"
    f" {'exceeded':>9} {'original':>9} {'mean n':>9} {'mean s':>7}\n"
    f"{'':>57} {'failed':>9}"
)


def beside(spinners: int, runs: int, budgets: Mapping[str, LatencyBudget]) -> list[Tally]:
    """All runs beside so many spinners."""
    tallies = [Tally(spinners, handler) for handler in ("unchanged", *HOW)]
    unchanged, *slower = tallies
    for run in range(runs):
        for name, budget in budgets.items():
            unchanged.judge(asking(hancock(), name), name, budget)
        for tally in slower:
            app = slowed(hancock(), budgets[SLOWED], HOW[tally.handler], run)
            tally.judge(asking(app, SLOWED), SLOWED, budgets[SLOWED])
    return tallies


def measured(loads: list[int], runs: int, core: int) -> Iterator[Tally]:
    """All tallies, load by load."""
    budgets = {name: terms.budget() for name, terms in read_budgets(PYPROJECT).items()}
    longest_s = 60.0 + 120.0 * runs
    with pinned({core}):
        for spinners in loads:
            with spinning(spinners, {core}, longest_s):
                yield from beside(spinners, runs, budgets)


def goals(tallies: list[Tally]) -> list[Goal]:
    """No false alarm at any load; a slower handler found up to 4 spinners, and never within."""
    unchanged = [tally for tally in tallies if tally.handler == "unchanged"]
    slower = [tally for tally in tallies if tally.handler in HOW]
    alarms = [f"{name} beside {tally.spinners}" for tally in unchanged for name in tally.alarms]
    bearable = [tally for tally in slower if tally.spinners <= 4]
    missed = sum(tally.gates - tally.ours["exceeded"] for tally in bearable)
    certified = sum(tally.ours["within"] for tally in slower)
    return [
        at_most("false alarms, unchanged handlers", len(alarms), 0, ", ".join(alarms)),
        at_most("slower handler not exceeded, up to 4 spinners", missed, 0),
        at_most("slower handler within, any load", certified, 0),
    ]


def main() -> int:
    """Measure, print, judge."""
    options = parser(__doc__)
    options.add_argument("--runs", type=int, default=QUICK, help="at each load (%(default)s)")
    options.add_argument("--spinners", default="0,1,4,20", help="loads (%(default)s)")
    options.add_argument("--core", type=int, help="where everything is pinned (the last one)")
    chosen = options.parse_args()
    if not hasattr(os, "sched_setaffinity"):
        print("busy_machine: processes cannot be pinned on this system; nothing was measured")
        return 0
    core = max(os.sched_getaffinity(0)) if chosen.core is None else chosen.core
    print(HEAD)
    tallies: list[Tally] = []
    for tally in measured([int(each) for each in chosen.spinners.split(",")], chosen.runs, core):
        print(tally, flush=True)
        tallies.append(tally)
    figures = {
        "runs": chosen.runs,
        "rows": [vars(tally) | {"gates": tally.gates} for tally in tallies],
    }
    false = sum(t.original["failed"] for t in tallies if t.handler == "unchanged")
    gates = math.fsum(t.gates for t in tallies if t.handler == "unchanged")
    print(f"the original rule failed {false} of {gates:.0f} gates of unchanged handlers")
    return conclude("busy_machine", figures, goals(tallies), chosen)


if __name__ == "__main__":
    sys.exit(main())
