"""The part of OpenAI's chat completions that we speak, as types."""

from __future__ import annotations

import msgspec

from hancock_app.backends.endpoints import Endpoint
from hancock_app.backends.protocol import BackendAway
from hancock_app.modes import INSTRUCTIONS, Mode

_INCOMPREHENSIBLE = "the model's answer could not be understood"
_EMPTY = "the model gave an empty answer"


class _Message(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    message: _Message


class _Completion(msgspec.Struct):
    choices: list[_Choice]


class _Delta(msgspec.Struct):
    delta: _Message
    finish_reason: str | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Delta] = []


_completions = msgspec.json.Decoder(_Completion)
_chunks = msgspec.json.Decoder(_Chunk)


def question(endpoint: Endpoint, text: str, mode: Mode, *, stream: bool) -> bytes:
    """The body that asks `endpoint` for an answer."""
    messages = [
        {"role": "system", "content": INSTRUCTIONS[mode]},
        {"role": "user", "content": text},
    ]
    asked = {"model": endpoint.model, "messages": messages, "stream": stream}
    return msgspec.json.encode(asked)


def answer_in(body: bytes) -> str:
    """The text in the whole answer `body`; raises `BackendAway` where there is none."""
    try:
        completion = _completions.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BackendAway(_INCOMPREHENSIBLE) from error
    if not completion.choices or not completion.choices[0].message.content:
        raise BackendAway(_EMPTY)
    return completion.choices[0].message.content


def piece_in(chunk: str) -> tuple[str, bool]:
    """The text in one event of a stream, and whether the model has said that it ends there."""
    try:
        choices = _chunks.decode(chunk).choices
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BackendAway(_INCOMPREHENSIBLE) from error
    if not choices:
        return "", False
    return choices[0].delta.content or "", choices[0].finish_reason is not None
