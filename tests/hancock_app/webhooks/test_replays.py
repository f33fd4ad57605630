"""A delivery is accepted once, by all workers together."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from hancock_app import Settings, create_app
from hancock_app.errors import ApiError
from hancock_app.storage import Breaker, StorageUnavailable, connect
from hancock_app.webhooks.keys import key_of
from hancock_app.webhooks.replays import FallbackReplays, MemoryReplays, RedisReplays
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


def test_what_a_worker_accepted_while_redis_was_away_is_refused_by_all_once_it_is_back(
    redis_server: Any, eventually: Any
) -> None:
    settings = Settings(
        rate_limit=0,
        webhook_secret=SECRET,
        rate_limit_storage=redis_server.uri,
        storage_timeout_s=30.0,
    )
    first, second = (create_app(settings).test_client() for _ in range(2))
    redis_server.stop()
    assert [deliver(first, "msg_1"), deliver(first, "msg_1")] == [200, 409]
    redis_server.start()

    def is_claimed_there() -> bool:
        deliver(first, f"other_{time.monotonic_ns()}")
        with connect(redis_server.uri, 30.0) as started_empty:
            return len(started_empty.keys("hancock:webhook:*")) > 1

    eventually(is_claimed_there)
    assert [deliver(first, "msg_1"), deliver(second, "msg_1")] == [409, 409]


def test_a_worker_refuses_what_it_accepted_even_if_redis_loses_its_data(redis_server: Any) -> None:
    settings = Settings(
        webhook_secret=SECRET, rate_limit_storage=redis_server.uri, storage_timeout_s=30.0
    )
    client = create_app(settings).test_client()
    assert deliver(client, "msg_1") == 200
    with connect(redis_server.uri, 30.0) as redis:
        redis.flushdb()
    assert deliver(client, "msg_1") == 409


class Shared(MemoryReplays):
    """A storage that can be away."""

    is_away = False

    def claim(self, delivery_id: str, ttl_s: int) -> bool:
        if self.is_away:
            raise StorageUnavailable("away")
        return super().claim(delivery_id, ttl_s)


def test_many_claims_made_alone_are_shared_in_parts_with_the_time_they_have_left(
    clock: Any,
) -> None:
    shared, breaker = Shared(clock), Breaker("open", lambda: None, clock)
    replays = FallbackReplays(shared, MemoryReplays(clock), breaker, clock)
    shared.is_away = True
    assert all(replays.claim(f"msg_{number}", 600) for number in range(250))
    clock.now += 100
    shared.is_away = False
    lengths = []
    for number in range(3):
        replays.claim(f"later_{number}", 600)
        lengths.append(len(shared))
    assert lengths == [101, 202, 253]
    clock.now += 500
    assert shared.claim("msg_0", 600)


def test_claims_are_kept_if_the_storage_goes_away_while_they_are_shared(clock: Any) -> None:
    shared, breaker = Shared(clock), Breaker("open", lambda: None, clock)
    replays = FallbackReplays(shared, MemoryReplays(clock), breaker, clock)
    shared.is_away = True
    assert [replays.claim("msg_1", 600), replays.claim("msg_2", 600)] == [True, True]
    clock.now += 2  # the breaker tries again
    assert replays.claim("msg_3", 600)
    shared.is_away = False
    clock.now += 2
    assert replays.claim("msg_4", 600)
    assert [shared.claim(f"msg_{number}", 600) for number in (1, 2, 3, 4)] == [False] * 4


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
