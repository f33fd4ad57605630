"""The tasks as a user of this plugin writes them."""

from __future__ import annotations

from subject import function

from pytest_hancock_latency import latency_budget


@latency_budget(p99=1)
def test_function(sample):
    sample(function)


@latency_budget(p99=6)
def test_flask(flask_client, sample):
    sample(flask_client.get, "/")


@latency_budget(p99=12)
def test_fastapi(fastapi_client, sample):
    sample(fastapi_client.get, "/")


@latency_budget(p99=80)
def test_slow(slow_client, sample):
    sample(slow_client.get, "/")


@latency_budget(p95=400)
def test_burst(burst_app, sample):
    client = burst_app.test_client
    sample.burst(lambda: client().get("/"), requests=120, concurrency=24, repeat="decided")
