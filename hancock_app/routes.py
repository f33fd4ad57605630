"""All routes, with the types of their request and response bodies.

| route | access | rate limit |
|---|---|---|
| `/health`, `/health/deep`, `/metrics` | open | no |
| `/openapi.json` | open | no |
| `/models`, `/mode` | API key | no |
| `/v1/chat`, `/v1/ask` | API key | yes |
| `/v1/webhook` | signature | yes |
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from flask import Blueprint, Response, request

from hancock_app import sse
from hancock_app.auth import Auth
from hancock_app.backends import DEFAULT_MODE, MODES, Mode
from hancock_app.limits.rate_limit import RateLimit
from hancock_app.llm import LanguageModel
from hancock_app.observability.health import DeepHealth, DeepReport
from hancock_app.observability.metrics import CONTENT_TYPE, Metrics
from hancock_app.request_body import parse_json, read_body, read_json
from hancock_app.webhooks.signatures import Signatures

_encoder = msgspec.json.Encoder()


def _json(body: Any, status: int = 200) -> Response:
    return _encoded(_encoder.encode(body), status)


def _encoded(body: bytes, status: int = 200) -> Response:
    """A JSON response from an encoded body, so that fixed bodies are encoded only once."""
    return Response(body, status, content_type="application/json")


# --- monitoring -------------------------------------------------------------------------------


class HealthReply(msgspec.Struct):
    """The response of `/health`."""

    status: Literal["ok"] = "ok"


def monitoring_routes(metrics: Metrics, deep_health: DeepHealth) -> Blueprint:
    """Health and metrics: without key or limit, because a refused probe is useless."""
    routes = Blueprint("monitoring", __name__)
    healthy = _encoder.encode(HealthReply())

    @routes.get("/health")
    def health() -> Response:
        return _encoded(healthy)

    @routes.get("/health/deep")
    def health_deep() -> Response:
        report: DeepReport = deep_health.report()
        return _json(report, 503 if report.status == "failed" else 200)

    @routes.get("/metrics")
    def scrape() -> Response:
        return Response(metrics.text(), content_type=CONTENT_TYPE)

    return routes


# --- models and modes -------------------------------------------------------------------------


class ModelsReply(msgspec.Struct):
    """The response of `/models`."""

    models: list[str]
    default: str


class ModesReply(msgspec.Struct):
    """The response of `/mode`."""

    mode: Mode
    modes: tuple[Mode, ...]


def catalog_routes(auth: Auth, model_name: str, openapi: dict[str, Any]) -> Blueprint:
    """Models, modes and the OpenAPI document. The document needs no key: it has no settings."""
    routes = Blueprint("catalog", __name__)
    models = _encoder.encode(ModelsReply([model_name], model_name))
    modes = _encoder.encode(ModesReply(DEFAULT_MODE, MODES))
    document = _encoder.encode(openapi)

    @routes.get("/models")
    def list_models() -> Response:
        auth.check(request.environ)
        return _encoded(models)

    @routes.get("/mode")
    def list_modes() -> Response:
        auth.check(request.environ)
        return _encoded(modes)

    @routes.get("/openapi.json")
    def openapi_json() -> Response:
        return _encoded(document)

    return routes


# --- questions to the model -------------------------------------------------------------------

Text = Annotated[
    str,
    # 100 000 characters are about 25 000 tokens, which the default models accept. A NUL is never
    # intended, and truncates the text in C code.
    msgspec.Meta(min_length=1, max_length=100_000, pattern=r"^[^\x00]*$"),
]


class ChatRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The request body of `/v1/chat`."""

    message: Text
    mode: Mode = DEFAULT_MODE
    stream: bool = False


class ChatReply(msgspec.Struct):
    """The response of `/v1/chat`."""

    response: str
    mode: Mode
    model: str


class AskRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The request body of `/v1/ask`."""

    question: Text
    mode: Mode = DEFAULT_MODE


class AskReply(msgspec.Struct):
    """The response of `/v1/ask`."""

    answer: str
    mode: Mode
    model: str


def question_routes(auth: Auth, limit: RateLimit, model: LanguageModel) -> Blueprint:
    """Chat and ask: each request calls the model, so both are limited and need a key."""
    routes = Blueprint("questions", __name__, url_prefix="/v1")
    chat_decoder = msgspec.json.Decoder(ChatRequest)
    ask_decoder = msgspec.json.Decoder(AskRequest)

    def admit() -> None:
        # The limit comes first, so that it also limits how fast keys can be guessed.
        environ = request.environ
        limit.check(environ)
        auth.check(environ)

    @routes.post("/chat")
    def chat() -> Response:
        admit()
        body = read_json(chat_decoder)
        if body.stream:
            pieces = model.stream(body.message, body.mode)
            return sse.stream(pieces, {"mode": body.mode, "model": model.name})
        answer = model.answer(body.message, body.mode)
        return _json(ChatReply(answer, body.mode, model.name))

    @routes.post("/ask")
    def ask() -> Response:
        admit()
        body = read_json(ask_decoder)
        answer = model.answer(body.question, body.mode)
        return _json(AskReply(answer, body.mode, model.name))

    return routes


# --- webhooks ---------------------------------------------------------------------------------


class WebhookReply(msgspec.Struct):
    """The response of `/v1/webhook`."""

    status: Literal["accepted"] = "accepted"


def webhook_routes(limit: RateLimit, signatures: Signatures) -> Blueprint:
    """Webhooks: the signature identifies the sender, so no key is needed."""
    routes = Blueprint("webhooks", __name__, url_prefix="/v1")
    event_decoder = msgspec.json.Decoder(dict[str, Any])
    accepted = _encoder.encode(WebhookReply())

    @routes.post("/webhook")
    def webhook() -> Response:
        limit.check(request.environ)
        body = read_body()
        delivery_id = signatures.check(request.environ, body)
        parse_json(event_decoder, body)
        # Last, so that a delivery refused for another reason can be sent again.
        signatures.claim(delivery_id)
        return _encoded(accepted)

    return routes
