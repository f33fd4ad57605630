"""The examples of the README: budgets for a function, an endpoint and a whole test."""

from __future__ import annotations

import bisect

import pytest
from flask import Flask
from flask.testing import FlaskClient

from pytest_hancock_latency import Sampler, latency_budget

WORDS = sorted(f"word-{number}" for number in range(100_000))


@latency_budget(p50=0.05, p95=0.1, p99=1)  # numbers are milliseconds; "50us" and "1.5s" work too
def test_finding_a_word(sample: Sampler) -> None:
    search = sample(bisect.bisect_left, WORDS, "word-4711")
    assert WORDS[search.answer] == "word-4711"


@pytest.fixture
def client() -> FlaskClient:
    app = Flask(__name__)
    app.get("/health")(lambda: {"status": "ok"})
    return app.test_client()


@latency_budget(p50=10, p95=25, p99=50)
def test_health(client: FlaskClient, sample: Sampler) -> None:
    sample(client.get, "/health", check=lambda response: response.status_code == 200)


@latency_budget(p95=50)
def test_the_whole_test_is_the_request(client: FlaskClient) -> None:
    assert client.get("/health").json == {"status": "ok"}
