"""What of a latency the code took, and what the machine took.

A thread that could run and was not running waits in the run queue of the kernel, which counts that
time. Subtracting it from the wall-clock latency leaves what the code took; a reference probe that
slows down tells of a slow host. Raw latency is never replaced: *exceeded* is counted on attributed
latency, *within* on raw latency, so excusing can turn a failure into *inconclusive*, not a pass.

All arrays have one element per observation, shape (n,), integer nanoseconds unless said otherwise.
"""

from __future__ import annotations

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
_QUIET: Final = 0.1


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


def attribute(
    wall: Nanoseconds, wait: Nanoseconds, thread_cpu: Nanoseconds, speed: Numbers
) -> Nanoseconds:
    """Attributed latency: raw latency less what the machine took.

    Wait that nearly every observation has is the code's own pattern (it hands work to another
    process on its core, say): the tenth percentile of the first 200 is not excused.
    """
    import numpy as np

    structural = np.quantile(wait[:STRUCTURAL_FROM], _QUIET) if len(wait) else 0
    taken = wall - np.maximum(0, wait - structural)
    taken = taken - np.minimum(thread_cpu, taken) * (1 - 1 / speed)
    return np.asarray(np.rint(taken), dtype=np.int64)
