"""Verdicts in words. One sentence each, the same wherever it is shown."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from ..core.duration import format_against, format_duration, format_exactly
from ..core.judging.evidence import shown_quantile
from ..core.judging.verdict import (
    FailureVerdict,
    LimitVerdict,
    Outcome,
    PaceVerdict,
    Reason,
    Verdict,
)
from ..core.quantile import format_percent, label
from ..core.record import Record
from ..core.sample import Progress, Sample

_WORTH_SAYING: Final = Fraction(1, 2)
"""A handful of observations shows some low percentile; nobody asks for it."""


def explain(record: Record) -> list[str]:
    """The evidence of a record, one line for each part that is not within; the weightiest first."""
    if record.verdict is None:
        return [f"not judged: {record.not_judged}"]
    lines = []
    pace = record.verdict.pace
    for outcome in (Outcome.EXCEEDED, Outcome.INCONCLUSIVE):
        lines += [about_pace(pace)] if pace and pace.outcome is outcome else []
        lines += [_failures(record)] if record.verdict.failures.outcome is outcome else []
        parts = [part for part in reversed(record.verdict.limits) if part.outcome is outcome]
        lines += [explain_limit(part, record.verdict) for part in parts]
    return lines or [f"within: {_shown(record.verdict)}"]


def headline(record: Record) -> str:
    """The reason on one short line, for a summary that has no room for more."""
    verdict = record.verdict
    if verdict is None:
        return f"not judged: {record.not_judged}"
    part = verdict.decisive
    if part is None:
        return _without_limit(record, verdict)
    observed, limit = format_against(part.observed_ns, part.limit.limit_ns)
    if part.outcome is Outcome.EXCEEDED and part.observed_ns > part.limit.limit_ns:
        return f"{part.limit.label} {observed} > {limit}, {part.over_attributed} of {part.n} over"
    return explain_limit(part, verdict)


def _without_limit(record: Record, verdict: Verdict) -> str:
    """The reason where no limit has the outcome of the whole verdict."""
    if verdict.outcome is Outcome.WITHIN:
        return explain(record)[0]
    if verdict.pace and verdict.failures.outcome is not verdict.outcome:
        return about_pace(verdict.pace)
    return _failures(record)


def about_pace(pace: PaceVerdict) -> str:
    """The evidence about requests/s, as one sentence."""
    least, most = _whole_percent(pace.least_fall), _whole_percent(pace.most_fall)
    span = f"a fall of {least} to {most}, with 95 %"
    over = f"{pace.per_s:.3g}/s on average over {format_duration(pace.judged_ns)}"
    if pace.outcome is Outcome.EXCEEDED:
        declined = f"declined by {_whole_percent(pace.fall)} under a steady load"
        return f"exceeded requests/s: {declined} ({span}); {over}"
    if pace.outcome is Outcome.WITHIN:
        return f"within requests/s: steady ({span}); {over}"
    return f"inconclusive requests/s: neither steady nor declining ({span}); {over}"


def explain_limit(part: LimitVerdict, verdict: Verdict) -> str:
    """The evidence about one limit, as one sentence."""
    limit = format_exactly(part.limit.limit_ns)
    if part.outcome is Outcome.EXCEEDED:
        return _exceeded(part, limit)
    if part.outcome is Outcome.WITHIN:
        return f"within {part.limit.label}: {part.over} of {part.n} over {limit}"
    return _inconclusive(part, verdict, limit)


def _inconclusive(part: LimitVerdict, verdict: Verdict, limit: str) -> str:
    head = f"inconclusive {part.limit.label}"
    count = f"{part.over} of {part.n} over {limit}"
    if part.reason is Reason.MACHINE:
        return f"{head} (machine): {count}, {_excused(part)}while another process held the CPU"
    if part.reason is Reason.STOPPED:
        return f"{head}: {count}; measuring ended because another limit was decided"
    if part.reason is Reason.FEW:
        return f"{head}: {count}; {_what_is_missing(part, verdict)}"
    allowed = format_percent(part.limit.allowed)
    count = f"{count} ({_percent(part.over, part.n)} %, allowed {allowed} %)"
    if part.reason is Reason.STALL:
        return (
            f"{head}: {count}, nearly all at one time: one stall convicts nobody; "
            "longer measuring shows whether it comes again"
        )
    if part.reason is Reason.BETWEEN and part.investigate_ns is not None:
        far = format_exactly(part.investigate_ns)
        return f"{head}: {count}; more than is acceptable, and not shown to be more than {far}"
    return f"{head}: {count}; {_too_near(part, verdict)}"


def _exceeded(part: LimitVerdict, limit: str) -> str:
    if not part.limit.allowed:
        text = f"exceeded max: {part.over_attributed} of {part.n} over {limit}"
        return f"{text}; the largest took {format_duration(part.observed_ns)}"
    text = (
        f"exceeded {part.limit.label}: {part.over_attributed} of {part.n} over {limit} "
        f"({_percent(part.over_attributed, part.n)} %, "
        f"allowed {format_percent(part.limit.allowed)} %)"
    )
    if part.low_ns is not None:
        low, _ = format_against(part.low_ns, part.limit.limit_ns)
        text += f"; {part.limit.label} ≥ {low}"
    if part.excused:
        plural = "observation" if part.excused == 1 else "observations"
        text += f"; {part.excused} {plural} excused"
    return text


def _excused(part: LimitVerdict) -> str:
    if part.over == 1:
        return ""
    return "all of them " if part.excused == part.over else f"{part.excused} of them "


def _what_is_missing(part: LimitVerdict, verdict: Verdict) -> str:
    shown = shown_quantile(part.n, part.over)
    has = f"shows {label(shown)}, " if shown >= _WORTH_SAYING else ""
    if part.needed is None:
        return f"{has}not {part.limit.label}"
    return (
        f"{has}{part.limit.label} needs {part.needed} observations "
        f"({_time_for(part.needed, verdict)} at this pace)"
    )


def _too_near(part: LimitVerdict, verdict: Verdict) -> str:
    if part.needed is None:
        return "too near the limit to tell"
    if part.over_attributed > part.limit.allowed * part.n:
        return (
            f"more than is allowed so far; about {part.needed} observations would show it "
            f"({_time_for(part.needed, verdict)} at this pace)"
        )
    return (
        f"too near the limit to tell; about {part.needed} observations would "
        f"({_time_for(part.needed, verdict)} at this pace)"
    )


def _time_for(observations: int, verdict: Verdict) -> str:
    return format_duration(observations * verdict.elapsed_ns // max(1, verdict.n))


def _failures(record: Record) -> str:
    verdict = record.verdict.failures if record.verdict else None
    assert verdict is not None
    kinds = ", ".join(f"{kind} ×{count}" for kind, count in record.failures.items())
    allowed = format_percent(verdict.allowed)
    word = "exceeded" if verdict.outcome is Outcome.EXCEEDED else "inconclusive"
    share = _percent(verdict.failed, verdict.attempts)
    return (
        f"{word} errors: {verdict.failed} of {verdict.attempts} requests failed "
        f"({share} %, allowed {allowed} %): {kinds}"
    )


def _shown(verdict: Verdict) -> str:
    parts = ", ".join(
        f"{part.limit.label} {part.over} of {part.n} over {format_exactly(part.limit.limit_ns)}"
        for part in verdict.limits
    )
    return parts


def _whole_percent(share: float) -> str:
    return f"{100 * share:.0f} %".replace("-", "−")


def _percent(count: int, total: int) -> str:
    """A share in percent with two significant digits, but never 0 or 100 where it is not."""
    if count in (0, total):
        return "0" if not count else "100"
    for digits in range(2, 9):
        text = f"{float(Fraction(100 * count, total)):.{digits}g}"
        if text not in ("0", "100", "1e+02"):
            return text
    return text


__all__ = ["FailureVerdict", "about_pace", "explain", "explain_limit", "headline"]


def progress_line(test: str, progress: Progress) -> str:
    """Name, number of observations, quantiles so far, and what is still undecided.

    ``test_chat: 1204 in 2.5 s, p50 1.9 ms, p99 4.2 ms, undecided p99``
    """
    name = f"{test} [{progress.name}]" if progress.name else test
    count = len(progress.observations)
    parts = [f"{name}: {count} in {format_duration(progress.elapsed_ns)}"]
    if count:
        sample = Sample(name, progress.observations)
        parts += [f"{p} {format_duration(sample.quantile_ns(p))}" for p in ("p50", "p99")]
    if progress.undecided:
        parts.append(f"undecided {' '.join(label(limit.quantile) for limit in progress.undecided)}")
    return ", ".join(parts)
