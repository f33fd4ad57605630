"""The guide's signature: HMAC-SHA256 of the raw body."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from hancock_app import Settings, create_app
from hancock_app.webhooks.signatures import sign

BODY = b'{"event":"alert"}'
RIGHT = sign("whsec", BODY)


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
        sign("whsec", BODY + b" "),
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


def test_a_signed_body_that_is_no_object_is_refused(client: FlaskClient) -> None:
    headers = {"X-Hancock-Signature": sign("whsec", b"[]")}
    answer = client.post("/v1/webhook", data=b"[]", headers=headers)
    assert answer.status_code == 400
