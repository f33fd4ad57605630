"""Users that ask for latencies of WAIT_MS, by names of NAMES; all latencies go to RAW_LOG."""

from __future__ import annotations

import atexit
import os
import random
from pathlib import Path
from typing import Any

from locust import FastHttpUser, constant, events, task

from pytest_hancock_latency import locust_gate  # noqa: F401

KINDS = dict(kind.split("=") for kind in os.environ.get("KINDS", "/wait=5").split(","))
"""Names of requests and their latencies in ms, as choices: `5|5|5|80`."""
RAW_LOG = os.environ.get("RAW_LOG")
LINES: list[str] = []


class Waiting(FastHttpUser):
    wait_time = constant(float(os.environ.get("PAUSE_S", "0")))

    @task
    def wait(self) -> None:
        name = random.choice(list(KINDS))
        ms = random.choice(KINDS[name].split("|"))
        self.client.get(f"/wait/{ms}" if ms.replace(".", "").isdigit() else f"/{ms}", name=name)


if RAW_LOG:

    @events.request.add_listener
    def note(name: str, response_time: float, start_time: float, **_: Any) -> None:
        LINES.append(f"{name} {response_time!r}\n")

    @atexit.register
    def write() -> None:
        if LINES:
            Path(RAW_LOG, f"{os.getpid()}.log").write_text("".join(LINES), encoding="utf-8")
