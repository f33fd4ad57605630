"""Several workers, one real Redis, and what happens while it is away."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import pytest
from flask import Flask

from hancock_app import Settings, create_app
from hancock_app.errors import ApiError
from hancock_app.limits.moving_window import RedisWindow
from hancock_app.sharing import announced_workers, warn_if_unshared
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


def test_a_shared_window_moves(redis_server: Any, clock: Any) -> None:
    window = RedisWindow(connect(redis_server.uri, PATIENT_S), clock)
    # The library reads the wall clock for the requests that it enters.
    first = window.take("a", 2, 60)
    assert (first.admitted, first.used) == (True, 1)
    admitted = [window.take("a", 2, 60).admitted for _ in range(3)]
    assert admitted == [True, False, False]


def test_while_redis_is_away_each_worker_limits_by_itself(
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


def test_redis_that_comes_back_counts_again(redis_server: Any, eventually: Any) -> None:
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


def test_failing_closed_refuses_while_redis_is_away(redis_server: Any) -> None:
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
    """A storage that can be switched on and off, and counts how often it was asked."""

    def __init__(self) -> None:
        self.away = True
        self.asked = 0

    def __call__(self) -> str:
        self.asked += 1
        if self.away:
            raise StorageUnavailable("refused")
        return "shared"


def test_a_storage_that_failed_is_tried_again_once_a_second(clock: Any) -> None:
    storage, breaker = Away(), Breaker("open", lambda: None, clock)
    for clock.now in (0, 0.1, 0.9, 1.0, 1.5, 1.9, 2.0):
        assert breaker.run(storage, lambda: "own") == "own"
    assert storage.asked == 3


def test_a_storage_that_is_back_is_used_and_said_to_be(
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


@pytest.mark.parametrize(
    ("argv", "environ", "workers"),
    [
        (["gunicorn"], {}, 1),
        (["/bin/gunicorn", "-w", "4", "hancock_app:create_app()"], {}, 4),
        (["gunicorn", "-w4"], {}, 4),
        (["gunicorn", "--workers=4"], {}, 4),
        (["gunicorn"], {"WEB_CONCURRENCY": "3"}, 3),
        (["gunicorn"], {"GUNICORN_CMD_ARGS": "--workers 2"}, 2),
        (["gunicorn", "-c", "python:hancock_app.gunicorn_config", "-w", "4"], {}, 1),
        (["gunicorn", "-w"], {}, 1),
        (["gunicorn", "-w", "many"], {}, 1),
        (["pytest", "-w", "4"], {"WEB_CONCURRENCY": "3"}, 1),
        ([], {}, 1),
    ],
)
def test_the_workers_that_gunicorn_was_told_to_start_are_known(
    argv: list[str], environ: dict[str, str], workers: int
) -> None:
    assert announced_workers(argv, environ) == workers


def test_workers_that_share_no_storage_are_warned_about(caplog: pytest.LogCaptureFixture) -> None:
    warn_if_unshared(Settings(rate_limit=60), workers=4)
    assert caplog.messages == [
        "4 workers have no shared storage: each allows 60 requests per minute, 240 in total,"
        " and each accepts a replayed webhook once. Set HANCOCK_RATE_LIMIT_STORAGE=redis://host:port/0"
    ]


@pytest.mark.parametrize(
    ("settings", "workers"),
    [
        (Settings(), 1),
        (Settings(rate_limit=0), 4),
        (Settings(rate_limit_storage="redis://127.0.0.1:6379/0"), 4),
    ],
)
def test_nobody_is_warned_without_reason(
    caplog: pytest.LogCaptureFixture, settings: Settings, workers: int
) -> None:
    warn_if_unshared(settings, workers)
    assert caplog.messages == []
