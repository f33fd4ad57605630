"""GitHub Actions workflow commands: annotations at tests that are exceeded or inconclusive.

GitHub shows ten errors and ten warnings per step; failures come first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..core.record import Record
from .wording import explain, headline, printable


@dataclass(frozen=True, slots=True)
class Place:
    """The location of a test; lines count from 1, and None means unknown."""

    file: str
    line: int | None = None


def annotation_lines(
    records: Sequence[Record], places: Mapping[str, Place], *, gating: bool = True
) -> list[str]:
    """Return a command for each record that is exceeded or inconclusive.

    Args:
        places: location by node id of the test.
        gating: whether an exceeded budget fails its test; if so, it is an error instead of a
            warning.
    """
    notable = [record for record in records if record.outcome.needs_attention]
    ordered = sorted(
        notable, key=lambda record: (not (gating and record.fails), record.outcome.rank)
    )
    return [_line(record, places.get(record.test), gating) for record in ordered]


def _line(record: Record, place: Place | None, gating: bool) -> str:
    level = "error" if gating and record.fails else "warning"
    properties = {"title": f"latency budget {record.outcome}: {printable(record.title)}"}
    if place is not None:
        where = {"file": place.file} | ({} if place.line is None else {"line": str(place.line)})
        properties = where | properties
    text = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{level} {text}::{_message(_evidence(record))}"


def _evidence(record: Record) -> str:
    first, lines = headline(record), explain(record)
    return "\n".join(lines if first in lines else [first, *lines])


def _message(text: str) -> str:
    """Escape a text for a command; the percent sign comes first, because it starts escapes."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")
