"""Hancock's endpoints against their latency targets.

    pytest tests/benchmark_suite.py -v
    pytest tests/benchmark_suite.py -k health
    python tests/benchmark_suite.py             # prints only the table

Five warm-up requests, then at least fifty timed ones through Flask's test client, with the canned
model. The targets are the named budgets of pyproject.toml, which the load tests use as well.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from hancock_app import Settings, create_app
from pytest_hancock_latency import Sampler, latency_budget

# The hard gate for all endpoints, in addition to their own targets.
pytestmark = latency_budget(p99=500)
READS_THE_ENVIRONMENT = True
"""Such as HANCOCK_CANNED_DELAY=400ms, which shows how a gate fails; see conftest."""


@pytest.fixture
def client() -> FlaskClient:
    """Return a client of Hancock, configured by the environment without key and rate limit."""
    settings = replace(Settings.from_env(), api_key="", rate_limit=0)
    return create_app(settings).test_client()


def answered(answer: TestResponse) -> bool:
    """Whether the request succeeded: an error page is fast, but not an answer."""
    return answer.status_code == 200


@latency_budget("GET /health")
def test_health(client: FlaskClient, sample: Sampler) -> None:
    sample(client.get, "/health", check=answered)


@latency_budget("GET /models")
def test_models(client: FlaskClient, sample: Sampler) -> None:
    sample(client.get, "/models", check=answered)


@latency_budget("GET /mode")
def test_mode(client: FlaskClient, sample: Sampler) -> None:
    sample(client.get, "/mode", check=answered)


@latency_budget("POST /v1/chat")
def test_chat(client: FlaskClient, sample: Sampler) -> None:
    sample(client.post, "/v1/chat", json={"message": "What is a port scan?"}, check=answered)


@latency_budget("POST /v1/ask")
def test_ask(client: FlaskClient, sample: Sampler) -> None:
    sample(client.post, "/v1/ask", json={"question": "What is a port scan?"}, check=answered)


if __name__ == "__main__":
    # In a separate process, because pytest must be the first to import the plugin.
    command = [sys.executable, "-m", "pytest", __file__, "-q", "--no-header", *sys.argv[1:]]
    sys.exit(subprocess.call(command))
