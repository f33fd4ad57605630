"""Tests that call a server by HTTP, and tests of Redis."""

from __future__ import annotations

import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.client import HTTPConnection

from .answering import LOCALHOST, Cost, answering
from .own_code import Call


@contextmanager
def asking(address: str, port: int) -> Iterator[Call]:
    """Requests to an HTTP server, with keep-alive."""
    connection = HTTPConnection(address, port)

    def call() -> bytes:
        connection.request("GET", "/")
        return connection.getresponse().read()

    yield call
    connection.close()


@contextmanager
def server(cost: Cost) -> Iterator[Call]:
    """A local server, with keep-alive."""
    with answering("http", cost, child=True) as peer, asking(LOCALHOST, peer.port) as call:
        yield call


@contextmanager
def reconnecting(cost: Cost) -> Iterator[Call]:
    """A local server, with a new connection for each request, as `requests.get` makes one."""
    import requests

    with answering("http", cost, child=True) as peer:
        yield partial(requests.get, f"http://{LOCALHOST}:{peer.port}/", timeout=30)


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as free:
        free.bind((LOCALHOST, 0))
        port: int = free.getsockname()[1]
    return port


@contextmanager
def redis(cost: Cost) -> Iterator[Call]:
    """A script in a real Redis; it cannot sleep."""
    from redis import Redis, RedisError

    script = f"local x = 1; for i = 1, {cost.all_steps} do x = (x * 5 + 1) % 65536 end"
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = ["redis-server", "--port", str(port), "--dir", folder, "--save", ""]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            try:
                client = Redis(port=port)
                for _ in range(100):
                    with suppress(RedisError):
                        client.ping()
                        break
                    time.sleep(0.05)
                yield partial(client.eval, script, 0)
                client.close()
            finally:
                process.kill()
