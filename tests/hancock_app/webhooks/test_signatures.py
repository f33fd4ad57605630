"""Webhook signatures in both schemes: good ones, and everything that is none."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from hancock_app import Settings, create_app
from hancock_app.webhooks.signatures import sign

from .deliveries import BODY, NOW, SECRET, headers, reason, signatures

RIGHT = sign("a-secret-of-tests", BODY)


def test_a_signature_is_what_the_guide_says() -> None:
    assert sign("key", b"The quick brown fox jumps over the lazy dog") == (
        "sha256=f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"
    )


def test_a_body_that_was_not_signed_is_refused(client: FlaskClient) -> None:
    answer = client.post("/v1/webhook", data=BODY)
    assert answer.status_code == 401
    assert answer.json is not None
    assert answer.json["error"] == "the X-Hancock-Signature header is missing"


@pytest.mark.parametrize(
    "presented",
    [
        "",
        "sha256=",
        RIGHT[:-1],
        RIGHT + "0",
        RIGHT.upper(),
        RIGHT.removeprefix("sha256="),
        RIGHT + "," + RIGHT,
        " " + RIGHT,
        "sha1=" + RIGHT[7:],
        sign("other", BODY),
        sign("a-secret-of-tests", BODY + b" "),
        "sha256=é",
        "\x00",
        "\ud800",
    ],
)
def test_a_signature_that_does_not_match_is_refused(client: FlaskClient, presented: str) -> None:
    environ = {"HTTP_X_HANCOCK_SIGNATURE": presented}
    answer = client.post("/v1/webhook", data=BODY, environ_overrides=environ)
    assert answer.status_code == 401
    assert answer.json is not None
    assert answer.json["error"] == "the X-Hancock-Signature header does not match the body"


def test_without_a_secret_webhooks_are_off() -> None:
    answer = create_app(Settings()).test_client().post("/v1/webhook", data=BODY)
    assert answer.status_code == 403
    assert answer.json is not None
    assert answer.json["error"] == ("webhooks are disabled: HANCOCK_WEBHOOK_SECRET is not set")


def test_a_signed_body_that_is_not_an_object_is_refused(client: FlaskClient) -> None:
    headers = {"X-Hancock-Signature": sign("a-secret-of-tests", b"[]")}
    answer = client.post("/v1/webhook", data=b"[]", headers=headers)
    assert answer.status_code == 400


def test_a_good_delivery_is_accepted_and_named() -> None:
    assert signatures().check(headers(), BODY) == "msg_1"


def test_one_good_signature_among_several_is_enough() -> None:
    good = headers()["HTTP_WEBHOOK_SIGNATURE"]
    several = headers(HTTP_WEBHOOK_SIGNATURE=f"v1,AAAA v1a,unknown {good}")
    assert signatures().check(several, BODY) == "msg_1"


def test_the_old_secret_is_good_too() -> None:
    assert signatures(NOW, "new-secret-of-tests", SECRET).check(headers(), BODY) == "msg_1"


def test_a_secret_without_a_prefix_is_the_key_itself() -> None:
    assert (
        signatures(NOW, "plain-secret-of-tests").check(
            headers(secret="plain-secret-of-tests"), BODY
        )
        == "msg_1"
    )


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
        {
            "HTTP_WEBHOOK_SIGNATURE": headers(secret="other-secret-of-tests")[
                "HTTP_WEBHOOK_SIGNATURE"
            ]
        },
    ],
)
def test_whatever_is_changed_the_signature_no_longer_matches(changed: dict[str, str]) -> None:
    expected = (401, "no signature in webhook-signature matches the body")
    assert reason(signatures(), headers(**changed)) == expected


def test_another_body_does_not_match() -> None:
    expected = (401, "no signature in webhook-signature matches the body")
    assert reason(signatures(), headers(), BODY + b" ") == expected


def test_a_good_guide_signature_does_not_help_a_bad_delivery() -> None:
    bad = headers(HTTP_WEBHOOK_ID="msg_2", HTTP_X_HANCOCK_SIGNATURE=sign(SECRET, BODY))
    assert reason(signatures(), bad)[0] == 401


def test_the_guide_signature_can_be_refused() -> None:
    guide = {"HTTP_X_HANCOCK_SIGNATURE": sign(SECRET, BODY)}
    expected = (401, "the webhook-signature header is missing")
    assert reason(signatures(standard_only=True), guide) == expected
