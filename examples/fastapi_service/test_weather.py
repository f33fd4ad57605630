from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from pytest_hancock_latency import Sampler, latency_budget

from .weather import create_app

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=create_app())
    async with httpx.AsyncClient(transport=transport, base_url="http://weather") as client:
        yield client


def answered(answer: httpx.Response) -> bool:
    return answer.status_code == 200


@latency_budget(p50=50, p95=200, p99=400)
async def test_one_request_after_the_other(client: httpx.AsyncClient, sample: Sampler) -> None:
    await sample(client.get, "/weather/Oslo", check=answered)


@latency_budget(p95="1s")
async def test_fifty_requests_a_second(client: httpx.AsyncClient, sample: Sampler) -> None:
    load = await sample.at_rate(
        client.get, "/weather/Lima", per_second=50, duration="2s", check=answered
    )
    assert load.n == 100
