"""The contract at `/openapi.json`, made of the same types that read and write the bodies."""

from __future__ import annotations

from typing import Any

import msgspec

from hancock_app.errors import ErrorBody
from hancock_app.observability.health import Deep, Shallow
from hancock_app.routes.asking import AskReply, AskRequest, ChatReply, ChatRequest
from hancock_app.routes.reading import Models, Modes
from hancock_app.routes.webhooks import Accepted

_TYPES = (
    *(ChatRequest, ChatReply, AskRequest, AskReply, Accepted),
    *(Models, Modes, Shallow, Deep, ErrorBody),
)
_BODY = {
    400: "The body is not as documented",
    413: "The body is larger than 1 MB",
}
_LIMITED = {429: "Too many requests in a minute", 503: "Too busy, or failing closed without Redis"}
_KEYED = {401: "No valid key"}
_MODEL = {502: "The model is away", 504: "The model is too slow"}
_JSON = {415: "The body is not called JSON"}
_ASKING = {**_BODY, **_KEYED, **_JSON, **_LIMITED, **_MODEL}
_WEBHOOK = {
    **_BODY,
    **_LIMITED,
    401: "No valid signature",
    403: "Webhooks are off",
    409: "Accepted before",
}
_SIGNATURE_HEADERS = (
    "X-Hancock-Signature",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
)


def document() -> dict[str, Any]:
    """The whole contract, as OpenAPI 3.1."""
    _, schemas = msgspec.json.schema_components(_TYPES, ref_template="#/components/schemas/{name}")
    return {
        "openapi": "3.1.0",
        "info": {"title": "Hancock", "version": "1", "description": __doc__},
        "paths": _paths(),
        "components": {
            "schemas": schemas,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _paths() -> dict[str, Any]:
    text, anything = _content("text/plain", {"type": "string"}), {"type": "object"}
    # OpenAPI 3.1 has no words for the events of a stream; hancock_app/sse.py draws them.
    events = _content("text/event-stream", {"description": "Server-sent events, for stream: true"})
    chat = {**_json(ChatReply), **events}
    hook = {"requestBody": _body(anything), "parameters": _headers(_SIGNATURE_HEADERS)}
    return {
        "/health": {"get": _reads("This process answers", _json(Shallow))},
        "/health/deep": {"get": _deep()},
        "/metrics": {"get": _reads("Metrics for Prometheus", text)},
        "/openapi.json": {"get": _reads("This contract", _content("application/json", anything))},
        "/models": {"get": _keyed(_reads("The models that answer", _json(Models), _KEYED))},
        "/mode": {"get": _keyed(_reads("The ways of answering", _json(Modes), _KEYED))},
        "/v1/chat": {"post": _keyed(_asks("Talk to the model", ChatRequest, chat))},
        "/v1/ask": {"post": _keyed(_asks("Ask one question", AskRequest, _json(AskReply)))},
        "/v1/webhook": {"post": {**_reads("Tell of an event", _json(Accepted), _WEBHOOK), **hook}},
    }


def _reads(summary: str, content: Any, refusals: dict[int, str] | None = None) -> dict[str, Any]:
    refused = {
        str(status): {"description": words, "content": _json(ErrorBody)}
        for status, words in (refusals or {}).items()
    }
    return {
        "summary": summary,
        "responses": {"200": {"description": "Done", "content": content}, **refused},
    }


def _deep() -> dict[str, Any]:
    both = _reads("What this service needs is there", _json(Deep))
    both["responses"]["503"] = {"description": "It is not", "content": _json(Deep)}
    return both


def _asks(summary: str, body: type, content: Any) -> dict[str, Any]:
    asked = _body({"$ref": f"#/components/schemas/{body.__name__}"})
    return {**_reads(summary, content, _ASKING), "requestBody": asked}


def _keyed(operation: dict[str, Any]) -> dict[str, Any]:
    # Nothing or a key: whether one is needed, the operator decides.
    return {**operation, "security": [{}, {"key": []}]}


def _json(body: type) -> dict[str, Any]:
    return _content("application/json", {"$ref": f"#/components/schemas/{body.__name__}"})


def _body(schema: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": _content("application/json", schema)}


def _content(media_type: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {media_type: {"schema": schema}}


def _headers(names: tuple[str, ...]) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "header", "required": False, "schema": {"type": "string"}}
        for name in names
    ]
