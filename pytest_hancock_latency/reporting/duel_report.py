"""A duel as text, for the terminal, and as Markdown, for a pull request: the worst sample first."""

from __future__ import annotations

from math import isfinite, log
from typing import Final

from ..core.duration import format_duration
from ..core.quantile import format_percent
from ..runs.duel import Duel, DueledSample, DuelOutcome, DuelProgress, DuelVerdict
from .markdown import as_markdown, table_line
from .table import aligned
from .wording import change_words, printable

_HEADINGS: Final = ("sample", "base", "head", "change", "interval", "", "passes", "verdict")
_NUMBERS: Final = frozenset({1, 2, 3, 6})
_WIDTH: Final = 25
_LEAST_REACH: Final = log(1.10)
"""The drawing shows at least this much on either side, so that small changes look small."""
_EMOJI: Final = {
    DuelOutcome.SLOWER: "❌",
    DuelOutcome.INCONCLUSIVE: "❔",
    DuelOutcome.NOT_SLOWER: "✅",
    DuelOutcome.FASTER: "🚀",
}


def duel_text(duel: Duel) -> str:
    """Render a table, the meaning of its verdicts, and what was not compared."""
    samples = duel.worst_first
    reach = max([_LEAST_REACH, *(abs(log(edge)) for s in samples for edge in _edges(s.verdict))])
    rows = [_HEADINGS, *(_cells(sample, reach) for sample in samples)]
    lines = [
        f"latency of head compared with base, without the time that the machine took "
        f"({_passes(duel)}, {duel.elapsed_s:.0f} s)",
        f"base: {printable(duel.base)}",
        f"head: {printable(duel.head)}",
        "",
        *aligned(rows, _NUMBERS),
        "",
        conclusion(duel),
        *(f"  {word}: {meaning}" for word, meaning in meanings(duel)),
    ]
    lines += [f"not compared: {printable(t)}: {printable(why)}" for t, why in duel.left_out.items()]
    lines += [f"note: {printable(text)}" for text in notes(duel)]
    return "\n".join(lines) + "\n"


def duel_markdown(duel: Duel) -> str:
    """Render what became slower, what is inconclusive, and the table, for a pull request."""
    lines = ["### Latency: head compared with base", "", f"{conclusion(duel)} ({_passes(duel)})"]
    lines += ["", f"base: {as_markdown(duel.base)}<br>head: {as_markdown(duel.head)}", ""]
    slower = [s for s in duel.worst_first if s.verdict.outcome is DuelOutcome.SLOWER]
    lines += [f"- **{as_markdown(s.title)}** is slower: {_sentence(s)}" for s in slower]
    inconclusive = [s for s in duel.worst_first if s.verdict.outcome is DuelOutcome.INCONCLUSIVE]
    lines += [f"- {as_markdown(s.title)} is inconclusive: {_sentence(s)}" for s in inconclusive]
    if slower or inconclusive:
        lines.append("")
    headings = [heading for heading in _HEADINGS if heading]
    lines += [
        table_line(headings),
        table_line(
            ["--:" if h in ("base", "head", "change", "passes") else ":--" for h in headings]
        ),
    ]
    for sample in duel.worst_first:
        cells = [as_markdown(cell) for cell in _cells(sample, _LEAST_REACH)]
        del cells[5]  # the drawing, which needs letters of equal width
        cells[-1] = f"{_EMOJI[sample.verdict.outcome]} {cells[-1]}"
        lines.append(table_line(cells))
    lines.append("")
    lines += [f"- {word}: {meaning}" for word, meaning in meanings(duel)]
    lines += [f"- not compared: {as_markdown(f'{t}: {w}')}" for t, w in duel.left_out.items()]
    lines += [f"- note: {as_markdown(text)}" for text in notes(duel)]
    return "\n".join(lines) + "\n"


def progress_text(progress: DuelProgress) -> str:
    """Return how far a duel has come after a pass."""
    settled, compared = progress.settled, progress.compared
    left = f", about {progress.left_s:.0f} s left" if settled < compared else ""
    return (
        f"pass {progress.passes}: {settled} of {compared} samples settled, "
        f"{progress.elapsed_s:.0f} s{left}"
    )


def conclusion(duel: Duel) -> str:
    """Return how many samples have each outcome."""
    counts = ((outcome, duel.count(outcome)) for outcome in DuelOutcome)
    words = ", ".join(f"{count} {outcome}" for outcome, count in counts if count)
    return f"{_counted(len(duel.samples), 'sample', 'samples')} compared: {words}"


def meanings(duel: Duel) -> list[tuple[str, str]]:
    """Return the outcomes in this duel with their meanings."""
    noise = format_percent(duel.rule.noise_threshold)
    margin = format_percent(duel.rule.equivalence_margin)
    texts = {
        DuelOutcome.SLOWER: f"by more than {noise} %, or by more than its budget allows",
        DuelOutcome.INCONCLUSIVE: "too few passes, or they differ too much",
        DuelOutcome.NOT_SLOWER: f"slower by less than {margin} %, if at all",
        DuelOutcome.FASTER: f"by more than {noise} %",
    }
    return [(str(outcome), text) for outcome, text in texts.items() if duel.count(outcome)]


def notes(duel: Duel) -> list[str]:
    """Return what went wrong in this duel."""
    if not duel.is_interrupted:
        return list(duel.remarks)
    interrupted = f"interrupted after {_passes(duel)}: unsettled samples are inconclusive"
    return [interrupted, *duel.remarks]


def interval_words(verdict: DuelVerdict) -> str:
    """Return the interval, such as ``+4.0 to +8.0 %``, or ``unknown``."""
    if not isfinite(verdict.high):
        return "unknown"
    return f"{100 * (verdict.low - 1):+.1f} to {change_words(verdict.high)}"


def outcome_words(sample: DueledSample) -> str:
    """Return the outcome, with the slowdown that the budget allows."""
    regression = sample.rule.regression
    if regression is None:
        return str(sample.verdict.outcome)
    return f"{sample.verdict.outcome} ({format_percent(regression)} % allowed)"


def confidence_words(sample: DueledSample) -> str:
    """Return the confidence level of the interval, which depends on the outcome."""
    is_not_slower = sample.verdict.outcome is DuelOutcome.NOT_SLOWER
    return "at 95 % confidence" if is_not_slower else "at 99 % confidence over all samples"


def _sentence(sample: DueledSample) -> str:
    verdict = sample.verdict
    interval = interval_words(verdict)
    known = f"{interval} {confidence_words(sample)}, " if interval != "unknown" else ""
    return f"{change_words(verdict.ratio)} ({known}{_counted(verdict.passes, 'pass', 'passes')})"


def _edges(verdict: DuelVerdict) -> list[float]:
    return [edge for edge in (verdict.low, verdict.high) if edge and isfinite(edge)]


def _cells(sample: DueledSample, reach: float) -> tuple[str, ...]:
    verdict = sample.verdict
    return (
        printable(sample.title),
        format_duration(round(sample.base_ns)),
        format_duration(round(sample.head_ns)),
        change_words(verdict.ratio),
        interval_words(verdict),
        _drawn(verdict, reach) if isfinite(verdict.high) else "",
        str(verdict.passes),
        outcome_words(sample),
    )


def _drawn(verdict: DuelVerdict, reach: float) -> str:
    """Draw the interval, with ``|`` at no change and ``o`` at the ratio."""

    def column(ratio: float) -> int:
        share = (log(ratio) / reach + 1) / 2
        return min(_WIDTH - 1, max(0, round(share * (_WIDTH - 1))))

    low, high = column(verdict.low), column(verdict.high)
    cells = ["-" if low <= at <= high else " " for at in range(_WIDTH)]
    cells[_WIDTH // 2] = "|"
    cells[column(verdict.ratio)] = "o"
    return "".join(cells)


def _passes(duel: Duel) -> str:
    return _counted(duel.passes, "pass", "passes")


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
