"""How far an undisturbed machine would have been as slow: reference speed and slowness.

Neighbours slow code down *while it runs*: a busy hyperthread, evicted caches, shared memory, on a
rented machine also from outside, where no counter shows it. Two probes right before and after a
call show by how much. Compared with the reference speed, the best that this kind of machine has
shown:

    p, m         the larger of the arithmetic and of the memory probes around a call, over reference
    slowness     max(1, p, m)^1.2; max(1, p^a · m^b) where earlier sessions know a and b of the test
    together     max(1, p)^1.2 · max(1, m), for limits on medians where a and b are unknown
    undisturbed  p < 1.25 and m < 1.4, before and after the call

The reference is a low quantile of many probes and never their minimum, which only sinks. That of
the session itself may be too slow, if a neighbour never leaves: it then counts as if the reference
machine was faster by `MARGIN`.

All arrays have one element per probe or per observation, integer nanoseconds unless said otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Self

from .late_numpy import np

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
SUFFERS_MORE: Final = 1.2
"""Power of the larger probe for a test of which nothing more is known. Look-ups in a large
dictionary took 1.75 times as long as undisturbed where the larger probe took 1.33 times. With it,
the largest evidence against unchanged recordings falls from 1.7 to 0.1 of what shows *exceeded*; of
90 recordings that are 1.5 times slower, 73 are found rather than 87, and all that are twice as
slow."""
_SLOWEST_MEMORY: Final = 1.5
"""The memory probe after tests that fill the caches takes up to 1.5 to 2 times as long. A reference
that is too slow would blame the code for what the machine did."""
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
class KnownTest:
    """What earlier sessions know about a test, see `sensitivity`."""

    powers: tuple[float, float] | None = None
    """The powers of p and of m that its CPU time follows; None if they are unknown."""
    memory_ns: float | None = None
    """Its own reference of the memory probe, which is slower after code that fills the caches."""


UNKNOWN_TEST: Final = KnownTest()


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
        memory_ns = memory_reference(times.memory_ns[(times.memory_ns > 0) & ~times.is_disturbed])
        arithmetic = times.arithmetic_ns[~times.is_disturbed]
        if memory_ns is None or len(arithmetic) < LEAST_PROBES:
            return None
        return cls(float(np.quantile(arithmetic, _ARITHMETIC_QUANTILE)), memory_ns)

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

    def after_calls(self, memory_ns: float, present_ns: float | None) -> ReferenceSpeed:
        """Return this one with the reference of the memory probe after the calls of a test.

        Args:
            memory_ns: that of earlier sessions of the test.
            present_ns: that of the present sample, which counts if it is faster.
        """
        fastest_ns = min(memory_ns, present_ns or memory_ns, _SLOWEST_MEMORY * self.memory_ns)
        return replace(self, memory_ns=max(self.memory_ns, fastest_ns))


def memory_reference(memory_ns: Nanoseconds) -> float | None:
    """Return the low quantile of memory probes that is a reference; None if there are too few."""
    count = len(memory_ns)
    return float(np.quantile(memory_ns, _MEMORY_QUANTILE)) if count >= LEAST_PROBES else None


def waits_by_spinning(cpu_ns: Nanoseconds, waited_ns: Nanoseconds) -> bool:
    """Whether calls wait by spinning, so that time off the CPU shortens what they do on it.

    Code that computes does the same work however often it is interrupted. Code that polls a clock,
    a socket or shared memory polls less if it waits for a CPU meanwhile: its latency is not what it
    takes plus the wait.

    Args:
        cpu_ns: CPU time of each call.
        waited_ns: time for which each call was ready to run but not running, or stolen.
    """
    has_waited = waited_ns > _SHORTEST_WAIT * cpu_ns
    if has_waited.sum() < _LEAST_WAITS or has_waited.all():
        return False
    base = float(np.median(cpu_ns[~has_waited]))
    if base <= 0:
        return False
    saved = (base - cpu_ns[has_waited]) / np.minimum(waited_ns[has_waited], base)
    return bool(np.median(saved) > _SAVED)


def usual_slowness(times: ProbeTimes, reference: ReferenceSpeed | None) -> float:
    """Return by how much slower than undisturbed the machine usually was.

    Args:
        reference: the speed of the undisturbed machine; None if nothing is known of it.
    """
    if reference is None or not len(times):
        return MARGIN if reference is None else reference.margin
    copies = times.memory_ns[times.memory_ns > 0]
    p = float(np.median(times.arithmetic_ns)) / reference.arithmetic_ns
    m = float(np.median(copies)) / reference.memory_ns if len(copies) else 0.0
    is_full = p < FULL_ARITHMETIC and m < FULL_MEMORY
    return reference.margin * (1.0 if is_full else max(1.0, p, m) ** SUFFERS_MORE)


@dataclass(frozen=True, slots=True, eq=False)
class Surroundings:
    """The speed of the machine around each observation."""

    arithmetic: Numbers
    """p, or 0 where the test itself disturbed the probes."""
    memory: Numbers
    """m, or 0 where there was no memory probe or the test itself disturbed it."""
    slowness: Numbers
    """By how much slower than the undisturbed machine, at least 1."""
    together: Numbers
    """Factor by which the slowness would be larger if p and m slow the code down independently."""
    undisturbed_before: Flags
    undisturbed_after: Flags


def surroundings(
    times: ProbeTimes,
    probe_of: Nanoseconds,
    reference: ReferenceSpeed,
    known: KnownTest = UNKNOWN_TEST,
) -> Surroundings:
    """Return the speed of the machine around each observation.

    Args:
        times: all probes in order.
        probe_of: index of the last probe before each observation; −1 if there is none. The next one
            is the first probe after it.
        reference: the speed of the undisturbed machine.
        known: what earlier sessions know about the test. Used only with a reference from outside of
            the session: otherwise, all of them may have had the same neighbour.
    """
    count = len(times)
    if not count:
        nothing, no = np.zeros(len(probe_of)), np.zeros(len(probe_of), bool)
        return Surroundings(nothing, nothing, nothing + reference.margin, nothing + 1.0, no, no)
    known = known if reference.source else UNKNOWN_TEST
    if known.memory_ns is not None:
        ran = times.memory_ns[np.maximum(0, probe_of)]
        reference = reference.after_calls(known.memory_ns, memory_reference(ran[ran > 0]))
    p = times.arithmetic_ns / reference.arithmetic_ns
    m = times.memory_ns / reference.memory_ns
    full = (p < FULL_ARITHMETIC) & (m < FULL_MEMORY) & (m > 0) & ~times.is_disturbed
    # First for each gap between two probes, of which there are few before the probing phase.
    gap = np.arange(-1, count)
    before, after = np.maximum(0, gap), np.minimum(gap + 1, count - 1)
    is_own_doing = times.is_disturbed[before] | times.is_disturbed[after]
    p = np.where(is_own_doing, 0.0, np.maximum(p[before], p[after]))
    m = np.where(is_own_doing, 0.0, np.maximum(m[before], m[after]))
    slowness = np.maximum(1.0, np.maximum(p, m)) ** SUFFERS_MORE
    both = np.maximum(1.0, p) ** SUFFERS_MORE * np.maximum(1.0, m)
    if known.powers is not None:
        a, b = known.powers
        slowness = np.where(m > 0, np.maximum(1.0, p**a * m**b), slowness)
        both = np.where(m > 0, slowness, both)
    gap_of = probe_of + 1
    return Surroundings(
        arithmetic=p[gap_of],
        memory=m[gap_of],
        slowness=(slowness * reference.margin)[gap_of],
        together=np.maximum(1.0, both / slowness)[gap_of],
        undisturbed_before=(full[before] & (gap >= 0))[gap_of],
        undisturbed_after=(full[after] & (gap + 1 < count))[gap_of],
    )
