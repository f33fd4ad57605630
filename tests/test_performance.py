"""Hancock under bursts, and its median and p95 as regression gates; on every push.

Flask's test client and the canned model: what is measured is Hancock itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from hancock_app import Settings, create_app
from hancock_app.webhooks.signatures import SIGNATURE_HEADER, sign
from pytest_hancock_latency import Sampler, latency_budget

THREADS = 24
SECRET = "a-secret-of-the-tests"
ASK = ("/v1/ask", {"question": "Is port 22 open?"})
CHAT = ("/v1/chat", {"message": "Is port 22 open?"})

Call = Callable[[], int]


def served(**settings: Any) -> Flask:
    """Hancock with its defaults, but for what a test needs."""
    return create_app(Settings(**settings))


def posting(app: Flask, path: str, body: dict[str, str]) -> Call:
    """A request by a client of its own: Flask's are not made for sharing among threads."""
    return lambda: app.test_client().post(path, json=body).status_code


@pytest.mark.parametrize(("path", "body"), [ASK, CHAT], ids=["ask", "chat"])
def test_exactly_the_limit_passes_and_the_next_request_gets_429(
    path: str, body: dict[str, str]
) -> None:
    app = served(canned_delay_s=0)
    limit = Settings.from_env().rate_limit
    client = app.test_client()

    statuses = [client.post(path, json=body).status_code for _ in range(limit + 1)]

    assert statuses == [200] * limit + [429]


@pytest.mark.parametrize(("path", "body"), [ASK, CHAT], ids=["ask", "chat"])
def test_a_burst_of_twice_the_limit_passes_exactly_the_limit(
    path: str, body: dict[str, str], sample: Sampler
) -> None:
    app = served(canned_delay_s=0)
    limit = Settings.from_env().rate_limit

    burst = sample.burst(posting(app, path, body), requests=2 * limit, concurrency=THREADS)

    assert Counter(burst.answers) == {200: limit, 429: limit}


@latency_budget(p50=250, p95=500)
def test_of_120_concurrent_webhooks_each_gets_the_answer_that_its_signature_deserves(
    sample: Sampler,
) -> None:
    app = served(webhook_secret=SECRET, rate_limit=0)
    valid = [position % 3 != 0 for position in range(120)]  # 80 valid among 40 invalid

    def sending(position: int) -> Call:
        body = b'{"event": "alert", "number": %d}' % position
        signature = sign(SECRET if valid[position] else "another-secret", body)
        return lambda: (
            app.test_client()
            .post(
                "/v1/webhook",
                data=body,
                content_type="application/json",
                headers={SIGNATURE_HEADER: signature},
            )
            .status_code
        )

    burst = sample.burst([sending(position) for position in range(120)], concurrency=THREADS)

    assert burst.answers == tuple(200 if is_valid else 401 for is_valid in valid)


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/health", marks=latency_budget(p50=10, p95=25)),
        pytest.param("/models", marks=latency_budget(p50=20, p95=50)),
        pytest.param("/mode", marks=latency_budget(p50=20, p95=50)),
    ],
)
def test_median_and_p95_reading(path: str, sample: Sampler) -> None:
    client = served(rate_limit=0).test_client()
    sample(client.get, path, check=lambda answer: answer.status_code == 200)


@latency_budget(p50=120, p95=260)
@pytest.mark.parametrize(("path", "body"), [ASK, CHAT], ids=["ask", "chat"])
def test_median_and_p95_asking(path: str, body: dict[str, str], sample: Sampler) -> None:
    client = served(rate_limit=0).test_client()
    sample(client.post, path, json=body, check=lambda answer: answer.status_code == 200)
