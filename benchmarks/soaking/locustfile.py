"""Users of a served Hancock, judged by generous budgets and counted; for `benchmarks/soak.py`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from locust import FastHttpUser, between, events, task

from pytest_hancock_latency import locust_gate  # noqa: F401 - judges the run
from soaking.counting import Addresses, Counts

SESSION = int(os.environ["SOAK_SESSION"])
ADDRESSES = Addresses(f"{150 + SESSION // 250}.{SESSION % 250}")
COUNTS = Counts()


class User(FastHttpUser):
    """Mostly asks."""

    wait_time = between(0.05, 0.15)

    @task(2)
    def health(self) -> None:
        """Poll as a load balancer does."""
        self.client.get("/health")

    @task(2)
    def ask(self) -> None:
        """Ask the model."""
        self.client.post("/v1/ask", json={"question": "who?"}, headers=ADDRESSES.header())

    @task(1)
    def models(self) -> None:
        """List the models."""
        self.client.get("/models")


@events.request.add_listener
def count(request_type: str, name: str, response: Any, exception: Any, **_: Any) -> None:
    """Count by outcome, as the other clients do."""
    status = getattr(response, "status_code", 0)
    COUNTS.add(request_type, name, status or f"lost: {type(exception).__name__}")


@events.quitting.add_listener
def write(**_: Any) -> None:
    """Write what was counted."""
    COUNTS.write(Path(os.environ["SOAK_COUNTS"]))
