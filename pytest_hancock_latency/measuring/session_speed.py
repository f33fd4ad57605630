"""The speed of the machine, as the probes of a session show it.

The reference speed is kept from session to session, since a session next to a neighbour that never
leaves cannot know how fast the machine is without it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from ..core.late_numpy import np
from ..core.machine_speed import KnownSpeed
from ..core.sensitivity import ProbedSession
from ..core.undisturbed import LEAST_PROBES, UNKNOWN_TEST, KnownTest, ProbeTimes, ReferenceSpeed

_AFTER_SAMPLE: Final = 25
"""Takes 6 ms; eight samples then show the speed of the machine, whatever they measured."""
_MOST_SAMPLES: Final = 1000
"""Samples whose probes are kept; each has up to some thousand probes."""


@dataclass(slots=True)
class SessionSpeed:
    """All probes of a session, and what is known of the machine's speed from outside of it."""

    read_known: Callable[[], KnownSpeed] = KnownSpeed
    """Returns what is known from outside of the session. Called when it is first needed."""
    read_test: Callable[[str], KnownTest] = lambda _: UNKNOWN_TEST
    """Returns what earlier sessions know about a test, by the title of the sample."""
    probed: dict[str, ProbedSession] = field(default_factory=dict)
    """What this session adds to that, by the title of the sample."""
    _finished: list[ProbeTimes] = field(default_factory=list)
    _own: ReferenceSpeed | None = None
    _known: KnownSpeed | None = None

    def add(self, times: ProbeTimes) -> None:
        """Add the probes of a finished sample."""
        if len(self._finished) < _MOST_SAMPLES:
            self._finished.append(times)
            self._own = ReferenceSpeed.of(_joined(self._finished))

    @property
    def missing(self) -> int:
        """The number of probes to run until there is a reference speed."""
        return 0 if self.known.reference(self._own) is not None else LEAST_PROBES

    @property
    def wanted(self) -> int:
        """The number of probes to run after a sample, for the reference speed of the session."""
        return 0 if self._own else _AFTER_SAMPLE

    @property
    def own(self) -> ReferenceSpeed | None:
        """The speed that the finished samples show; None if they have too few probes."""
        return self._own

    def own_with(self, times: ProbeTimes) -> ReferenceSpeed | None:
        """Return the speed that the session shows; None if there are too few probes.

        Args:
            times: the probes of the present sample.
        """
        present = ReferenceSpeed.of(times)
        return self._own.or_faster(present) if self._own is not None else present

    def reference(self, times: ProbeTimes) -> ReferenceSpeed | None:
        """Return the speed to compare probes with; None if there are too few.

        Args:
            times: the probes of the present sample.
        """
        return self.known.reference(self.own_with(times))

    @property
    def known(self) -> KnownSpeed:
        """What is known from outside of the session."""
        if self._known is None:
            self._known = self.read_known()
        return self._known

    @property
    def has_measured(self) -> bool:
        """Whether a sample of this session had probes."""
        return bool(self._finished)


def _joined(parts: list[ProbeTimes]) -> ProbeTimes:
    return ProbeTimes(
        np.concatenate([part.arithmetic_ns for part in parts]),
        np.concatenate([part.memory_ns for part in parts]),
        np.concatenate([part.is_disturbed for part in parts]),
    )
