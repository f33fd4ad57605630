"""Tests that wait for somebody else, on machines that are busy in several ways.

    python benchmarks/busy_waits.py [--kinds pool,server] [--machines quiet,spinners-4]
        [--gates 30] [--results FILE] [--check] [--json FILE]

Each kind of test is first measured on a quiet machine. Then it is judged by the plugin's own
sampler with a limit of 2 or 1.5 times that quantile (unchanged, ratio 0.5 and 0.67), and slowed so
that it takes 1.5 and 3 times its limit, by computing and by sleeping where it answers. The original
rule is fifty calls after five, `sorted(fifty)[int(50 * q)] <= limit`. What kinds there are is in
`waits/kinds.py`. Next to them, or around them, a machine has:

quiet          nothing
spinners-N     loops that compute
spinner-there  such a loop on CPU 1, where the server of the kind pinned-server is
by-turns       two processes that compute in bursts
on-and-off     two processes that compute for 300 ms, and then do nothing for 300 ms
n-4            three other processes that measure the same
memory-2       two loops that copy 64 MB
fsync-2        two processes that write to a disk
reader         a process that reads a file of 256 MB from a disk
renames        a process that makes and renames folders on a disk
half-a-core    a control group that may use half a core
outer-quota    two control groups that share half a core; in the other one is a spinner

A cell is a kind, a quantile, a machine and a handler; its gates run in a process of their own. Each
verdict is appended to the results as soon as it is there, and a run that was stopped goes on where
it was: a cell that has its gates is not measured again. "Quiet" asks for a machine on which nothing
else runs; the load average of each cell is recorded. With `--known-speed`, gates know the speed of
the quiet machine, as they do beside a table `machine` or after five sessions. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

sys.path.insert(0, str(Path(__file__).resolve().parent))

from goals import Goal, at_most, conclude, parser
from machine import (
    busy_by_turns,
    committing,
    copying_memory,
    on_and_off,
    reading,
    renaming,
    spinning,
    throttled_with_sibling,
)
from machine.control_groups import half_a_core
from waits.answering import Cost, work
from waits.kinds import KINDS, Kind
from waits.own_code import Call

from pytest_hancock_latency.core.budget import LatencyBudget, parse_terms
from pytest_hancock_latency.core.machine_speed import KnownSpeed
from pytest_hancock_latency.core.undisturbed import LEAST_PROBES
from pytest_hancock_latency.measuring.clock import system_clock
from pytest_hancock_latency.measuring.plan import Plan
from pytest_hancock_latency.measuring.session_speed import SessionSpeed
from pytest_hancock_latency.measuring.takers.probes import Probes
from pytest_hancock_latency.plugin.item_settings import ItemSettings
from pytest_hancock_latency.plugin.kept_speed import reference_of
from pytest_hancock_latency.plugin.sampler import Sampler
from pytest_hancock_latency.plugin.settings import Mode

GATES: Final = 200
"""Of the build that each of these gates stands for."""
FIFTY, WARMUP = 50, 5
CALIBRATION: Final = 2_000
BURST_REQUESTS, BURST_CALLERS = 400, 4
PER_SECOND: Final = 60
LONGEST_S: Final = 12 * 3_600.0
"""Of a neighbour, which stays for all kinds; it ends with this process in any case."""

SESSIONS: Final = 5
"""After which a machine's speed is known."""

T = TypeVar("T")


def probes_of_sessions() -> list[list[float]]:
    """The CPU time of both probes in ns, as several sessions on a quiet machine show it."""
    speeds = []
    for _ in range(SESSIONS):
        probes, speed = Probes(system_clock), SessionSpeed()
        probes.run_several(2 * LEAST_PROBES)
        speed.add(probes.times)
        assert speed.own is not None
        speeds.append([speed.own.arithmetic_ns, speed.own.memory_ns])
    return speeds


def steps_per_second() -> float:
    """How much of it a calm host does, by the best of many short runs."""
    best = 1.0
    for _ in range(200):
        begin = time.thread_time_ns()
        work(CALIBRATION)
        best = min(best, (time.thread_time_ns() - begin) / 1e9)
    return CALIBRATION / best


MACHINES: Final[dict[str, Callable[[], AbstractContextManager[object]]]] = {
    "quiet": ExitStack,
    "spinners-2": partial(spinning, 2, set(), LONGEST_S),
    "spinners-1": partial(spinning, 1, set(), LONGEST_S),
    "spinners-4": partial(spinning, 4, set(), LONGEST_S),
    "by-turns": partial(busy_by_turns, 2, LONGEST_S),
    "on-and-off": partial(on_and_off, 2, LONGEST_S),
    "n-4": ExitStack,
    "memory-2": partial(copying_memory, 2, LONGEST_S),
    "fsync-2": partial(committing, 2, LONGEST_S),
    "half-a-core": half_a_core,
    "outer-quota": partial(throttled_with_sibling, LONGEST_S),
    "spinner-there": partial(spinning, 1, {1}, LONGEST_S),
    "reader": partial(reading, LONGEST_S),
    "renames": partial(renaming, LONGEST_S),
}
ABREAST: Final = {"n-4": 4}
"""Processes that measure at the same time; one elsewhere."""


@dataclass(frozen=True)
class Handler:
    """What is done to a test, and what should be said of it."""

    name: str
    ratio: float
    """Its quantile over its limit."""
    how: str = ""
    every: int = 1
    """Only every so many calls, on average, are slow: a tenth for p95, 3 % for p99."""


HANDLERS: Final = (
    Handler("unchanged-0.5", 0.5),
    Handler("unchanged-0.67", 0.67),
    Handler("computing-1.5", 1.5, "computing"),
    Handler("computing-2.5", 2.5, "computing"),  # five times the work
    Handler("computing-3", 3, "computing"),
    Handler("sleeping-1.5", 1.5, "sleeping"),
    Handler("sleeping-3", 3, "sleeping"),
    Handler("tenth-sleeping-2", 2, "sleeping", 10),
    Handler("third-of-tenth-sleeping-4", 4, "sleeping", 33),
    Handler("busy-children", 2, "children"),
)
CHILDREN: Final = 4
"""Busy ones that a test has started and forgotten: each of two cores has three that want it."""


@dataclass(frozen=True)
class Cell:
    """What is measured in one process."""

    kind: str
    quantile: str
    machine: str
    handler: str

    @property
    def key(self) -> str:
        """In words."""
        return " ".join((self.kind, self.quantile, self.machine, self.handler))


@dataclass(frozen=True)
class Quiet:
    """What a kind takes on a quiet machine."""

    median_ns: int
    quantiles_ns: dict[str, int]
    steps_per_s: float
    probes_ns: list[list[float]]


def take(kind: Kind, call: Call, sampler: Sampler) -> Any:
    """One sample in the kind's shape."""
    if kind.shape == "burst":
        return sampler.burst(call, requests=BURST_REQUESTS, concurrency=BURST_CALLERS)
    if kind.shape == "rate":
        return sampler.at_rate(call, per_second=PER_SECOND, duration="5s")
    if kind.pause_s:
        rounds = sampler.rounds(setup=partial(time.sleep, kind.pause_s))
        for _ in rounds:
            with sampler.observe():
                call()
        return rounds.sample
    return sampler(call, failures=kind.failures)


def sampler_of(budget: LatencyBudget | None, known: KnownSpeed | None = None) -> Sampler:
    """As the fixture is."""
    speed = SessionSpeed(read_known=lambda: known or KnownSpeed())
    plan = Plan(speed=speed) if budget else Plan(samples=400)
    settings = ItemSettings("busy", Mode.GATE, plan, budget, strict=False, gates=GATES)
    return Sampler(settings)


class MissingError(Exception):
    """A package, a program or a right that is needed is not here."""


def entered(stack: ExitStack, context: AbstractContextManager[T]) -> T:
    """Enter a context.

    Raises:
        MissingError: it needs what is not here.
    """
    try:
        return stack.enter_context(context)
    except (ImportError, OSError) as error:
        raise MissingError(str(error)) from error


def calibrate(name: str, results: Results) -> None:
    """Keep what a kind takes now, on what should be a quiet machine, if it is possible here."""
    kind, speed = KINDS[name], steps_per_second()
    with ExitStack() as stack:
        try:
            call = entered(stack, kind.opened(cost_of(kind, speed)))
        except MissingError as error:
            print(f"{name} is left out: {error}")
            return
        sample = take(kind, call, sampler_of(None))
    quantiles = {each: sample.quantile_ns(each) for each in ("p95", "p99")}
    quiet = Quiet(sample.quantile_ns("p50"), quantiles, speed, probes_of_sessions())
    results.add({"kind": name, "quiet": asdict(quiet)})


def cost_of(kind: Kind, speed: float) -> Cost:
    """Unchanged."""
    steps = round(kind.base_ms / 1e3 * speed * kind.computes_at)
    return Cost(steps=steps, programs=kind.programs)


def prepared(cell: Cell, quiet: Quiet) -> tuple[Cost, LatencyBudget]:
    """The cost of the handler, and the budget."""
    kind = KINDS[cell.kind]
    handler = next(each for each in HANDLERS if each.name == cell.handler)
    ratio = handler.ratio if handler.ratio < 1 else 0.5
    limit_ns = quiet.quantiles_ns[cell.quantile] / ratio
    timeout_s = limit_ns / 1e9 if kind.failures else None
    cost = replace(cost_of(kind, quiet.steps_per_s), timeout_s=timeout_s)
    budget = parse_terms({cell.quantile: limit_ns / 1e6}).budget()
    extra_s = max(0.0, handler.ratio * limit_ns - quiet.median_ns) / 1e9
    if handler.how == "computing":
        shared = BURST_CALLERS if kind.shape == "burst" else 1  # they share the interpreter
        steps = round(extra_s * quiet.steps_per_s * kind.computes_at / shared)
        return replace(cost, computing_steps=steps), budget
    if handler.how == "sleeping":
        return replace(cost, sleeping_s=extra_s, every=handler.every), budget
    return cost, budget


def surroundings(cell: Cell) -> AbstractContextManager[None]:
    """What the test has started itself, besides what it measures."""
    if next(each for each in HANDLERS if each.name == cell.handler).how == "children":
        return spinning(CHILDREN, set(), LONGEST_S, children=True)
    return nullcontext()


def run_worker(chosen: argparse.Namespace) -> int:
    """Judge some gates of one cell, a line of JSON each."""
    cell, quiet = Cell(**json.loads(chosen.worker)), Quiet(**json.loads(chosen.quiet))
    kind, (cost, budget) = KINDS[cell.kind], prepared(cell, quiet)
    known = KnownSpeed(reference_of(quiet.probes_ns) if chosen.known_speed else None)
    for _ in range(chosen.gates):
        with kind.opened(cost) as call, surroundings(cell):
            begin = time.perf_counter()
            sample = take(kind, call, sampler_of(budget, known))
            seconds = time.perf_counter() - begin
            naive = original(kind, call, budget) if kind.shape == "closed" else None
        assert sample.verdict is not None
        row = {
            "cell": cell.key,
            "outcome": str(sample.verdict.outcome),
            "reason": str(sample.verdict.limits[0].reason),
            "n": len(sample),
            "over": sample.verdict.limits[0].over,
            "over_attributed": sample.verdict.limits[0].over_attributed,
            "failed": sample.verdict.failures.failed,
            "excused": sample.verdict.failures.excused,
            "seconds": round(seconds, 3),
            "followed": sample.measurement.followed,
            "original": naive,
            "load": os.getloadavg()[0],
        }
        print(json.dumps(row), flush=True)
    return 0


def original(kind: Kind, call: Call, budget: LatencyBudget) -> str:
    """The original rule: passed or failed."""
    limit = budget.limits[0]
    left = FIFTY - int(FIFTY * float(limit.quantile))
    for number in range(WARMUP + FIFTY):
        if kind.pause_s:
            time.sleep(kind.pause_s)
        begin = time.perf_counter_ns()
        with suppress(*kind.failures):
            call()
        left -= number >= WARMUP and time.perf_counter_ns() - begin > limit.limit_ns
        if left <= 0:
            return "failed"
    return "passed"


class Results:
    """Verdicts by cell, appended to a file as they come."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.quiet: dict[str, Quiet] = {}
        self._lock = threading.Lock()
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                self._take(json.loads(line))

    def add(self, row: dict[str, Any]) -> None:
        """Keep a verdict or a calibration."""
        with self._lock, self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
            self._take(row)

    def _take(self, row: dict[str, Any]) -> None:
        if "quiet" in row:
            self.quiet[row["kind"]] = Quiet(**row["quiet"])
        else:
            self.rows[row["cell"]].append(row)


def measure(cell: Cell, results: Results, chosen: argparse.Namespace) -> None:
    """Judge what is missing of a cell."""
    missing = chosen.gates - len(results.rows[cell.key])
    if missing <= 0:
        return
    abreast = min(missing, ABREAST.get(cell.machine, 1))
    shares = [missing // abreast + (at < missing % abreast) for at in range(abreast)]
    quiet = json.dumps(asdict(results.quiet[cell.kind]))
    command = [sys.executable, __file__, "--worker", json.dumps(asdict(cell)), "--quiet", quiet]
    command += ["--known-speed"] * chosen.known_speed
    workers = [
        subprocess.Popen([*command, "--gates", str(share)], stdout=subprocess.PIPE, text=True)
        for share in shares
    ]

    def collect(worker: subprocess.Popen[str]) -> None:
        for line in worker.stdout or ():
            results.add(json.loads(line))

    with ThreadPoolExecutor(abreast) as executor:
        try:
            list(executor.map(collect, workers))
        except BaseException:
            for worker in workers:
                worker.terminate()
            raise
    for worker in workers:
        worker.wait()


def measure_next_to(
    machine: str, asked: list[Cell], results: Results, chosen: argparse.Namespace
) -> None:
    """Judge what is missing of all cells of a machine, if it and their kinds are possible here."""
    with ExitStack() as stack:
        try:
            entered(stack, MACHINES[machine]())
        except MissingError as error:
            print(f"{machine} is left out: {error}")
            return
        for cell in asked:
            if cell.kind in results.quiet:
                measure(cell, results, chosen)
                print(table(results, [cell])[-1], flush=True)


def cells(chosen: argparse.Namespace) -> Iterator[Cell]:
    """Every cell that was asked for, machine by machine."""
    for machine in chosen.machines.split(","):
        for name in chosen.kinds.split(","):
            kind = KINDS[name]
            for quantile in kind.quantiles:
                if quantile not in chosen.quantiles.split(","):
                    continue
                for handler in HANDLERS:
                    if handler.name not in chosen.handlers.split(","):
                        continue
                    if handler.how == "sleeping" and not kind.sleeps:
                        continue
                    yield Cell(name, quantile, machine, handler.name)


def table(results: Results, asked: list[Cell]) -> list[str]:
    """A line for each cell."""
    lines = [
        "| test | quantile | machine | handler | gates | within | inconclusive | exceeded"
        " | original failed | s a gate | load |",
        "|" + "---|" * 11,
    ]
    for cell in asked:
        rows = results.rows[cell.key]
        if not rows:
            continue
        said = Counter(row["outcome"] for row in rows)
        failed = Counter(row["original"] for row in rows)["failed"]
        seconds = sum(row["seconds"] for row in rows) / len(rows)
        load = max(row["load"] for row in rows)
        naive = "–" if rows[0]["original"] is None else str(failed)
        lines.append(
            f"| {cell.kind} | {cell.quantile} | {cell.machine} | {cell.handler} | {len(rows)}"
            f" | {said['within']} | {said['inconclusive']} | {said['exceeded']}"
            f" | {naive} | {seconds:.1f} | {load:.1f} |"
        )
    return lines


def goals(results: Results, asked: list[Cell]) -> list[Goal]:
    """No unchanged test is exceeded, and no slower one within."""

    def number(outcome: str, *, unchanged: bool) -> tuple[int, str]:
        where = [
            cell.key
            for cell in asked
            for row in results.rows[cell.key]
            if cell.handler.startswith("unchanged") == unchanged and row["outcome"] == outcome
        ]
        return len(where), ", ".join(sorted(set(where)))

    alarms, at = number("exceeded", unchanged=True)
    certified, there = number("within", unchanged=False)
    return [
        at_most("false alarms, unchanged tests", alarms, 0, at),
        at_most("slower tests within", certified, 0, there),
    ]


def main() -> int:
    """Measure, print, judge."""
    options = parser(__doc__)
    options.add_argument("--kinds", default=",".join(KINDS), help="(%(default)s)")
    options.add_argument("--machines", default="quiet,spinners-4", help=", ".join(MACHINES))
    options.add_argument("--quantiles", default="p95", help="p95, p99 (%(default)s)")
    options.add_argument("--handlers", default="unchanged-0.5,computing-3", help="(%(default)s)")
    options.add_argument("--gates", type=int, default=1, help="a cell (%(default)s)")
    options.add_argument("--results", type=Path, help="where verdicts are appended")
    options.add_argument("--known-speed", action="store_true", help="what gates know")
    for internal in ("--worker", "--quiet"):
        options.add_argument(internal, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started ends with it
    if chosen.worker:
        return run_worker(chosen)
    if not hasattr(os, "sched_setaffinity"):
        print("busy_waits: needs Linux; nothing was measured")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        results = Results(chosen.results or Path(folder) / "results.jsonl")
        asked = list(cells(chosen))
        for kind in dict.fromkeys(cell.kind for cell in asked):
            if kind not in results.quiet:
                calibrate(kind, results)
        for machine in dict.fromkeys(cell.machine for cell in asked):
            there = [cell for cell in asked if cell.machine == machine]
            measure_next_to(machine, there, results, chosen)
        print("\n".join(table(results, asked)))
        figures = {"rows": {cell.key: results.rows[cell.key] for cell in asked}}
        return conclude("busy_waits", figures, goals(results, asked), chosen)


if __name__ == "__main__":
    sys.exit(main())
