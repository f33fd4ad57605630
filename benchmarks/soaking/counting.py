"""A client of Hancock that counts what it sent, by outcome."""

from __future__ import annotations

import http.client
import json
import threading
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

PATIENT_S: Final = 120.0
"""Longer than any stall of a busy machine: a request that takes longer is lost."""
FORWARDED: Final = "X-Forwarded-For"
JSON: Final = {"Content-Type": "application/json"}
REQUESTS_PER_ADDRESS: Final = 50
"""Far below the rate limit, so that only bursts are refused."""


class Answer(NamedTuple):
    """The parts of a response that callers look at."""

    status: int
    body: bytes


class Counts:
    """Requests by outcome, for example `POST /v1/ask 200`; threads share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def add(self, method: str, path: str, outcome: object) -> None:
        """Count one request."""
        with self._lock:
            self._counts[f"{method} {path} {outcome}"] += 1

    def write(self, path: Path, **more: object) -> None:
        """Write the counts as JSON."""
        with self._lock:
            counts = dict(sorted(self._counts.items()))
        path.write_text(json.dumps({"counts": counts, **more}), encoding="utf-8")


class Client:
    """Keeps a connection for each thread."""

    def __init__(self, port: int, counts: Counts) -> None:
        self._port = port
        self._counts = counts
        self._connections = threading.local()
        self._opened: list[http.client.HTTPConnection] = []

    def send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request and read the whole response."""
        connection = self._connection()
        try:
            connection.request(method, path, body, dict(headers or {}))
            with connection.getresponse() as response:
                answer = Answer(response.status, response.read())
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            self._counts.add(method, path, f"lost: {type(error).__name__}")
            raise
        self._counts.add(method, path, answer.status)
        return answer

    def _connection(self) -> http.client.HTTPConnection:
        if not hasattr(self._connections, "http"):
            self._connections.http = http.client.HTTPConnection(
                "127.0.0.1", self._port, timeout=PATIENT_S
            )
            self._opened.append(self._connections.http)
        connection: http.client.HTTPConnection = self._connections.http
        return connection

    def close(self) -> None:
        """Close the connections of all threads."""
        for connection in self._opened:
            connection.close()


class Addresses:
    """Client addresses for `X-Forwarded-For`: another one after every fifty requests."""

    def __init__(self, network: str) -> None:
        self._network = network  # the first two numbers: 10.1
        self._lock = threading.Lock()
        self._sent = 0

    def header(self) -> dict[str, str]:
        """The header of the next request."""
        with self._lock:
            number = self._sent // REQUESTS_PER_ADDRESS
            self._sent += 1
        return {FORWARDED: f"{self._network}.{number // 250 % 250}.{number % 250}"}
