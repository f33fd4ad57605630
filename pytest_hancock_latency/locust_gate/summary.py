"""The summary of a run on the terminal: verdict, evidence, advice and participants."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from ..core.record import Record
from ..core.verdict import Outcome
from ..reporting.advice import advice_lines
from ..reporting.table import UNIT_NOTE, count_line, table_lines
from ..reporting.wording import explain, printable, scale_lines, without_requests
from ..runs.merging import by_built_in_limits
from .ending import Ending
from .participants import LOCAL, Participant, State

_MOST_TITLES: Final = 5
NOTHING_MEASURED: Final = "no requests were made: nothing was measured, so nothing passes"


def summary_lines(
    records: Sequence[Record],
    participants: Iterable[Participant],
    unmatched: Sequence[str] = (),
    scale: float = 1,
    ending: Ending | None = None,
) -> list[str]:
    """Return the lines of the summary.

    Args:
        unmatched: names of budgets that no request matched.
        scale: factor for latency limits.
        ending: how the run ended.
    """
    lines = ["", "latency budgets"]
    if not records:
        return [*lines, NOTHING_MEASURED, *without_requests(unmatched), *_about(participants)]
    lines += [*table_lines(records), f"{count_line(records)} ({UNIT_NOTE})"]
    lines += scale_lines(scale)
    for record in records:
        if record.outcome is not Outcome.WITHIN:
            lines += [f"{printable(record.title)}: {line}" for line in explain(record)]
    lines += _by_built_in_limits([record.title for record in records if by_built_in_limits(record)])
    lines += [*without_requests(unmatched), *(ending.lines() if ending else ())]
    return [*lines, *advice_lines(records), *_about(participants), *_nothing_shown(records)]


def _nothing_shown(records: Sequence[Record]) -> list[str]:
    """Return a last line for a run that succeeds although it has shown nothing."""
    outcomes = {record.outcome for record in records if record.verdict is not None}
    is_strict = any(record.strict for record in records)
    if outcomes != {Outcome.INCONCLUSIVE} or is_strict:
        return []
    return [
        "nothing was shown: every budget is inconclusive, which exit code 0 does not say; "
        "--latency-strict makes it 3"
    ]


def _by_built_in_limits(titles: Sequence[str]) -> list[str]:
    if not titles:
        return []
    listed = ", ".join(map(printable, titles[:_MOST_TITLES]))
    rest = f" and {len(titles) - _MOST_TITLES} more" if len(titles) > _MOST_TITLES else ""
    return [f"judged by built-in limits, because no budget has their name: {listed}{rest}"]


def _about(participants: Iterable[Participant]) -> list[str]:
    """Return the number of workers by state, if there were any."""
    workers = [participant for participant in participants if participant.id != LOCAL]
    if not workers:
        return []
    counted = [
        (state, sum(participant.state is state for participant in workers)) for state in State
    ]
    states = ", ".join(f"{count} {state.value}" for state, count in counted if count)
    late = sum(participant.to_plain()["late"] for participant in workers)
    joined = f", {late} joined late" if late else ""
    plural = "worker" if len(workers) == 1 else "workers"
    return [f"{len(workers)} {plural}: {states}{joined}"]
