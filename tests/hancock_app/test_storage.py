"""Several workers, one real Redis, and what happens while it is away."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import pytest
from flask import Flask

from hancock_app import Settings, create_app
from hancock_app.errors import ApiError
from hancock_app.storage import Breaker, StorageUnavailable, connect

# A machine that is busy with other tests is no Redis that is away.
PATIENT_S = 30.0


def burst(apps: list[Flask], threads_each: int, requests_each: int) -> Counter[int]:
    """The statuses of requests that threads send to every one of `apps` at once."""
    barrier = threading.Barrier(threads_each * len(apps))
    statuses: list[int] = []

    def ask(app: Flask) -> None:
        client = app.test_client()
        barrier.wait()
        for _ in range(requests_each):
            statuses.append(client.post("/v1/ask", json={"question": "hi"}).status_code)

    threads = [threading.Thread(target=ask, args=(app,)) for app in apps * threads_each]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Counter(statuses)


def test_applications_that_share_a_redis_admit_the_limit_once(redis_server: Any) -> None:
    settings = Settings(
        rate_limit=50, rate_limit_storage=redis_server.uri, storage_timeout_s=PATIENT_S
    )
    apps = [create_app(settings) for _ in range(4)]
    assert burst(apps, threads_each=8, requests_each=4) == {200: 50, 429: 78}


def test_while_redis_is_unavailable_each_worker_limits_separately(
    redis_server: Any, caplog: pytest.LogCaptureFixture
) -> None:
    app = create_app(Settings(rate_limit=3, rate_limit_storage=redis_server.uri))
    client = app.test_client()
    redis_server.stop()
    statuses = [client.post("/v1/ask", json={"question": "hi"}).status_code for _ in range(5)]
    assert statuses == [200, 200, 200, 429, 429]
    assert [message.partition(":")[0] for message in caplog.messages] == [
        "shared storage unavailable, failing open"
    ]
    assert b"\nhancock_storage_failures_total 1.0\n" in client.get("/metrics").data


def test_a_frozen_redis_holds_no_request_up_for_long(redis_server: Any) -> None:
    app = create_app(Settings(rate_limit=3, rate_limit_storage=redis_server.uri))
    redis_server.freeze()
    try:
        statuses = burst([app], threads_each=8, requests_each=1)
    finally:
        redis_server.thaw()
    assert statuses == {200: 3, 429: 5}


def test_redis_counts_again_once_it_is_available(redis_server: Any, eventually: Any) -> None:
    app = create_app(Settings(rate_limit=1000, rate_limit_storage=redis_server.uri))
    client = app.test_client()

    def ask() -> int:
        return client.post("/v1/ask", json={"question": "hi"}).status_code

    assert ask() == 200
    redis_server.stop()
    assert ask() == 200
    redis_server.start()

    def is_counted_there() -> bool:
        ask()
        with connect(redis_server.uri, PATIENT_S) as started_empty:
            return bool(started_empty.keys("*hancock/127.0.0.1"))

    eventually(is_counted_there)


def test_failing_closed_refuses_while_redis_is_unavailable(redis_server: Any) -> None:
    settings = Settings(
        rate_limit=3, rate_limit_storage=redis_server.uri, storage_on_failure="closed"
    )
    client = create_app(settings).test_client()
    redis_server.stop()
    answer = client.post("/v1/ask", json={"question": "hi"})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert answer.json is not None
    assert answer.json["error"] == "the shared storage is unavailable; try again later"
    assert client.get("/health").status_code == 200


class Away:
    """A storage that can be switched on and off, and counts its calls."""

    def __init__(self) -> None:
        self.away = True
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.away:
            raise StorageUnavailable("refused")
        return "shared"


def test_a_storage_that_failed_is_tried_again_once_a_second(clock: Any) -> None:
    storage, breaker = Away(), Breaker("open", lambda: None, clock)
    for clock.now in (0, 0.1, 0.9, 1.0, 1.5, 1.9, 2.0):
        assert breaker.run(storage, lambda: "own") == "own"
    assert storage.calls == 3


def test_a_storage_that_is_available_again_is_used_and_logged(
    clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    storage, breaker = Away(), Breaker("open", lambda: None, clock)
    breaker.run(storage, lambda: "own")
    storage.away = False
    clock.now += 1
    assert [breaker.run(storage, lambda: "own") for _ in range(2)] == ["shared", "shared"]
    assert caplog.messages == [
        "shared storage unavailable, failing open: refused",
        "shared storage available again",
    ]


def test_failing_closed_asks_no_other_storage(clock: Any) -> None:
    breaker = Breaker("closed", lambda: None, clock)
    with pytest.raises(ApiError):
        breaker.run(Away(), lambda: pytest.fail("asked"))
