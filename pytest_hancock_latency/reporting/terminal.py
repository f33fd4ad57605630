"""The table of samples as people read it on a terminal: worst first, as wide as the screen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from ..core.judging.verdict import Outcome
from ..core.record import Record
from .columns import Column
from .table import (
    HEADINGS,
    SEPARATOR,
    aligned,
    cells_of,
    natural,
    number_columns,
    room_for_names,
    shortened,
    text_around,
)
from .wording import printable

MANY: Final = 25
"""Samples that are shown one by one; of more, only those that somebody has to look at."""
NEAREST: Final = 5
"""Of those that are within, the ones that are nearest to a limit are shown all the same."""
LOG_WIDTH: Final = 120
"""Columns of a log, which has no screen to be as wide as."""
_COLOURS: Final[Mapping[Outcome | None, str]] = {
    Outcome.WITHIN: "\x1b[32m",
    Outcome.EXCEEDED: "\x1b[1;31m",
    Outcome.INCONCLUSIVE: "\x1b[33m",
}
_PLAIN: Final = "\x1b[0m"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table; its last word is a verdict where there is an outcome."""

    text: str
    outcome: Outcome | None = None
    verdict: str = ""

    @property
    def before(self) -> str:
        """All but the verdict."""
        return self.text.removesuffix(self.verdict)


def report_text(  # noqa: PLR0913 - each is a word of its own, by name only
    records: Sequence[Record],
    session: Mapping[str, Any],
    *,
    width: int = LOG_WIDTH,
    colour: bool = False,
    every: bool = False,
    columns: Sequence[Column] = (),
) -> str:
    """The text summary with the table as a test session shows it.

    colour: whether verdicts get the colours of an ANSI terminal.
    every, columns: as of `terminal_lines`.
    """
    lines = terminal_lines(records, width, every=every, columns=columns, all_by="--all")
    table = [_coloured(line) if colour else line.text for line in lines]
    return text_around(table, records, session, columns)


def _coloured(line: Line) -> str:
    colour = _COLOURS.get(line.outcome)
    return f"{line.before}{colour}{line.verdict}{_PLAIN}" if colour else line.text


def terminal_lines(
    records: Sequence[Record],
    width: int,
    *,
    every: bool = False,
    columns: Sequence[Column] = (),
    all_by: str = "-v",
) -> list[Line]:
    """The table of records in at most `width` columns, where names of 16 letters leave room.

    every: show all of them, however many there are.
    all_by: the option that does.
    columns: statistics on demand.
    """
    shown = list(records) if every or len(records) <= MANY else _worth_showing(records)
    # In the order of their badness, the last rank that a file gets is that of its worst sample.
    ranks = {_file(record): record.outcome.rank for record in sorted(shown, key=_badness)}
    shown.sort(key=lambda record: (ranks[_file(record)], *_place(record)))
    cells = [row[1:] for row in cells_of(shown, columns)]
    rest = aligned(cells, {at - 1 for at in number_columns(columns)})
    room = room_for_names(rest, width)
    grouped = len(ranks) > 1 or any(len(record.label) > room for record in shown)
    names = [shortened(name, room) for name in _names(shown, room, grouped=grouped)]
    column = max(map(len, (HEADINGS[0], *names)))
    lines = [Line(f"{HEADINGS[0].ljust(column)}  {rest[0]}")]
    numbered = zip(shown, names, rest[1:], cells[1:], strict=True)
    for file, group in groupby(numbered, key=lambda line: _file(line[0])):
        if grouped and file:
            lines.append(Line(shortened(file, width)))
        for record, name, figures, texts in group:
            text = f"{name.ljust(column)}  {figures}"
            lines.append(Line(text, record.outcome, texts[-1]))
    hidden = len(records) - len(shown)
    if hidden:
        lines.append(Line(f"and {hidden} more within their limits: show all with {all_by}"))
    return lines


def _names(records: Sequence[Record], room: int, *, grouped: bool) -> list[str]:
    """A name for each record, in a group without its file.

    The test behind the name of a budget follows where there is room for it, and wherever two
    records would have the same name.
    """
    counts = Counter(record.label for record in records)
    names = []
    for record in records:
        file = f"{_file(record)}{SEPARATOR}" if grouped and _file(record) else ""
        label, test = printable(record.label), printable(record.small_print).removeprefix(file)
        name = "  " * bool(file) + label.removeprefix(file)
        full = f"{name} ({test})" if test else name
        names.append(full if counts[record.label] > 1 or len(full) <= room else name)
    return names


def _worth_showing(records: Sequence[Record]) -> list[Record]:
    notable = [record for record in records if record.outcome is not Outcome.WITHIN]
    within = [record for record in records if record.outcome is Outcome.WITHIN]
    return [*notable, *sorted(within, key=_nearness, reverse=True)[:NEAREST]]


def _nearness(record: Record) -> float:
    """How much of its limit the nearest quantile takes."""
    limits = record.verdict.limits if record.verdict else ()
    shares = (record.quantiles_ns.get(part.limit.label, 0) / part.limit.limit_ns for part in limits)
    return max(shares, default=0.0)


def _badness(record: Record) -> int:
    """Greater where the outcome is worse."""
    return -record.outcome.rank


def _place(record: Record) -> tuple[str, int, list[tuple[int, str]]]:
    """Its place among files that are as bad: worst first, and names sort as people count."""
    return _file(record), record.outcome.rank, natural(record.label)


def _file(record: Record) -> str:
    """The file of a test; empty for requests of a load."""
    return printable(record.test.rpartition(SEPARATOR)[0].partition(SEPARATOR)[0])
