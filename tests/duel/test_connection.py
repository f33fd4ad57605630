"""The socket between the coordinator and a side."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from pytest_hancock_latency.duel.connection import (
    DUEL_SOCKET,
    Connection,
    ConnectionClosed,
    ToSide,
    connect_to_coordinator,
)
from pytest_hancock_latency.duel.messages import parse_side_message


@pytest.fixture
def ends() -> Iterator[tuple[ToSide, socket.socket]]:
    """The coordinator's connection, and the socket of the side."""
    ours, theirs = socket.socketpair()
    connection: ToSide = Connection(ours, parse_side_message)
    with theirs:
        yield connection, theirs
    connection.close()


def test_messages_are_received_one_by_one_however_they_arrive(
    ends: tuple[ToSide, socket.socket],
) -> None:
    connection, side = ends
    side.sendall(b'{"type": "turn_done"}\n{"type": "aban')
    assert connection.receive() == {"type": "turn_done"}
    side.sendall(b'doned"}\n')
    assert connection.receive() == {"type": "abandoned"}


def test_a_message_is_sent_as_one_line(ends: tuple[ToSide, socket.socket]) -> None:
    connection, side = ends
    connection.send({"type": "stop"})
    assert side.recv(100) == b'{"type": "stop"}\n'


def test_a_message_that_does_not_arrive_in_time_is_an_error(
    ends: tuple[ToSide, socket.socket],
) -> None:
    with pytest.raises(TimeoutError):
        ends[0].receive(timeout_s=0.001)


def test_both_directions_notice_that_the_other_process_has_ended(
    ends: tuple[ToSide, socket.socket],
) -> None:
    connection, side = ends
    side.close()
    with pytest.raises(ConnectionClosed, match=r"^the other process of the duel has ended$"):
        connection.receive()
    with pytest.raises(ConnectionClosed):
        connection.send({"type": "stop"})


def test_only_the_first_pytest_of_a_process_is_the_side(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair()
    with ours:
        monkeypatch.setenv(DUEL_SOCKET, str(theirs.detach()))
        connection = connect_to_coordinator()
        assert connection is not None
        connection.send({"type": "turn_done"})
        connection.close()
        assert ours.recv(100) == b'{"type": "turn_done"}\n'
    assert DUEL_SOCKET not in os.environ
    assert connect_to_coordinator() is None
