"""How the processes of a pass talk to the coordinator: JSON, one message a line, over a socket.

The coordinator makes the socket and hands one end of it down to the pytest process, so nothing is
on disk or on the network, and whichever end dies is seen by the other. From a side:

    {"collected": [test, …]}                       once, before the first test
    {"at": [test, name], "warmup_ns": …, "regression": …, "cpus": […]}     waits at a sample
    {"done": true}                                 has ended its turn
    {"turns_ns": […], "latencies_ns": […]}         after the last turn: the median of each turn, and
                                                   the latency at each quantile of all calls
    {"abandoned": true}                            the request raised in its turn
    {"left_out": [test, name], "shape": …}         measured, but not in turns
    {"failed": test, "why": …}                     a test failed
    {"end": exit status, "strangers": [file, …]}   once, at the end

To a side at a sample: {"skip": true}, or {"warmup_ns": …, "quantiles": […]} and then {"calls": …,
"cpu": …} for each of its turns and {"stop": true} after the last.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from ..errors import LatencyError

DUEL_SOCKET: Final = "HANCOCK_LATENCY_DUEL_SOCKET"
"""The environment variable with the file descriptor of a side's end."""
DUEL_ORIGIN: Final = "HANCOCK_LATENCY_DUEL_ORIGIN"
"""The one with the folder whose code neither side may import."""

Message = dict[str, Any]


class LineClosed(LatencyError):
    """The other end is gone."""


class Line:
    """One end of the socket."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._received = b""

    def send(self, message: Message) -> None:
        """Send a message.

        Raises:
            LineClosed: nobody is there to receive it.
        """
        try:
            self._socket.sendall(json.dumps(message).encode("ascii") + b"\n")
        except OSError:
            raise LineClosed("the other end of the duel is gone") from None

    def receive(self, timeout_s: float | None = None) -> Message:
        """The next message.

        Raises:
            LineClosed: there will be none.
            TimeoutError: none arrived in time.
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
                raise LineClosed("the other end of the duel is gone")
            self._received += chunk
        line, _, self._received = self._received.partition(b"\n")
        message: Message = json.loads(line)
        return message

    def close(self) -> None:
        """Close this end."""
        with suppress(OSError):
            self._socket.close()


def line_of_side() -> Line | None:
    """The line of this process to a coordinator; None where it is no side of a duel.

    It is taken once: a pytest that runs inside this one is not the side.
    """
    descriptor = os.environ.pop(DUEL_SOCKET, None)
    if descriptor is None:
        return None
    end = socket.socket(fileno=int(descriptor))
    os.set_inheritable(end.fileno(), False)  # what a test starts is no part of the duel
    return Line(end)


def usable_cpus() -> list[int]:
    """Where the calling thread may run; empty where a system does not let it choose."""
    if sys.platform != "linux":
        return []
    return sorted(os.sched_getaffinity(0))


class Meeting:
    """Both sides at the same sample: one takes its turns here."""

    def __init__(self, line: Line, warmup_ns: Sequence[int], quantiles: Sequence[Fraction]) -> None:
        self._line = line
        self.warmup_ns = warmup_ns
        """The warm-up by which both sides choose how to measure."""
        self.quantiles = quantiles

    def turns(self) -> Iterator[int]:
        """The number of calls of each turn, when it begins; ends after the last turn.

        The calling thread runs on the CPU that the coordinator names, so that a pair of turns is on
        the same one: next to other work, CPUs differ by far more than versions do.
        """
        cpus = usable_cpus()
        try:
            while "stop" not in (message := self._line.receive()):
                if message["cpu"] is not None:
                    os.sched_setaffinity(0, {message["cpu"]})
                yield message["calls"]
                self._line.send({"done": True})
        finally:
            if cpus:
                os.sched_setaffinity(0, cpus)

    def finish(self, turns_ns: Sequence[float], latencies_ns: Sequence[float]) -> None:
        """Tell the median attributed latency of each turn, and the latency at each quantile."""
        self._line.send({"turns_ns": list(turns_ns), "latencies_ns": list(latencies_ns)})

    def abandon(self) -> None:
        """The sample ends here, without a number."""
        self._line.send({"abandoned": True})


@dataclass(frozen=True, slots=True)
class Corner:
    """Where the samples of one test meet those of the other side."""

    line: Line
    test: str
    regression: Fraction | None

    def meet(self, name: str, warmup_ns: Sequence[int]) -> Meeting | None:
        """Wait for the other side at a sample; None where it is not to be measured."""
        regression = None if self.regression is None else str(self.regression)
        self.line.send(
            {
                "at": [self.test, name],
                "warmup_ns": sorted(warmup_ns)[: len(warmup_ns) // 2 + 1][-1:],
                "regression": regression,
                "cpus": usable_cpus(),
            }
        )
        message = self.line.receive()
        if "skip" in message:
            return None
        return Meeting(self.line, message["warmup_ns"], [*map(Fraction, message["quantiles"])])

    def leave_out(self, name: str, shape: str) -> None:
        """Name a sample that is not measured in turns."""
        self.line.send({"left_out": [self.test, name], "shape": shape})
