"""What of a latency the code took, and what the machine took.

A thread that could run and was not running waits in the run queue of the kernel, which counts that
time. Subtracting it from the wall-clock latency leaves what the code took; a reference probe that
slows down tells of a slow host. Raw latency is never replaced: *exceeded* is counted on attributed
latency, *within* on raw latency, so excusing can turn a failure into *inconclusive*, not a pass.

All arrays have one element per observation, shape (n,), integer nanoseconds unless said otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Nanoseconds = npt.NDArray[np.int64]
    Numbers = npt.NDArray[np.float64]
    Flags = npt.NDArray[np.bool_]

READING_NS: Final = 5_000
"""How long reading the counters takes; waiting beyond it fell outside the timed window."""
OWN_NOISE_NS: Final = 20_000
"""Process CPU time beyond the thread's own that reading one clock after the other explains."""
STRUCTURAL_FROM: Final = 200
PROBES_NEAR: Final = 5
BLOCKING_SHARE: Final = 0.5
PREEMPTED: Final = "preempted"
SLOW_HOST: Final = "slow host"
_QUIET: Final = 0.1
_RAREST: Final = 0.02


@dataclass(frozen=True, slots=True, eq=False)
class Brackets:
    """Differences of counters over each bracketed observation."""

    wall: Nanoseconds
    thread_cpu: Nanoseconds
    process_cpu: Nanoseconds
    run_queue: Nanoseconds
    """Run-queue wait between the two readings."""
    gap_before: Nanoseconds
    """From the start of the first reading to the start of the window."""
    gap_after: Nanoseconds


@dataclass(frozen=True, slots=True, eq=False)
class Circumstances:
    """What the machine did in each observation."""

    wall: Nanoseconds
    wait: Nanoseconds
    """Run-queue wait inside the timed window."""
    thread_cpu: Nanoseconds
    speed: Numbers
    """Slowdown of the host, at least 1."""
    blocked: Flags
    """Whether the thread gave up its core by itself."""


@dataclass(frozen=True, slots=True, eq=False)
class Attribution:
    """What the code took of each observation."""

    attributed: Nanoseconds
    least: Nanoseconds
    """The same with all excused that the machine can possibly have taken: of the time asleep, only
    what nearly every observation spent so. A thread sleeps longer when what it waits for is kept
    from the core, and no counter of its own tells; but the machine only ever adds."""
    excused: Mapping[str, Numbers]
    """Time that the machine took, by its cause."""


def waits_in_window(brackets: Brackets) -> Nanoseconds:
    """Run-queue wait that fell into the timed window and was not caused by the process itself.

    Wait that fits into the time around the window is credited to it, not to the observation, and
    CPU time burnt meanwhile by the process's own other threads is never excused.
    """
    import numpy as np

    b = brackets
    off_cpu = np.maximum(0, b.wall - b.thread_cpu)
    outside = np.maximum(0, b.gap_after - READING_NS) + np.maximum(0, b.gap_before - READING_NS)
    inside = np.maximum(0, b.run_queue - outside)
    own = np.maximum(0, b.process_cpu - b.thread_cpu - OWN_NOISE_NS)
    waits: Nanoseconds = np.maximum(0, np.minimum(inside, off_cpu) - own)
    return waits


def slowdown(probes: Nanoseconds, probe_of: Nanoseconds) -> Numbers:
    """How much slower the host was near each observation, at least 1.

    probes: durations of the reference probe, in order. probe_of: for each observation, the index of
    the last probe before it. The median of the last five probes is compared with the tenth
    percentile of all.
    """
    import numpy as np

    if not len(probes):
        return np.ones(len(probe_of))
    quiet = max(1.0, float(np.quantile(probes, _QUIET)))
    padded = np.concatenate([np.full(PROBES_NEAR - 1, probes[0]), probes])
    windows = np.lib.stride_tricks.sliding_window_view(padded, PROBES_NEAR)
    near = np.median(windows, axis=1)
    slower: Numbers = np.maximum(1.0, near / quiet)[probe_of]
    return slower


def attribute(circumstances: Circumstances) -> Attribution:
    """Attributed latency: raw latency less what the machine took.

    A thread that hands its work to another process on its core waits in the run queue as part of
    that pattern: where most observations block, the tenth percentile of the wait of the first 200
    is not excused. A thread that never blocks has no such pattern.
    """
    import numpy as np

    c = circumstances
    structural = _low(c.wait[:STRUCTURAL_FROM], _QUIET) if blocks(c.blocked) else 0
    waited = np.maximum(0, c.wait - structural)
    latency = c.wall - waited
    slowed = np.minimum(c.thread_cpu, latency) * (1 - 1 / c.speed)
    latency = latency - slowed
    return Attribution(
        attributed=_whole(latency),
        least=_whole(np.minimum(latency, _least(c))),
        excused={PREEMPTED: waited, SLOW_HOST: slowed},
    )


def _least(c: Circumstances) -> Numbers:
    """CPU time, and no more time asleep than nearly every observation spent."""
    import numpy as np

    asleep = np.maximum(0, c.wall - c.thread_cpu - c.wait)
    awake = c.wall - c.wait - asleep
    shortest: Numbers = awake / c.speed + np.minimum(asleep, _low(asleep, _RAREST))
    return shortest


def blocks(blocked: Flags) -> bool:
    """Whether a test gives up its core by itself in most of its observations."""
    return bool(len(blocked) and blocked.mean() > BLOCKING_SHARE)


def _low(values: Nanoseconds | Numbers, share: float) -> float:
    import numpy as np

    return float(np.quantile(values, share)) if len(values) else 0.0


def _whole(values: Numbers) -> Nanoseconds:
    import numpy as np

    return np.asarray(np.rint(values), dtype=np.int64)
