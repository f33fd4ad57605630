"""Tests that call another process by datagrams, Unix sockets, named pipes and semaphores."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from .answering import LOCALHOST, Cost, Semaphores, answering
from .own_code import Call


def ask(peer: socket.socket) -> bytes:
    """Send a byte to a peer, and return its answer."""
    peer.send(b"?")
    return peer.recv(1)


@contextmanager
def udp(cost: Cost, *, child: bool = False) -> Iterator[Call]:
    """A datagram to a server, and its answer."""
    with (
        answering("udp", cost, child=child) as peer,
        socket.socket(type=socket.SOCK_DGRAM) as ours,
    ):
        ours.connect((LOCALHOST, peer.port))
        yield partial(ask, ours)


@contextmanager
def unix(cost: Cost) -> Iterator[Call]:
    """A Unix socket, with a connection for each call."""
    with tempfile.TemporaryDirectory() as folder, answering("unix", cost, folder):

        def call() -> bytes:
            with socket.socket(socket.AF_UNIX) as ours:
                ours.connect(f"{folder}/socket")
                return ask(ours)

        yield call


@contextmanager
def unix_kept(cost: Cost) -> Iterator[Call]:
    """A Unix socket, with one connection that is kept open."""
    with (
        tempfile.TemporaryDirectory() as folder,
        answering("unix", cost, folder),
        socket.socket(socket.AF_UNIX) as ours,
    ):
        ours.connect(f"{folder}/socket")
        yield partial(ask, ours)


@contextmanager
def named_pipes(cost: Cost) -> Iterator[Call]:
    """A named pipe there and one back."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("there", "back"):
            os.mkfifo(f"{folder}/{name}")
        with answering("pipes", cost, folder):
            there = os.open(f"{folder}/there", os.O_WRONLY)
            back = os.open(f"{folder}/back", os.O_RDONLY)

            def call() -> bytes:
                os.write(there, b"?")
                return os.read(back, 1)

            yield call
            os.close(there)
            os.close(back)


@contextmanager
def semaphores(cost: Cost) -> Iterator[Call]:
    """Two System V semaphores: no descriptor leads from one side to the other."""
    both = Semaphores()
    try:
        with answering("semaphores", cost, str(both.number)):

            def call() -> None:
                both.change(0, 1)
                both.change(1, -1)

            yield call
    finally:
        both.remove()


@contextmanager
def calling_worker(cost: Cost) -> Iterator[Call]:
    """A worker that has connected to the test, and waits for its orders."""
    with (
        socket.create_server((LOCALHOST, 0)) as listening,
        answering("worker", cost, str(listening.getsockname()[1])),
    ):
        worker, _ = listening.accept()
        yield partial(ask, worker)
        worker.close()
