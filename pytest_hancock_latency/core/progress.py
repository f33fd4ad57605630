"""How far the measuring of a sample is."""

from __future__ import annotations

from dataclasses import dataclass

from .budget import Limit
from .sample import Observations


@dataclass(frozen=True, slots=True)
class Progress:
    """A sample that is being measured, for whoever watches."""

    name: str
    observations: Observations
    undecided: tuple[Limit, ...]
    elapsed_ns: int
