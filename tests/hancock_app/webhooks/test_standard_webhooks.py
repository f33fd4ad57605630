"""Webhooks that say when they were sent: no old one, no second one, no other one."""

from __future__ import annotations

import base64
import threading
import time
from typing import Any

import pytest

from hancock_app import Settings, create_app
from hancock_app.errors import ApiError
from hancock_app.storage import StorageUnavailable, connect
from hancock_app.webhooks.replays import MemoryReplays, RedisReplays
from hancock_app.webhooks.signatures import Signatures, sign
from hancock_app.webhooks.standard_webhooks import Delivery, key_of

BODY = b'{"event":"alert"}'
SECRET = "whsec_" + base64.b64encode(b"a key of 24 random bytes").decode()
NOW = 1_700_000_000


def headers(**changed: str) -> dict[str, str]:
    """The environ of a good delivery, sent at `NOW`, with some headers changed."""
    identity, sent = changed.get("id", "msg_1"), changed.get("sent", str(NOW))
    key = key_of(changed.get("secret", SECRET))
    signature = Delivery(identity, int(sent), ()).signature(key, BODY).decode()
    signed = {
        "HTTP_WEBHOOK_ID": identity,
        "HTTP_WEBHOOK_TIMESTAMP": sent,
        "HTTP_WEBHOOK_SIGNATURE": signature,
    }
    return signed | {name: value for name, value in changed.items() if name.startswith("HTTP_")}


def signatures(now: float = NOW, *secrets: str, standard_only: bool = False) -> Signatures:
    return Signatures(
        secrets or (SECRET,),
        MemoryReplays(lambda: now),
        standard_only=standard_only,
        clock=lambda: now,
    )


def reason(checked: Signatures, environ: dict[str, str], body: bytes = BODY) -> tuple[Any, Any]:
    """Status and message of what refused the delivery."""
    with pytest.raises(ApiError) as caught:
        checked.check(environ, body)
    return caught.value.code, caught.value.description


def test_the_signature_is_the_one_of_the_specification() -> None:
    # The example of the specification's reference libraries.
    key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    delivery = Delivery("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, ())
    expected = b"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert delivery.signature(key, b'{"test": 2432232314}') == expected


def test_a_good_delivery_is_accepted_and_named() -> None:
    assert signatures().check(headers(), BODY) == "msg_1"


def test_one_good_signature_among_several_is_enough() -> None:
    good = headers()["HTTP_WEBHOOK_SIGNATURE"]
    several = headers(HTTP_WEBHOOK_SIGNATURE=f"v1,AAAA v1a,unknown {good}")
    assert signatures().check(several, BODY) == "msg_1"


def test_the_old_secret_is_good_too() -> None:
    assert signatures(NOW, "new", SECRET).check(headers(), BODY) == "msg_1"


def test_a_secret_without_a_prefix_is_the_key_itself() -> None:
    assert signatures(NOW, "plain").check(headers(secret="plain"), BODY) == "msg_1"


def test_a_secret_that_only_looks_encoded_is_the_key_itself() -> None:
    assert key_of("whsec_not base64") == b"whsec_not base64"


def test_a_redis_that_refuses_to_remember_is_away() -> None:
    with pytest.raises(StorageUnavailable):
        RedisReplays(connect("redis://127.0.0.1:1/0", 30.0)).claim("msg_1", 600)


@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_a_delivery_is_good_for_five_minutes_either_way(seconds: int) -> None:
    assert signatures(NOW + seconds).check(headers(), BODY) == "msg_1"


@pytest.mark.parametrize("seconds", [-301, 301, 10**9])
def test_an_old_or_early_delivery_is_refused(seconds: int) -> None:
    expected = (401, "webhook-timestamp differs by more than 300 s from the server time")
    assert reason(signatures(NOW + seconds), headers()) == expected


@pytest.mark.parametrize(
    "changed",
    [
        {"HTTP_WEBHOOK_ID": "msg_2"},
        {"HTTP_WEBHOOK_ID": "msg_1\ud800"},
        {"HTTP_WEBHOOK_TIMESTAMP": str(NOW + 1)},
        {"HTTP_WEBHOOK_SIGNATURE": headers()["HTTP_WEBHOOK_SIGNATURE"].lower()},
        {"HTTP_WEBHOOK_SIGNATURE": headers(secret="other")["HTTP_WEBHOOK_SIGNATURE"]},
    ],
)
def test_whatever_is_changed_the_signature_no_longer_matches(changed: dict[str, str]) -> None:
    expected = (401, "no signature in webhook-signature matches the body")
    assert reason(signatures(), headers(**changed)) == expected


GOOD = headers()["HTTP_WEBHOOK_SIGNATURE"]


@pytest.mark.parametrize(
    "written",
    [
        "v1,",
        "v1,é",
        GOOD.removeprefix("v1,"),
        f"{GOOD} {GOOD}",
        f"{GOOD}, {GOOD}",
        f" {GOOD}",
        f"{GOOD} ",
        f"v1,AA  {GOOD}",
        " ".join(f"v1,{number}" for number in range(16)) + f" {GOOD}",
    ],
)
def test_what_is_no_list_of_signatures_is_refused(written: str) -> None:
    expected = (401, "webhook-signature is not a list of signatures such as v1,<base64>")
    assert reason(signatures(), headers(HTTP_WEBHOOK_SIGNATURE=written)) == expected


def test_another_body_does_not_match() -> None:
    expected = (401, "no signature in webhook-signature matches the body")
    assert reason(signatures(), headers(), BODY + b" ") == expected


@pytest.mark.parametrize(
    "sent", ["soon", "-5", "1.7e9", "0" + str(NOW), "\N{FULLWIDTH DIGIT NINE}", "9" * 5000, " 1"]
)
def test_a_time_that_is_no_number_is_refused(sent: str) -> None:
    expected = (401, "webhook-timestamp is not a whole number of seconds")
    assert reason(signatures(), headers(HTTP_WEBHOOK_TIMESTAMP=sent)) == expected


@pytest.mark.parametrize("name", ["id", "timestamp", "signature"])
def test_headers_that_belong_together_are_missed(name: str) -> None:
    lacking = headers()
    del lacking[f"HTTP_WEBHOOK_{name.upper()}"]
    assert reason(signatures(), lacking) == (401, f"the webhook-{name} header is missing")


def test_a_good_guide_signature_does_not_help_a_bad_delivery() -> None:
    bad = headers(HTTP_WEBHOOK_ID="msg_2", HTTP_X_HANCOCK_SIGNATURE=sign(SECRET, BODY))
    assert reason(signatures(), bad)[0] == 401


def test_the_guide_signature_can_be_refused() -> None:
    guide = {"HTTP_X_HANCOCK_SIGNATURE": sign(SECRET, BODY)}
    expected = (401, "the webhook-signature header is missing")
    assert reason(signatures(standard_only=True), guide) == expected


def test_a_delivery_is_accepted_once() -> None:
    checked = signatures()
    checked.claim("msg_1")
    with pytest.raises(ApiError) as caught:
        checked.claim("msg_1")
    expected = (409, "a delivery with this webhook-id was already accepted")
    assert (caught.value.code, caught.value.description) == expected


def test_what_has_no_name_may_come_again() -> None:
    checked = signatures()
    checked.claim(None)
    checked.claim(None)


def test_a_name_is_free_again_when_its_time_is_over(clock: Any) -> None:
    replays = MemoryReplays(clock)
    assert [replays.claim("a", 600), replays.claim("a", 600)] == [True, False]
    clock.now += 600
    assert replays.claim("a", 600)
    assert len(replays) == 1


def deliver(client: Any, identity: str) -> int:
    good = headers(id=identity, sent=str(int(time.time())))
    status: int = client.post("/v1/webhook", data=BODY, environ_overrides=good).status_code
    return status


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


def test_a_redis_that_goes_away_opens_no_door_for_what_was_seen(redis_server: Any) -> None:
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
