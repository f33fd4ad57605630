"""Gates on a served Hancock, run again and again by `benchmarks/soak.py`; pytest does not collect
them by itself. The limits are generous: they hold even on two cores that others use as well.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hancock_app.webhooks.signatures import SIGNATURE_HEADER, sign
from pytest_hancock_latency import Sampler, latency_budget
from soaking.counting import JSON, Addresses, Answer, Client, Counts
from soaking.load import SECRET

# Each session comes from a network of its own, so that no session uses up the limit of another.
SESSION = int(os.environ["SOAK_SESSION"])
ADDRESSES = Addresses(f"{100 + SESSION // 250}.{SESSION % 250}")
EVENT = b'{"event": "gate"}'


@pytest.fixture(scope="session")
def client() -> Iterator[Client]:
    counts = Counts()
    client = Client(int(os.environ["SOAK_PORT"]), counts)
    yield client
    client.close()
    counts.write(Path(os.environ["SOAK_COUNTS"]))


def succeeded(answer: Answer) -> bool:
    return answer.status == 200


@latency_budget(p50=150, p95=500, p99=1500)
def test_health(client: Client, sample: Sampler) -> None:
    sample(client.send, "GET", "/health", check=succeeded)


@latency_budget(p50=200, p95=700)
def test_ask(client: Client, sample: Sampler) -> None:
    def ask() -> Answer:
        headers = {**JSON, **ADDRESSES.header()}
        return client.send("POST", "/v1/ask", b'{"question": "who?"}', headers)

    sample(ask, check=succeeded)


@latency_budget(p50=200, p95=700)
def test_webhook(client: Client, sample: Sampler) -> None:
    def deliver() -> Answer:
        signature = {SIGNATURE_HEADER: sign(SECRET, EVENT)}
        headers = {**JSON, **signature, **ADDRESSES.header()}
        return client.send("POST", "/v1/webhook", EVENT, headers)

    sample(deliver, check=succeeded)


@latency_budget(p95=700)
def test_models_at_a_rate(client: Client, sample: Sampler) -> None:
    sample.at_rate(client.send, "GET", "/models", per_second=40, duration="2s", check=succeeded)
