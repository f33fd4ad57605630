"""The headers of Standard Webhooks: keys, signatures, and what is malformed."""

from __future__ import annotations

import base64
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from hancock_app.webhooks.keys import key_of
from hancock_app.webhooks.standard_webhooks import Delivery

from .deliveries import BODY, GOOD, NOW, SECRET, headers, reason, signatures


def test_the_signature_is_the_one_of_the_specification() -> None:
    # The example of the specification's reference libraries.
    key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    delivery = Delivery("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, ())
    expected = b"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert delivery.signature(key, b'{"test": 2432232314}') == expected


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
def test_an_invalid_list_of_signatures_is_refused(written: str) -> None:
    expected = (401, "webhook-signature is not a list of signatures such as v1,<base64>")
    assert reason(signatures(), headers(HTTP_WEBHOOK_SIGNATURE=written)) == expected


@pytest.mark.parametrize(
    "sent", ["soon", "-5", "1.7e9", "0" + str(NOW), "\N{FULLWIDTH DIGIT NINE}", "9" * 5000, " 1"]
)
def test_a_timestamp_that_is_not_a_number_is_refused(sent: str) -> None:
    expected = (401, "webhook-timestamp is not a whole number of seconds")
    assert reason(signatures(), headers(HTTP_WEBHOOK_TIMESTAMP=sent)) == expected


def test_a_timestamp_has_at_most_twelve_digits() -> None:
    too_far = "webhook-timestamp differs by more than 300 s from the server time"
    assert reason(signatures(), headers(HTTP_WEBHOOK_TIMESTAMP="9" * 12)) == (401, too_far)
    malformed = "webhook-timestamp is not a whole number of seconds"
    assert reason(signatures(), headers(HTTP_WEBHOOK_TIMESTAMP="9" * 13)) == (401, malformed)


def test_sixteen_signatures_may_be_sent() -> None:
    written = " ".join(f"v1,{number}" for number in range(15)) + f" {GOOD}"
    environ = headers(HTTP_WEBHOOK_SIGNATURE=written)
    assert signatures().check(environ, BODY) == environ["HTTP_WEBHOOK_ID"]


@pytest.mark.parametrize("name", ["id", "timestamp", "signature"])
def test_headers_that_belong_together_are_missed(name: str) -> None:
    lacking = headers()
    del lacking[f"HTTP_WEBHOOK_{name.upper()}"]
    assert reason(signatures(), lacking) == (401, f"the webhook-{name} header is missing")


# --- the reference library of Standard Webhooks -----------------------------------------------


@given(
    key=st.binary(min_size=24, max_size=64),
    identity=st.text(st.characters(codec="ascii", exclude_categories=["C"]), min_size=1),
    body=st.text(max_size=500),
)
def test_the_reference_library_signs_as_we_do(key: bytes, identity: str, body: str) -> None:
    sent = datetime.fromtimestamp(NOW, UTC)
    theirs = Webhook(base64.b64encode(key).decode()).sign(identity, sent, body)
    assert theirs.encode() == Delivery(identity, NOW, ()).signature(key, body.encode())


@given(key=st.binary(min_size=24, max_size=64), body=st.text(max_size=500))
def test_what_the_reference_library_signs_is_accepted(key: bytes, body: str) -> None:
    secret = "whsec_" + base64.b64encode(key).decode()
    signed = Webhook(secret).sign("msg_1", datetime.fromtimestamp(NOW, UTC), body)
    environ = headers(HTTP_WEBHOOK_SIGNATURE=signed)
    assert signatures(NOW, secret).check(environ, body.encode()) == "msg_1"


def test_what_we_sign_is_accepted_by_the_reference_library() -> None:
    body, sent = '{"event":"alert"}', int(time.time())
    signature = Delivery("msg_1", sent, ()).signature(key_of(SECRET), body.encode()).decode()
    verified = Webhook(SECRET).verify(
        body,
        {"webhook-id": "msg_1", "webhook-timestamp": str(sent), "webhook-signature": signature},
    )
    assert verified == {"event": "alert"}


def test_an_id_has_a_greatest_length() -> None:
    longest = headers(id="m" * 256)
    assert signatures().check(longest, BODY) == "m" * 256
    expected = (401, "webhook-id is longer than 256 characters")
    assert reason(signatures(), headers(id="m" * 257)) == expected
