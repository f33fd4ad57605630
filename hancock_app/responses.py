"""Bodies in and out: validated on the way in, encoded once where they never change."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from flask import Response, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from hancock_app.errors import Refusal

MAX_BODY_BYTES = 1_000_000
_MAX_MESSAGE = 300

_Body = TypeVar("_Body")
_encoder = msgspec.json.Encoder()


def read(decoder: msgspec.json.Decoder[_Body]) -> _Body:
    """The request's body; raises a `Refusal`, 415 or 400, that says what is wrong with it."""
    if not _is_json(request.environ.get("CONTENT_TYPE", "")):
        raise Refusal(415, "the body has to be JSON, with Content-Type: application/json")
    return parse(decoder, received())


def received() -> bytes:
    """The body as it came; raises 413 where it is too large, and a 400 `Refusal` where it broke."""
    try:
        body = request.get_data(cache=False)
    except HTTPException:
        raise
    except Exception as error:
        # Servers have exceptions of their own for a body that is not what its headers say.
        raise Refusal(400, "the body cannot be read") from error
    # Without a Content-Length, reading just ends at the limit, and a good beginning would pass.
    if len(body) > MAX_BODY_BYTES:
        raise RequestEntityTooLarge
    return body


def parse(decoder: msgspec.json.Decoder[_Body], body: bytes) -> _Body:
    """What `body` holds; raises a 400 `Refusal` that says what is wrong with it."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        # It quotes the client, who may have written a lot.
        raise Refusal(400, f"the body is not as documented: {error}"[:_MAX_MESSAGE]) from None
    except UnicodeDecodeError:
        raise Refusal(400, "the body is not valid UTF-8") from None
    except RecursionError:
        raise Refusal(400, "the body is nested too deeply") from None
    except msgspec.DecodeError as error:
        why = str(error).removeprefix("JSON is malformed: ")
        raise Refusal(400, f"the body is not valid JSON: {why}") from None


def _is_json(content_type: str) -> bool:
    # The first comparison answers nearly every request; the rest is parsing.
    return content_type == "application/json" or (
        content_type.partition(";")[0].strip().lower() == "application/json"
    )


def answer(body: Any, status: int = 200) -> Response:
    """`body` as JSON."""
    return Response(_encoder.encode(body), status, content_type="application/json")


def fixed(encoded: bytes) -> Response:
    """A 200 with JSON that was encoded before."""
    return Response(encoded, content_type="application/json")


def encode(body: Any) -> bytes:
    """`body` as JSON, for an answer that never changes."""
    return _encoder.encode(body)
