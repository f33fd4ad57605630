"""The evidence of a load in words: what all edges say, and what only the guide's table can say."""

from __future__ import annotations

from ..core.duration import format_duration, format_exactly
from ..core.record import Record
from ..core.verdict import Outcome, PaceVerdict, Reason, Verdict
from ..reporting import wording

_TOO_NEAR = "too near the limit to tell"


def explain(record: Record) -> list[str]:
    """The evidence of a record, a line for each part that is not within."""
    lines = wording.explain(record)
    if record.verdict is None:
        return lines
    between = {_said(record.verdict, at): told for at, told in _between(record.verdict).items()}
    lines = [between.get(line, line) for line in lines]
    pace = record.verdict.pace
    if pace is None or pace.outcome is Outcome.WITHIN:
        return lines
    others = [line for line in lines if not line.startswith("within: ")]
    return [about_pace(pace), *others]


def headline(record: Record) -> str:
    """The reason on one short line."""
    verdict = record.verdict
    if verdict is None or not verdict.pace or verdict.pace.outcome is Outcome.WITHIN:
        return wording.headline(record)
    weightier = verdict.failures.outcome is verdict.outcome or verdict.decisive is not None
    return wording.headline(record) if weightier else about_pace(verdict.pace)


def about_pace(pace: PaceVerdict) -> str:
    """The evidence about requests/s, as one sentence."""
    least, most = _percent(pace.least_fall), _percent(pace.most_fall)
    span = f"a fall of {least} to {most}, with 95 %"
    over = f"{pace.per_s:.3g}/s on average over {format_duration(pace.judged_ns)}"
    if pace.outcome is Outcome.EXCEEDED:
        declined = f"declined by {_percent(pace.fall)} under a steady load"
        return f"exceeded requests/s: {declined} ({span}); {over}"
    if pace.outcome is Outcome.WITHIN:
        return f"within requests/s: steady ({span}); {over}"
    return f"inconclusive requests/s: neither steady nor declining ({span}); {over}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %".replace("-", "−")


def _said(verdict: Verdict, at: int) -> str:
    return wording.explain_limit(verdict.limits[at], verdict)


def _between(verdict: Verdict) -> dict[int, str]:
    """By number of the limit: what is said of one that lies between acceptable and investigate."""
    told = {}
    for at, part in enumerate(verdict.limits):
        if part.reason is Reason.BETWEEN and part.investigate_ns is not None:
            far = format_exactly(part.investigate_ns)
            why = f"more than is acceptable, and not shown to be more than {far}"
            told[at] = _said(verdict, at).replace(_TOO_NEAR, why)
    return told
