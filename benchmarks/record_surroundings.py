"""Records calls that never block, with both probes before each, next to other work.

    python benchmarks/record_surroundings.py [--seconds 12] [--works ints,json] [--states quiet]
                                             [--folder benchmarks/surroundings]

Ten works, from 0.2 to 500 ms, each next to: nothing (`quiet`), a loop on another core (`spin`), a
compile loop (`compile`), a memory hog (`hog`), and two of them (`two`). Neighbours on the host of a
virtual machine are there in all of them. One file for each work and state has an array `rows`, one
call a row, in ns: start, wall, CPU of the thread, CPU of the process, run-queue wait, how often it
blocked, arithmetic probe, memory probe (second pass), both taken right before the call, with one
call in between that is not counted. `undisturbed_characteristics.py` judges them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from pytest_hancock_latency.measuring.takers.probes import Probes
from pytest_hancock_latency.measuring.takers.schedstat import (
    Scheduler,
    process_cpu,
    run_queue_waits,
    thread_cpu,
    times_blocked,
)

FOLDER: Final = Path(__file__).resolve().parent / "surroundings"
MS: Final = 1_000_000
WARM_UP: Final = 20
SPIN: Final = "while True: pass"
COMPILE: Final = """
import pathlib, random
text = pathlib.Path(random.__file__).read_text()
while True: compile(text, "random.py", "exec")
"""
HOG: Final = """
import numpy as np
blocks = [np.ones(4_000_000) for _ in range(4)]
while True:
    for block in blocks: block += 1
"""
STATES: Final = {
    "quiet": (),
    "spin": (SPIN,),
    "compile": (COMPILE,),
    "hog": (HOG,),
    "two": (SPIN, COMPILE),
}


def arithmetic(steps: int) -> Callable[[], object]:
    """Return a loop of integer arithmetic."""

    def call() -> int:
        x = 1
        for _ in range(steps):
            x = (x * 7 + 3) & 0xFFFFF
        return x

    return call


def dictionary() -> Callable[[], object]:
    """Return look-ups in a dictionary that does not fit into a core's own caches."""
    values = {number * 7919 % 1_000_003: number for number in range(200_000)}
    keys = list(values)[::40]
    return lambda: sum(values[key] for key in keys)


def flask_request() -> Callable[[], object]:
    """Return a request to a Flask application by its test client."""
    from flask import Flask, jsonify

    app = Flask("recorded")
    app.add_url_rule("/", view_func=lambda: jsonify([{"id": number} for number in range(50)]))
    client = app.test_client()
    return lambda: client.get("/").get_data()


def sqlite_insert() -> Callable[[], object]:
    """Return insertions into a database in memory that is written to a log now and then."""
    database = sqlite3.connect(tempfile.mkstemp(suffix=".db")[1], isolation_level=None)
    database.execute("pragma journal_mode=wal")
    database.execute("pragma synchronous=off")
    database.execute("create table t (a integer, b text)")
    return lambda: database.executemany("insert into t values (?, ?)", [(1, "x" * 50)] * 40)


def numpy_sum() -> Callable[[], object]:
    """Return a calculation with 16 MB of numbers."""
    numbers = np.arange(2_000_000, dtype=np.float64)
    return lambda: float((numbers * 1.5).sum())


def works() -> dict[str, Callable[[], object]]:
    """Return all works by name."""
    document = json.dumps([{"id": number, "name": str(number) * 3} for number in range(500)])
    text = "some words and 12 numbers 345 " * 300
    block = b"x" * 500_000
    return {
        "ints": arithmetic(15_000),
        "json": lambda: json.loads(document),
        "regex": lambda: re.findall(r"(\w+) (\d+)", text),
        "dict": dictionary(),
        "flask": flask_request(),
        "sqlite": sqlite_insert(),
        "numpy": numpy_sum(),
        "sha256": lambda: hashlib.sha256(block).digest(),
        "ints50": arithmetic(700_000),
        "ints500": arithmetic(7_000_000),
    }


@contextmanager
def neighbours(codes: tuple[str, ...]) -> Iterator[None]:
    """Run other programs meanwhile."""
    running = [subprocess.Popen([sys.executable, "-c", code]) for code in codes]
    try:
        time.sleep(1.0 if running else 0)
        yield
    finally:
        for program in running:
            program.kill()
            program.wait()


def recorded(call: Callable[[], object], seconds: float) -> np.ndarray:
    """Return the rows of one recording."""
    clock, blocked = time.perf_counter_ns, times_blocked()
    if blocked is None:
        raise SystemExit("this system does not count how often a thread blocks")
    probes, readings = Probes(clock), []
    for _ in range(WARM_UP):
        call()
    with Scheduler() as scheduler:
        until = clock() + int(seconds * 1e9)
        took = 0
        while clock() < until or len(readings) < WARM_UP:
            probes.run()
            if took < 20 * MS:
                call()
            before = (thread_cpu(), process_cpu(), blocked(), scheduler.read())
            begin = clock()
            call()
            end = clock()
            after = (scheduler.read(), thread_cpu(), process_cpu(), blocked())
            took = end - begin
            readings.append((begin, took, before, after))
    waits = run_queue_waits([after[0] for *_, after in readings]) - run_queue_waits(
        [before[3] for *_, before, _ in readings]
    )
    times = probes.times
    rows = [
        (begin, wall, after[1] - before[0], after[2] - before[1], wait, after[3] - before[2])
        for (begin, wall, before, after), wait in zip(readings, waits.tolist(), strict=True)
    ]
    return np.column_stack([np.array(rows), times.arithmetic_ns, times.memory_ns])


def main() -> int:
    """Record and write all files that were asked for."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--seconds", type=float, default=12.0)
    options.add_argument("--works", default=",".join(works()))
    options.add_argument("--states", default=",".join(STATES))
    options.add_argument("--folder", type=Path, default=FOLDER)
    chosen = options.parse_args()
    chosen.folder.mkdir(exist_ok=True)
    calls = works()
    for state in chosen.states.split(","):
        with neighbours(STATES[state]):
            for work in chosen.works.split(","):
                rows = recorded(calls[work], chosen.seconds)
                path = chosen.folder / f"{work}_{state}.npz"
                np.savez_compressed(path, rows=rows)
                median_ms = float(np.median(rows[:, 1])) / MS
                print(f"{path.name}: {len(rows)} calls, {median_ms:.3g} ms", flush=True)
    return 0


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
