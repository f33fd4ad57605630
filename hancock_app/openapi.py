"""The API of Hancock, generated from the types that validate and encode the bodies."""

from __future__ import annotations

from typing import Any

import msgspec

from hancock_app.errors import ErrorReply
from hancock_app.observability.health import DeepReport
from hancock_app.routes import (
    AskReply,
    AskRequest,
    ChatReply,
    ChatRequest,
    HealthReply,
    ModelsReply,
    ModesReply,
    WebhookReply,
)

_BODY_TYPES = (
    *(ChatRequest, ChatReply, AskRequest, AskReply, WebhookReply),
    *(ModelsReply, ModesReply, HealthReply, DeepReport, ErrorReply),
)

# Descriptions of error responses by status; each route uses some of these groups.
_BODY_ERRORS = {400: "The body is invalid", 413: "The body is larger than 1 MB"}
_LIMIT_ERRORS = {
    429: "Rate limit exceeded",
    503: "At the concurrency limit, or shared storage unavailable",
}
_KEY_ERRORS = {401: "Missing or invalid API key"}
_QUESTION_ERRORS = {
    **_BODY_ERRORS,
    **_KEY_ERRORS,
    415: "Content-Type is not application/json",
    **_LIMIT_ERRORS,
    502: "The model is unavailable",
    504: "The model did not answer in time",
}
_WEBHOOK_ERRORS = {
    **_BODY_ERRORS,
    **_LIMIT_ERRORS,
    401: "Missing or invalid signature",
    403: "Webhooks are disabled",
    409: "Already accepted",
}
# Headers of both schemes; therefore none is required.
_SIGNATURE_HEADERS = (
    "X-Hancock-Signature",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
)


def document() -> dict[str, Any]:
    """Return the complete OpenAPI 3.1 document."""
    _, schemas = msgspec.json.schema_components(
        _BODY_TYPES, ref_template="#/components/schemas/{name}"
    )
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
    text = _content("text/plain", {"type": "string"})
    any_object = {"type": "object"}
    # OpenAPI 3.1 cannot describe the events of a stream; hancock_app/sse.py shows them.
    events = _content("text/event-stream", {"description": "Server-sent events, for stream: true"})
    chat_replies = {**_json(ChatReply), **events}
    openapi = _content("application/json", any_object)
    webhook = {
        **_operation("Receive an event", _json(WebhookReply), _WEBHOOK_ERRORS),
        "requestBody": _request_body(any_object),
        "parameters": _header_parameters(_SIGNATURE_HEADERS),
    }
    return {
        "/health": {"get": _operation("Whether this process responds", _json(HealthReply))},
        "/health/deep": {"get": _deep_health()},
        "/metrics": {"get": _operation("Metrics for Prometheus", text)},
        "/openapi.json": {"get": _operation("This document", openapi)},
        "/models": {"get": _with_key(_operation("The models", _json(ModelsReply), _KEY_ERRORS))},
        "/mode": {"get": _with_key(_operation("The modes", _json(ModesReply), _KEY_ERRORS))},
        "/v1/chat": {"post": _question("Chat with the model", ChatRequest, chat_replies)},
        "/v1/ask": {"post": _question("Ask the model a question", AskRequest, _json(AskReply))},
        "/v1/webhook": {"post": webhook},
    }


def _operation(
    summary: str, content: dict[str, Any], errors: dict[int, str] | None = None
) -> dict[str, Any]:
    error_responses = {
        str(status): {"description": description, "content": _json(ErrorReply)}
        for status, description in (errors or {}).items()
    }
    return {
        "summary": summary,
        "responses": {"200": {"description": "Success", "content": content}, **error_responses},
    }


def _deep_health() -> dict[str, Any]:
    operation = _operation("Whether the model and the storage respond", _json(DeepReport))
    operation["responses"]["503"] = {
        "description": "Some requests cannot be answered",
        "content": _json(DeepReport),
    }
    return operation


def _question(summary: str, body: type, content: dict[str, Any]) -> dict[str, Any]:
    operation = _with_key(_operation(summary, content, _QUESTION_ERRORS))
    return {**operation, "requestBody": _request_body(_reference(body))}


def _with_key(operation: dict[str, Any]) -> dict[str, Any]:
    # With or without a key: the operator decides whether one is required.
    return {**operation, "security": [{}, {"key": []}]}


def _request_body(schema: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": _content("application/json", schema)}


def _header_parameters(names: tuple[str, ...]) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "header", "required": False, "schema": {"type": "string"}}
        for name in names
    ]


def _json(body: type) -> dict[str, Any]:
    return _content("application/json", _reference(body))


def _content(media_type: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {media_type: {"schema": schema}}


def _reference(body: type) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{body.__name__}"}
