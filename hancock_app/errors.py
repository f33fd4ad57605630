"""Errors as JSON: every unsuccessful response is `{"error": ..., "request_id": ...}`."""

from __future__ import annotations

import logging
from collections.abc import Iterable

import msgspec
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, InternalServerError, MethodNotAllowed

from hancock_app.request_environ import REQUEST_ID

_log = logging.getLogger("hancock")

# For errors that Flask or Werkzeug raise; their own messages are meant for HTML pages.
_MESSAGES = {
    400: "the request is malformed",
    404: "not found",
    413: "the body is larger than 1 MB",
    500: "internal error; the log has details under this request id",
}


class ErrorReply(msgspec.Struct):
    """The body of every unsuccessful response."""

    error: str
    request_id: str


class ApiError(HTTPException):
    """An error response with `status`, a `message` for the client, and extra `headers`."""

    def __init__(self, status: int, message: str, headers: Iterable[tuple[str, str]] = ()) -> None:
        super().__init__(message)
        self.code = status
        self.message = message
        self.headers = tuple(headers)


def install(app: Flask) -> None:
    """Render all HTTP errors and all uncaught exceptions of `app` as JSON."""
    app.register_error_handler(HTTPException, _render)
    app.register_error_handler(Exception, _render_bug)


def _render(error: HTTPException) -> Response:
    status = error.code or 500
    body = ErrorReply(_message(status, error), request.environ[REQUEST_ID])
    response = Response(msgspec.json.encode(body), status, content_type="application/json")
    response.headers.extend(_headers(error))
    return response


def _render_bug(exception: Exception) -> Response:
    _log.error("request %s failed", request.environ[REQUEST_ID], exc_info=exception)
    return _render(InternalServerError())


def _message(status: int, error: HTTPException) -> str:
    if isinstance(error, ApiError):
        return error.message
    if isinstance(error, MethodNotAllowed):
        # A method can be any string; only one that looks like a method is repeated to the client.
        method = request.method if request.method.isalpha() else "this method"
        return f"{method} is not allowed; use {', '.join(_allowed_methods(error))}"
    return _MESSAGES.get(status, error.name.lower())


def _headers(error: HTTPException) -> Iterable[tuple[str, str]]:
    if isinstance(error, ApiError):
        return error.headers
    if isinstance(error, MethodNotAllowed):
        return (("Allow", ", ".join(_allowed_methods(error))),)
    return ()


def _allowed_methods(error: MethodNotAllowed) -> list[str]:
    return sorted(error.valid_methods or ())
