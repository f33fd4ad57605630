"""Answers in pieces, as server-sent events.

data: {"delta":"Start"}                          as often as the model says something
data: {"done":true,"mode":"auto","model":"…"}    last, when it was said to the end
event: error
data: {"error":"…","request_id":"…"}             last, when it was not
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import msgspec
from flask import Response, request

from hancock_app.edge import REQUEST_ID, STREAMED
from hancock_app.errors import ErrorBody, Refusal

CONTENT_TYPE = "text/event-stream"

# Proxies would otherwise collect the pieces before they pass them on.
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def stream(pieces: Iterator[str], last: dict[str, object]) -> Response:
    """Send `pieces` as they come and then `last`.

    The first piece is waited for: what fails before it is still answered with a status.
    """
    first = next(pieces, "")
    request.environ[STREAMED] = True
    body = _events(chain([first], pieces), last, request.environ[REQUEST_ID])
    return Response(body, content_type=CONTENT_TYPE, headers=_HEADERS)


def _events(pieces: Iterator[str], last: dict[str, object], request_id: str) -> Iterator[bytes]:
    try:
        for piece in pieces:
            yield _event({"delta": piece})
    except Refusal as refusal:
        yield b"event: error\n" + _event(ErrorBody(refusal.description or "", request_id))
    else:
        yield _event({"done": True, **last})


def _event(body: object) -> bytes:
    return b"data: " + msgspec.json.encode(body) + b"\n\n"
