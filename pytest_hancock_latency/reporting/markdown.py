"""The table of samples as Markdown, for pull requests and job summaries."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ..core.record import Record
from .table import HEADINGS, NUMBERS, UNIT_NOTE, count_line, rows, with_small_print
from .wording import EMOJI, explain, scale_lines, scale_of

_LINKED: Final = re.compile(r"[@#!%](?=\w)|\bGH-(?=\d)|:(?=//)|\bwww(?=\.)", re.I)
"""Start of a mention, of a link to an issue, merge request or milestone, or of a URL. A zero-width
space after it prevents the link; a backslash or an entity before it would not."""


def summary_markdown(
    records: Sequence[Record], session: Mapping[str, Any] | None = None, *_: object
) -> str:
    """Render the Markdown summary; exceeded samples come first."""
    ordered = sorted(records, key=lambda record: record.outcome.rank)
    lines = [
        "### Latency budgets",
        "",
        f"{count_line(ordered) or 'no samples'} ({UNIT_NOTE})",
        "",
    ]
    for line in scale_lines(scale_of(session)):
        lines += [line, ""]
    lines += [
        table_line(HEADINGS),
        table_line(["--:" if i in NUMBERS else ":--" for i in range(len(HEADINGS))]),
    ]
    for record, row in zip(ordered, rows(ordered), strict=True):
        cells = [as_markdown(cell) for cell in row.cells]
        if row.small_print:
            cells[0] += f"<br><sub>{as_markdown(row.small_print)}</sub>"
        lines.append(table_line([*cells[:-1], f"{EMOJI[record.outcome]} {cells[-1]}"]))
    notable = [record for record in ordered if record.outcome.needs_attention]
    for record in notable:
        lines += ["", f"**{as_markdown(with_small_print(record))}**", ""]
        lines += [f"- {as_markdown(line)}" for line in explain(record)]
    return "\n".join(lines) + "\n"


def table_line(cells: Sequence[str]) -> str:
    """A line of a table."""
    return f"| {' | '.join(cells)} |"


def as_markdown(text: str) -> str:
    """Escape a text: no markup, and no links or mentions on GitHub or GitLab."""
    text = text.replace("&", "&amp;")
    text = re.sub(r"[\\|<*_`\[~]", r"\\\g<0>", text)
    return re.sub(_LINKED, "\\g<0>&#8203;", text)
