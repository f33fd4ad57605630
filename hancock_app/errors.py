"""The one shape of every refusal: `{"error": …, "request_id": …}`."""

from __future__ import annotations

import logging
from collections.abc import Iterable

import msgspec
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, InternalServerError, MethodNotAllowed

from hancock_app.edge import REQUEST_ID

_log = logging.getLogger("hancock")

_WORDS = {
    400: "the request cannot be understood",
    404: "there is nothing at this address",
    413: "the body is larger than the 1 MB that is accepted",
    500: "something went wrong here; the log has the request id",
}


class ErrorBody(msgspec.Struct):
    """What every answer that is not a success carries."""

    error: str
    request_id: str


class Refusal(HTTPException):
    """A request that is not served, with what its client is told."""

    def __init__(self, status: int, message: str, headers: Iterable[tuple[str, str]] = ()) -> None:
        super().__init__(message)
        self.code = status
        self.extra_headers = tuple(headers)


def install(app: Flask) -> None:
    """Make every refusal and every bug of `app` answer in the one shape."""
    app.register_error_handler(HTTPException, _refused)
    app.register_error_handler(Exception, _broken)


def _refused(refused: HTTPException) -> Response:
    status = refused.code or 500
    answer = render(status, _words(status, refused))
    answer.headers.extend(_headers(refused))
    return answer


def _broken(bug: Exception) -> Response:
    _log.error("request %s failed", request.environ[REQUEST_ID], exc_info=bug)
    return _refused(InternalServerError())


def render(status: int, message: str) -> Response:
    """The answer that tells `message`."""
    body = ErrorBody(error=message, request_id=request.environ[REQUEST_ID])
    return Response(msgspec.json.encode(body), status, content_type="application/json")


def _words(status: int, refused: HTTPException) -> str:
    if isinstance(refused, Refusal):
        return refused.description or ""
    if isinstance(refused, MethodNotAllowed):
        return f"{_method()} is not allowed here; use {', '.join(_allowed(refused))}"
    return _WORDS.get(status, refused.name.lower())


def _method() -> str:
    # A method is any text the client likes; only the common ones are worth repeating to it.
    return request.method if request.method.isalpha() else "this method"


def _allowed(refused: MethodNotAllowed) -> list[str]:
    return sorted(refused.valid_methods or ())


def _headers(refused: HTTPException) -> Iterable[tuple[str, str]]:
    if isinstance(refused, Refusal):
        return refused.extra_headers
    if isinstance(refused, MethodNotAllowed):
        return (("Allow", ", ".join(_allowed(refused))),)
    return ()
