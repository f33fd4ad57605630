"""A side's part of a sample: it waits for the other side, and then both take turns."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from ..errors import DuelError
from .connection import ToCoordinator


@dataclass(frozen=True, slots=True)
class ConnectedTest:
    """A `DuelTest` that talks to the coordinator."""

    connection: ToCoordinator
    test: str
    """Node id."""
    regression: Fraction | None
    """Slowdown that its budget allows."""

    def wait_for_other_side(self, name: str, warmup_ns: Sequence[int]) -> ConnectedTurns | None:
        """Wait until the other side has reached the sample too.

        Args:
            name: Name of the sample within the test.
            warmup_ns: Latencies of this side's warm-up.

        Returns:
            The turns to take; None if the sample is not to be measured.

        Raises:
            ConnectionClosed: The coordinator is gone.
        """
        self.connection.send(
            {
                "type": "waiting",
                "test": self.test,
                "name": name,
                "warmup_ns": _median(warmup_ns),
                "regression": None if self.regression is None else str(self.regression),
                "cpus": usable_cpus(),
            }
        )
        answer = self.connection.receive()
        if answer["type"] == "skip":
            return None
        if answer["type"] != "start":
            raise DuelError(f"the coordinator answered {answer['type']} instead of start")
        return ConnectedTurns(
            self.connection, answer["warmup_ns"], [*map(Fraction, answer["quantiles"])]
        )

    def leave_out(self, name: str, shape: str) -> None:
        """Report a sample that cannot be measured in turns.

        Args:
            name: Name of the sample within the test.
            shape: Shape of its load, such as ``a burst``.
        """
        self.connection.send({"type": "left_out", "test": self.test, "name": name, "shape": shape})


class ConnectedTurns:
    """`DuelTurns` that the coordinator starts one by one."""

    def __init__(
        self, connection: ToCoordinator, warmup_ns: Sequence[int], quantiles: Sequence[Fraction]
    ) -> None:
        self._connection = connection
        self.warmup_ns = warmup_ns
        """The warm-up by which both sides choose how to measure."""
        self.quantiles = quantiles
        """Quantiles to compare."""

    def turns(self) -> Iterator[int]:
        """Yield the number of calls of each turn, when it begins.

        The calling thread runs on the CPU that the coordinator names, so that both turns of a pair
        have the same one: next to other work, CPUs differ by far more than versions do.
        """
        cpus = usable_cpus()
        try:
            while (message := self._connection.receive())["type"] == "take_turn":
                if message["cpu"] is not None:
                    os.sched_setaffinity(0, {message["cpu"]})
                yield message["calls"]
                self._connection.send({"type": "turn_done"})
        finally:
            if cpus:
                os.sched_setaffinity(0, cpus)

    def finish(self, turns_ns: Sequence[float], latencies_ns: Sequence[float]) -> None:
        """Report what was measured.

        Args:
            turns_ns: Median attributed latency of each turn.
            latencies_ns: Attributed latency of all calls at each quantile.
        """
        self._connection.send(
            {"type": "measured", "turns_ns": [*turns_ns], "latencies_ns": [*latencies_ns]}
        )

    def abandon(self) -> None:
        """Report that the sample ends without latencies."""
        self._connection.send({"type": "abandoned"})


def usable_cpus() -> list[int]:
    """Return the CPUs that the calling thread may use; empty if a system has no such choice."""
    if sys.platform != "linux":
        return []
    return sorted(os.sched_getaffinity(0))


def _median(values: Sequence[int]) -> list[int]:
    """Return a list with the upper median; empty if there are no values."""
    return [sorted(values)[len(values) // 2]] if values else []
