"""A delivery is accepted once, by all workers together."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from hancock_app import Settings, create_app
from hancock_app.errors import ApiError
from hancock_app.storage import StorageUnavailable, connect
from hancock_app.webhooks.keys import key_of
from hancock_app.webhooks.replays import MemoryReplays, RedisReplays
from hancock_app.webhooks.standard_webhooks import Delivery

from .deliveries import SECRET, deliver, headers, signatures


def test_a_redis_that_refuses_to_write_is_unavailable() -> None:
    with pytest.raises(StorageUnavailable):
        RedisReplays(connect("redis://127.0.0.1:1/0", 30.0)).claim("msg_1", 600)


def test_a_delivery_is_accepted_once() -> None:
    checked = signatures()
    checked.claim("msg_1")
    with pytest.raises(ApiError) as caught:
        checked.claim("msg_1")
    expected = (409, "a delivery with this webhook-id was already accepted")
    assert (caught.value.code, caught.value.description) == expected


def test_a_delivery_without_an_id_may_be_repeated() -> None:
    checked = signatures()
    checked.claim(None)
    checked.claim(None)


def test_an_id_can_be_claimed_again_after_its_time_to_live(clock: Any) -> None:
    replays = MemoryReplays(clock)
    assert [replays.claim("a", 600), replays.claim("a", 600)] == [True, False]
    clock.now += 600
    assert replays.claim("a", 600)
    assert len(replays) == 1


def test_of_64_simultaneous_replays_one_is_accepted() -> None:
    app = create_app(Settings(rate_limit=0, webhook_secret=SECRET))
    barrier = threading.Barrier(64)
    statuses: list[int] = []

    def send() -> None:
        barrier.wait()
        statuses.append(deliver(app.test_client(), "msg_1"))

    threads = [threading.Thread(target=send) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (statuses.count(200), statuses.count(409)) == (1, 63)


def test_workers_that_share_a_redis_accept_a_delivery_once(redis_server: Any) -> None:
    settings = Settings(
        webhook_secret=SECRET, rate_limit_storage=redis_server.uri, storage_timeout_s=30.0
    )
    first, second = (create_app(settings).test_client() for _ in range(2))
    sent = [deliver(first, "msg_1"), deliver(second, "msg_1")]
    assert sent == [200, 409]


def test_a_replay_is_refused_even_if_redis_fails_after_the_delivery(redis_server: Any) -> None:
    settings = Settings(
        webhook_secret=SECRET, rate_limit_storage=redis_server.uri, storage_timeout_s=30.0
    )
    client = create_app(settings).test_client()
    assert deliver(client, "msg_1") == 200
    redis_server.stop()
    assert [deliver(client, "msg_1"), deliver(client, "msg_2")] == [409, 200]


def test_a_delivery_that_was_refused_for_its_body_may_come_again() -> None:
    client = create_app(Settings(webhook_secret=SECRET)).test_client()
    broken, sent = b"[]", int(time.time())
    signed = Delivery("msg_1", sent, ()).signature(key_of(SECRET), broken).decode()
    refused = client.post(
        "/v1/webhook",
        data=broken,
        environ_overrides=headers(sent=str(sent), HTTP_WEBHOOK_SIGNATURE=signed),
    )
    assert (refused.status_code, deliver(client, "msg_1")) == (400, 200)
