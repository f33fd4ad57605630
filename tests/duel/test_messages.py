"""The messages between the coordinator and the sides: their form, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final, get_args

import pytest

from pytest_hancock_latency.duel.messages import (
    Abandoned,
    Collected,
    CoordinatorMessage,
    Ended,
    Failed,
    LeftOut,
    Measured,
    SideMessage,
    Skip,
    Start,
    Stop,
    TakeTurn,
    TurnDone,
    Waiting,
    parse_coordinator_message,
    parse_side_message,
)
from pytest_hancock_latency.errors import DuelError

GOLD: Final = Path(__file__).parent / "gold" / "messages.jsonl"
FROM_SIDE: Final[tuple[SideMessage, ...]] = (
    Collected(type="collected", tests=["test_it.py::test_f", "test_it.py::test_g"]),
    Waiting(
        type="waiting",
        test="test_it.py::test_f",
        name="read",
        warmup_ns=[140_000],
        regression="1/10",
        cpus=[0, 1],
    ),
    TurnDone(type="turn_done"),
    Measured(type="measured", turns_ns=[140_000.0, 141_500.5], latencies_ns=[140_750.0]),
    Abandoned(type="abandoned"),
    LeftOut(type="left_out", test="test_it.py::test_f", name="", shape="a burst"),
    Failed(type="failed", test="test_it.py::test_g", why="ValueError: not today"),
    Ended(type="ended", exit_status=1, foreign_imports=["/project/measured_code.py"]),
)
FROM_COORDINATOR: Final[tuple[CoordinatorMessage, ...]] = (
    Skip(type="skip"),
    Start(type="start", warmup_ns=[], quantiles=["1/2", "9/10"]),
    TakeTurn(type="take_turn", calls=6, cpu=None),
    Stop(type="stop"),
)


def test_every_message_has_the_form_of_the_gold_file() -> None:
    lines = [json.dumps(message) for message in (*FROM_SIDE, *FROM_COORDINATOR)]
    assert "\n".join(lines) + "\n" == GOLD.read_text()


def test_the_gold_file_has_every_message() -> None:
    kinds = [*get_args(SideMessage), *get_args(CoordinatorMessage)]
    assert len(GOLD.read_text().splitlines()) == len(kinds)


@pytest.mark.parametrize("message", FROM_SIDE, ids=lambda message: message["type"])
def test_a_message_of_a_side_is_parsed(message: SideMessage) -> None:
    assert parse_side_message(json.dumps(message).encode()) == message


@pytest.mark.parametrize("message", FROM_COORDINATOR, ids=lambda message: message["type"])
def test_a_message_of_the_coordinator_is_parsed(message: CoordinatorMessage) -> None:
    assert parse_coordinator_message(json.dumps(message).encode()) == message


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "not JSON"),
        ("[]", "its type is none of skip, start, take_turn, stop"),
        ('{"type": []}', "its type is none of skip, start, take_turn, stop"),
        ('{"type": "ended"}', "its type is none of skip, start, take_turn, stop"),
        ('{"type": "take_turn", "calls": 6}', "cpu is missing"),
        ('{"type": "take_turn", "calls": true, "cpu": 1}', "calls has the wrong type"),
        ('{"type": "take_turn", "calls": 6, "cpu": "1"}', "cpu has the wrong type"),
        ('{"type": "start", "warmup_ns": [1], "quantiles": "1/2"}', "quantiles has the wrong type"),
        ('{"type": "start", "warmup_ns": [0.5], "quantiles": []}', "warmup_ns has the wrong type"),
    ],
)
def test_an_invalid_message_is_one_error(line: str, why: str) -> None:
    with pytest.raises(DuelError) as refused:
        parse_coordinator_message(line.encode())
    assert str(refused.value) == f"invalid message between the processes of a duel: {why}: {line}"


def test_a_long_invalid_message_is_shortened_in_the_error() -> None:
    with pytest.raises(DuelError) as refused:
        parse_side_message(b"x" * 1000)
    assert str(refused.value) == (
        f"invalid message between the processes of a duel: not JSON: {'x' * 200}…"
    )
