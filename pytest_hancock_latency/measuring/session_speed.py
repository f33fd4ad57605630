"""The speed of the machine, as the probes of a session show it.

The reference speed is kept from session to session, since a session next to a neighbour that never
leaves cannot know how fast the machine is without it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from ..core.undisturbed import LEAST_PROBES, ProbeTimes, ReferenceSpeed

_AFTER_SAMPLE: Final = 25
"""Takes 6 ms; eight samples then show the speed of the machine, whatever they measured."""
_MOST_SAMPLES: Final = 1000
"""Samples whose probes are kept; each has up to some thousand probes."""


@dataclass(slots=True)
class SessionSpeed:
    """All probes of a session, and the reference speed from outside of it."""

    read_outside: Callable[[], ReferenceSpeed | None] = lambda: None
    """Returns the speed from outside of the session, such as that of earlier sessions; None if
    there is none for this machine. Called when it is first needed."""
    _finished: list[ProbeTimes] = field(default_factory=list)
    _own: ReferenceSpeed | None = None
    _outside: ReferenceSpeed | None = None
    _is_read: bool = False

    def add(self, times: ProbeTimes) -> None:
        """Add the probes of a finished sample."""
        if len(self._finished) < _MOST_SAMPLES:
            self._finished.append(times)
            self._own = ReferenceSpeed.of(_joined(self._finished))

    @property
    def missing(self) -> int:
        """The number of probes to run until there is a reference speed."""
        return 0 if self.outside or self._own else LEAST_PROBES

    @property
    def wanted(self) -> int:
        """The number of probes to run after a sample, for the reference speed of the session."""
        return 0 if self._own else _AFTER_SAMPLE

    @property
    def own(self) -> ReferenceSpeed | None:
        """The speed that the finished samples show; None if they have too few probes."""
        return self._own

    def reference(self, times: ProbeTimes) -> ReferenceSpeed | None:
        """Return the speed to compare probes with; None if there are too few.

        Args:
            times: the probes of the present sample.
        """
        present = ReferenceSpeed.of(times)
        own = self._own.or_faster(present) if self._own is not None else present
        outside = self.outside
        return outside.or_faster(own) if outside is not None else own

    @property
    def outside(self) -> ReferenceSpeed | None:
        """The speed from outside of the session; None if there is none."""
        if not self._is_read:
            self._outside, self._is_read = self.read_outside(), True
        return self._outside

    @property
    def has_measured(self) -> bool:
        """Whether a sample of this session had probes."""
        return bool(self._finished)


def _joined(parts: list[ProbeTimes]) -> ProbeTimes:
    import numpy as np

    return ProbeTimes(
        np.concatenate([part.arithmetic_ns for part in parts]),
        np.concatenate([part.memory_ns for part in parts]),
        np.concatenate([part.is_disturbed for part in parts]),
    )
