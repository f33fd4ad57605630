"""Suggested budgets as text: TOML for the budget file, markers for the tests."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from fractions import Fraction

from ..core.duration import NS_PER_MS, format_duration
from ..core.quantile import format_percent
from ..core.suggestion import Suggestion


def suggestions_toml(suggestions: Sequence[Suggestion], margin: Fraction) -> str:
    """Tables for the budget file, each with the reasons of its limits."""
    lines = [_explained(margin, 'in pyproject.toml: [tool.hancock-latency.budgets."NAME"]')]
    for each in suggestions:
        lines += ["", *_reasons(each)]
        # A JSON string is a TOML basic string, but for the one escape that JSON may leave out.
        name = json.dumps(each.name, ensure_ascii=False).replace("\x7f", "\\u007f")
        lines.append(f"[budgets.{name}]" if each.limits else f"# [budgets.{name}]")
        lines += [f"{limit.percentile} = {_ms(limit.limit_ns)}" for limit in each.limits]
    return "\n".join(lines) + "\n"


def suggestions_markers(suggestions: Sequence[Suggestion], margin: Fraction) -> str:
    """A marker for each test, with the reasons of its limits."""
    lines = [_explained(margin, "numbers are milliseconds")]
    for each in suggestions:
        keywords = [f"{limit.percentile}={_ms(limit.limit_ns)}" for limit in each.limits]
        lines += ["", f"# {_one_line(each.record.title)}", *_reasons(each)]
        if keywords:
            lines.append(f"@latency_budget({', '.join(keywords)})")
    return "\n".join(lines) + "\n"


def _explained(margin: Fraction, note: str) -> str:
    return (
        "# Each limit: the upper bound of its quantile, which holds with 95 %, "
        f"plus {format_percent(margin)} %, rounded up; {note}"
    )


def _reasons(each: Suggestion) -> Iterator[str]:
    for limit in each.limits:
        seen = format_duration(each.record.quantiles_ns[limit.percentile])
        bound = format_duration(limit.bound_ns)
        yield f"# {limit.percentile} {seen}, at most {bound} ({each.record.n} observations)"
    for percentile, needed in each.unknown:
        yield (
            f"# {percentile} is not known from {each.record.n} observations: "
            f"it takes {needed} at least"
        )


def _ms(ns: int) -> str:
    return f"{ns / NS_PER_MS:.6f}".rstrip("0").rstrip(".")


def _one_line(text: str) -> str:
    return " ".join(text.splitlines())
