"""Around Flask: what every request gets, whatever becomes of it.

    server -> Edge (request id, in-flight, duration, headers, log line) -> Flask -> view

It sits outside Flask so that it also sees what Flask answers by itself, and because here a request
costs two dictionary entries where Flask's own hooks would look up the request over and over.
"""

from __future__ import annotations

import itertools
import logging
import os
import re
import secrets
from collections.abc import Callable, Iterable, Iterator
from time import perf_counter
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from hancock_app.observability.metrics import Metrics

REQUEST_ID = "hancock.request_id"
HEADERS = "hancock.headers"
STREAMED = "hancock.streamed"

UNMATCHED = "unmatched"

_access = logging.getLogger("hancock.access")

# What a client may call its request: short, and nothing that could forge a log line or a header.
_ACCEPTABLE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

Environ = WSGIEnvironment


class RequestIds:
    """Names for requests that came without one; never the same twice, in any worker."""

    def __init__(self) -> None:
        self._renew()
        # A worker that is forked off a loaded application must not repeat its sibling's names.
        os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self._prefix = secrets.token_hex(6)
        self._numbers = itertools.count(1)

    def __call__(self, offered: str | None) -> str:
        """Return `offered` if it is fit to be repeated, else a new name."""
        if offered and _ACCEPTABLE_ID.fullmatch(offered):
            return offered
        return f"{self._prefix}-{next(self._numbers):x}"


_request_ids = RequestIds()


class Edge:
    """The WSGI application that a server calls; `clock` gives seconds."""

    def __init__(
        self,
        inner: WSGIApplication,
        metrics: Metrics,
        routes: frozenset[str],
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self._inner = inner
        self._metrics = metrics
        self._routes = routes
        self._clock = clock

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        began = self._clock()
        self._metrics.started()
        request_id = _request_ids(environ.get("HTTP_X_REQUEST_ID"))
        environ[REQUEST_ID] = request_id
        added = environ[HEADERS] = [("X-Request-ID", request_id)]
        status = "500"

        def respond(status_line: str, headers: list[tuple[str, str]], *exc_info: object) -> object:
            nonlocal status
            status = status_line[:3]
            headers += added
            return start_response(status_line, headers, *exc_info)  # type: ignore[arg-type]

        body: Iterable[bytes] | None = None
        try:
            body = self._inner(environ, respond)  # type: ignore[arg-type]
        finally:
            if body is None or STREAMED not in environ:
                self._finish(environ, status, began)
        if STREAMED not in environ:
            return body
        return _Streamed(body, lambda: self._finish(environ, status, began))

    def _finish(self, environ: Environ, status: str, began: float) -> None:
        path = environ.get("PATH_INFO", "")
        route = path if path in self._routes else UNMATCHED
        seconds = self._clock() - began
        method = self._metrics.finished(environ["REQUEST_METHOD"], route, status, seconds)
        if _access.isEnabledFor(logging.INFO):
            _access.info(
                "answered",
                extra={
                    "request_id": environ[REQUEST_ID],
                    "method": method,
                    "route": route,
                    "status": int(status),
                    "ms": round(seconds * 1000, 3),
                    "client": environ.get("REMOTE_ADDR", ""),
                },
            )


class _Streamed:
    """A body that is still being written when the application has returned."""

    def __init__(self, body: Iterable[bytes], finish: Callable[[], None]) -> None:
        self._body = body
        self._finish = finish

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._body)

    def close(self) -> None:
        """Called by the server once, whether the client stayed to the end or left."""
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()
        finally:
            self._finish()
