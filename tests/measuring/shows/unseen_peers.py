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
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "benchmarks"))

from busy_waits import sampler_of, steps_per_second
from machine import spinning
from machine.namespaces import network_namespace
from waits.answering import LOCALHOST, Cost, Peer, answering

from pytest_hancock_latency.core.budget import parse_terms

SCRIPT = Path(__file__).resolve()
LONGEST_S = 600
PYTHON = shutil.which("python3", path="/usr/bin:/usr/local/bin") or sys.executable
"""One that every user may start."""


def url_of(address: str, peer: Peer) -> str:
    return f"http://{address}:{peer.port}/"


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
    serving = partial(answering, "http", Cost(round(0.005 * steps_per_second())), python=PYTHON)
    with serving() as peer:
        url = url_of(LOCALHOST, peer)
        limit_ms = 2 * gate(url, None).p95_ms
        print(f"limit {limit_ms:.1f} ms")
        found = {"no descendant": judged(url, limit_ms, chosen.gates)}
        found["shared by four"] = judged(url, limit_ms, chosen.gates, abreast=4)
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    with serving(prefix=nobody) as peer:
        found["of another user"] = judged(url_of(LOCALHOST, peer), limit_ms, chosen.gates)
    with network_namespace() as there, serving(there.address, prefix=there.prefix) as peer:
        url = url_of(there.address, peer)
        found["in a network namespace"] = judged(url, limit_ms, chosen.gates)
    for name, outcomes in found.items():
        print(f"{name}: {dict(outcomes)}")
    wrong = [name for name, outcomes in found.items() if outcomes["exceeded"]]
    print(f"WRONG: exceeded {wrong}" if wrong else "as promised")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
