"""Excludes the suite's own objects from garbage collection, and records when it runs.

The collector stays on: its pauses are part of the code's latency. Only objects that existed before
measuring are frozen, so a large suite does not slow down every collection.
"""

from __future__ import annotations

import gc
from typing import Any, Self

from ..clock import Clock


class Collector:
    """Context manager around the measuring of one sample."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._froze = False
        self._runs: list[int] = []

    def __enter__(self) -> Self:
        gc.collect()
        self._froze = gc.get_freeze_count() == 0  # objects frozen by other code must stay frozen
        if self._froze:
            gc.freeze()
        gc.callbacks.append(self._note)
        return self

    def __exit__(self, *raised: object) -> None:
        gc.callbacks.remove(self._note)
        if self._froze:
            gc.unfreeze()

    def since(self, begin: int) -> tuple[int, ...]:
        """Return the starts of collections, ascending, in ns relative to `begin` on the clock."""
        return tuple(at - begin for at in self._runs)

    def _note(self, phase: str, info: dict[str, Any]) -> None:
        if phase == "start":
            self._runs.append(self._clock())
