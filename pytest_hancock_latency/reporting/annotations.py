"""Workflow commands of GitHub Actions: a note at the line of each test whose budget is in doubt.

GitHub shows ten errors and ten warnings of a step; what failed a test comes first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..core.record import Record
from .wording import explain, headline, printable


@dataclass(frozen=True, slots=True)
class Place:
    """Where a test stands; the first line of a file is number 1, and None is unknown."""

    file: str
    line: int | None = None


def annotation_lines(
    records: Sequence[Record], places: Mapping[str, Place], *, gating: bool = True
) -> list[str]:
    """A command for each record that is exceeded or inconclusive.

    places: by the node id of the test; gating: whether an exceeded budget fails its test, which is
    what makes it an error and not a warning.
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
    """A text in which nothing ends the command: the percent sign first, since it begins escapes."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")
