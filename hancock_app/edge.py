"""The WSGI layer around Flask, which sees every request and every response.

    server -> Edge (request id, metrics, extra headers, access log) -> Flask -> view

Here it also covers responses that Flask generates itself, and it costs less than Flask's hooks: a
request needs two entries in its environ, while every hook looks up the request again.
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
from hancock_app.request_environ import HEADERS, REQUEST_ID, STREAMED

# The route label of requests that match no route: with one label per path, each typo would add one.
UNMATCHED = "unmatched"

_access_log = logging.getLogger("hancock.access")

# Longer than a UUID or a trace id, and without characters that could forge a header or a log line.
_VALID_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestIds:
    """Request ids that are unique across all workers."""

    def __init__(self) -> None:
        self._reset()
        # Workers forked from a loaded application must not share a prefix.
        os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        # 48 random bits: even among a million workers a duplicate has a probability of 0.2 %.
        self._prefix = secrets.token_hex(6)
        self._numbers = itertools.count(1)

    def __call__(self, client_id: str | None) -> str:
        """Return the client's own id if it is valid, else a new one."""
        if client_id and _VALID_REQUEST_ID.fullmatch(client_id):
            return client_id
        return f"{self._prefix}-{next(self._numbers):x}"


_new_request_id = RequestIds()


class Edge:
    """Wrap `app`; `routes` are the paths allowed as metric labels, `clock` is in seconds."""

    def __init__(
        self,
        app: WSGIApplication,
        metrics: Metrics,
        routes: frozenset[str],
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._routes = routes
        self._clock = clock

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start = self._clock()
        self._metrics.request_started()
        request_id = _new_request_id(environ.get("HTTP_X_REQUEST_ID"))
        environ[REQUEST_ID] = request_id
        extra_headers = environ[HEADERS] = [("X-Request-ID", request_id)]
        # Reported if the application fails before it calls start_response.
        status = "500"

        def respond(status_line: str, headers: list[tuple[str, str]], *exc_info: object) -> object:
            nonlocal status
            status = status_line[:3]
            headers += extra_headers
            return start_response(status_line, headers, *exc_info)  # type: ignore[arg-type]

        body: Iterable[bytes] | None = None
        try:
            body = self._app(environ, respond)  # type: ignore[arg-type]
        finally:
            if body is None or STREAMED not in environ:
                self._finish(environ, status, start)
        if STREAMED not in environ:
            return body
        return _StreamedBody(body, lambda: self._finish(environ, status, start))

    def _finish(self, environ: WSGIEnvironment, status: str, start: float) -> None:
        path = environ.get("PATH_INFO", "")
        route = path if path in self._routes else UNMATCHED
        seconds = self._clock() - start
        method = self._metrics.request_finished(environ["REQUEST_METHOD"], route, status, seconds)
        if _access_log.isEnabledFor(logging.INFO):
            _access_log.info(
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


class _StreamedBody:
    """A response body that calls `on_close` when the server closes it."""

    def __init__(self, body: Iterable[bytes], on_close: Callable[[], None]) -> None:
        self._body = body
        self._on_close = on_close

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._body)

    def close(self) -> None:
        """Called once by the server, after the last piece or when the client disconnects."""
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()
        finally:
            self._on_close()
