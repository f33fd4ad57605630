"""The connection between the coordinator and one side: a socket that carries `messages`.

The coordinator makes a pair of sockets and hands one end down to the pytest process. So nothing is
on the disk or on the network, and each process notices if the other one dies.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Generic, TypeVar

from ..errors import LatencyError
from .messages import CoordinatorMessage, SideMessage, parse_coordinator_message

DUEL_SOCKET: Final = "HANCOCK_LATENCY_DUEL_SOCKET"
"""Environment variable with the file descriptor of the side's end."""
DUEL_ORIGIN: Final = "HANCOCK_LATENCY_DUEL_ORIGIN"
"""Environment variable with the folder of the user, whose code neither side may import."""

SentT = TypeVar("SentT")
ReceivedT = TypeVar("ReceivedT")


class ConnectionClosed(LatencyError):
    """The process at the other end is gone."""

    def __init__(self) -> None:
        super().__init__("the other process of the duel has ended")


class Connection(Generic[SentT, ReceivedT]):
    """One end of the socket."""

    def __init__(self, end: socket.socket, parse: Callable[[bytes], ReceivedT]) -> None:
        """Wrap an end of the socket.

        Args:
            end: The socket, which is closed with the connection.
            parse: Parses and validates a message from the other end.
        """
        self._socket = end
        self._parse = parse
        self._received = b""

    def send(self, message: SentT) -> None:
        """Send a message.

        Raises:
            ConnectionClosed: The other process is gone.
        """
        try:
            self._socket.sendall(json.dumps(message).encode("ascii") + b"\n")
        except OSError:
            raise ConnectionClosed from None

    def receive(self, timeout_s: float | None = None) -> ReceivedT:
        """Return the next message.

        Args:
            timeout_s: How long to wait; None waits forever.

        Raises:
            ConnectionClosed: There are no more messages.
            TimeoutError: No message arrived in time.
            DuelError: The message is invalid.
        """
        self._socket.settimeout(timeout_s)
        while b"\n" not in self._received:
            try:
                chunk = self._socket.recv(65536)
            except TimeoutError:
                raise
            except OSError:
                chunk = b""
            if not chunk:
                raise ConnectionClosed
            self._received += chunk
        line, _, self._received = self._received.partition(b"\n")
        return self._parse(line)

    def close(self) -> None:
        """Close this end."""
        with suppress(OSError):
            self._socket.close()


ToSide = Connection[CoordinatorMessage, SideMessage]
ToCoordinator = Connection[SideMessage, CoordinatorMessage]


def connect_to_coordinator() -> ToCoordinator | None:
    """Return the connection to the coordinator; None if this process is not a side of a duel.

    Only the first call connects: a pytest that a test starts in this process is not the side.
    """
    descriptor = os.environ.pop(DUEL_SOCKET, None)
    if descriptor is None:
        return None
    end = socket.socket(fileno=int(descriptor))
    os.set_inheritable(end.fileno(), False)  # programs that a test starts do not take part
    return Connection(end, parse_coordinator_message)
