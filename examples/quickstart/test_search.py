"""The ten-second example of the README: a budget for a function, and one for a service."""

from __future__ import annotations

import bisect

import pytest
from flask import Flask
from flask.testing import FlaskClient

from pytest_hancock_latency import Sampler, latency_budget

WORDS = sorted(f"word-{number}" for number in range(100_000))


@latency_budget(p50=0.05, p95=0.1, p99=1)  # numbers are milliseconds; "50us" and "1.5s" work too
def test_finding_a_word(sample: Sampler) -> None:
    sample(bisect.bisect, WORDS, "word-4711")


@pytest.fixture
def client() -> FlaskClient:
    app = Flask(__name__)
    app.get("/health")(lambda: {"status": "ok"})
    return app.test_client()


@latency_budget(p50=10, p95=25, p99=50)
def test_health(client: FlaskClient, sample: Sampler) -> None:
    answer = sample(client.get, "/health", check=lambda answer: answer.status_code == 200)
    assert answer.p50_ms <= answer.p99_ms


@latency_budget(p95=50)
def test_the_whole_test_is_the_request(client: FlaskClient) -> None:
    assert client.get("/health").json == {"status": "ok"}
