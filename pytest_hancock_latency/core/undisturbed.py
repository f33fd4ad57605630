"""How far an undisturbed machine would have been as slow: reference speed and slowness.

Neighbours slow code down *while it runs*: a busy hyperthread, evicted caches, shared memory, on a
rented machine also from outside, where no counter shows it. Two probes right before and after a
call show by how much. Compared with the reference speed, the best that this kind of machine has
shown:

    p, m         the larger of the arithmetic and of the memory probes around a call, over reference
    slowness     max(1, p, m), or p^a · m^b where the sensitivities a, b of the test are known
    undisturbed  p < 1.25 and m < 1.4, before and after the call

The reference is a low quantile of many probes and never their minimum, which only sinks. That of
the session itself may be too slow, if a neighbour never leaves: it then counts as if the reference
machine was faster by `MARGIN`.

All arrays have one element per probe or per observation, integer nanoseconds unless said otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from .attribution import Flags, Nanoseconds, Numbers

MARGIN: Final = 1.6
"""Without a reference from outside of the session, unchanged code next to a neighbour that never
leaves was exceeded in 12 to 19 % of trials; divided by this factor in none of 360."""
LEAST_PROBES: Final = 200
"""Probes of which a low quantile is a reference speed."""
_ARITHMETIC_QUANTILE: Final = 0.05
_MEMORY_QUANTILE: Final = 0.02
"""Lower: next to a neighbour that uses the memory, hardly any copy is undisturbed."""
FULL_ARITHMETIC: Final = 1.25
FULL_MEMORY: Final = 1.4
"""Up to this many times its reference, a probe ran at full speed: p99 of calls in between was 1.15
to 1.5 times its best value for eight kinds of work."""
_SHORTEST_WAIT: Final = 0.05
"""Share of its CPU time from which a wait is long enough to tell whether it saved any."""
_LEAST_WAITS: Final = 5
"""Calls that waited, of which the median is not that of a few odd ones."""
_SAVED: Final = 0.3
"""Share of a wait that a call saves of its CPU time: for unchanged code −1.5 to 0.12, for code that
polls 0.47 to 1."""


@dataclass(frozen=True, slots=True, eq=False)
class ProbeTimes:
    """CPU time of each probe, shape (probes,)."""

    arithmetic_ns: Nanoseconds
    memory_ns: Nanoseconds
    """0 where only the arithmetic probe was run."""
    is_disturbed: Flags
    """Whether the process itself computed in other threads meanwhile."""

    def __len__(self) -> int:
        return len(self.arithmetic_ns)


@dataclass(frozen=True, slots=True)
class ReferenceSpeed:
    """The CPU time of both probes on the undisturbed machine."""

    arithmetic_ns: float
    memory_ns: float
    source: str = ""
    """Where it comes from, if that is outside of the session."""

    @property
    def margin(self) -> float:
        """The factor by which the undisturbed machine may be faster than this."""
        return 1.0 if self.source else MARGIN

    @classmethod
    def of(cls, times: ProbeTimes) -> Self | None:
        """Return the reference speed that these probes show; None if there are too few."""
        import numpy as np

        memory = times.memory_ns[(times.memory_ns > 0) & ~times.is_disturbed]
        arithmetic = times.arithmetic_ns[~times.is_disturbed]
        if min(len(memory), len(arithmetic)) < LEAST_PROBES:
            return None
        return cls(
            arithmetic_ns=float(np.quantile(arithmetic, _ARITHMETIC_QUANTILE)),
            memory_ns=float(np.quantile(memory, _MEMORY_QUANTILE)),
        )

    def or_faster(self, own: ReferenceSpeed | None) -> ReferenceSpeed:
        """Return this one, or that of the session where the session was faster.

        A reference that is too slow would blame the code for what the machine did.
        """
        if own is None:
            return self
        return ReferenceSpeed(
            min(self.arithmetic_ns, own.arithmetic_ns),
            min(self.memory_ns, own.memory_ns),
            self.source,
        )


def waits_by_spinning(cpu_ns: Nanoseconds, waited_ns: Nanoseconds) -> bool:
    """Whether calls wait by spinning, so that time off the CPU shortens what they do on it.

    Code that computes does the same work however often it is interrupted. Code that polls a clock,
    a socket or shared memory polls less if it waits for a CPU meanwhile: its latency is not what it
    takes plus the wait.

    Args:
        cpu_ns: CPU time of each call.
        waited_ns: time for which each call was ready to run but not running, or stolen.
    """
    import numpy as np

    has_waited = waited_ns > _SHORTEST_WAIT * cpu_ns
    if has_waited.sum() < _LEAST_WAITS or has_waited.all():
        return False
    base = float(np.median(cpu_ns[~has_waited]))
    if base <= 0:
        return False
    saved = (base - cpu_ns[has_waited]) / np.minimum(waited_ns[has_waited], base)
    return bool(np.median(saved) > _SAVED)


@dataclass(frozen=True, slots=True, eq=False)
class Surroundings:
    """The speed of the machine around each observation."""

    slowness: Numbers
    """By how much slower than the undisturbed machine, at least 1."""
    undisturbed_before: Flags
    undisturbed_after: Flags


def surroundings(
    times: ProbeTimes, probe_of: Nanoseconds, reference: ReferenceSpeed
) -> Surroundings:
    """Return the speed of the machine around each observation.

    Args:
        times: all probes in order.
        probe_of: index of the last probe before each observation; −1 if there is none. The next one
            is the first probe after it.
        reference: the speed of the undisturbed machine.
    """
    import numpy as np

    count = len(times)
    if not count:
        none = np.zeros(len(probe_of), bool)
        return Surroundings(np.full(len(probe_of), reference.margin), none, none)
    p = times.arithmetic_ns / reference.arithmetic_ns
    m = times.memory_ns / reference.memory_ns
    slowness = np.where(times.is_disturbed, 1.0, np.maximum(1.0, np.maximum(p, m)))
    full = (p < FULL_ARITHMETIC) & (m < FULL_MEMORY) & (m > 0) & ~times.is_disturbed
    before, after = np.maximum(0, probe_of), np.minimum(probe_of + 1, count - 1)
    is_own_doing = times.is_disturbed[before] | times.is_disturbed[after]
    worst = np.where(is_own_doing, 1.0, np.maximum(slowness[before], slowness[after]))
    return Surroundings(
        slowness=worst * reference.margin,
        undisturbed_before=full[before] & (probe_of >= 0),
        undisturbed_after=full[after] & (probe_of + 1 < count),
    )
