"""Coordinated omission against a real server on loopback that freezes."""

from __future__ import annotations

import threading
import time
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from pytest_hancock_latency import Sampler
from pytest_hancock_latency.measuring.plan import Plan
from pytest_hancock_latency.plugin.item_settings import ItemSettings
from pytest_hancock_latency.plugin.settings import Mode

FREEZES_AT_S, FREEZES_FOR_S = 5.0, 2.0


class FreezingServer(HTTPServer):
    """Answers one request after another, and none from 5 s to 7 s after its first."""

    first: float | None = None
    request_queue_size = 128


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, FreezingServer)
        now = time.monotonic()
        if self.server.first is None:
            self.server.first = now
        since = now - self.server.first
        if FREEZES_AT_S <= since < FREEZES_AT_S + FREEZES_FOR_S:
            time.sleep(FREEZES_AT_S + FREEZES_FOR_S - since)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def url() -> Iterator[str]:
    server = FreezingServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.mark.long
def test_a_freeze_of_two_seconds_is_in_the_p99_from_the_intended_starts_only(url: str) -> None:
    def get() -> None:
        with urllib.request.urlopen(url, timeout=30) as answer:
            answer.read()

    sample = Sampler(ItemSettings("test", Mode.REPORT, Plan(), None, strict=False, gates=1))
    measured = sample.at_rate(get, per_second=100, duration="10s")

    # At 100 requests a second, the tenth slowest of 1 000 was due 90 ms into the freeze.
    assert measured.quantile_ms("p99") == pytest.approx(1910, rel=0.05)
    assert measured.uncorrected.quantile_ms("p99") < 500
    assert not measured.failures
