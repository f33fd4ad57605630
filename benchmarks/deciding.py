"""Whether gates on ordinary endpoints decide, with default settings, and how long they take.

    python benchmarks/deciding.py [--latencies 2,20,60,100,140] [--runs 1] [--results FILE]
        [--check] [--json FILE]

A local HTTP server answers after a log-normal time (p99 is 1.8 times its median). Each gate is a
pytest session of its own, `@latency_budget(p99=...)` on a test that makes one request with
keep-alive. The limit is twice the true p99, or the true p99 is 1.5 times the limit; the true p99 is
that of the distribution, plus a measured overhead. The seconds that a gate announces are compared
with those it takes. Each gate is appended to the results as soon as it is there, and a run that was
stopped goes on where it was. Asks for a machine on which nothing else runs. One run of each takes
two and a half minutes.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import exp
from pathlib import Path
from random import Random
from statistics import NormalDist, median
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent))

from goals import at_most, conclude, parser

SPREAD: Final = 0.25
"""Of the logarithm of the latency: p99 is 1.8 times the median."""
P99: Final = exp(SPREAD * NormalDist().inv_cdf(0.99))
LIMITS: Final = {"half": 2.0, "over": 1 / 1.5}
"""The limit by the true p99: it is at half its limit, or at 1.5 times."""
RIGHT: Final = {"half": "within", "over": "exceeded"}
MAY_STAY_INCONCLUSIVE_MS: Final = 140
"""With one call over the limit, a pass takes 584 of these: more than the 60 s of a sample."""
TEST: Final = """
from http.client import HTTPConnection
from pytest_hancock_latency import latency_budget

@latency_budget(p99={limit_ms})
def test_endpoint(sample):
    connection = HTTPConnection("127.0.0.1", {port})
    def get():
        connection.request("GET", "/")
        return connection.getresponse().read()
    sample(get)
"""
_ANNOUNCED: Final = re.compile(r"p99 needs \d+ calls of about .* each: ([\d.]+) (ms|s|min)$", re.M)
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "min": 60.0}


class Server:
    """Answers after a log-normal time with this median."""

    def __init__(self, latency_ms: float, seed: int) -> None:
        random = Random(seed)
        lock = threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                with lock:
                    took_s = latency_ms / 1000 * random.lognormvariate(0, SPREAD)
                time.sleep(took_s)
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]

    def serve(self) -> None:
        self._server.serve_forever()


@contextmanager
def served(latency_ms: float, seed: int) -> Iterator[int]:
    """The port of such a server in a process of its own."""
    command = [sys.executable, __file__, "--serve", str(latency_ms), "--seed", str(seed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())
        process.kill()


def overhead_ms() -> float:
    """What a request takes beyond the server's sleep, at the median of 200."""
    with served(1, 0) as port:
        connection = HTTPConnection("127.0.0.1", port)
        latencies = []
        for _ in range(200):
            start = time.perf_counter()
            connection.request("GET", "/")
            connection.getresponse().read()
            latencies.append((time.perf_counter() - start) * 1000)
    return max(0.0, median(latencies) - 1)


def gate(latency_ms: float, side: str, run: int, extra_ms: float) -> dict[str, Any]:
    """One pytest session."""
    limit_ms = (latency_ms * P99 + extra_ms) * LIMITS[side]
    with tempfile.TemporaryDirectory() as folder, served(latency_ms, run) as port:
        Path(folder, "test_it.py").write_text(TEST.format(limit_ms=limit_ms, port=port))
        command = [sys.executable, "-m", "pytest", "-q", "-p", "hancock_latency"]
        command += ["-p", "no:cacheprovider", "--latency-json=artifact.json"]
        environ = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "CI": "1"}
        begin = time.monotonic()
        done = subprocess.run(
            command, cwd=folder, env=environ, capture_output=True, text=True, check=False
        )
        seconds = time.monotonic() - begin
        sample = json.loads(Path(folder, "artifact.json").read_text())["samples"][0]
    announced = _ANNOUNCED.search(done.stdout)
    return {
        "latency_ms": latency_ms,
        "side": side,
        "run": run,
        "outcome": sample["outcome"],
        "n": sample["n"],
        "measured_s": sample["measurement"]["elapsed_ns"] / 1e9,
        "session_s": seconds,
        "announced_s": float(announced[1]) * _SECONDS[announced[2]] if announced else None,
        "load": os.getloadavg()[0],
    }


def table(rows: list[dict[str, Any]]) -> Iterator[str]:
    """A line for each endpoint and side."""
    yield "| a call takes | true p99 | decided correctly | inconclusive | wrong | s (announced) |"
    yield "|---|---|---|---|---|---|"
    cells = sorted({(row["latency_ms"], row["side"]) for row in rows}, key=lambda c: (c[0], c[1]))
    for latency_ms, side in cells:
        mine = [row for row in rows if (row["latency_ms"], row["side"]) == (latency_ms, side)]
        outcomes = [row["outcome"] for row in mine]
        right, open_ = outcomes.count(RIGHT[side]), outcomes.count("inconclusive")
        announced = [row["announced_s"] for row in mine if row["announced_s"]]
        said = f" ({median(announced):.0f})" if announced else " (nothing)"
        where = "half its limit" if side == "half" else "1.5 times its limit"
        yield (
            f"| {latency_ms:g} ms | {where} | {right} of {len(mine)} | {open_} | "
            f"{len(mine) - right - open_} | {median(r['measured_s'] for r in mine):.1f}{said} |"
        )


def main() -> int:
    """Measure, print the table, check the goals."""
    options = parser(__doc__)
    options.add_argument("--latencies", default="2,20,60,100,140", help="medians in ms")
    options.add_argument("--runs", type=int, default=1, help="gates per endpoint and side")
    options.add_argument("--results", type=Path, help="where gates are appended")
    options.add_argument("--serve", type=float, help="be the server of this latency")
    options.add_argument("--seed", type=int, default=0)
    chosen = options.parse_args()
    if chosen.serve is not None:
        server = Server(chosen.serve, chosen.seed)
        print(server.port, flush=True)
        server.serve()
        return 0
    rows: list[dict[str, Any]] = []
    if chosen.results and chosen.results.exists():
        rows = [json.loads(line) for line in chosen.results.read_text().splitlines()]
    done = {(row["latency_ms"], row["side"], row["run"]) for row in rows}
    extra_ms = overhead_ms()
    for run in range(chosen.runs):
        for latency_ms in map(float, chosen.latencies.split(",")):
            for side in LIMITS:
                if (latency_ms, side, run) in done:
                    continue
                rows.append(gate(latency_ms, side, run, extra_ms))
                if chosen.results:
                    with chosen.results.open("a") as file:
                        file.write(json.dumps(rows[-1]) + "\n")
    print(*table(rows), sep="\n")
    wrong = sum(row["outcome"] not in (RIGHT[row["side"]], "inconclusive") for row in rows)
    short = [row for row in rows if row["latency_ms"] < MAY_STAY_INCONCLUSIVE_MS]
    inconclusive = sum(row["outcome"] == "inconclusive" for row in short) / max(1, len(short))
    goals = [at_most("wrong", wrong, 0), at_most("inconclusive below 140 ms", inconclusive, 0.05)]
    return conclude("deciding", {"rows": rows}, goals, chosen)


if __name__ == "__main__":
    sys.exit(main())
