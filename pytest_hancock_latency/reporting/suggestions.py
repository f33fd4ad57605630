"""Suggested budgets as text: TOML for the budget file, markers for the tests."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from difflib import unified_diff
from fractions import Fraction

from ..core.budget import CLOCKS, FIRST, GAP
from ..core.duration import format_duration, format_exactly, plain_ms
from ..core.machine_speed import MachineSpeed
from ..core.quantile import format_percent, label
from ..core.record import Record
from ..core.undisturbed import MARGIN as UNKNOWN_MARGIN
from ..runs.ratchet import Ratchet
from ..runs.suggestion import Suggestion, together
from .wording import printable


def suggestions_toml(
    suggestions: Sequence[Suggestion], margin: Fraction, machine: MachineSpeed | None
) -> str:
    """Render tables for the budget file, each with the reasons for its limits.

    Samples with the same name share a budget, so its limits hold for all of them.

    Args:
        machine: the speed of the machine that was measured on; None if it is not known.
    """
    lines = [_explained(margin, 'in pyproject.toml: [tool.hancock-latency.budgets."NAME"]')]
    groups: dict[str, list[Suggestion]] = {}
    for suggestion in suggestions:
        groups.setdefault(suggestion.name, []).append(suggestion)
    for name, group in groups.items():
        of_clocks = _by_clock(group)
        limits = of_clocks.pop(None, {})
        stages = {clock: own for clock, own in of_clocks.items() if own and clock}
        table = f"budgets.{_toml_text(name)}"
        lines += ["", *_reasons(group, titled=len(group) > 1)]
        lines.append(f"[{table}]" if limits or stages else f"# [{table}]")
        lines += [f"{_key(percentile)} = {plain_ms(ns)}" for percentile, ns in limits.items()]
        if (limits or stages) and all(_is_test(suggestion.record) for suggestion in group):
            lines.append(f"tests = [{_toml_text(name)}]")
        for clock, own in stages.items():
            within = clock if clock in {FIRST, GAP} else f"{CLOCKS}.{_toml_text(clock)}"
            lines.append(f"[{table}.{within}]")
            lines += [f"{_key(percentile)} = {plain_ms(ns)}" for percentile, ns in own.items()]
    lines += _machine_lines(suggestions, machine)
    return "\n".join(lines) + "\n"


def _by_clock(group: Sequence[Suggestion]) -> dict[str | None, dict[str, int]]:
    """Return the limits of samples with the same name: of whole calls, and of each stage."""
    of_clocks: dict[str | None, list[Suggestion]] = {}
    for suggestion in group:
        of_clocks.setdefault(suggestion.record.measurement.clock, []).append(suggestion)
    return {clock: together(own) for clock, own in of_clocks.items()}


def _keywords_of_stages(of_clocks: Mapping[str | None, Mapping[str, int]]) -> Iterator[str]:
    """Yield keywords of the marker: ``first={"p95": 3}``, ``clocks={"connected": {"p95": 2}}``."""
    texts = {
        clock: "{" + ", ".join(f'"{name}": {plain_ms(ns)}' for name, ns in limits.items()) + "}"
        for clock, limits in of_clocks.items()
        if limits and clock
    }
    yield from (f"{clock}={texts.pop(clock)}" for clock in (FIRST, GAP) if clock in texts)
    if texts:
        inner = ", ".join(f"{json.dumps(clock)}: {text}" for clock, text in texts.items())
        yield f"{CLOCKS}={{{inner}}}"


def ratchet_text(proposal: Ratchet, file: str, before: str, after: str) -> str:
    """Render lower limits as a patch, with the runs that they come from as comments before it.

    Args:
        file: name of the budget file.
        before: its text.
        after: its text with the lower limits.
    """
    lines = [f"# {printable(remark)}" for remark in proposal.remarks]
    for limit in proposal.limits:
        lines.append(
            f'# "{printable(limit.budget)}" {label(limit.quantile)}: '
            f"{format_exactly(limit.before_ns)} -> {format_exactly(limit.after_ns)}, as in the "
            f"last {limit.runs} runs within"
        )
    if not proposal.limits:
        lines.append("# no limit can be lower")
    patch = unified_diff(
        before.splitlines(keepends=True),
        after.splitlines(keepends=True),
        f"a/{file}",
        f"b/{file}",
    )
    return "\n".join(lines) + "\n" + "".join(patch)


def _is_test(record: Record) -> bool:
    """Whether a sample belongs to a test whose limits were not in a budget file."""
    return record.budget_name is None and "::" in record.test


def suggestions_markers(
    suggestions: Sequence[Suggestion], margin: Fraction, machine: MachineSpeed | None
) -> str:
    """Render a marker for each test, for all its samples, with the reasons for its limits.

    Args:
        machine: the speed of the machine that was measured on, for pyproject.toml.
    """
    lines = [_explained(margin, "numbers are milliseconds")]
    groups: dict[str, list[Suggestion]] = {}
    for suggestion in suggestions:
        groups.setdefault(suggestion.record.test or suggestion.name, []).append(suggestion)
    for group in groups.values():
        of_clocks = _by_clock(group)
        limits = of_clocks.pop(None, {}).items()
        keywords = [f"{_key(percentile)}={plain_ms(ns)}" for percentile, ns in limits]
        keywords += _keywords_of_stages(of_clocks)
        lines += ["", *_reasons(group, titled=True)]
        if keywords:
            lines.append(f"@latency_budget({', '.join(keywords)})")
    lines += _machine_lines(suggestions, machine, of_markers=True)
    return "\n".join(lines) + "\n"


def _machine_lines(
    suggestions: Sequence[Suggestion], machine: MachineSpeed | None, *, of_markers: bool = False
) -> Iterator[str]:
    if machine is None:
        if any(suggestion.record.measurement.bracket for suggestion in suggestions):
            yield ""
            yield (
                "# These runs do not say how fast one machine is without neighbours: until the "
                f"cache of pytest has five sessions, only code {UNKNOWN_MARGIN:g} times slower "
                "than its limit is exceeded"
            )
        return
    where = "in pyproject.toml: [tool.hancock-latency.machine]"
    yield ""
    yield f"# The speed of this machine: what a slower one explains is not exceeded; {where}"
    prefix = "# " if of_markers else ""
    yield f"{prefix}[machine]"
    for key, text in machine.toml().items():
        yield f"{prefix}{key} = {_toml_text(text)}"


def _explained(margin: Fraction, note: str) -> str:
    return (
        "# Each limit: the upper bound of its quantile at 95 % confidence, "
        f"plus {format_percent(margin)} %, rounded up; {note}"
    )


def _reasons(group: Sequence[Suggestion], *, titled: bool) -> Iterator[str]:
    for suggestion in group:
        if titled:
            yield f"# {printable(suggestion.record.title)}"
        yield from _reasons_of_one(suggestion)


def _reasons_of_one(suggestion: Suggestion) -> Iterator[str]:
    record = suggestion.record
    for limit in suggestion.limits:
        observed = format_duration(record.quantiles_ns[limit.percentile])
        bound = format_duration(limit.bound_ns)
        calls = f"{record.n} observations"
        calls += ", by those that nothing disturbed" if limit.is_undisturbed else ""
        yield f"# {limit.percentile} {observed}, at most {bound} ({calls})"
    if suggestion.slowness is not None:
        yield (
            f"# the machine was {suggestion.slowness:.1f} times slower than at its best: measure "
            "again when it is quiet, or limits of all observations may be that much too wide"
        )
    if why := _why_one_call(record):
        yield f"# {why}"
        return
    for percentile, observations in suggestion.unknown:
        bursts = " bursts" if record.is_of_bursts else ""
        yield (
            f"# {percentile} cannot be determined from {record.n} observations: it needs at least "
            f"{observations}{bursts}"
        )
    if failed := sum(record.failures.values()):
        yield (
            f"# {failed} of {record.n + failed} requests failed: set errors= to the share that may "
            "fail"
        )


def _why_one_call(record: Record) -> str | None:
    """Return why the body of a test was called once; None if it was not."""
    if record.has_advice("not-repeatable"):
        return (
            "the test cannot be repeated with its fixtures set up once: measure only the request, "
            "sample(function, ...)"
        )
    if record.has_advice("called-once"):
        return "called once: measure with --latency-repeat, or merge the artifacts of several runs"
    return None


def _toml_text(text: str) -> str:
    # A JSON string is a TOML basic string, except for characters that JSON need not escape. TOML
    # has no lone surrogates.
    quoted = json.dumps(text.encode("utf-8", "replace").decode("utf-8"), ensure_ascii=False)
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in quoted)


def _key(percentile: str) -> str:
    """Return ``p99.9`` as a keyword and bare key: ``p99_9``."""
    return percentile.replace(".", "_")
