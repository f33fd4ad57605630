"""What Hancock costs over a bare Flask view that answers the same, side by side in one run.

    python benchmarks/hancock.py [--check] [--without-servers]

Everything is switched on: rate limit, metrics, request ids, validation. Bare and ours take turns,
call by call, so that whatever else the machine does meets both. Every figure is the median over
rounds of the ratio within one round. The rate window holds 0, 1 000 and 100 000 requests of the
asking client. Then gunicorn with two workers under wrk (apt-get install wrk), again in turns: by
requests per second and per second of CPU time, of which one has to reach the goal.

--check exits with 1 where a goal is missed.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from flask import Flask, Response, jsonify, request
from werkzeug.test import EnvironBuilder

from hancock_app import Settings, create_app

HERE = Path(__file__).resolve().parent
WINDOWS = (0, 1_000, 100_000)
UNLIMITED = 100_000_000
BODY = b'{"question":"what now?"}'
ANSWER = (
    create_app(Settings()).test_client().post("/v1/ask", data=BODY, content_type="application/json")
)
GOALS = {"/health": 1.20, "/v1/ask": 1.35}
FLAT = 1.05
SERVED_GOALS = {"/health": 0.85, "/v1/ask": 0.80}

Call = Callable[[], int]


def bare() -> Flask:
    """The views that anybody would write first."""
    app = Flask("bare")
    hancock = create_app(Settings()).test_client()
    answered = hancock.post("/v1/ask", **asking("/v1/ask")).get_json()

    @app.get("/health")
    def health() -> Response:
        return jsonify(status="ok")

    @app.post("/v1/ask")
    def ask() -> Response:
        request.get_json()
        return jsonify(answered)

    return app


def asking(path: str) -> dict[str, Any]:
    """How to ask `path`, as arguments of werkzeug's EnvironBuilder."""
    if path == "/health":
        return {"method": "GET"}
    return {"method": "POST", "data": BODY, "content_type": "application/json"}


def by_wsgi(app: Flask, path: str) -> Call:
    """One direct call of the WSGI application, in ns."""
    template = EnvironBuilder(path, **asking(path)).get_environ()

    def call() -> int:
        environ = {**template, "wsgi.input": io.BytesIO(BODY)}
        began = time.perf_counter_ns()
        body: Any = app(environ, _ignore)
        b"".join(body)
        body.close()
        return time.perf_counter_ns() - began

    return call


def _ignore(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
    assert status.startswith("200"), status


def by_test_client(app: Flask, path: str) -> Call:
    """One request of Flask's test client, in ns."""
    client, how = app.test_client(), asking(path)

    def call() -> int:
        began = time.perf_counter_ns()
        answer = client.open(path, **how)
        took = time.perf_counter_ns() - began
        assert answer.status_code == 200, answer.text
        return took

    return call


def filled(requests: int) -> Flask:
    """Hancock with `requests` in the rate window of the client that asks."""
    app = create_app(Settings(rate_limit=UNLIMITED))
    ask = by_wsgi(app, "/v1/ask")
    for _ in range(requests):
        ask()
    return app


@dataclass(frozen=True)
class Row:
    """One line of the table: what was asked and how, and ours over bare at two percentiles."""

    what: str
    how: str
    goal: float
    ours_us: float
    p50: float
    p99: float

    @property
    def judged(self) -> float:
        """The worse percentile; where flatness is the question the median alone.

        There the slowest percent, which other load decides, is within some 8 % of itself. It is
        judged at every fill against that of the bare view.
        """
        return self.p50 if self.goal == FLAT else max(self.p50, self.p99)

    def __str__(self) -> str:
        return (
            f"{self.what:<10} {self.how:<28} {self.ours_us:8.1f}"
            f" {self.p50:7.3f} {self.p99:7.3f}   {self.goal:.2f}"
        )


def rounds_of(calls: list[Call], times: int, rounds: int) -> Iterator[list[list[int]]]:
    """For every round the sorted times of each of `calls`, which took turns."""
    dice = random.Random(1)
    for call in calls:
        for _ in range(50):
            call()
    for _ in range(rounds):
        taken: list[list[int]] = [[] for _ in calls]
        for _ in range(times):
            # Whoever comes after another of ours finds its code in the caches, so dice decide.
            for chosen in dice.sample(range(len(calls)), len(calls)):
                taken[chosen].append(calls[chosen]())
        yield [sorted(one) for one in taken]


def compared(path: str, how: str, calls: list[Call], times: int, rounds: int) -> list[Row]:
    """Rows for ours at every fill over bare (goal: `GOALS`), and over ours empty (`FLAT`)."""
    measured = list(rounds_of(calls, times, rounds))

    def ratio(one: int, other: int, share: float) -> float:
        return statistics.median(at(r[one], share) / at(r[other], share) for r in measured)

    def row(one: int, other: int, label: str, goal: float) -> Row:
        ours_us = statistics.median(at(r[one], 0.5) for r in measured) / 1000
        return Row(path, label, goal, ours_us, ratio(one, other, 0.5), ratio(one, other, 0.99))

    over_bare = [
        row(1 + n, 0, f"{how}, {fill:,} in window", GOALS[path]) for n, fill in enumerate(WINDOWS)
    ]
    return [*over_bare, row(3, 1, f"{how}, full over empty", FLAT)]


def at(taken: list[int], share: float) -> int:
    """The nearest rank."""
    return taken[max(0, -int(-share * len(taken) // 1) - 1)]


def in_process(times: int, rounds: int) -> list[Row]:
    rows = []
    for path in GOALS:
        for how, caller in (("WSGI", by_wsgi), ("client", by_test_client)):
            # Filled anew each time, or its requests would be older than a minute meanwhile.
            apps = [bare(), *(filled(fill) for fill in WINDOWS)]
            rows += compared(path, how, [caller(app, path) for app in apps], times, rounds)
    return rows


class Server(NamedTuple):
    """A gunicorn with two workers."""

    url: str
    pid: int

    def cpu_s(self) -> float:
        """The CPU time that its workers have used, in seconds."""
        workers = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        stats = [
            Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in workers
        ]
        ticks = sum(int(stat[11]) + int(stat[12]) for stat in stats)
        return ticks / os.sysconf("SC_CLK_TCK")


@contextmanager
def served(folder: Path, name: str, arguments: list[str]) -> Iterator[Server]:
    log = folder / f"{name}.log"
    command = [sys.executable, "-m", "gunicorn", "-b", "127.0.0.1:0", *arguments]
    environ = {
        **os.environ,
        "HANCOCK_RATE_LIMIT": str(UNLIMITED),
        "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parent)]),
    }
    with log.open("wb") as written:
        server = subprocess.Popen(command, env=environ, stderr=written)
    try:
        deadline = time.monotonic() + 60
        while not (found := re.search(r"Listening at: (http://[\d.:]+)", log.read_text())):
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(log.read_text())
            time.sleep(0.05)
        yield Server(found[1], server.pid)
    finally:
        server.terminate()
        server.wait()


class Pushed(NamedTuple):
    """What one run of wrk got out of a server."""

    per_second: float
    per_cpu_second: float


def pushed(server: Server, path: str, seconds: int, folder: Path) -> Pushed:
    """By wrk, with 16 connections; every answer has to be a 200."""
    script = folder / "post.lua"
    script.write_text(
        "wrk.method = 'POST'\nwrk.body = '" + BODY.decode() + "'\n"
        "wrk.headers['Content-Type'] = 'application/json'\n"
    )
    posting = [] if path == "/health" else ["-s", str(script)]
    command = ["wrk", "-t1", "-c16", f"-d{seconds}s", *posting, server.url + path]
    before = server.cpu_s()
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    used = server.cpu_s() - before
    assert "Non-2xx" not in said, said
    per_second = re.search(r"Requests/sec:\s+([\d.]+)", said)
    requests = re.search(r"(\d+) requests in", said)
    assert per_second, said
    assert requests, said
    return Pushed(float(per_second[1]), int(requests[1]) / used)


class Served(NamedTuple):
    """One path: ours at its best in requests/s, and ours over bare."""

    path: str
    per_second: float
    ratio: float
    cpu_ratio: float

    def __str__(self) -> str:
        return (
            f"{self.path:<10} {'':<28} {self.per_second:8.0f} {self.ratio:7.3f}"
            f" {self.cpu_ratio:7.3f}   {SERVED_GOALS[self.path]:.2f}"
        )


def by_servers(seconds: int, rounds: int) -> Iterator[Served]:
    """The best round of each counts, since others on the machine only ever slow a round down."""
    two = ["-w", "2", "-k", "gthread", "--threads", "8", "--keep-alive", "75"]
    ours = ["-c", "python:hancock_app.gunicorn_config", *two, "hancock_app:create_app()"]
    with (
        tempfile.TemporaryDirectory() as name,
        served(Path(name), "bare", [*two, "hancock:bare()"]) as bare_server,
        served(Path(name), "ours", ours) as our_server,
    ):
        both = (bare_server, our_server)
        for path in SERVED_GOALS:
            for server in both:
                pushed(server, path, 1, Path(name))
            pairs = [
                [pushed(one, path, seconds, Path(name)) for one in both] for _ in range(rounds)
            ]
            their, our = (
                Pushed(*(max(figures) for figures in zip(*side, strict=True)))
                for side in zip(*pairs, strict=True)
            )
            ratio = our.per_second / their.per_second
            cpu_ratio = our.per_cpu_second / their.per_cpu_second
            yield Served(path, our.per_second, ratio, cpu_ratio)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="exit with 1 where a goal is missed")
    parser.add_argument("--without-servers", action="store_true", help="leave out gunicorn and wrk")
    parser.add_argument("--times", type=int, default=1500, help="calls per round")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=2, help="of wrk per round")
    chosen = parser.parse_args()
    print(f"{'':<10} {'':<28} {'ours µs':>8} {'p50 ×':>7} {'p99 ×':>7}   goal")
    rows = in_process(chosen.times, chosen.rounds)
    for row in rows:
        print(row)
    missed = [row for row in rows if row.judged > row.goal]
    figures = [f"{path} {_worst(rows, path)}" for path in GOALS]
    slow = []
    if not chosen.without_servers:
        if shutil.which("wrk") is None:
            print("wrk is missing: apt-get install wrk, or give --without-servers")
            return 2
        heading = "gunicorn, 2 workers, wrk"
        print(f"{'':<10} {heading:<28} {'ours/s':>8} {'/s ×':>7} {'/CPU ×':>7}   goal")
        for one in by_servers(chosen.seconds, chosen.rounds):
            print(one)
            figures.append(f"served {one.path} {one.ratio:.2f}")
            # Under other load requests/s tell of the machine, and CPU time of its caches.
            best = max(one.ratio, one.cpu_ratio)
            slow += [one] if best < SERVED_GOALS[one.path] else []
    failed = len(missed) + len(slow)
    print(f"hancock: {'; '.join(figures)}; {failed} goals missed")
    return 1 if chosen.check and failed else 0


def _worst(rows: list[Row], path: str) -> str:
    over_bare = [row for row in rows if row.what == path and row.goal != FLAT]
    flat = [row for row in rows if row.what == path and row.goal == FLAT]
    return (
        f"p50 {max(row.p50 for row in over_bare):.3f} p99 {max(row.p99 for row in over_bare):.3f}"
        f" flat {max(row.p50 for row in flat):.3f}/{max(row.p99 for row in flat):.3f}"
    )


if __name__ == "__main__":
    sys.exit(main())
