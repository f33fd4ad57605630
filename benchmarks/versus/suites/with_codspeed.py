"""The tasks with CodSpeed in wall-clock mode; it compares means with those of an earlier run."""

from __future__ import annotations

from subject import function


def test_function(benchmark):
    benchmark(function)


def test_flask(benchmark, flask_client):
    benchmark(flask_client.get, "/")


def test_fastapi(benchmark, fastapi_client):
    benchmark(fastapi_client.get, "/")


def test_slow(benchmark, slow_client):
    benchmark(slow_client.get, "/")
