"""Reading request bodies: size limit, content type, JSON validation."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from flask import request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from hancock_app.errors import ApiError

# Ten times the longest question, and more than most webhook senders send.
MAX_BODY_BYTES = 1_000_000
# Validation messages quote the request, which may contain a field name of any length.
_MAX_MESSAGE_LENGTH = 300

_Body = TypeVar("_Body")


def read_json(decoder: msgspec.json.Decoder[_Body]) -> _Body:
    """Return the validated body of the current request.

    Raises:
        ApiError: the body is invalid; status 400, 413 or 415, and a message that says why.
    """
    if not _is_json(request.environ.get("CONTENT_TYPE", "")):
        raise ApiError(415, "Content-Type is not application/json")
    return parse_json(decoder, read_body())


def read_body() -> bytes:
    """Return the body of the current request as it was sent.

    Raises:
        ApiError: it cannot be read (status 400) or is too large (413).
    """
    try:
        body = request.get_data(cache=False)
    except HTTPException:
        raise
    except Exception as error:
        # Servers raise their own exceptions if a body does not match its headers.
        raise ApiError(400, "the body cannot be read") from error
    # Without a Content-Length, Werkzeug stops reading at the limit and raises nothing.
    if len(body) > MAX_BODY_BYTES:
        raise RequestEntityTooLarge
    return body


def parse_json(decoder: msgspec.json.Decoder[_Body], body: bytes) -> _Body:
    """Decode and validate `body`.

    Raises:
        ApiError: it is invalid; status 400.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise ApiError(400, f"the body is invalid: {error}"[:_MAX_MESSAGE_LENGTH]) from None
    except UnicodeDecodeError:
        raise ApiError(400, "the body is not valid UTF-8") from None
    except RecursionError:
        raise ApiError(400, "the body is nested too deeply") from None
    except msgspec.DecodeError as error:
        reason = str(error).removeprefix("JSON is malformed: ")
        raise ApiError(400, f"the body is not valid JSON: {reason}") from None


def _is_json(content_type: str) -> bool:
    # Nearly every request matches the first comparison; only the rest needs parsing.
    return content_type == "application/json" or (
        content_type.partition(";")[0].strip().lower() == "application/json"
    )
