"""Request bodies that are refused: why, and with which status."""

from __future__ import annotations

import io

import pytest
from flask.testing import FlaskClient

from .refusals import refused

NOT_DOCUMENTED = "the body is invalid: "


MALFORMED = "the body is not valid JSON: "


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", MALFORMED + "Input data was truncated"),
        (b"[]", NOT_DOCUMENTED + "Expected `object`, got `array`"),
        (b'"text"', NOT_DOCUMENTED + "Expected `object`, got `str`"),
        (b"1", NOT_DOCUMENTED + "Expected `object`, got `int`"),
        (b"null", NOT_DOCUMENTED + "Expected `object`, got `null`"),
        (b"NaN", MALFORMED + "invalid character (byte 0)"),
        (b'{"question":NaN}', MALFORMED + "invalid character (byte 12)"),
        (b"{}", NOT_DOCUMENTED + "Object missing required field `question`"),
        (b'{"question":null}', NOT_DOCUMENTED + "Expected `str`, got `null` - at `$.question`"),
        (
            b'{"question":""}',
            NOT_DOCUMENTED + "Expected `str` of length >= 1 - at `$.question`",
        ),
        (
            b'{"question":"a","mode":[]}',
            NOT_DOCUMENTED + "Expected `str`, got `array` - at `$.mode`",
        ),
        (
            b'{"question":"a","mode":{}}',
            NOT_DOCUMENTED + "Expected `str`, got `object` - at `$.mode`",
        ),
        (
            b'{"question":"a","mode":"red"}',
            NOT_DOCUMENTED + "Invalid enum value 'red' - at `$.mode`",
        ),
        (
            b'{"question":"a","extra":1}',
            NOT_DOCUMENTED + "Object contains unknown field `extra`",
        ),
        (
            b'{"question":"a\\u0000b"}',
            NOT_DOCUMENTED + "Expected `str` matching regex '^[^\\\\x00]*$' - at `$.question`",
        ),
        (b'{"question":"\x00"}', MALFORMED + "invalid character (byte 13)"),
        (b'{"question":"\xff"}', "the body is not valid UTF-8"),
        (b"[" * 100_000, NOT_DOCUMENTED + "Expected `object`, got `array`"),
        (
            b'{"question":' + b"[" * 100_000,
            NOT_DOCUMENTED + "Expected `str`, got `array` - at `$.question`",
        ),
        (
            b'{"' + b"q" * 1000 + b'":1}',
            (NOT_DOCUMENTED + "Object contains unknown field `" + "q" * 1000)[:300],
        ),
        (
            b'{"question":"' + b"a" * 100_001 + b'"}',
            NOT_DOCUMENTED + "Expected `str` of length <= 100000 - at `$.question`",
        ),
    ],
)
def test_a_body_that_is_not_as_documented(client: FlaskClient, body: bytes, message: str) -> None:
    answer = client.post("/v1/ask", data=body, content_type="application/json")
    assert refused(answer) == (400, message)


def test_nested_lists_in_a_webhook_are_refused(client: FlaskClient) -> None:
    from hancock_app.webhooks.signatures import sign

    body = b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    answer = client.post(
        "/v1/webhook", data=body, headers={"X-Hancock-Signature": sign("a-secret-of-tests", body)}
    )
    assert refused(answer) == (400, "the body is nested too deeply")


@pytest.mark.parametrize("content_type", [None, "", "text/plain", "application/jsonp", "\xff"])
def test_a_body_whose_content_type_is_not_json(
    client: FlaskClient, content_type: str | None
) -> None:
    answer = client.post("/v1/chat", data=b'{"message":"hi"}', content_type=content_type)
    expected = "Content-Type is not application/json"
    assert refused(answer) == (415, expected)


@pytest.mark.parametrize("path", ["/v1/chat", "/v1/ask", "/v1/webhook"])
def test_a_body_of_twenty_megabytes(client: FlaskClient, path: str) -> None:
    answer = client.post(path, data=b"a" * 20_000_000, content_type="application/json")
    assert refused(answer) == (413, "the body is larger than 1 MB")


@pytest.mark.parametrize(("size", "status"), [(1_000_000, 400), (1_000_001, 413)])
@pytest.mark.parametrize("is_told", [True, False])
def test_a_body_of_a_megabyte_and_one_of_a_byte_more(
    client: FlaskClient, size: int, status: int, is_told: bool
) -> None:
    # Spaces after a good question: whoever stopped reading at the limit would find nothing wrong.
    body = b'{"question":"' + b"a" * 100_001 + b'"}'
    answer = client.post(
        "/v1/ask",
        input_stream=io.BytesIO(body.ljust(size)),
        content_type="application/json",
        content_length=size if is_told else None,
        environ_overrides={"wsgi.input_terminated": not is_told},
    )
    assert answer.status_code == status


def test_a_good_question_with_a_megabyte_behind_it(client: FlaskClient) -> None:
    answer = client.post(
        "/v1/ask",
        input_stream=io.BytesIO(b'{"question":"hi"}'.ljust(2_000_000)),
        content_type="application/json",
        environ_overrides={"wsgi.input_terminated": True},
    )
    assert refused(answer) == (413, "the body is larger than 1 MB")


@pytest.mark.parametrize("path", ["/v1/chat", "/v1/ask", "/v1/webhook"])
def test_a_body_that_breaks_while_it_is_read(client: FlaskClient, path: str) -> None:
    class Broken:
        def read(self, size: int = -1) -> bytes:
            raise LookupError("the server's own exception")

    answer = client.post(
        path,
        content_type="application/json",
        environ_overrides={"wsgi.input": Broken(), "wsgi.input_terminated": True},
    )
    assert refused(answer) == (400, "the body cannot be read")


def test_a_charset_in_the_content_type_does_not_matter(client: FlaskClient) -> None:
    answer = client.post(
        "/v1/ask", data=b'{"question":"hi"}', content_type="Application/JSON; charset=utf-8"
    )
    assert answer.status_code == 200
