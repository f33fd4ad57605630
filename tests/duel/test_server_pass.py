"""Requests to two real servers in turns."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import exp
from random import Random

import pytest

from pytest_hancock_latency.duel.run_duel import PassResult, SampleKey, run_duel
from pytest_hancock_latency.duel.server_pass import ServerPass
from pytest_hancock_latency.errors import DuelError
from pytest_hancock_latency.runs.duel import DuelRule


@contextmanager
def serving(latency_s: float, status: int = 200) -> Iterator[tuple[str, list[str]]]:
    """The address of a server that takes this long, and the requests that it got."""
    requests = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            port = self.client_address[1]
            requests.append(f"{self.path} {self.headers['X-Key']} {body} {port}")
            time.sleep(latency_s)
            self.send_response(status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", requests
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def one_pass(urls: tuple[str, str]) -> PassResult:
    passes = ServerPass(urls, method="POST", headers={"X-Key": "k"}, body=b"{}")
    return passes(frozenset(), Random(1))


def test_a_server_that_answers_later_has_the_greater_latency() -> None:
    with serving(0.002) as (base, requests), serving(0.006) as (head, _):
        result = one_pass((f"{base}/search", f"{head}/search"))
    assert [SampleKey("POST /search", "")] == [*result.ratios]
    assert exp(result.ratios[SampleKey("POST /search", "")]) > 1.5
    ports = {request.rpartition(" ")[2] for request in requests}
    assert len(ports) == 1  # the connection was kept alive
    assert {"/search k {}"} == {request.rpartition(" ")[0] for request in requests}


def test_an_answer_that_is_an_error_is_named_and_nothing_is_compared() -> None:
    with serving(0) as (base, _), serving(0, status=503) as (head, _requests):
        passes = ServerPass((base, head), method="POST", body=b"")
        with pytest.raises(DuelError) as refused:
            run_duel(passes, ("base", "head"), DuelRule())
    assert str(refused.value) == (
        "nothing was compared: head: check: answered 503 Service Unavailable; "
        "POST /: a request failed"
    )


def test_a_server_that_is_not_there_is_one_error() -> None:
    with serving(0) as (address, _):
        pass
    with pytest.raises(DuelError) as refused:
        one_pass((address, address))
    assert str(refused.value) == f"{address}: [Errno 111] Connection refused"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("localhost:80", "--url 'localhost:80' is not a URL such as http://localhost:8000/health"),
        ("http://x:port", "--url 'http://x:port': Invalid port: 'port'"),
    ],
)
def test_an_invalid_url_is_refused_before_any_request(url: str, message: str) -> None:
    with pytest.raises(DuelError) as refused:
        ServerPass((url, url))
    assert message == str(refused.value)


def test_urls_with_different_paths_have_one_sample() -> None:
    passes = ServerPass(("http://a/v1", "http://a/v2"))
    assert passes.title == "GET URL"
