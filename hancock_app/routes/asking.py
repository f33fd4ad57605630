"""`/v1/chat` and `/v1/ask`: the questions to the model."""

from __future__ import annotations

import logging
from typing import Annotated

import msgspec
from flask import Blueprint, Response, request

from hancock_app.auth import Auth
from hancock_app.backends import Backend
from hancock_app.bodies import answer, read
from hancock_app.errors import Refusal
from hancock_app.modes import DEFAULT, Mode
from hancock_app.rate_limit import RateLimit

_log = logging.getLogger("hancock")

Text = Annotated[
    str,
    # A NUL is never meant, and cuts a text short for whatever is written in C behind us.
    msgspec.Meta(min_length=1, max_length=100_000, pattern=r"^[^\x00]*$"),
]


class ChatRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What `/v1/chat` takes."""

    message: Text
    mode: Mode = DEFAULT


class ChatReply(msgspec.Struct):
    """What `/v1/chat` gives."""

    response: str
    mode: Mode
    model: str


class AskRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What `/v1/ask` takes."""

    question: Text
    mode: Mode = DEFAULT


class AskReply(msgspec.Struct):
    """What `/v1/ask` gives."""

    answer: str
    mode: Mode
    model: str


def blueprint(auth: Auth, limit: RateLimit, backend: Backend, model: str) -> Blueprint:
    """Both cost a call of the model, so that both are limited and ask for the key."""
    routes = Blueprint("asking", __name__, url_prefix="/v1")
    chats = msgspec.json.Decoder(ChatRequest)
    questions = msgspec.json.Decoder(AskRequest)

    def admit() -> None:
        # The limit comes first, so that keys cannot be guessed faster than questions are asked.
        limit.check(request.environ)
        auth.check(request.environ)

    @routes.post("/chat")
    def chat() -> Response:
        admit()
        asked = read(chats)
        return answer(ChatReply(_reply(backend, asked.message, asked.mode), asked.mode, model))

    @routes.post("/ask")
    def ask() -> Response:
        admit()
        asked = read(questions)
        return answer(AskReply(_reply(backend, asked.question, asked.mode), asked.mode, model))

    return routes


def _reply(backend: Backend, text: str, mode: Mode) -> str:
    try:
        return backend.answer(text, mode)
    except Exception as error:
        # Whatever a model server does wrong, it is not this service that is broken.
        _log.error("the model failed: %r", error)
        raise Refusal(502, "the model cannot be reached; try again later") from error
