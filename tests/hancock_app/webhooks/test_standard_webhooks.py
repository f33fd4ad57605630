"""The headers of Standard Webhooks: keys, signatures, and what is malformed."""

from __future__ import annotations

import pytest

from hancock_app.webhooks.standard_webhooks import Delivery, key_of

from .deliveries import GOOD, NOW, headers, reason, signatures


def test_the_signature_is_the_one_of_the_specification() -> None:
    # The example of the specification's reference libraries.
    key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    delivery = Delivery("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, ())
    expected = b"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert delivery.signature(key, b'{"test": 2432232314}') == expected


def test_a_secret_that_only_looks_encoded_is_the_key_itself() -> None:
    assert key_of("whsec_not base64") == b"whsec_not base64"


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
