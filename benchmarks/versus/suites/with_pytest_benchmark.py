"""The tasks with pytest-benchmark; it has no percentiles, so each test takes its own."""

from __future__ import annotations

from subject import function


def p99_ms(benchmark):
    return 1000 * sorted(benchmark.stats.stats.data)[int(200 * 0.99)]


def test_function(benchmark):
    benchmark.pedantic(function, rounds=200, warmup_rounds=5)
    assert p99_ms(benchmark) <= 1


def test_flask(benchmark, flask_client):
    benchmark.pedantic(flask_client.get, ("/",), rounds=200, warmup_rounds=5)
    assert p99_ms(benchmark) <= 6


def test_fastapi(benchmark, fastapi_client):
    benchmark.pedantic(fastapi_client.get, ("/",), rounds=200, warmup_rounds=5)
    assert p99_ms(benchmark) <= 12


def test_slow(benchmark, slow_client):
    benchmark.pedantic(slow_client.get, ("/",), rounds=200, warmup_rounds=5)
    assert p99_ms(benchmark) <= 80
