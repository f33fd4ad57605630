"""The messages between the coordinator of a duel and the pytest process of each side.

Each message is one line of JSON. This is their order for one side:

    side                             coordinator
     │── collected ───────────────────────▶│   once, before the first test
     │                                     │
     │── waiting ─────────────────────────▶│   at each sample; the coordinator answers
     │◀──────────────────────── skip ──────│   either that it is not measured,
     │◀─────────────────────── start ──────│   or once the other side waits there too
     │◀─────────────────── take_turn ──────│
     │── turn_done ───────────────────────▶│   as many turns as needed
     │◀──────────────────────── stop ──────│
     │── measured ────────────────────────▶│
     │                                     │
     │── abandoned ───────────────────────▶│   instead of turn_done or measured: it raised
     │── left_out ────────────────────────▶│   instead of waiting: it cannot take turns
     │── failed ──────────────────────────▶│   after each test that failed
     │                                     │
     │── ended ───────────────────────────▶│   once, at the end
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import UnionType
from typing import Final, Literal, TypedDict, Union, cast, get_args, get_origin, get_type_hints

from ..errors import DuelError


class Collected(TypedDict):
    """The tests that the side will run, in order."""

    type: Literal["collected"]
    tests: list[str]


class Waiting(TypedDict):
    """The side waits at a sample."""

    type: Literal["waiting"]
    test: str
    name: str
    warmup_ns: list[int]
    """Median latency of the warm-up; empty if there was none."""
    regression: str | None
    """Slowdown that the budget allows, as a fraction such as ``1/10``."""
    cpus: list[int]
    """CPUs that the calling thread may use; empty if the system does not let it choose."""


class TurnDone(TypedDict):
    """The side has made the calls of its turn."""

    type: Literal["turn_done"]


class Measured(TypedDict):
    """Attributed latencies of the sample; empty lists if nothing was measured."""

    type: Literal["measured"]
    turns_ns: list[float]
    """Median of each turn."""
    latencies_ns: list[float]
    """Latency of all calls at each quantile of `Start`."""


class Abandoned(TypedDict):
    """The request raised, so the sample has no latencies."""

    type: Literal["abandoned"]


class LeftOut(TypedDict):
    """A sample that cannot be measured in turns."""

    type: Literal["left_out"]
    test: str
    name: str
    shape: str
    """Such as ``a burst``."""


class Failed(TypedDict):
    """A test failed, or a file could not be collected."""

    type: Literal["failed"]
    test: str
    why: str
    """First line of the exception; empty if unknown."""


class Ended(TypedDict):
    """The session of the side has ended."""

    type: Literal["ended"]
    exit_status: int
    foreign_imports: list[str]
    """Imported files that belong to neither side."""


class Skip(TypedDict):
    """Go on: the sample is not measured."""

    type: Literal["skip"]


class Start(TypedDict):
    """Both sides wait at the sample, which is measured now."""

    type: Literal["start"]
    warmup_ns: list[int]
    """The warm-up by which both sides choose how to measure."""
    quantiles: list[str]
    """Quantiles to compare, as fractions such as ``1/2``."""


class TakeTurn(TypedDict):
    """Make the calls of a turn."""

    type: Literal["take_turn"]
    calls: int
    cpu: int | None
    """CPU to run on; None: any."""


class Stop(TypedDict):
    """There are no more turns."""

    type: Literal["stop"]


SideMessage = Collected | Waiting | TurnDone | Measured | Abandoned | LeftOut | Failed | Ended
CoordinatorMessage = Skip | Start | TakeTurn | Stop

_LONGEST_SHOWN: Final = 200


def parse_side_message(line: bytes) -> SideMessage:
    """Parse a message that a side sent.

    Args:
        line: The message as JSON.

    Raises:
        DuelError: The message is invalid.
    """
    return cast("SideMessage", _parse(line, _BY_TYPE_OF_SIDE))


def parse_coordinator_message(line: bytes) -> CoordinatorMessage:
    """Parse a message that the coordinator sent.

    Args:
        line: The message as JSON.

    Raises:
        DuelError: The message is invalid.
    """
    return cast("CoordinatorMessage", _parse(line, _BY_TYPE_OF_COORDINATOR))


def _by_type(messages: object) -> dict[str, dict[str, object]]:
    """Return the types of the fields of each message, by the name of the message."""
    fields_of_messages = [get_type_hints(message) for message in get_args(messages)]
    return {get_args(fields["type"])[0]: fields for fields in fields_of_messages}


_BY_TYPE_OF_SIDE: Final = _by_type(SideMessage)
_BY_TYPE_OF_COORDINATOR: Final = _by_type(CoordinatorMessage)


def _parse(line: bytes, by_type: Mapping[str, Mapping[str, object]]) -> dict[str, object]:
    try:
        message = json.loads(line)
    except ValueError:
        raise _invalid(line, "not JSON") from None
    name = message.get("type") if isinstance(message, dict) else None
    if not isinstance(name, str) or name not in by_type:
        raise _invalid(line, f"its type is none of {', '.join(by_type)}")
    for field, hint in by_type[name].items():
        if field not in message:
            raise _invalid(line, f"{field} is missing")
        if not _has_type(message[field], hint):
            raise _invalid(line, f"{field} has the wrong type")
    return cast("dict[str, object]", message)


def _has_type(value: object, hint: object) -> bool:
    """Check a value from JSON against the type of a field."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return value in arguments
    if origin in (Union, UnionType):
        return any(_has_type(value, argument) for argument in arguments)
    if origin is list:
        return isinstance(value, list) and all(_has_type(item, arguments[0]) for item in value)
    return type(value) in ((int, float) if hint is float else (hint,))


def _invalid(line: bytes, why: str) -> DuelError:
    text = line.decode("utf-8", "replace")
    shown = text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
    return DuelError(f"invalid message between the processes of a duel: {why}: {shown}")
