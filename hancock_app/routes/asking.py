"""`/v1/chat` and `/v1/ask`: the questions to the model."""

from __future__ import annotations

from typing import Annotated

import msgspec
from flask import Blueprint, Response, request

from hancock_app import sse
from hancock_app.auth import Auth
from hancock_app.limits.rate_limit import RateLimit
from hancock_app.llm import LanguageModel
from hancock_app.modes import DEFAULT, Mode
from hancock_app.responses import answer, read

Text = Annotated[
    str,
    # A NUL is never meant, and cuts a text short for whatever is written in C behind us.
    msgspec.Meta(min_length=1, max_length=100_000, pattern=r"^[^\x00]*$"),
]


class ChatRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What `/v1/chat` takes."""

    message: Text
    mode: Mode = DEFAULT
    stream: bool = False


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


def blueprint(auth: Auth, limit: RateLimit, model: LanguageModel) -> Blueprint:
    """Both cost a call of the model, so that both are limited and ask for the key."""
    routes = Blueprint("asking", __name__, url_prefix="/v1")
    chats = msgspec.json.Decoder(ChatRequest)
    questions = msgspec.json.Decoder(AskRequest)

    def admit() -> None:
        # The limit comes first, so that keys cannot be guessed faster than questions are asked.
        environ = request.environ
        limit.check(environ)
        auth.check(environ)

    @routes.post("/chat")
    def chat() -> Response:
        admit()
        asked = read(chats)
        if asked.stream:
            last: dict[str, object] = {"mode": asked.mode, "model": model.name}
            return sse.stream(model.stream(asked.message, asked.mode), last)
        reply = model.answer(asked.message, asked.mode)
        return answer(ChatReply(reply, asked.mode, model.name))

    @routes.post("/ask")
    def ask() -> Response:
        admit()
        asked = read(questions)
        reply = model.answer(asked.question, asked.mode)
        return answer(AskReply(reply, asked.mode, model.name))

    return routes
