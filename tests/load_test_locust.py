"""Load profiles for Locust against a served Hancock, judged by the latency budgets.

    locust -f tests/load_test_locust.py --headless -u 10 -r 2 -t 1m --host URL HealthOnlyUser
    locust -f tests/load_test_locust.py --headless -u 50 -r 5 -t 5m --host URL ReadOnlyUser
    locust -f tests/load_test_locust.py --host URL --class-picker    # the web page, port 8089

Without a class name, only the two read-only classes run, so that no model is paid by accident.
HANCOCK_API_KEY is sent as the bearer key, and HANCOCK_WEBHOOK_SECRET signs the webhooks of
`MixedUser`; without it there are none, because the service would refuse them.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import os
from typing import Any

from locust import FastHttpUser, between, events, task

from pytest_hancock_latency import locust_gate  # noqa: F401 - judges the run

KEY = os.environ.get("HANCOCK_API_KEY", "")
SECRET = os.environ.get("HANCOCK_WEBHOOK_SECRET", "")
NUMBERS = itertools.count(1)


def signature(body: bytes) -> dict[str, str]:
    """Return the header that signs the raw body of a webhook."""
    digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    return {"X-Hancock-Signature": f"sha256={digest}"}


# FastHttpUser takes a quarter of the CPU time of HttpUser per request, so that the measurement does
# not include the generator.
class Reader(FastHttpUser):
    """Base of all profiles."""

    abstract = True
    wait_time = between(0.1, 0.5)
    default_headers = {"Authorization": f"Bearer {KEY}"} if KEY else None


class HealthOnlyUser(Reader):
    """Polls /health, as a load balancer does."""

    @task
    def health(self) -> None:
        self.client.get("/health")


class ReadOnlyUser(Reader):
    """Reads /health, /models and /mode; calls no model."""

    @task(3)
    def health(self) -> None:
        self.client.get("/health")

    @task(1)
    def models(self) -> None:
        self.client.get("/models")

    @task(1)
    def mode(self) -> None:
        self.client.get("/mode")


class MixedUser(ReadOnlyUser):
    """Reads, asks the model, and delivers signed webhooks."""

    @task(2)
    def chat(self) -> None:
        self.client.post("/v1/chat", json={"message": "what changed since yesterday?"})

    @task(2)
    def ask(self) -> None:
        self.client.post("/v1/ask", json={"question": "is this address known?"})

    @task(1)
    def webhook(self) -> None:
        if not SECRET:
            return
        event = {"source": "load-test", "alert": f"number {next(NUMBERS)}"}
        body = json.dumps(event).encode()
        headers = {"Content-Type": "application/json", **signature(body)}
        self.client.post("/v1/webhook", data=body, headers=headers)


@events.init.add_listener
def _read_only_unless_asked(environment: Any, **_: Any) -> None:
    """Keep only the read-only classes by default; workers keep all, as their master chooses."""
    options = environment.parsed_options
    if options is None or options.user_classes or options.class_picker or options.worker:
        return
    environment.user_classes[:] = [HealthOnlyUser, ReadOnlyUser]
