"""Verdicts in words: one sentence each, the same in all outputs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any, Final

from ..core.attribution import (
    COLLECTOR,
    DISK,
    QUEUED,
    SLOW_MACHINE,
    STOLEN,
    THROTTLED,
    TREE_WAITED,
    UNSEEN,
    WAITED,
)
from ..core.duration import NS_PER_S, format_against, format_duration, format_exactly
from ..core.evidence import shown_quantile
from ..core.quantile import format_percent, label
from ..core.record import Record
from ..core.sample import Progress, Sample, Slow
from ..core.verdict import (
    FailureVerdict,
    GrowthVerdict,
    LimitVerdict,
    Outcome,
    Reason,
    Route,
    RpsVerdict,
    ThroughputVerdict,
    Verdict,
)
from ..judging.growth import SPAN

SIGNS: Final = {
    Outcome.WITHIN: "✓",
    Outcome.EXCEEDED: "✗",
    Outcome.INCONCLUSIVE: "?",
    Outcome.NOT_JUDGED: "–",
}
EMOJI: Final = {
    Outcome.WITHIN: "✅",
    Outcome.EXCEEDED: "❌",
    Outcome.INCONCLUSIVE: "🟡",
    Outcome.NOT_JUDGED: "–",
}
"""Signs for places without a style sheet, such as pull requests. They are clear on light and dark
backgrounds, unlike a white question mark."""
TOO_FEW: Final = "too few calls"
_WHY_INCONCLUSIVE: Final = {
    Reason.MACHINE: "busy machine",
    Reason.TRACER: "tracer",
    Reason.BUCKET: "limit inside a bucket",
    Reason.NEAR: "near the limit",
    Reason.STALL: "one stall",
    Reason.BETWEEN: "between two limits",
    Reason.FEW: TOO_FEW,
    Reason.SHORT: TOO_FEW,
}
"""In order of precedence: reasons that more calls would not change come first."""
_CAUSES: Final = {
    WAITED: "waited for a CPU",
    STOLEN: "the hypervisor took the CPU away",
    SLOW_MACHINE: "the machine was slower than undisturbed",
    TREE_WAITED: "what it was blocked on waited for a CPU",
    THROTTLED: "throttled by the container's CPU quota",
    UNSEEN: "blocked on something unknown while the machine was busy",
    DISK: "waited for a disk that other processes wrote to",
    QUEUED: "queued behind requests that the machine delayed",
    COLLECTOR: "garbage collection",
}
"""Causes of a slow observation in words; artifacts keep the original names as values."""
_MOSTLY: Final = 0.5
_WORTH_SAYING: Final = Fraction(1, 2)
"""Lower percentiles are not mentioned: a handful of observations suffices for them."""


def scale_of(session: Mapping[str, Any] | None) -> object:
    """Return the factor for latency limits from the facts of a session."""
    settings = (session or {}).get("settings")
    return settings.get("scale") if isinstance(settings, Mapping) else None


def scale_lines(scale: object) -> list[str]:
    """Return a line about the factor for latency limits; none if it is 1."""
    if not isinstance(scale, int | float) or scale == 1:
        return []
    return [f"latency limits are multiplied by {scale:.12g} (--latency-scale)"]


def without_requests(budgets: Iterable[str]) -> list[str]:
    """Return the line about budgets that no request matched, if there are any."""
    listed = ", ".join(f'"{printable(name)}"' for name in budgets)
    return [f"budgets that no request matched: {listed}"] if listed else []


def causes_text(slow: Slow) -> str:
    """Return why an observation was slow."""
    causes = ", ".join(_CAUSES.get(cause, cause) for cause in slow.causes)
    return causes or "the machine did not interfere: the code is slow"


_HASHES: Final = re.compile(r"#(?=#(?:|vso|teamcity)\[)", re.IGNORECASE)
_COMMAND: Final = re.compile(rf"^(?=\s*::)|{_HASHES.pattern}", re.IGNORECASE)
"""What the runners of GitHub, Azure and TeamCity obey in a log: two colons at the beginning of a
line, and two hashes with a bracket anywhere in it."""


def printable(text: str) -> str:
    r"""Return a text on one line, with control and other unprintable characters escaped.

    Line breaks become spaces. Control characters, direction marks and lone surrogates become
    ``\x1b``, ``\u202e`` and so on. What a CI runner would obey as a command gets a backslash.
    """
    line = _COMMAND.sub(lambda command: f"{command[0]}\\", " ".join(text.splitlines()))
    if line.isprintable():
        return line
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in line
    )


def without_commands(document: str) -> str:
    """Return a document in which no CI runner finds a command, with the same content.

    In JSON and TOML, where names are as they are, a hash becomes an escape of it; other documents
    have none left.
    """
    return _HASHES.sub(r"\\u0023", document)


def change_words(ratio: float) -> str:
    """Return a ratio as a change, such as ``+6.9 %``."""
    return f"{100 * (ratio - 1):+.1f} %"


def explain(record: Record) -> list[str]:
    """Return the evidence of a record, a line for each part that is not within, worst first."""
    verdict = record.verdict
    if verdict is None:
        return [_why_not_judged(record)]
    lines = []
    for outcome in (Outcome.EXCEEDED, Outcome.INCONCLUSIVE):
        if verdict.throughput and verdict.throughput.outcome is outcome:
            lines.append(about_throughput(verdict.throughput))
        if verdict.rps and verdict.rps.outcome is outcome:
            lines.append(about_rps(verdict.rps))
        if verdict.growth and verdict.growth.outcome is outcome:
            lines.append(about_growth(verdict.growth))
        if verdict.failures.outcome is outcome:
            lines.append(_about_failures(verdict.failures, record))
        parts = [part for part in reversed(verdict.limits) if part.outcome is outcome]
        lines += [explain_limit(part, record) for part in parts]
    return lines or [f"{Outcome.WITHIN}: {_counts_of_all_limits(verdict)}{_measured_for(verdict)}"]


def headline(record: Record) -> str:
    """Return the reason on one short line, for summaries."""
    verdict = record.verdict
    if verdict is None:
        return _why_not_judged(record)
    part = verdict.decisive
    if part is None:
        return _without_limit(record, verdict)
    observed_ns, limit_ns = record.quantiles_ns.get(part.limit.label, 0), part.limit.limit_ns
    if part.outcome is Outcome.EXCEEDED and observed_ns > limit_ns:
        observed, limit = format_against(observed_ns, limit_ns)
        n, over = part.evidence
        return f"{part.limit.label} {observed} > {limit}, {over} of {n} over{_in_bursts(part)}"
    return explain_limit(part, record)


def _why_not_judged(record: Record) -> str:
    return f"{Outcome.NOT_JUDGED}: {printable(str(record.not_judged))}"


def _without_limit(record: Record, verdict: Verdict) -> str:
    """Return the reason if no limit has the outcome of the verdict."""
    if verdict.outcome is Outcome.WITHIN:
        return explain(record)[0]
    if verdict.throughput and verdict.throughput.outcome is verdict.outcome:
        return about_throughput(verdict.throughput)
    if verdict.rps and verdict.rps.outcome is verdict.outcome:
        return about_rps(verdict.rps)
    if verdict.growth and verdict.growth.outcome is verdict.outcome:
        return about_growth(verdict.growth)
    return _about_failures(verdict.failures, record)


def about_throughput(throughput: ThroughputVerdict) -> str:
    """Return the evidence about requests/s in one sentence."""
    lowest = _whole_percent(throughput.least_fall)
    highest = _whole_percent(throughput.most_fall)
    span = f"a fall of {lowest} to {highest} at 95 % confidence"
    judged_for = format_duration(throughput.judged_ns)
    average = f"{rate_text(throughput.per_s)}/s on average over {judged_for}"
    head = f"{throughput.outcome} requests/s"
    if throughput.outcome is Outcome.EXCEEDED:
        declined = f"declined by {_whole_percent(throughput.fall)} under a steady load"
        return f"{head}: {declined} ({span}); {average}"
    if throughput.outcome is Outcome.WITHIN:
        return f"{head}: steady ({span}); {average}"
    return f"{head}: could be steady or declining ({span}); {average}"


def about_rps(rps: RpsVerdict) -> str:
    """Return the evidence about minimum requests/s in one sentence."""
    head = f"{rps.outcome} requests/s"
    if not rps.n:
        return f"{head}: the load has not been steady for {format_duration(rps.stretch_ns)} yet"
    if rps.reason is Reason.MACHINE:
        head += " (machine)"
    average, limit = _rate_against(rps.per_s, rps.least_per_s)
    judged_for = format_duration(rps.n * rps.stretch_ns)
    counts = _short_stretches(rps, limit)
    return f"{head}: {average}/s on average over {judged_for}, {counts}{_remark_about_rps(rps)}"


def about_growth(growth: GrowthVerdict) -> str:
    """Return the evidence about growth in one sentence."""
    head = f"{growth.outcome} growth"
    allowed = f"{growth.at_most} allows n^{growth.bound:g}"
    refused = (
        f"; size {growth.refused_size} was not tried: a call could take too long"
        if growth.refused_size
        else ""
    )
    if growth.growth is None or growth.reason is Reason.FEW:
        sizes = " and ".join(str(size) for size, _ in growth.curve[-2:])
        return (
            f"{head}: it takes three sizes, and within the limits of time and memory there are "
            f"only {sizes}{refused}"
        )
    last = growth.curve[-len(growth.decisive) - 1 :]
    latencies = ", ".join(f"{size} takes {format_duration(ns)}" for size, ns in last)
    if growth.reason is not Reason.NEAR:
        span = _span_words(growth) if growth.reason is Reason.SPAN else ""
        return f"{head}: like n^{growth.growth:.2f}, {allowed}{span}; {latencies}{refused}"
    between = " and ".join(
        f"n^{step.growth:.2f} from {step.smaller} to {step.larger}" for step in growth.decisive
    )
    return f"{head}: like {between}, {allowed}: too near to tell; {latencies}{refused}"


def _span_words(growth: GrowthVerdict) -> str:
    """Return why growth above the bound is not exceeded."""
    slow = [step for step in growth.steps if step.growth <= growth.bound]
    if not slow:
        return f", but sizes that differ by less than {SPAN} times may only have outgrown a cache"
    step = slow[-1]
    return (
        f", but only n^{step.growth:.2f} from {step.smaller} to {step.larger}: larger sizes may "
        "only have outgrown a cache"
    )


def _remark_about_rps(rps: RpsVerdict) -> str:
    """Return the remark after the counts, including punctuation."""
    if rps.reason is Reason.MACHINE:
        return (
            f", in {rps.short_strained} of them the load generator or the server was short of CPU"
        )
    if rps.reason is Reason.LOAD and rps.reachable_per_s is not None:
        reachable, _ = _rate_against(rps.reachable_per_s, rps.least_per_s)
        return (
            f"; the users' wait times allow only about {reachable}/s, however fast the responses "
            "are: add users or shorten the waits"
        )
    if rps.reason is Reason.FEW and rps.needed is not None:
        return f"; needs about {format_duration(rps.needed * rps.stretch_ns)}"
    if rps.reason is Reason.NEAR:
        return "; too near the limit to tell"
    if rps.outcome is Outcome.EXCEEDED and rps.strained:
        left_out = format_duration(rps.strained * rps.stretch_ns)
        return (
            f"; not counting {left_out} in which the load generator or the server was short of CPU"
        )
    return ""


def _short_stretches(rps: RpsVerdict, limit: str) -> str:
    """``below 200/s in 3 of 60 s``."""
    if rps.stretch_ns == NS_PER_S:
        return f"below {limit}/s in {rps.short} of {rps.n} s"
    length = format_duration(rps.stretch_ns)
    return f"below {limit}/s in {rps.short} of {rps.n} intervals of {length}"


def rate_text(rate: float, digits: int = 3) -> str:
    """Format a rate with three significant digits, or all digits before the point: ``5217``."""
    whole = len(str(int(rate))) if rate >= 1 else 0
    text = f"{rate:.{max(0, digits - whole)}f}" if whole else f"{rate:.{digits}g}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _rate_against(rate: float, limit: float) -> tuple[str, str]:
    """Format a rate and its limit so that the texts differ as the values do."""
    limit_text = f"{limit:.12g}"
    for digits in range(3, 16):
        text = rate_text(rate, digits)
        if (float(text) < limit) == (rate < limit):
            break
    return text, limit_text


def why_inconclusive(record: Record) -> str:
    """Return in a few words why a record is inconclusive; empty if it is not.

    The author of the test can only change ``too few calls``.
    """
    verdict = record.verdict
    if verdict is None or verdict.outcome is not Outcome.INCONCLUSIVE:
        return ""
    if verdict.decisive is None:
        return part_besides_limits(verdict)
    inconclusive = [part for part in verdict.limits if part.outcome is Outcome.INCONCLUSIVE]
    reasons = {part.reason for part in inconclusive}
    return next((words for reason, words in _WHY_INCONCLUSIVE.items() if reason in reasons), "")


def part_besides_limits(verdict: Verdict) -> str:
    """Return the name of the part that decided a verdict which no limit decided."""
    if verdict.failures.outcome is verdict.outcome:
        return "errors"
    return "growth" if verdict.growth else "requests/s"


def explain_limit(part: LimitVerdict, record: Record) -> str:
    """Return the evidence about one limit in one sentence."""
    limit = format_exactly(part.limit.limit_ns)
    head = f"{part.outcome} {part.limit.label}"
    if part.outcome is Outcome.EXCEEDED:
        return f"{head}: {_exceeded(part, limit, record)}"
    count = f"{part.over} of {part.n} over {limit}{_in_bursts(part)}"
    if part.outcome is Outcome.WITHIN:
        return f"{head}: {count}{_route_words(part)}{_last_runs(part)}"
    if part.reason is Reason.STOPPED:
        return f"{part.limit.label}: {count}, not needed for the verdict"
    if part.reason in (Reason.MACHINE, Reason.TRACER):
        return f"{head} ({part.reason}): {count}, {_why_excused(part)}"
    if part.reason is Reason.BUCKET:
        return (
            f"{head}: up to {count}, {_excused(part)}in the bucket that the limit is in; choose a "
            "limit at one of its edges"
        )
    return f"{head}: {_inconclusive(part, record.verdict, count)}"


def _inconclusive(part: LimitVerdict, verdict: Verdict | None, count: str) -> str:
    if part.reason is Reason.SHORT and verdict:
        return (
            f"{count}; measured for {format_duration(verdict.elapsed_ns)}, "
            f"least_time is {format_exactly(verdict.least_time_ns)}"
        )
    if part.reason is Reason.FEW:
        return f"{count}; {_what_is_missing(part, verdict)}"
    allowed = format_percent(part.limit.allowed)
    count = f"{count} ({_percent(part.over, part.n)} %, allowed {allowed} %)"
    if part.reason is Reason.STALL and part.bursts:
        return (
            f"{count}, nearly all in one burst or two in a row: could be a single stall; more "
            "bursts show whether it recurs"
        )
    if part.reason is Reason.STALL:
        return (
            f"{count}, nearly all at the same time: could be a single stall; measure longer to see "
            "whether it recurs"
        )
    if part.reason is Reason.BETWEEN and part.investigate_ns is not None:
        investigate = format_exactly(part.investigate_ns)
        return f"{count}; more than acceptable, but not shown to be more than {investigate}"
    return f"{count}; {_too_near(part, verdict)}"


def _route_words(part: LimitVerdict) -> str:
    """Return the counts that show *within*, if these are not raw latencies."""
    if part.route is Route.WITHOUT_WAITS:
        return f", {part.over_at_most} without waiting for a CPU"
    if part.route is Route.UNDISTURBED:
        return f", {part.over_undisturbed} of {part.undisturbed} while the machine was undisturbed"
    return ""


def _last_runs(part: LimitVerdict) -> str:
    """Return the counts of the last runs, if these decided."""
    pooled = part.pooled
    return f" (last {pooled.runs} runs: {pooled.over} of {pooled.n})" if pooled else ""


def _exceeded(part: LimitVerdict, limit: str, record: Record) -> str:
    label_ = part.limit.label
    n, over = part.evidence
    text = f"{over} of {n} over {limit}{_in_bursts(part)}"
    if not part.limit.allowed:
        return f"{text}; the largest took {format_duration(record.quantiles_ns[label_])}"
    share, allowed = _percent(over, n), format_percent(part.limit.allowed)
    text += f" ({share} %, allowed {allowed} %)"
    low_ns, _ = record.bounds_ns.get(label_, (None, None))
    if low_ns is not None and low_ns > part.limit.limit_ns:
        low, _ = format_against(low_ns, part.limit.limit_ns)
        text += f"; {label_} ≥ {low}"
    if part.excused and part.counted is None:
        plural = "observation" if part.excused == 1 else "observations"
        text += f"; {part.excused} {plural} excused"
    return text


def _why_excused(part: LimitVerdict) -> str:
    """Return what the machine or a tracer did, as far as it was seen."""
    if part.reason is Reason.TRACER:
        return f"{_excused(part)}only because of a tracer, as far as is known; run gates without it"
    if part.over_unseen <= _MOSTLY * part.excused:
        return f"{_excused(part)}only because of the machine"
    unseen = _of_them(part.over_unseen, part.over)
    return f"{unseen}after waiting for something unknown while the machine was busy"


def _excused(part: LimitVerdict) -> str:
    return _of_them(part.excused, part.over)


def _of_them(count: int, total: int) -> str:
    if total == 1:
        return ""
    return "all of them " if count == total else f"{count} of them "


def _in_bursts(part: LimitVerdict) -> str:
    """`` in 20 bursts``, if these are the evidence."""
    return f" in {_bursts(part.bursts)}" if part.bursts else ""


def _bursts(count: int) -> str:
    return "1 burst" if count == 1 else f"{count} bursts"


def _what_is_missing(part: LimitVerdict, verdict: Verdict | None) -> str:
    if part.bursts and part.needed is None:
        return f"not enough for {part.limit.label}"
    if part.bursts:
        return f"{part.limit.label} needs {part.needed} bursts"
    quantile = shown_quantile(part.n, part.over)
    shows = f"enough for {label(quantile)}, " if quantile >= _WORTH_SAYING else ""
    if part.needed is None:
        return (
            f"{shows}but not for {part.limit.label}"
            if shows
            else f"not enough for {part.limit.label}"
        )
    if quantile >= part.limit.quantile:
        return f"{shows}but a pass needs {part.needed} observations (samples={part.needed})"
    return (
        f"{shows}{part.limit.label} needs {part.needed} observations "
        f"({_time_for(part.needed, verdict)} at this pace)"
    )


def _too_near(part: LimitVerdict, verdict: Verdict | None) -> str:
    if part.needed is None:
        return "too near the limit to tell"
    settle = f"about {part.needed} bursts would settle it"
    if not part.bursts:
        pace = f"({_time_for(part.needed, verdict)} at this pace)"
        settle = f"about {part.needed} observations would settle it {pace}"
    if part.over_attributed > part.limit.allowed * part.n:
        return f"more than allowed so far; {settle}"
    return f"too near the limit to tell; {settle}"


def _time_for(observations: int, verdict: Verdict | None) -> str:
    elapsed_ns, n = (verdict.elapsed_ns, verdict.n) if verdict else (0, 0)
    return format_duration(observations * elapsed_ns // max(1, n))


def _about_failures(verdict: FailureVerdict, record: Record) -> str:
    kinds = ", ".join(f"{printable(kind)} ×{count}" for kind, count in record.failures.items())
    share, allowed = _percent(verdict.failed, verdict.attempts), format_percent(verdict.allowed)
    is_machine = verdict.excused and verdict.outcome is Outcome.INCONCLUSIVE
    head = f"{verdict.outcome} errors{' (machine)' if is_machine else ''}"
    judged = record.verdict.limits if record.verdict else ()
    bursts = _in_bursts(judged[0]) if judged else ""
    excused = f"; {verdict.excused} timed out while the machine was busy" if verdict.excused else ""
    return (
        f"{head}: {verdict.failed} of {verdict.attempts} requests failed{bursts} "
        f"({share} %, allowed {allowed} %): {kinds}{excused}"
    )


def _measured_for(verdict: Verdict) -> str:
    return f"; measured for {format_duration(verdict.elapsed_ns)}" if verdict.elapsed_ns else ""


def _counts_of_all_limits(verdict: Verdict) -> str:
    counts = [
        f"{part.limit.label} {part.over} of {part.n} over {format_exactly(part.limit.limit_ns)}"
        f"{_route_words(part)}{_last_runs(part)}"
        for part in verdict.limits
    ]
    if counts:  # all limits are judged by the same bursts
        counts[-1] += _in_bursts(verdict.limits[-1])
    if verdict.rps:
        average, limit = _rate_against(verdict.rps.per_s, verdict.rps.least_per_s)
        counts.append(f"requests/s {average}, {_short_stretches(verdict.rps, limit)}")
    if verdict.growth:
        counts.append(about_growth(verdict.growth).partition(": ")[2])
    return ", ".join(counts)


def _whole_percent(share: float) -> str:
    return f"{100 * share:.0f} %".replace("-", "−")


def _percent(count: int, total: int) -> str:
    """Format a share in percent with two significant digits; 0 and 100 only if exact."""
    if count in (0, total):
        return "0" if not count else "100"
    for digits in range(2, 9):
        text = f"{float(Fraction(100 * count, total)):.{digits}g}"
        if text not in ("0", "100", "1e+02"):
            return text
    return text


def progress_line(test: str, progress: Progress) -> str:
    """Return name, number of observations, quantiles so far, and inconclusive limits.

    ``test_chat: 1204 in 2.5 s, p50 1.9 ms, p99 4.2 ms, inconclusive p99``
    """
    name = f"{test} [{progress.name}]" if progress.name else test
    count = len(progress.observations)
    parts = [f"{printable(name)}: {count} in {format_duration(progress.elapsed_ns)}"]
    if count:
        sample = Sample(name, progress.observations)
        parts += [f"{p} {format_duration(sample.quantile_ns(p))}" for p in ("p50", "p99")]
    if progress.inconclusive:
        labels = " ".join(label(limit.quantile) for limit in progress.inconclusive)
        parts.append(f"inconclusive {labels}")
    return ", ".join(parts)
