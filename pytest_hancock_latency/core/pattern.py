"""Patterns of names, in which ``*`` matches any text and everything else is literal."""

from __future__ import annotations


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
