"""Advice: a warning as a value, with its figures. `reporting.advice` puts it into words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

Figure = str | int | float | None
"""A name or a number that appears in the text."""


@dataclass(frozen=True, slots=True)
class Advice:
    """One warning about how a sample was measured; equal advice has equal figures."""

    kind: str
    """A short, stable, machine-readable name such as ``tracer``."""
    items: tuple[tuple[str, Figure], ...] = ()
    """Figures by name; durations are integer nanoseconds and end in ``_ns``."""

    @classmethod
    def of(cls, kind: str, **figures: Figure) -> Self:
        """Make advice of a kind from its figures."""
        return cls(kind, tuple(figures.items()))

    @property
    def figures(self) -> Mapping[str, Figure]:
        """The figures by name."""
        return dict(self.items)
