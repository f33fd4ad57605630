"""What a side does at a sample: it waits, takes turns and reports."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import pytest

from pytest_hancock_latency.duel.connection import Connection
from pytest_hancock_latency.duel.messages import parse_coordinator_message
from pytest_hancock_latency.duel.side_turns import ConnectedTest, usable_cpus
from pytest_hancock_latency.errors import DuelError

START = {"type": "start", "warmup_ns": [3], "quantiles": ["1/2"]}
TURN = {"type": "take_turn", "calls": 6, "cpu": None}


class Coordinator:
    """The other end: answers are sent before they are needed."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    def answers(self, *messages: dict[str, Any]) -> None:
        for message in messages:
            self._end.sendall(json.dumps(message).encode() + b"\n")

    def received(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._end.recv(65536).splitlines()]


@pytest.fixture
def coordinator() -> Iterator[tuple[Coordinator, ConnectedTest]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        connection = Connection(theirs, parse_coordinator_message)
        yield Coordinator(ours), ConnectedTest(connection, "test_f", Fraction(1, 10))


def test_a_side_reports_where_it_waits(coordinator: tuple[Coordinator, ConnectedTest]) -> None:
    other_end, test = coordinator
    other_end.answers({"type": "skip"})
    assert test.wait_for_other_side("x", [9, 3, 5]) is None
    assert other_end.received() == [
        {
            "type": "waiting",
            "test": "test_f",
            "name": "x",
            "warmup_ns": [5],
            "regression": "1/10",
            "cpus": usable_cpus(),
        }
    ]


def test_a_side_takes_turns_until_it_is_stopped(
    coordinator: tuple[Coordinator, ConnectedTest],
) -> None:
    other_end, test = coordinator
    other_end.answers(START, TURN, TURN, {"type": "stop"})
    turns = test.wait_for_other_side("x", [])
    assert turns is not None
    assert ([*turns.turns()], turns.warmup_ns, turns.quantiles) == ([6, 6], [3], [Fraction(1, 2)])
    turns.finish([1.0, 2.0], [1.5])
    assert other_end.received()[1:] == [
        {"type": "turn_done"},
        {"type": "turn_done"},
        {"type": "measured", "turns_ns": [1.0, 2.0], "latencies_ns": [1.5]},
    ]


def test_an_answer_out_of_order_is_one_error(
    coordinator: tuple[Coordinator, ConnectedTest],
) -> None:
    other_end, test = coordinator
    other_end.answers({"type": "stop"})
    with pytest.raises(DuelError) as refused:
        test.wait_for_other_side("x", [])
    assert str(refused.value) == "the coordinator answered stop instead of start"
