"""Tests that call an HTTP server, at home or elsewhere, and tests that call a gRPC server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.client import HTTPConnection

from machine import pinned
from machine.control_groups import control_group, join
from machine.namespaces import network_namespace

from .answering import LOCALHOST, Cost, answering
from .own_code import Call


@contextmanager
def asking(address: str, port: int, timeout_s: float | None = None) -> Iterator[Call]:
    """Requests to an HTTP server, with keep-alive."""
    connection = HTTPConnection(address, port, timeout=timeout_s)

    def call() -> bytes:
        try:
            connection.request("GET", "/")
            return connection.getresponse().read()
        except TimeoutError:
            connection.close()  # the next request must not get the answer to this one
            raise

    yield call
    connection.close()


@contextmanager
def server(cost: Cost) -> Iterator[Call]:
    """A local server, with keep-alive."""
    with (
        answering("http", cost, child=True) as peer,
        asking(LOCALHOST, peer.port, cost.timeout_s) as call,
    ):
        yield call


@contextmanager
def server_elsewhere(cost: Cost) -> Iterator[Call]:
    """A server in a network namespace of its own, which was started outside of the test."""
    with (
        network_namespace() as there,
        answering("http", cost, there.address, prefix=there.prefix) as peer,
        asking(there.address, peer.port) as call,
    ):
        yield call


@contextmanager
def pinned_server(cost: Cost) -> Iterator[Call]:
    """A local server on CPU 1, and the test on CPU 0."""
    with answering("http", cost, child=True) as peer:
        os.sched_setaffinity(peer.pid, {1})
        with pinned({0}), asking(LOCALHOST, peer.port) as call:
            yield call


@contextmanager
def contained_server(cost: Cost) -> Iterator[Call]:
    """A local server in a control group of its own, with one core."""
    with control_group("server", 1) as group, answering("http", cost, child=True) as peer:
        join(group, peer.pid)
        with asking(LOCALHOST, peer.port) as call:
            yield call


@contextmanager
def reconnecting(cost: Cost) -> Iterator[Call]:
    """A local server, with a new connection for each request, as `requests.get` makes one."""
    import requests

    with answering("http", cost, child=True) as peer:
        yield partial(requests.get, f"http://{LOCALHOST}:{peer.port}/", timeout=30)


@contextmanager
def grpc_server(cost: Cost) -> Iterator[Call]:
    """A unary call over one channel to a server that was started outside of the test."""
    import grpc

    options = [("grpc.enable_http_proxy", 0)]
    with (
        answering("grpc", cost) as peer,
        grpc.insecure_channel(f"{LOCALHOST}:{peer.port}", options) as channel,
    ):
        yield partial(channel.unary_unary("/waits/answer"), b"?", timeout=30)
