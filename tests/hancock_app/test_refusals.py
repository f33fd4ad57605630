"""What a request gets that cannot be served: a reason, its id, and never a 500."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.test import EnvironBuilder, TestResponse

from hancock_app import Settings, create_app

LIMITED = create_app(Settings(api_key="key", rate_limit=1_000_000, webhook_secret="whsec"))
NOT_DOCUMENTED = "the body is invalid: "
MALFORMED = "the body is not valid JSON: "


def refused(answer: TestResponse) -> tuple[int, str]:
    """Status and message, once the shape has been checked."""
    assert answer.json is not None
    assert set(answer.json) == {"error", "request_id"}
    assert answer.json["request_id"] == answer.headers["X-Request-ID"]
    return answer.status_code, answer.json["error"]


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
        "/v1/webhook", data=body, headers={"X-Hancock-Signature": sign("whsec", body)}
    )
    assert refused(answer) == (400, "the body is nested too deeply")


@pytest.mark.parametrize("content_type", [None, "", "text/plain", "application/jsonp", "\xff"])
def test_a_body_that_is_not_called_json(client: FlaskClient, content_type: str | None) -> None:
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


def test_an_unknown_address(client: FlaskClient) -> None:
    assert refused(client.get("/nothing")) == (404, "not found")


def test_a_wrong_method(client: FlaskClient) -> None:
    answer = client.get("/v1/chat")
    assert answer.headers["Allow"] == "OPTIONS, POST"
    assert refused(answer) == (405, "GET is not allowed; use OPTIONS, POST")


def test_a_method_that_is_no_word(client: FlaskClient) -> None:
    answer = client.open("/health", method="<X>")
    expected = "this method is not allowed; use GET, HEAD, OPTIONS"
    assert refused(answer) == (405, expected)


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "key",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        "Bearer key ",
        "Basic key",
        "Bearer kéy",
        "Bearer \x00",
        "Bearer\xa0key",
        "Bearer ke",
    ],
)
@pytest.mark.parametrize("path", ["/v1/chat", "/v1/ask"])
def test_a_request_without_the_right_key(path: str, authorization: str) -> None:
    client = create_app(Settings(api_key="key")).test_client()
    answer = client.post(path, environ_overrides={"HTTP_AUTHORIZATION": authorization})
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    expected = "missing or invalid API key; send Authorization: Bearer <key>"
    assert refused(answer) == (401, expected)


@pytest.mark.parametrize("path", ["/models", "/mode"])
def test_what_tells_of_the_setup_asks_for_the_key_too(path: str) -> None:
    client = create_app(Settings(api_key="key")).test_client()
    right = client.get(path, headers={"Authorization": "bearer key"})
    assert (client.get(path).status_code, right.status_code) == (401, 200)


@pytest.mark.parametrize("path", ["/health", "/metrics"])
def test_what_machines_watch_is_open(path: str) -> None:
    client = create_app(Settings(api_key="key")).test_client()
    assert client.get(path).status_code == 200


def test_a_model_that_fails_is_not_this_service_broken() -> None:
    class Gone:
        def answer(self, text: str, mode: str) -> str:
            raise ConnectionRefusedError

    client = create_app(Settings(), backend=Gone()).test_client()
    answer = client.post("/v1/ask", json={"question": "hi"})
    assert refused(answer) == (502, "the model failed; try again later")


def test_a_bug_answers_in_the_same_shape(caplog: pytest.LogCaptureFixture) -> None:
    app = create_app(Settings())

    @app.get("/bug")
    def bug() -> Any:
        raise ZeroDivisionError

    answer = app.test_client().get("/bug", headers={"X-Request-ID": "bug-1"})
    assert refused(answer) == (500, "internal error; the log has details under this request id")
    assert caplog.messages == ["request bug-1 failed"]


ODD = st.one_of(
    st.text(), st.binary().map(lambda raw: raw.decode("latin-1")), st.sampled_from(["\x00", "\r\n"])
)
# A server passes on bytes, each as the character of that number.
AS_SENT = ODD.map(lambda text: text.encode("utf-8", "replace").decode("latin-1"))
HEADERS = ("AUTHORIZATION", "X_REQUEST_ID", "X_HANCOCK_SIGNATURE", "WEBHOOK_ID", "HOST", "COOKIE")
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["question", "mode"]), inner),
)


@settings(max_examples=300, deadline=None)
@given(
    path=st.sampled_from(["/v1/ask", "/v1/chat", "/v1/webhook", "/models", "/no"]) | AS_SENT,
    method=st.sampled_from(["GET", "POST", "OPTIONS"]) | ODD.filter(bool),
    headers=st.dictionaries(st.sampled_from(HEADERS), ODD),
    body=st.binary() | JSON.map(lambda value: json.dumps(value).encode()),
)
def test_nothing_is_a_server_error(
    path: str, method: str, headers: dict[str, str], body: bytes
) -> None:
    odd = {f"HTTP_{name}": value for name, value in headers.items()}
    environ = EnvironBuilder("/", data=body, content_type="application/json").get_environ()
    environ |= {"PATH_INFO": path, "REQUEST_METHOD": method, **odd}
    statuses: list[str] = []

    def started(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        assert not any("\n" in name + value for name, value in headers)
        statuses.append(status)

    answer: Any = LIMITED(environ, started)
    b"".join(answer)
    answer.close()
    assert int(statuses[0][:3]) < 500
