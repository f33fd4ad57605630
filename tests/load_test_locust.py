"""Load profiles for Locust against a served Hancock.

    locust -f tests/load_test_locust.py --headless -u 10 -r 2 -t 1m --host URL HealthOnlyUser
    locust -f tests/load_test_locust.py --headless -u 50 -r 5 -t 5m --host URL ReadOnlyUser
    locust -f tests/load_test_locust.py --host URL      # with the web page on port 8089

HANCOCK_API_KEY is sent as the bearer key where it is set.
"""

from __future__ import annotations

import os

from locust import FastHttpUser, between, task


def _headers() -> dict[str, str]:
    key = os.environ.get("HANCOCK_API_KEY", "")
    return {"Authorization": f"Bearer {key}"} if key else {}


# FastHttpUser: a quarter of the CPU that HttpUser takes for each request, so that the generator
# is not what is measured.
class HealthOnlyUser(FastHttpUser):
    """Polls /health, as a load balancer does."""

    wait_time = between(0.1, 0.5)
    default_headers = _headers()

    @task
    def health(self) -> None:
        self.client.get("/health", name="GET /health")


class ReadOnlyUser(FastHttpUser):
    """Reads /health, /models and /mode; calls no model."""

    wait_time = between(0.1, 0.5)
    default_headers = _headers()

    @task(3)
    def health(self) -> None:
        self.client.get("/health", name="GET /health")

    @task(1)
    def models(self) -> None:
        self.client.get("/models", name="GET /models")

    @task(1)
    def mode(self) -> None:
        self.client.get("/mode", name="GET /mode")
