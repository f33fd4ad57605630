"""A history as text and Markdown: first what changed lately, then every sample."""

from __future__ import annotations

from typing import Final

from ..core.duration import format_duration
from ..runs.trend import SampleTrend, Trend, TrendChange
from .markdown import as_markdown, table_line
from .sessions import moment
from .table import aligned
from .wording import change_words, printable

CHANGED: Final = ("sample", "change", "before", "after", "commits", "since")
_COLUMNS: Final = ("sample", "runs", "p50", "p95", "p99", "verdict")


def trend_text(trend: Trend, last: int) -> str:
    """Render the history as text.

    Args:
        last: number of runs in which changes are listed.
    """
    lines = [heading_text(trend, last), ""]
    changed = _changed_rows(trend, last)
    if changed:
        lines += [*aligned([CHANGED, *changed], frozenset({1, 2, 3})), ""]
    lines += aligned([_COLUMNS, *map(_row, trend.samples)], frozenset({1, 2, 3, 4}))
    lines += ["", "latest run of each sample; raw latencies by nearest rank"]
    lines += [f"note: {printable(note)}" for note in trend.notes]
    return "\n".join(lines) + "\n"


def trend_markdown(trend: Trend, last: int) -> str:
    """The history as Markdown."""
    lines = ["### Latency trend", "", heading_text(trend, last), ""]
    for heading, rows in (
        (CHANGED, _changed_rows(trend, last)),
        (_COLUMNS, map(_row, trend.samples)),
    ):
        cells = [[as_markdown(cell) for cell in row] for row in rows]
        if cells:
            lines += [table_line(heading), table_line([":--"] * len(heading))]
            lines += [*map(table_line, cells), ""]
    lines += [f"- note: {as_markdown(note)}" for note in trend.notes]
    return "\n".join(lines).rstrip("\n") + "\n"


def since_text(trend: Trend, change: TrendChange) -> str:
    """``2026-11-25, 20 runs ago``."""
    runs = trend.runs - change.after.run
    day = (moment(change.after.started_unix_s) or "").partition(" ")[0]
    ago = f"{runs} run{'s' * (runs != 1)} ago"
    return f"{day}, {ago}" if day else ago


def heading_text(trend: Trend, last: int) -> str:
    """How many runs there are, when, and how much changed."""
    days = [
        (moment(session.get("started_unix_s")) or "").partition(" ")[0]
        for session in trend.sessions
    ]
    known_days = [day for day in days if day]
    when = f", {known_days[0]} to {known_days[-1]}" if known_days else ""
    changed = len({sample.title for sample, _ in trend.changed_since(trend.runs - last)})
    runs = f"{trend.runs} run{'s' * (trend.runs != 1)}"
    return (
        f"{runs}{when}: {changed} of {len(trend.samples)} samples changed in the last "
        f"{min(last, trend.runs)}"
    )


def _changed_rows(trend: Trend, last: int) -> list[tuple[str, ...]]:
    return [
        (
            printable(sample.label),
            change_words(change.ratio),
            format_duration(round(change.point.before)),
            format_duration(round(change.point.after)),
            change.commits or "unknown",
            since_text(trend, change),
        )
        for sample, change in trend.changed_since(trend.runs - last)
    ]


def _row(sample: SampleTrend) -> tuple[str, ...]:
    latest = sample.latest
    latencies = (latest.quantiles_ns.get(label) for label in ("p50", "p95", "p99"))
    return (
        printable(sample.label),
        str(len(sample.points)),
        *("–" if ns is None else format_duration(ns) for ns in latencies),
        str(latest.outcome),
    )
