"""A server on loopback that answers like Prometheus's HTTP API, with what a test says."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs


def vector(*samples: dict[str, Any]) -> dict[str, Any]:
    """An instant vector."""
    return {"status": "success", "data": {"resultType": "vector", "result": list(samples)}}


def native(buckets: list[tuple[int, str, str, str]], **labels: str) -> dict[str, Any]:
    """A native histogram. buckets: which ends they contain, low, high, count."""
    histogram = {
        "count": str(sum(float(count) for *_, count in buckets)),
        "sum": "1",
        "buckets": [list(bucket) for bucket in buckets],
    }
    return {"metric": {"__name__": "http_seconds", **labels}, "histogram": [1.7e9, histogram]}


def classic(counts: dict[str, str], **labels: str) -> list[dict[str, Any]]:
    """Counters of classic buckets, by their upper edges."""
    return [
        {
            "metric": {"__name__": "http_seconds_bucket", "le": edge, **labels},
            "value": [1.7e9, count],
        }
        for edge, count in counts.items()
    ]


@contextmanager
def answering(
    content: object,
    status: int = 200,
    *,
    received: list[Message] | None = None,
    location: str | None = None,
) -> Iterator[tuple[str, list[str]]]:
    """Yield the address of a server with one answer, and the queries that it was asked.

    Args:
        received: gets the headers of each request.
        location: where the answer leads to.
    """
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    queries: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer()

        def do_POST(self) -> None:
            form = self.rfile.read(int(self.headers["Content-Length"])).decode()
            queries.append(f"{self.path} {parse_qs(form)['query'][0]}")
            self.answer()

        def answer(self) -> None:
            if received is not None:
                received.append(self.headers)
            self.send_response(status)
            if location is not None:
                self.send_header("Location", location)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", queries
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
