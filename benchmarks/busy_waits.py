"""Tests that wait for somebody else, on machines that are busy in several ways.

    python benchmarks/busy_waits.py [--kinds pool,server] [--machines quiet,spinners-4]
        [--gates 30] [--results FILE] [--check] [--json FILE]

Each kind of test is first measured on a quiet machine. Then it is judged by the plugin's own
sampler with a limit of 2 or 1.5 times that quantile (unchanged, ratio 0.5 and 0.67), and slowed so
that it takes 1.5 and 3 times its limit, by computing and by sleeping where it answers. The original
rule is fifty calls after five, `sorted(fifty)[int(50 * q)] <= limit`.

A cell is a kind, a quantile, a machine and a handler; its gates run in a process of their own. Each
verdict is appended to the results as soon as it is there, and a run that was stopped goes on where
it was: a cell that has its gates is not measured again. "Quiet" asks for a machine on which nothing
else runs; the load average of each cell is recorded. Linux only.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import random
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent))

from goals import Goal, at_most, conclude, parser
from machine import (
    busy_by_turns,
    committing,
    copying_memory,
    folder_on_disk,
    half_a_core,
    spinning,
)

from pytest_hancock_latency.core.budget import LatencyBudget, parse_terms
from pytest_hancock_latency.measuring.plan import Plan
from pytest_hancock_latency.plugin.item_settings import ItemSettings
from pytest_hancock_latency.plugin.sampler import Sampler
from pytest_hancock_latency.plugin.settings import Mode

GATES: Final = 200
"""Of the build that each of these gates stands for."""
FIFTY, WARMUP = 50, 5
CALIBRATION: Final = 2_000
BURST_REQUESTS, BURST_CALLERS = 400, 4
PER_SECOND: Final = 60
LONGEST_S: Final = 3_600.0

Call = Callable[[], Any]


def work(steps: int) -> int:
    """Fixed work: it takes the longer the slower the host is just now, as real code does."""
    x = 1
    for _ in range(steps):
        x = (x * 5 + 1) & 0xFFFF
    return x


def steps_per_second() -> float:
    """How much of it a calm host does, by the best of many short runs."""
    best = 1.0
    for _ in range(200):
        begin = time.thread_time_ns()
        work(CALIBRATION)
        best = min(best, (time.thread_time_ns() - begin) / 1e9)
    return CALIBRATION / best


@dataclass(frozen=True)
class Cost:
    """What the place that answers spends on each call."""

    steps: int = 0
    computing_steps: int = 0
    sleeping_s: float = 0.0
    every: int = 1
    """Only every so many calls, on average, sleep."""

    def spend(self) -> None:
        """Spend it."""
        work(self.steps + self.computing_steps)
        if self.sleeping_s and (self.every == 1 or random.randrange(self.every) == 0):
            time.sleep(self.sleeping_s)


@contextmanager
def own_thread(cost: Cost) -> Iterator[Call]:
    """The measuring thread does it itself."""
    yield cost.spend


def _fastapi_client(cost: Cost) -> Any:
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

    app = FastAPI()

    @app.get("/")
    def answer() -> dict[str, bool]:
        cost.spend()
        return {"ok": True}

    return TestClient(app)


@contextmanager
def fastapi_client(cost: Cost) -> Iterator[Call]:
    """FastAPI's test client, which answers from another thread."""
    with _fastapi_client(cost) as client:
        yield partial(client.get, "/")


@contextmanager
def fastapi_bare(cost: Cost) -> Iterator[Call]:
    """The same client without ``with``: a new thread for every request."""
    yield partial(_fastapi_client(cost).get, "/")


@contextmanager
def pool(cost: Cost) -> Iterator[Call]:
    """A thread of a pool."""
    with ThreadPoolExecutor(2) as executor:
        yield lambda: executor.submit(cost.spend).result()


@contextmanager
def served(cost: Cost) -> Iterator[int]:
    """The port of a local server in a process of its own."""
    command = [sys.executable, __file__, "--serve", json.dumps(asdict(cost))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.kill()


@contextmanager
def server(cost: Cost) -> Iterator[Call]:
    """A local server, with keep-alive."""
    with served(cost) as port:
        connection = HTTPConnection("127.0.0.1", port)

        def call() -> bytes:
            connection.request("GET", "/")
            return connection.getresponse().read()

        yield call
        connection.close()


@contextmanager
def reconnecting(cost: Cost) -> Iterator[Call]:
    """A local server, with a new connection for each request, as `requests.get` makes one."""
    import requests

    with served(cost) as port:
        yield partial(requests.get, f"http://127.0.0.1:{port}/", timeout=30)


@contextmanager
def child(cost: Cost) -> Iterator[Call]:
    """A program that is started for each call."""
    yield partial(subprocess.run, _program(cost), check=True)


@contextmanager
def programs(cost: Cost) -> Iterator[Call]:
    """Four programs at the same time for each call."""

    def call() -> None:
        started = [subprocess.Popen(_program(cost)) for _ in range(4)]
        for program in started:
            program.wait()

    yield call


def _program(cost: Cost) -> list[str]:
    code = f"""
import time
x = 1
for _ in range({cost.steps + cost.computing_steps}):
    x = (x * 5 + 1) & 0xFFFF
time.sleep({cost.sleeping_s})
"""
    return [sys.executable, "-I", "-S", "-c", code]


@contextmanager
def redis(cost: Cost) -> Iterator[Call]:
    """A script in a real Redis; it cannot sleep."""
    from redis import Redis, RedisError

    steps = cost.steps + cost.computing_steps
    script = f"local x = 1; for i = 1, {steps} do x = (x * 5 + 1) % 65536 end"
    with tempfile.TemporaryDirectory() as folder, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        command = ["redis-server", "--port", str(port), "--dir", folder, "--save", ""]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            try:
                client = Redis(port=port)
                for _ in range(100):
                    with suppress(RedisError):
                        client.ping()
                        break
                    time.sleep(0.05)
                yield partial(client.eval, script, 0)
                client.close()
            finally:
                process.kill()


@contextmanager
def detached(way: str, place: str, cost: Cost) -> Iterator[None]:
    """A peer that was started outside of the test: no descendant of it."""
    serving = json.dumps(asdict(cost))
    command = [sys.executable, __file__, "--peer", way, "--place", place, "--serve", serving]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        starter.stdout.readline()  # it is ready
        starter.wait()
        try:
            yield
        finally:
            os.kill(pid, signal.SIGKILL)


@contextmanager
def udp(cost: Cost) -> Iterator[Call]:
    """A datagram to a server, and its answer."""
    with tempfile.TemporaryDirectory() as folder, detached("udp", folder, cost):
        port = int((Path(folder) / "port").read_text(encoding="ascii"))
        with socket.socket(type=socket.SOCK_DGRAM) as ours:
            ours.connect(("127.0.0.1", port))

            def call() -> bytes:
                ours.send(b"?")
                return ours.recv(1)

            yield call


@contextmanager
def unix(cost: Cost) -> Iterator[Call]:
    """A Unix socket, with a connection for each call."""
    with tempfile.TemporaryDirectory() as folder, detached("unix", folder, cost):

        def call() -> bytes:
            with socket.socket(socket.AF_UNIX) as ours:
                ours.connect(f"{folder}/socket")
                ours.send(b"?")
                return ours.recv(1)

        yield call


@contextmanager
def named_pipes(cost: Cost) -> Iterator[Call]:
    """A named pipe there and one back."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("there", "back"):
            os.mkfifo(f"{folder}/{name}")
        with detached("pipes", folder, cost):
            there = os.open(f"{folder}/there", os.O_WRONLY)
            back = os.open(f"{folder}/back", os.O_RDONLY)

            def call() -> bytes:
                os.write(there, b"?")
                return os.read(back, 1)

            yield call
            os.close(there)
            os.close(back)


@contextmanager
def semaphores(cost: Cost) -> Iterator[Call]:
    """Two System V semaphores: no descriptor leads from one side to the other."""
    both = Semaphores()
    try:
        with detached("semaphores", str(both.number), cost):

            def call() -> None:
                both.change(0, 1)
                both.change(1, -1)

            yield call
    finally:
        both.remove()


@contextmanager
def calling_worker(cost: Cost) -> Iterator[Call]:
    """A worker that has connected to the test, and waits for its orders."""
    with tempfile.TemporaryDirectory() as folder, socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port = listening.getsockname()[1]
        (Path(folder) / "port").write_text(str(port), encoding="ascii")
        with detached("worker", folder, cost):
            worker, _ = listening.accept()

            def call() -> bytes:
                worker.send(b"?")
                return worker.recv(1)

            yield call
            worker.close()


class Semaphores:
    """Two System V semaphores, by the calls of the C library."""

    def __init__(self, number: int | None = None) -> None:
        self._c = ctypes.CDLL(None, use_errno=True)
        self.number = self._c.semget(0, 2, 0o1600) if number is None else number

    def change(self, which: int, by: int) -> None:
        """Raise or lower one of them; a lowering waits until that is possible."""
        operation = struct.pack("=Hhh", which, by, 0)
        if self._c.semop(self.number, operation, 1) != 0:
            raise OSError(ctypes.get_errno(), "semop")

    def remove(self) -> None:
        """Remove both."""
        self._c.semctl(self.number, 0, 0)


def answer(way: str, place: str, cost: Cost) -> int:
    """Answer calls that come by one of these ways, in a process without a parent here."""
    if os.fork():
        os._exit(0)
    print(os.getpid(), flush=True)
    for spend in _PEERS[way](place):
        cost.spend()
        spend()
    return 0


def _ready() -> None:
    print("ready", flush=True)
    os.close(1)


def _answer_udp(place: str) -> Iterator[Callable[[], Any]]:
    with socket.socket(type=socket.SOCK_DGRAM) as ours:
        ours.bind(("127.0.0.1", 0))
        (Path(place) / "port").write_text(str(ours.getsockname()[1]), encoding="ascii")
        _ready()
        while True:
            _, sender = ours.recvfrom(1)
            yield partial(ours.sendto, b"!", sender)


def _answer_unix(place: str) -> Iterator[Callable[[], Any]]:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"{place}/socket")
        listening.listen()
        _ready()
        while True:
            with listening.accept()[0] as client:
                client.recv(1)
                yield partial(client.send, b"!")


def _answer_pipes(place: str) -> Iterator[Callable[[], Any]]:
    _ready()
    there, back = os.open(f"{place}/there", os.O_RDONLY), os.open(f"{place}/back", os.O_WRONLY)
    while os.read(there, 1):
        yield partial(os.write, back, b"!")


def _answer_semaphores(place: str) -> Iterator[Callable[[], Any]]:
    both = Semaphores(int(place))
    _ready()
    while True:
        both.change(0, -1)
        yield partial(both.change, 1, 1)


def _answer_worker(place: str) -> Iterator[Callable[[], Any]]:
    port = int((Path(place) / "port").read_text(encoding="ascii"))
    with socket.create_connection(("127.0.0.1", port)) as ours:
        _ready()
        while ours.recv(1):
            yield partial(ours.send, b"!")


_PEERS: Final[dict[str, Callable[[str], Iterator[Callable[[], Any]]]]] = {
    "udp": _answer_udp,
    "unix": _answer_unix,
    "pipes": _answer_pipes,
    "semaphores": _answer_semaphores,
    "worker": _answer_worker,
}


@contextmanager
def sqlite(cost: Cost) -> Iterator[Call]:
    """A commit to a file."""
    with folder_on_disk() as folder:
        database = sqlite3.connect(Path(folder) / "rows.db")
        database.execute("create table rows (x integer)")

        def call() -> None:
            cost.spend()
            database.execute("insert into rows values (1)")
            database.commit()

        yield call
        database.close()


@contextmanager
def memory(cost: Cost) -> Iterator[Call]:
    """Adding up 24 MB, which no cache holds."""
    import numpy as np

    numbers = np.ones(3_000_000)
    other = np.ones(3_000_000)

    def call() -> None:
        np.add(numbers, other, out=numbers)
        cost.spend()

    yield call


@dataclass(frozen=True)
class Kind:
    """A kind of test."""

    opened: Callable[[Cost], Any]
    base_ms: float
    """What the place that answers computes when it is not slowed."""
    quantiles: tuple[str, ...] = ("p95",)
    shape: str = "closed"
    sleeps: bool = True
    computes_at: float = 1.0
    """Speed of its computing, against Python's."""


KINDS: Final[dict[str, Kind]] = {
    "own-thread": Kind(own_thread, 3, ("p95", "p99")),
    "fastapi": Kind(fastapi_client, 3, ("p95", "p99")),
    "pool": Kind(pool, 3, ("p95", "p99")),
    "server": Kind(server, 5, ("p95", "p99")),
    "redis": Kind(redis, 2, ("p95", "p99"), sleeps=False, computes_at=2.0),
    "child": Kind(child, 0),
    "programs": Kind(programs, 0),
    "sqlite": Kind(sqlite, 0),
    "burst": Kind(pool, 3, shape="burst"),
    "rate": Kind(own_thread, 3, shape="rate"),
    "memory": Kind(memory, 0),
    "fastapi-bare": Kind(fastapi_bare, 3),
    "reconnecting": Kind(reconnecting, 5),
    "udp": Kind(udp, 3),
    "unix": Kind(unix, 3),
    "pipes": Kind(named_pipes, 3),
    "semaphores": Kind(semaphores, 3),
    "worker": Kind(calling_worker, 3),
}
MACHINES: Final[dict[str, Callable[[], Any]]] = {
    "quiet": ExitStack,
    "spinners-2": partial(spinning, 2, set(), LONGEST_S),
    "spinners-1": partial(spinning, 1, set(), LONGEST_S),
    "spinners-4": partial(spinning, 4, set(), LONGEST_S),
    "by-turns": partial(busy_by_turns, 2, LONGEST_S),
    "n-4": ExitStack,
    "memory-2": partial(copying_memory, 2, LONGEST_S),
    "fsync-2": partial(committing, 2, LONGEST_S),
    "half-a-core": half_a_core,
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


def take(kind: Kind, call: Call, sampler: Sampler) -> Any:
    """One sample in the kind's shape."""
    if kind.shape == "burst":
        return sampler.burst(call, requests=BURST_REQUESTS, concurrency=BURST_CALLERS)
    if kind.shape == "rate":
        return sampler.at_rate(call, per_second=PER_SECOND, duration="5s")
    return sampler(call)


def sampler_of(budget: LatencyBudget | None) -> Sampler:
    """As the fixture is."""
    plan = Plan() if budget else Plan(samples=400)
    settings = ItemSettings("busy", Mode.GATE, plan, budget, strict=False, gates=GATES)
    return Sampler(settings)


def calibrate(kind: Kind) -> Quiet:
    """What the kind takes now, on what should be a quiet machine."""
    speed = steps_per_second()
    with kind.opened(cost_of(kind, speed)) as call:
        sample = take(kind, call, sampler_of(None))
    quantiles = {name: sample.quantile_ns(name) for name in ("p95", "p99")}
    return Quiet(sample.quantile_ns("p50"), quantiles, speed)


def cost_of(kind: Kind, speed: float) -> Cost:
    """Unchanged."""
    return Cost(steps=round(kind.base_ms / 1e3 * speed * kind.computes_at))


def prepared(cell: Cell, quiet: Quiet) -> tuple[Cost, LatencyBudget]:
    """The cost of the handler, and the budget."""
    kind = KINDS[cell.kind]
    handler = next(each for each in HANDLERS if each.name == cell.handler)
    cost = cost_of(kind, quiet.steps_per_s)
    ratio = handler.ratio if handler.ratio < 1 else 0.5
    limit_ns = quiet.quantiles_ns[cell.quantile] / ratio
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
    for _ in range(chosen.gates):
        with kind.opened(cost) as call, surroundings(cell):
            begin = time.perf_counter()
            sample = take(kind, call, sampler_of(budget))
            seconds = time.perf_counter() - begin
            naive = original(call, budget) if kind.shape == "closed" else None
        assert sample.verdict is not None
        row = {
            "cell": cell.key,
            "outcome": str(sample.verdict.outcome),
            "reason": str(sample.verdict.limits[0].reason),
            "n": len(sample),
            "over": sample.verdict.limits[0].over,
            "over_attributed": sample.verdict.limits[0].over_attributed,
            "seconds": round(seconds, 3),
            "followed": sample.measurement.followed,
            "original": naive,
            "load": os.getloadavg()[0],
        }
        print(json.dumps(row), flush=True)
    return 0


def original(call: Call, budget: LatencyBudget) -> str:
    """The original rule: passed or failed."""
    limit = budget.limits[0]
    for _ in range(WARMUP):
        call()
    left = FIFTY - int(FIFTY * float(limit.quantile))
    for _ in range(FIFTY):
        begin = time.perf_counter_ns()
        call()
        left -= time.perf_counter_ns() - begin > limit.limit_ns
        if left <= 0:
            return "failed"
    return "passed"


def serve(cost: Cost) -> int:
    """A server on a free port, which it prints."""

    class Handling(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # an answer is one packet, else the client's delayed acknowledgement shows

        def do_GET(self) -> None:
            cost.spend()
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            """Nothing."""

    serving = ThreadingHTTPServer(("127.0.0.1", 0), Handling)
    print(serving.server_address[1], flush=True)
    serving.serve_forever()
    return 0


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


def measure(cell: Cell, wanted: int, results: Results) -> None:
    """Judge what is missing of a cell."""
    missing = wanted - len(results.rows[cell.key])
    if missing <= 0:
        return
    abreast = min(missing, ABREAST.get(cell.machine, 1))
    shares = [missing // abreast + (at < missing % abreast) for at in range(abreast)]
    quiet = json.dumps(asdict(results.quiet[cell.kind]))
    order = ["--worker", json.dumps(asdict(cell)), "--quiet", quiet]

    def one(share: int) -> None:
        command = [sys.executable, __file__, *order, "--gates", str(share)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout or ():
                results.add(json.loads(line))

    threads = [threading.Thread(target=one, args=(share,)) for share in shares]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


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
    for internal in ("--worker", "--quiet", "--serve", "--peer", "--place"):
        options.add_argument(internal, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.peer:
        return answer(chosen.peer, chosen.place, Cost(**json.loads(chosen.serve)))
    if chosen.serve:
        return serve(Cost(**json.loads(chosen.serve)))
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
                results.add({"kind": kind, "quiet": asdict(calibrate(KINDS[kind]))})
        for machine in dict.fromkeys(cell.machine for cell in asked):
            with MACHINES[machine]():
                for cell in asked:
                    if cell.machine == machine:
                        measure(cell, chosen.gates, results)
                        print(table(results, [cell])[-1], flush=True)
        print("\n".join(table(results, asked)))
        figures = {"rows": {cell.key: results.rows[cell.key] for cell in asked}}
        return conclude("busy_waits", figures, goals(results, asked), chosen)


if __name__ == "__main__":
    sys.exit(main())
