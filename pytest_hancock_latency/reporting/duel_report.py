"""A duel as text: a table with the worst sample first, its interval drawn, and what it means."""

from __future__ import annotations

from math import isfinite, log
from typing import Final

from ..core.duration import format_duration
from ..core.judging.duel import Duel, DueledSample, DuelOutcome, DuelRule
from ..core.quantile import format_percent
from .table import aligned
from .wording import printable

_HEADINGS: Final = ("sample", "base", "head", "change", "interval", "", "passes", "verdict")
_NUMBERS: Final = frozenset({1, 2, 3, 6})
_WIDTH: Final = 25
_LEAST_REACH: Final = log(1.10)
"""What the drawing shows at least on either side; so that little looks like little."""


def duel_text(duel: Duel, rule: DuelRule) -> str:
    """The table, what the words in it mean, and what was not compared.

    rule: of a sample whose budget allows no regression.
    """
    samples = duel.worst_first
    reach = max([_LEAST_REACH, *(abs(log(edge)) for s in samples for edge in _edges(s))])
    rows = [_HEADINGS, *(_cells(sample, reach) for sample in samples)]
    lines = [
        f"latency of head next to base, medians of what the code took "
        f"({_counted(duel.passes, 'pass', 'passes')}, {duel.elapsed_s:.0f} s)",
        f"base: {printable(duel.base)}",
        f"head: {printable(duel.head)}",
        "",
        *aligned(rows, _NUMBERS),
        "",
        _conclusion(duel),
        *_meaning(duel, rule),
    ]
    lines += [f"not compared: {printable(t)}: {printable(why)}" for t, why in duel.left_out.items()]
    lines += [f"remark: {printable(remark)}" for remark in duel.remarks]
    return "\n".join(lines) + "\n"


def progress_text(number: int, settled: int, samples: int, elapsed_s: float) -> str:
    """How far a duel is after a pass."""
    return f"pass {number}: {settled} of {samples} samples settled, {elapsed_s:.0f} s"


def _edges(sample: DueledSample) -> list[float]:
    verdict = sample.verdict
    return [edge for edge in (verdict.low, verdict.high) if edge and isfinite(edge)]


def _cells(sample: DueledSample, reach: float) -> tuple[str, ...]:
    verdict = sample.verdict
    is_known = isfinite(verdict.high)
    interval = f"{_change(verdict.low)} to {_change(verdict.high)} %" if is_known else "unknown"
    return (
        printable(sample.title),
        format_duration(round(sample.base_ns)),
        format_duration(round(sample.head_ns)),
        f"{_change(verdict.ratio)} %",
        interval,
        _drawn(sample, reach) if is_known else "",
        str(verdict.passes),
        _words(sample),
    )


def _change(ratio: float) -> str:
    return f"{100 * (ratio - 1):+.1f}"


def _words(sample: DueledSample) -> str:
    regression = sample.rule.regression
    if regression is None:
        return str(sample.verdict.outcome)
    return f"{sample.verdict.outcome} ({format_percent(regression)} % allowed)"


def _drawn(sample: DueledSample, reach: float) -> str:
    """The interval from left to right, with ``|`` where nothing changes and ``o`` at the ratio."""

    def column(ratio: float) -> int:
        share = (log(ratio) / reach + 1) / 2
        return min(_WIDTH - 1, max(0, round(share * (_WIDTH - 1))))

    verdict = sample.verdict
    low, high = column(verdict.low), column(verdict.high)
    cells = ["-" if low <= at <= high else " " for at in range(_WIDTH)]
    cells[_WIDTH // 2] = "|"
    cells[column(verdict.ratio)] = "o"
    return "".join(cells)


def _conclusion(duel: Duel) -> str:
    counts = ((outcome, duel.count(outcome)) for outcome in DuelOutcome)
    words = ", ".join(f"{count} {outcome}" for outcome, count in counts if count)
    return f"{_counted(len(duel.samples), 'sample', 'samples')} compared: {words}"


def _meaning(duel: Duel, rule: DuelRule) -> list[str]:
    noise, matters = format_percent(rule.noise), format_percent(rule.matters)
    meanings = {
        DuelOutcome.SLOWER: f"by more than {noise} %, or by more than its budget allows",
        DuelOutcome.CANNOT_TELL: "the passes differ too much, or are too few",
        DuelOutcome.NOT_SLOWER: f"slower by less than {matters} %, if at all",
        DuelOutcome.FASTER: f"by more than {noise} %",
    }
    return [f"  {word}: {text}" for word, text in meanings.items() if duel.count(word)]


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
