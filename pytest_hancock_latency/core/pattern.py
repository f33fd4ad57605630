"""Patterns of names, in which ``*`` matches any text and everything else is literal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

MOST_NAMES: Final = 300
"""Maximum number of names judged separately. More are usually URLs that should have been grouped,
and make the table unreadable."""
LONGEST_NAME: Final = 1_000
"""Characters of the name of a request. Longer ones are whole bodies or queries, put in a URL."""
AGGREGATED: Final = "Aggregated"
"""Name of the budget for all requests together, as in Locust's own tables."""
OTHER_NAMES: Final = "(all other names)"
"""Name of all further ones together."""


def shortened(name: str) -> str:
    """Return a name that is not too long."""
    return name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}…"


def matches(pattern: str, name: str) -> bool:
    """Whether a name matches a pattern."""
    first, *rest = pattern.split("*")
    if not rest:
        return name == pattern
    *between, last = rest
    if not name.startswith(first) or len(name) < len(first) + len(last):
        return False
    at, end = len(first), len(name) - len(last)
    if name[end:] != last:
        return False
    for part in between:
        position = name.find(part, at, end)
        if position < 0:
            return False
        at = position + len(part)
    return True


def breadth(pattern: str) -> tuple[int, int]:
    """Sort key, smaller for more specific patterns: more literal characters, then fewer stars."""
    stars = pattern.count("*")
    return stars - len(pattern), stars


def narrowest_first(names: Iterable[str]) -> list[str]:
    """Return the patterns among names, more specific ones first."""
    return sorted((name for name in names if "*" in name), key=lambda name: (breadth(name), name))


def first_match(patterns: Sequence[str], name: str) -> str | None:
    """Return the first pattern that a name matches; None if there is none."""
    return next((pattern for pattern in patterns if matches(pattern, name)), None)
