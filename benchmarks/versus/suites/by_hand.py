"""The tasks as they are usually written by hand: the p99 of fifty calls."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from subject import function


def timed(call, *args):
    start = time.perf_counter()
    call(*args)
    return 1000 * (time.perf_counter() - start)


def p99_of_fifty(call, *args):
    for _ in range(5):
        call(*args)
    return sorted(timed(call, *args) for _ in range(50))[int(50 * 0.99)]


def test_function():
    assert p99_of_fifty(function) <= 1


def test_flask(flask_client):
    assert p99_of_fifty(flask_client.get, "/") <= 6


def test_fastapi(fastapi_client):
    assert p99_of_fifty(fastapi_client.get, "/") <= 12


def test_slow(slow_client):
    assert p99_of_fifty(slow_client.get, "/") <= 80


def test_burst(burst_app):
    def call(_):
        return timed(burst_app.test_client().get, "/")

    with ThreadPoolExecutor(24) as pool:
        latencies = sorted(pool.map(call, range(120)))
    assert latencies[int(120 * 0.95)] <= 400
