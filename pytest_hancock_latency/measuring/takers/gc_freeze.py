"""Excludes the suite's own objects from garbage collection, and records when it runs.

The collector stays on: its pauses are part of the code's latency. Only objects that existed before
measuring are frozen, so a large suite does not slow down every collection.

Freezing also starts the collector's count anew, so a session of many short samples would never
collect old garbage by itself. A full collection before each sample would take most of the time of
such a session (0.05 s with a million objects). So there is one whenever the time since the last one
is 20 times what that one took.
"""

from __future__ import annotations

import gc
from gc import collect, freeze, get_freeze_count, unfreeze  # tests replace the attributes
from typing import Any, ClassVar, Final, NamedTuple, Self

from ..clock import Clock

_SHARE: Final = 20
"""Full collections take at most a twentieth of the time."""
_YOUNG: Final = 1


class _Collection(NamedTuple):
    clock: Clock
    took_ns: int
    ended_ns: int


class Collector:
    """Context manager around the measuring of one sample."""

    _last: ClassVar[_Collection | None] = None

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._froze = False
        self._runs: list[int] = []

    def __enter__(self) -> Self:
        self._collect()
        self._froze = get_freeze_count() == 0  # objects frozen by other code must stay frozen
        if self._froze:
            freeze()
        gc.callbacks.append(self._note)
        return self

    def __exit__(self, *raised: object) -> None:
        gc.callbacks.remove(self._note)
        if self._froze:
            unfreeze()

    def _collect(self) -> None:
        """Collect old objects from time to time, and young ones always."""
        begin, last = self._clock(), Collector._last
        if last and last.clock is self._clock and begin - last.ended_ns < _SHARE * last.took_ns:
            collect(_YOUNG)
            return
        collect()
        end = self._clock()
        Collector._last = _Collection(self._clock, end - begin, end)

    def since(self, begin: int) -> tuple[int, ...]:
        """Return the starts of collections, ascending, in ns relative to `begin` on the clock."""
        return tuple(at - begin for at in self._runs)

    def _note(self, phase: str, info: dict[str, Any]) -> None:
        if phase == "start":
            self._runs.append(self._clock())
