"""The tasks with pytest-fail-slow, which limits how long a test takes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from subject import function


@pytest.mark.fail_slow("1ms")
def test_function():
    function()


@pytest.mark.fail_slow("6ms")
def test_flask(flask_client):
    flask_client.get("/")


@pytest.mark.fail_slow("12ms")
def test_fastapi(fastapi_client):
    fastapi_client.get("/")


@pytest.mark.fail_slow("80ms")
def test_slow(slow_client):
    slow_client.get("/")


@pytest.mark.fail_slow("2s")
def test_burst(burst_app):
    with ThreadPoolExecutor(24) as pool:
        list(pool.map(lambda _: burst_app.test_client().get("/"), range(120)))
