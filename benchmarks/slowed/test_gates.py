"""Kinds of calls, each with three limits; the limits come from a file that LIMITS names.

Without it, the latencies are measured that the limits are made of. Ten kinds wait, for different
times, most of them as answers of services vary; five compute.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from own_thread.works import Call

from pytest_hancock_latency import Sampler

TEXT: Final = json.dumps([{"id": at, "name": str(at), "lines": [1, 2, 3]} for at in range(300)])


def waiting(seconds: Callable[[random.Random], float]) -> Call:
    """Waits for a time that varies in the same way in every run."""
    draw = random.Random(1)
    return lambda: time.sleep(seconds(draw))


def computing_first(count: int, seconds: float) -> Call:
    """Computes, and then waits."""

    def call() -> None:
        sum(range(count))
        time.sleep(seconds)

    return call


def asking() -> Call:
    """Asks a thread of this process, which answers after 3 ms."""
    here, there = socket.socketpair()

    def answer() -> None:
        while there.recv(1):
            time.sleep(0.003)
            there.send(b"a")

    threading.Thread(target=answer, daemon=True).start()

    def call() -> bytes:
        here.send(b"q")
        return here.recv(1)

    return call


def shuffled() -> Call:
    """Sorts random numbers."""
    numbers = [random.Random(at).random() for at in range(3000)]
    return lambda: sorted(numbers)


WAITING: Final[dict[str, Callable[[], Call]]] = {
    "1 ms": lambda: waiting(lambda _: 0.001),
    "3 ms": lambda: waiting(lambda _: 0.003),
    "6 ms": lambda: waiting(lambda _: 0.006),
    "uniform": lambda: waiting(lambda draw: draw.uniform(0.001, 0.005)),
    "a tenth twice as long": lambda: waiting(lambda draw: 0.006 if draw.random() < 0.1 else 0.003),
    "lognormal": lambda: waiting(lambda draw: 0.003 * draw.lognormvariate(0, 0.3)),
    "exponential": lambda: waiting(lambda draw: 0.002 + draw.expovariate(1000)),
    "computes a little": lambda: computing_first(5_000, 0.003),
    "computes half": lambda: computing_first(60_000, 0.001),
    "asks a thread": asking,
}
COMPUTING: Final[dict[str, Callable[[], Call]]] = {
    "integers": lambda: lambda: sum(range(50_000)),
    "json": lambda: lambda: json.loads(TEXT),
    "regular expression": lambda: lambda: re.findall(r'"name": "(\d+)"', TEXT),
    "sorting": shuffled,
    "hashing": lambda: lambda: hashlib.pbkdf2_hmac("sha256", b"secret", b"salt", 2000),
}
KINDS: Final = {**WAITING, **COMPUTING}
LIMITS: Final[dict[str, Any]] = (
    json.loads(Path(os.environ["LIMITS"]).read_text("utf-8")) if "LIMITS" in os.environ else {}
)


def gates() -> list[Any]:
    """A parameter for each gate, or for each kind if there are no limits yet."""
    named = LIMITS or {kind: {"p50": "60s"} for kind in KINDS}
    return [
        pytest.param(name, marks=pytest.mark.latency_budget(**limits, time_limit="3s"), id=name)
        for name, limits in named.items()
    ]


@pytest.mark.parametrize("gate", gates())
def test_gate(sample: Sampler, gate: str) -> None:
    sample(KINDS[gate.partition(" at ")[0]]())
