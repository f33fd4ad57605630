from __future__ import annotations

from collections import Counter
from functools import partial

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from pytest_hancock_latency import Sampler, latency_budget

from .library import create_app


@pytest.fixture
def app() -> Flask:
    return create_app()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@latency_budget(p50=20, p95=100, p99=250)
def test_looking_up_a_book(client: FlaskClient, sample: Sampler) -> None:
    sample(client.get, "/books/isbn-42")


def shows_volume_42(answer: TestResponse) -> None:
    assert answer.status_code == 200
    assert answer.json == {"isbn": "isbn-42", "title": "Volume 42"}


@latency_budget(p95=100)
def test_only_the_right_book_counts(client: FlaskClient, sample: Sampler) -> None:
    sample(client.get, "/books/isbn-42", check=shows_volume_42)


@latency_budget(p95="2s")
def test_a_burst_of_loans(app: Flask, sample: Sampler) -> None:
    def lend(isbn: str) -> TestResponse:
        # Each request has its own client, because clients cannot be shared between threads.
        return app.test_client().post("/loans", json={"isbn": isbn, "reader": "Ada"})

    wanted = ["isbn-1", "isbn-2", "lost"] * 40
    burst = sample.burst([partial(lend, isbn) for isbn in wanted], concurrency=24)

    statuses = [answer.status_code for answer in burst.answers if not isinstance(answer, Exception)]
    assert Counter(statuses) == {201: 80, 422: 40}
    assert statuses[:3] == [201, 201, 422]
