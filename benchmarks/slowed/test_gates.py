"""Ten kinds of calls, each with three limits; the limits come from a file that LIMITS names.

Without it, the latencies are measured that the limits are made of.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from own_thread.works import Call

from hancock_app import create_app
from pytest_hancock_latency import Sampler

ORDERS: Final = [{"id": at, "name": str(at), "lines": list(range(5))} for at in range(300)]
TEXT: Final = json.dumps(ORDERS)


def rows() -> Call:
    """A query over a thousand rows in memory."""
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE orders (id INTEGER, name TEXT)")
    database.executemany("INSERT INTO orders VALUES (?, ?)", ((i, str(i)) for i in range(1000)))
    return lambda: database.execute("SELECT name, sum(id) FROM orders GROUP BY name").fetchall()


def endpoint() -> Call:
    """A request to the bundled application, in this process."""
    client = create_app().test_client()
    return lambda: client.get("/health").get_data()


def half_waiting() -> None:
    """Computes, then waits about as long."""
    sum(range(40_000))
    time.sleep(0.001)


def shuffled() -> Call:
    """Sorting of random numbers."""
    numbers = [random.Random(at).random() for at in range(3000)]
    return lambda: sorted(numbers)


KINDS: Final[dict[str, Callable[[], Call]]] = {
    "integers": lambda: lambda: sum(range(50_000)),
    "json": lambda: lambda: json.loads(TEXT),
    "regular expression": lambda: lambda: re.findall(r'"name": "(\d+)"', TEXT),
    "sorting": shuffled,
    "dictionary": lambda: lambda: {str(at): at for at in range(5000)},
    "hashing": lambda: lambda: hashlib.pbkdf2_hmac("sha256", b"secret", b"salt", 2000),
    "query": rows,
    "endpoint": endpoint,
    "wait": lambda: lambda: time.sleep(0.003),
    "half waiting": lambda: half_waiting,
}
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
