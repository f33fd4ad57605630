"""Servers outside of the waiting tree: unchanged gates that call them are never exceeded.

python tests/measuring/shows/unseen_peers.py [--gates 6]

A local server that takes 5 ms and is not a descendant of the test, one of another user, one in a
separate network namespace, and one that four measuring processes share. The limit is twice the
quiet p95; four spinners share the two cores. Needs root, and `ip` and `setpriv`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "benchmarks"))

from busy_waits import sampler_of, steps_per_second
from machine import spinning

from pytest_hancock_latency.core.budget import parse_terms

SCRIPT = Path(__file__).resolve()
LONGEST_S = 600
NAMESPACE, HERE, THERE = "hancock-show", "10.251.0.1", "10.251.0.2"
PYTHON = shutil.which("python3", path="/usr/bin:/usr/local/bin") or sys.executable
"""One that every user may start."""
SERVER = """
import os, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
if os.fork():
    os._exit(0)  # nobody here is the parent of what goes on

class Handling(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_GET(self):
        x = 1
        for _ in range(int(sys.argv[2])):
            x = (x * 5 + 1) & 0xFFFF
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        pass

serving = ThreadingHTTPServer((sys.argv[1], 0), Handling)
print(os.getpid(), serving.server_address[1], flush=True)
serving.serve_forever()
"""


@contextmanager
def served(steps: int, prefix: Sequence[str] = (), address: str = "127.0.0.1") -> Iterator[str]:
    """The address of a server that is not a descendant of this process."""
    command = [*prefix, PYTHON, "-I", "-c", SERVER, address, str(steps)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd="/") as starter:
        assert starter.stdout is not None
        pid, port = map(int, starter.stdout.readline().split())
    try:
        yield f"http://{address}:{port}/"
    finally:
        os.kill(pid, 9)


@contextmanager
def namespace() -> Iterator[Sequence[str]]:
    """A network namespace that is connected with this one: the prefix of commands in it."""
    run = partial(subprocess.run, check=True, capture_output=True)
    inside = ["ip", "netns", "exec", NAMESPACE]
    try:
        run(["ip", "netns", "add", NAMESPACE])
        run(["ip", "link", "add", "show0", "type", "veth", "peer", "show1", "netns", NAMESPACE])
        run(["ip", "addr", "add", f"{HERE}/24", "dev", "show0"])
        run(["ip", "link", "set", "show0", "up"])
        run([*inside, "ip", "addr", "add", f"{THERE}/24", "dev", "show1"])
        run([*inside, "ip", "link", "set", "show1", "up"])
        yield inside
    finally:
        with suppress(subprocess.CalledProcessError):
            run(["ip", "netns", "del", NAMESPACE])


def gate(url: str, limit_ms: float | None) -> Any:
    """One sample of requests over one connection; without a limit it is only measured."""
    import httpx

    with httpx.Client() as client:
        budget = parse_terms({"p95": limit_ms}).budget() if limit_ms else None
        return sampler_of(budget)(client.get, url)


def judged(url: str, limit_ms: float, gates: int, abreast: int = 1) -> Counter[str]:
    """Outcomes of gates next to four spinners, `abreast` processes at a time."""
    command = [sys.executable, str(SCRIPT), "--worker", url, str(limit_ms)]
    outcomes: Counter[str] = Counter()
    with spinning(4, set(), LONGEST_S):
        for _ in range(-(-gates // abreast)):
            workers = [
                subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(abreast)
            ]
            outcomes.update(worker.communicate()[0].strip() for worker in workers)
    return outcomes


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--gates", type=int, default=6)
    options.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.worker:
        url, limit_ms = chosen.worker
        print(gate(url, float(limit_ms)).verdict.outcome)
        return 0
    if os.geteuid() != 0:
        print("needs root; nothing was shown")
        return 0
    steps = round(0.005 * steps_per_second())
    with served(steps) as url:
        limit_ms = 2 * gate(url, None).p95_ms
        print(f"limit {limit_ms:.1f} ms")
        found = {"no descendant": judged(url, limit_ms, chosen.gates)}
        found["shared by four"] = judged(url, limit_ms, chosen.gates, abreast=4)
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    with served(steps, nobody) as url:
        found["of another user"] = judged(url, limit_ms, chosen.gates)
    with namespace() as inside, served(steps, inside, THERE) as url:
        found["in a network namespace"] = judged(url, limit_ms, chosen.gates)
    for name, outcomes in found.items():
        print(f"{name}: {dict(outcomes)}")
    wrong = [name for name, outcomes in found.items() if outcomes["exceeded"]]
    print(f"WRONG: exceeded {wrong}" if wrong else "as promised")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
