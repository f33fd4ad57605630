"""Hancock over HTTP: no request ends in a 5xx or in a response that OpenAPI does not document."""

from __future__ import annotations

import json
import re
from http.client import responses
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import example
from hypothesis import strategies as st

from hancock_app import Settings, create_app
from hancock_app.webhooks.signatures import SIGNATURE_HEADER, sign

from .fuzzing import damaged_value, fuzzed, json_values, odd_words

SECRET = "a-secret-of-fuzzing"
JSON = "application/json"
APP = create_app(Settings(rate_limit=0, webhook_secret=SECRET))
DOCUMENT: dict[str, Any] = APP.test_client().get("/openapi.json").get_json()
PATHS: dict[str, dict[str, Any]] = DOCUMENT["paths"]
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY", "x")
WHOLE = {
    "/v1/ask": {"question": "who?", "mode": "analyst"},
    "/v1/chat": {"message": "go on", "mode": "analyst", "stream": True},
    "/v1/webhook": {"event": "alert"},
}
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

header_values = st.one_of(
    st.text(st.characters(max_codepoint=255), max_size=30),
    odd_words.filter(lambda word: len(word) < 5000),
).map(lambda text: re.sub(r"[\r\n]", "", text).encode("latin-1", "ignore").decode("latin-1"))
headers = st.dictionaries(
    st.sampled_from(
        (
            *("Content-Type", "Authorization", "X-Request-ID", "X-Forwarded-For", "Accept"),
            *("Content-Encoding", "Host", SIGNATURE_HEADER, "webhook-id", "webhook-timestamp"),
            *("webhook-signature", "Transfer-Encoding", "If-None-Match", "Range", "Cookie"),
        )
    ),
    header_values,
    max_size=3,
)
bodies = st.one_of(
    damaged_value(st.sampled_from(tuple(WHOLE.values()))).map(json.dumps).map(str.encode),
    json_values.map(json.dumps).map(str.encode),
    odd_words.map(lambda word: word.encode("utf-8", "surrogatepass")),
    st.binary(max_size=60),
    st.just(b"[" * 100_000),
    st.just(b'"' + b"a" * 1_000_001 + b'"'),
)
paths = st.one_of(
    st.sampled_from(tuple(PATHS)),
    st.sampled_from(("/", "//", "/v1", "/v1/ask/", "/%00", "/%", "/..", "/openapi.json", "/é")),
    st.text(st.characters(exclude_categories=("Cs",)), max_size=12).map("/{}".format),
    st.binary(max_size=12).map(lambda path: f"/{path.decode('utf-8', 'surrogateescape')}"),
)
"""Already unquoted, as a WSGI server passes them on."""


def documented(method: str, path: str) -> set[int]:
    """The statuses that the document has for a request; of paths without one: not found."""
    operation = PATHS.get(path, {}).get(method.lower())
    if operation is None:
        return {200, 400, 404, 405}
    return {int(status) for status in operation["responses"]}


def is_answered(client: FlaskClient, method: str, path: str, **request: Any) -> None:
    # Not the test client's own path: it reads the beginning of //x/ask as the name of a host.
    raw = path.encode("utf-8", "surrogateescape").decode("latin-1")
    response = client.open(method=method, environ_overrides={"PATH_INFO": raw}, **request)
    assert response.status_code < 500, response.text
    assert response.status_code in responses
    if response.request.path in PATHS and method.lower() in PATHS[response.request.path]:
        statuses = documented(method, response.request.path)
        if "Host" in request["headers"]:  # malformed before there is an operation
            statuses |= {400}
        assert response.status_code in statuses, response.text
    assert REQUEST_ID.fullmatch(response.headers["X-Request-ID"])
    if response.status_code >= 400 and method != "HEAD":
        reply = response.get_json()
        assert sorted(reply) == ["error", "request_id"]
        assert reply["request_id"] == response.headers["X-Request-ID"]
        assert 0 < len(reply["error"]) <= 400


@fuzzed("HTTP", st.sampled_from(METHODS), paths, headers, bodies)
@example("GET", "/v1/ask", {"Transfer-Encoding": "chunked"}, b"")
@example("GET", "/health", {"Host": "9" * 400}, b"")
def test_any_request_is_answered(method: str, path: str, sent: dict[str, str], body: bytes) -> None:
    is_answered(APP.test_client(), method, path, headers=sent, data=body)


@fuzzed("HTTP", st.sampled_from(tuple(WHOLE)), st.data())
def test_a_damaged_body_is_answered(path: str, data: st.DataObject) -> None:
    body = json.dumps(data.draw(damaged_value(st.just(WHOLE[path])))).encode()
    signed = {SIGNATURE_HEADER: sign(SECRET, body)}
    is_answered(APP.test_client(), "POST", path, headers=signed, data=body, content_type=JSON)


texts = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1)


@fuzzed("HTTP", texts, st.booleans())
def test_a_valid_question_is_answered_with_200(question: str, streamed: bool) -> None:
    client = APP.test_client()
    asked = client.post("/v1/ask", json={"question": question})
    chatted = client.post("/v1/chat", json={"message": question, "stream": streamed})
    assert (asked.status_code, chatted.status_code) == (200, 200)
    assert asked.get_json()["answer"]


@fuzzed("HTTP", st.dictionaries(texts, json_values, max_size=3), slower=2)
def test_a_signed_event_is_accepted(event: dict[str, Any]) -> None:
    try:
        json.dumps(event, ensure_ascii=False).encode()
        body = json.dumps(event, allow_nan=False).encode()
    except ValueError:  # lone surrogates, NaN and infinity are not JSON
        return
    response = APP.test_client().post(
        "/v1/webhook", data=body, content_type=JSON, headers={SIGNATURE_HEADER: sign(SECRET, body)}
    )
    has_huge_number = response.status_code == 400 and "number" in response.text.lower()
    assert response.status_code == 200 or has_huge_number, response.text


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what Schemathesis imports
def test_schemathesis_finds_nothing() -> None:
    """Runs where Schemathesis is installed, as in the weekly workflow; the lock has it not."""
    schemathesis = pytest.importorskip("schemathesis")
    schema = schemathesis.openapi.from_wsgi("/openapi.json", APP)
    operations = [found.ok() for found in schema.get_all_operations()]
    assert operations
    for operation in operations:
        # Requests without a body or a parameter are all alike.
        slower = 2 if operation.body else 40

        @fuzzed("HTTP", operation.as_strategy(), slower=slower)
        def check(case: Any) -> None:
            case.call_and_validate()

        check()
