"""Errors that are nobody's in particular: one shape, the request id, and never a 500."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.test import EnvironBuilder

from hancock_app import Settings, create_app

from .refusals import refused

LIMITED = create_app(
    Settings(api_key="key", rate_limit=1_000_000, webhook_secret="a-secret-of-tests")
)


def test_an_unknown_address(client: FlaskClient) -> None:
    assert refused(client.get("/nothing")) == (404, "not found")


def test_a_wrong_method(client: FlaskClient) -> None:
    answer = client.get("/v1/chat")
    assert answer.headers["Allow"] == "OPTIONS, POST"
    assert refused(answer) == (405, "GET is not allowed; use OPTIONS, POST")


def test_a_method_that_is_not_a_word(client: FlaskClient) -> None:
    answer = client.open("/health", method="<X>")
    expected = "this method is not allowed; use GET, HEAD, OPTIONS"
    assert refused(answer) == (405, expected)


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
