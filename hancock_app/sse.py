"""Streamed answers as server-sent events.

data: {"delta":"Start"}                            one for each piece of the answer
data: {"done":true,"mode":"auto","model":"..."}    last, if the answer is complete
event: error
data: {"error":"...","request_id":"..."}           last, if it is not
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain

import msgspec
from flask import Response, request

from hancock_app.errors import ApiError, ErrorReply
from hancock_app.request_environ import REQUEST_ID, STREAMED

CONTENT_TYPE = "text/event-stream"

# Caches must not store an answer, and nginx must not buffer it.
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def stream(pieces: Iterator[str], summary: Mapping[str, object]) -> Response:
    """Send `pieces` as they arrive, then `summary` in the final event.

    Waits for the first piece, so that an earlier failure still gets its own status code.
    """
    first_piece = next(pieces, "")
    request.environ[STREAMED] = True
    body = _events(chain([first_piece], pieces), summary, request.environ[REQUEST_ID])
    return Response(body, content_type=CONTENT_TYPE, headers=_HEADERS)


def _events(
    pieces: Iterator[str], summary: Mapping[str, object], request_id: str
) -> Iterator[bytes]:
    try:
        for piece in pieces:
            yield _event({"delta": piece})
    except ApiError as error:
        yield b"event: error\n" + _event(ErrorReply(error.message, request_id))
    else:
        yield _event({"done": True, **summary})


def _event(body: object) -> bytes:
    return b"data: " + msgspec.json.encode(body) + b"\n\n"
