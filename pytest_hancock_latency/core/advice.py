"""Advice: a warning as a value, with what to do about it. Rendered later, by whoever shows it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Advice:
    """One warning about how a sample was measured."""

    code: str
    """A short stable word for machines, e.g. ``tracer``."""
    text: str
    """One sentence for people: what was seen and what to do."""
