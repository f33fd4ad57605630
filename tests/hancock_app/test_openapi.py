"""The contract says what the application does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from hancock_app import Settings, create_app
from hancock_app.openapi import document
from hancock_app.webhooks.signatures import sign

EVENT = b'{"event":"alert"}'
SIGNED = {"X-Hancock-Signature": sign("a-secret-of-tests", EVENT)}


def test_it_is_served(client: FlaskClient) -> None:
    assert client.get("/openapi.json").json == json.loads(json.dumps(document()))


def test_every_address_and_method_is_in_it() -> None:
    app = create_app(Settings())
    served = {
        (rule.rule, method.lower())
        for rule in app.url_map.iter_rules()
        for method in rule.methods or ()
        if method not in {"HEAD", "OPTIONS"}
    }
    described = {(path, method) for path, item in document()["paths"].items() for method in item}
    assert described == served


def conforms(answer: Any, path: str, method: str) -> None:
    """Check an answer against what the contract says of its status and media type."""
    contract = document()
    described = contract["paths"][path][method]["responses"][str(answer.status_code)]
    media_type = answer.content_type.partition(";")[0]
    schema = {**described["content"][media_type]["schema"], "components": contract["components"]}
    body = answer.json if media_type == "application/json" else answer.text
    Draft202012Validator(schema).validate(body)


@pytest.mark.parametrize(
    "path", ["/health", "/health/deep", "/metrics", "/openapi.json", "/models", "/mode"]
)
def test_get_responses_match_their_schemas(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    conforms(answer, path, "get")


@pytest.mark.parametrize(
    ("path", "sent", "status"),
    [
        ("/v1/chat", {"json": {"message": "hi"}}, 200),
        ("/v1/chat", {"json": {"message": "hi", "stream": True}}, 200),
        ("/v1/chat", {"json": []}, 400),
        ("/v1/chat", {"data": "hi"}, 415),
        ("/v1/ask", {"json": {"question": "hi", "mode": "soc"}}, 200),
        ("/v1/ask", {"json": {"question": 1}}, 400),
        ("/v1/ask", {"data": b"a" * 2_000_000}, 415),
        ("/v1/ask", {"data": b"a" * 2_000_000, "content_type": "application/json"}, 413),
        ("/v1/webhook", {"data": EVENT, "headers": SIGNED}, 200),
        ("/v1/webhook", {"data": EVENT}, 401),
        ("/v1/webhook", {"data": b"a" * 2_000_000}, 413),
    ],
)
def test_post_responses_match_their_schemas(
    client: FlaskClient, path: str, sent: dict[str, Any], status: int
) -> None:
    answer = client.post(path, **sent)
    assert answer.status_code == status
    conforms(answer, path, "post")


def test_a_refused_key_is_described() -> None:
    client = create_app(Settings(api_key="key")).test_client()
    conforms(client.get("/models"), "/models", "get")
    conforms(client.post("/v1/ask"), "/v1/ask", "post")


def test_a_limit_is_described() -> None:
    client = create_app(Settings(rate_limit=1)).test_client()
    client.post("/v1/ask")
    answer = client.post("/v1/ask")
    assert answer.status_code == 429
    conforms(answer, "/v1/ask", "post")


def test_an_unavailable_model_is_described() -> None:
    class Gone:
        def answer(self, text: str, mode: str) -> str:
            raise ConnectionError

    client = create_app(Settings(), backend=Gone()).test_client()
    answer = client.post("/v1/ask", json={"question": "hi"})
    assert answer.status_code == 502
    conforms(answer, "/v1/ask", "post")
