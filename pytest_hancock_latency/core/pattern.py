"""Patterns of names, in which ``*`` stands for any text and everything else for itself."""

from __future__ import annotations


def matches(pattern: str, name: str) -> bool:
    """Whether a name is one of a pattern's."""
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
        found = name.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


def breadth(pattern: str) -> tuple[int, int]:
    """Smaller where a pattern is more specific: more characters of its own, then fewer stars."""
    stars = pattern.count("*")
    return stars - len(pattern), stars
