"""The table of samples on a terminal: worst first, fitted to its width."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from ..core.record import Record
from ..core.verdict import Outcome
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

MOST_SHOWN: Final = 25
"""Maximum number of samples shown; of more, only those that need attention."""
NEAREST: Final = 5
"""Number of samples within their limits that are still shown: those closest to a limit."""
LOG_WIDTH: Final = 120
"""Width of a log, which has no terminal."""
_COLOURS: Final[Mapping[Outcome | None, str]] = {
    Outcome.WITHIN: "\x1b[32m",
    Outcome.EXCEEDED: "\x1b[1;31m",
    Outcome.INCONCLUSIVE: "\x1b[33m",
}
_PLAIN: Final = "\x1b[0m"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table; if it has an outcome, it ends with the verdict."""

    text: str
    outcome: Outcome | None = None
    verdict: str = ""

    @property
    def before(self) -> str:
        """The text before the verdict."""
        return self.text.removesuffix(self.verdict)


def report_text(  # noqa: PLR0913 - each is a word of its own, by name only
    records: Sequence[Record],
    session: Mapping[str, Any],
    *,
    width: int = LOG_WIDTH,
    colour: bool = False,
    show_all: bool = False,
    columns: Sequence[Column] = (),
) -> str:
    """Render the text summary with the table as in a test session.

    Args:
        width: maximum width of the table, in characters.
        colour: whether to colour verdicts with ANSI codes.
        show_all: show all records, regardless of their number.
        columns: additional columns.
    """
    lines = terminal_lines(records, width, show_all=show_all, columns=columns, all_by="--all")
    table = [_coloured(line) if colour else line.text for line in lines]
    return text_around(table, records, session, columns)


def _coloured(line: Line) -> str:
    colour = _COLOURS.get(line.outcome)
    return f"{line.before}{colour}{line.verdict}{_PLAIN}" if colour else line.text


def terminal_lines(
    records: Sequence[Record],
    width: int,
    *,
    show_all: bool = False,
    columns: Sequence[Column] = (),
    all_by: str = "-v",
) -> list[Line]:
    """Render the table in at most `width` columns, if names of 16 characters fit.

    Args:
        show_all: show all records, regardless of their number.
        columns: additional columns.
        all_by: the option that shows all records.
    """
    selection = list(records) if show_all or len(records) <= MOST_SHOWN else _worth_showing(records)
    # Sorted from best to worst, so each file ends up with the rank of its worst sample.
    ranks = {_file(record): record.outcome.rank for record in sorted(selection, key=_badness)}
    selection.sort(key=lambda record: (ranks[_file(record)], *_place(record)))
    cells = [row[1:] for row in cells_of(selection, columns)]
    rest = aligned(cells, {at - 1 for at in number_columns(columns)})
    room = room_for_names(rest, width)
    grouped = len(ranks) > 1 or any(len(record.label) > room for record in selection)
    names = [shortened(name, room) for name in _names(selection, room, grouped=grouped)]
    column = max(map(len, (HEADINGS[0], *names)))
    lines = [Line(f"{HEADINGS[0].ljust(column)}  {rest[0]}")]
    numbered = zip(selection, names, rest[1:], cells[1:], strict=True)
    for file, group in groupby(numbered, key=lambda line: _file(line[0])):
        if grouped and file:
            lines.append(Line(shortened(file, width)))
        for record, name, figures, texts in group:
            text = f"{name.ljust(column)}  {figures}"
            lines.append(Line(text, record.outcome, texts[-1]))
    hidden = len(records) - len(selection)
    if hidden:
        lines.append(Line(f"and {hidden} more within their limits: show all with {all_by}"))
    return lines


def _names(records: Sequence[Record], room: int, *, grouped: bool) -> list[str]:
    """Return a name for each record, without its file in a group.

    If the name is that of a budget, the test follows if there is room, or if two records would have
    the same name.
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
    """Return the largest share of a limit that a quantile reaches."""
    limits = record.verdict.limits if record.verdict else ()
    shares = (record.quantiles_ns.get(part.limit.label, 0) / part.limit.limit_ns for part in limits)
    return max(shares, default=0.0)


def _badness(record: Record) -> int:
    """Sort key, larger for worse outcomes."""
    return -record.outcome.rank


def _place(record: Record) -> tuple[str, int, list[tuple[int, str]]]:
    """Sort key among files of the same rank: worst first, then names in natural order."""
    return _file(record), record.outcome.rank, natural(record.label)


def _file(record: Record) -> str:
    """Return the file of a test; empty for requests of a load."""
    return printable(record.test.rpartition(SEPARATOR)[0].partition(SEPARATOR)[0])
