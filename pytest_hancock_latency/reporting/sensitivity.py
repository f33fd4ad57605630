"""What gates would notice, as text: a table, and one line about those that notice too little."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from ..core.duration import format_duration, format_exactly, plain_ms
from ..core.quantile import format_percent
from ..core.record import Record
from ..core.verdict import Outcome
from ..judging.noticing import DOUBLING, MOST_TIMES, TAIL, TAIL_TIMES, Noticed, noticed_by
from ..runs.suggestion import suggest
from .table import aligned, labels
from .wording import printable

_HEADINGS: Final = (
    "sample",
    "limit (ms)",
    "in use",
    "notices all calls from",
    f"{format_percent(TAIL)} % of calls {TAIL_TIMES:g} times slower",
)
Judged = tuple[Record, Sequence[Noticed]]
"""A sample, and what its limits would notice."""
_MOST_NAMED: Final = 3
_MANY: Final = 10
"""From so many times on, a factor is easier to read than a percentage."""


def sensitivity_text(records: Sequence[Record], gates: int) -> str:
    """Render a line for each limit of each sample, and those that would not notice a doubling.

    Args:
        gates: number of gates in the build that share the false-alarm probability.
    """
    lines: list[tuple[str, ...]] = [_HEADINGS]
    judged = [(record, noticed_by(record, gates)) for record in records]
    for (_, limits), name in zip(judged, labels(records), strict=True):
        for at, noticed in enumerate(limits):
            lines.append((name if not at else "", *_cells(noticed)))
    text = [*aligned(lines, numbers=(2, 3)), *_notes(judged)]
    return "\n".join(text) + "\n"


def unnoticed_lines(records: Iterable[Record], gates: int) -> list[str]:
    """Return the line about gates that are within and would not notice code twice as slow.

    Args:
        gates: as of `sensitivity_text`.
    """
    within = (record for record in records if record.outcome is Outcome.WITHIN)
    dull = _dull((record, noticed_by(record, gates)) for record in within)
    if not dull:
        return []
    count = "1 gate" if len(dull) == 1 else f"{len(dull)} gates"
    named = ", ".join(_in_short(record, noticed) for record, noticed in dull[:_MOST_NAMED])
    more = " and others" if len(dull) > _MOST_NAMED else ""
    return [
        f"{count} would not notice code twice as slow: {named}{more}; see hancock-latency "
        "sensitivity"
    ]


def change_noticed(slowdown: float | None) -> str:
    """Return a slowdown as in ``+40 %``, or from ten times on as in ``25 times``."""
    if slowdown is None:
        return "nothing"
    if not slowdown:
        return "already"
    times = 1 + slowdown
    return f"{times:.0f} times" if times >= _MANY else f"+{100 * slowdown:.0f} %"


def _cells(noticed: Noticed) -> tuple[str, ...]:
    limit = noticed.part.limit
    return (
        f"{limit.label} {plain_ms(limit.limit_ns)}",
        f"{100 * noticed.in_use:.0f} %",
        change_noticed(noticed.slowdown),
        "noticed" if noticed.notices_tail else "not noticed",
    )


def _notes(judged: Sequence[Judged]) -> list[str]:
    without = [record for record, limits in judged if not limits]
    lines = [f"{printable(record.title)}: {_why_nothing(record)}" for record in without]
    for record, noticed in _dull(judged):
        lines.append(f"{printable(record.title)} {_would_pass(record, noticed)}")
    return ["", *lines] if lines else []


def _why_nothing(record: Record) -> str:
    if record.is_of_growth:
        return "it is about growth, which no factor changes"
    if record.is_of_bursts:
        return "its evidence is its bursts, which the artifact does not contain"
    if record.verdict is None:
        return str(record.not_judged)
    return record.no_histogram if record.histogram is None else "it has no latency limit"


def _dull(judged: Iterable[Judged]) -> list[tuple[Record, Noticed]]:
    """Return gates that would not notice a doubling, with their closest limits, worst first."""
    dull = []
    for record, limits in judged:
        if not limits or record.outcome is not Outcome.WITHIN:
            continue
        closest = min(limits, key=_times)
        if _times(closest) > 1 + DOUBLING:
            dull.append((record, closest))
    return sorted(dull, key=lambda pair: -_times(pair[1]))


def _times(noticed: Noticed) -> float:
    return MOST_TIMES if noticed.slowdown is None else 1 + noticed.slowdown


def _in_words(noticed: Noticed) -> str:
    times = _times(noticed)
    return f"{times:.0f}" if times >= _MANY else f"{times:.2g}"


def _in_short(record: Record, noticed: Noticed) -> str:
    limit = noticed.part.limit
    observed = format_duration(_observed_ns(record, limit.label))
    name = printable(record.title)
    return (
        f"{name} passes at {_in_words(noticed)} times its latency ({limit.label} {observed}, "
        f"limit {format_exactly(limit.limit_ns)}{_suggested(record, limit.label)})"
    )


def _would_pass(record: Record, noticed: Noticed) -> str:
    limit = noticed.part.limit
    observed = format_duration(_observed_ns(record, limit.label))
    return (
        f"would pass at {_in_words(noticed)} times its latency: limit "
        f"{format_exactly(limit.limit_ns)}, {limit.label} {observed}"
        f"{_suggested(record, limit.label)}"
    )


def _observed_ns(record: Record, percentile: str) -> int:
    """Return attributed latency, from which the forecast is made."""
    raw_ns = record.quantiles_ns[percentile]
    return record.attributed_quantiles_ns.get(percentile, raw_ns)


def _suggested(record: Record, percentile: str) -> str:
    suggested = {limit.percentile: limit.limit_ns for limit in suggest(record).limits}
    if percentile not in suggested:
        return ""
    return f"; suggested limit: {format_exactly(suggested[percentile])}"
