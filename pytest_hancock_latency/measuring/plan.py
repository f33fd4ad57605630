"""How much to measure: everything that bounds the measuring of one sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..core.budget import AUTO_TIME
from ..core.duration import NS_PER_S
from ..core.warmup import Warmup

DEFAULT_WARMUP: Final = 5
DEFAULT_SAMPLES: Final = 50
DEFAULT_MAX_SAMPLES: Final = 20_000
QUICK_NS: Final = 5 * NS_PER_S
"""What every sample may take: nobody waits for a pool of time for less."""
LONGEST_NS: Final = 60 * NS_PER_S
"""What a time limit that fits the budget grows to: p99 of calls of 170 ms, p95 of 860 ms."""
POOL_NS: Final = 300 * NS_PER_S


@dataclass(frozen=True, slots=True)
class Plan:
    """Bounds for one sample."""

    warmup: Warmup = DEFAULT_WARMUP
    """Calls before measuring, or how long to make them; kept in the record, never judged."""
    samples: int = DEFAULT_SAMPLES
    """The least number of observations for a pass."""
    max_samples: int = DEFAULT_MAX_SAMPLES
    time_limit_ns: int = AUTO_TIME
    """Measuring ends with the observation during which this much time has passed."""
    longest_ns: int = LONGEST_NS
    """What the time limit may be if it is to fit the budget."""
    attribution: bool = True
    """Whether to read what the machine did around each observation, where it can be read."""


@dataclass(slots=True)
class TimePool:
    """Time beyond `QUICK_NS` a sample, which all samples of a process share.

    Quick gates hardly touch it, so that slow ones can have what they need, and a session takes at
    most this time and `QUICK_NS` a sample.
    """

    left_ns: int = POOL_NS

    def grant(self, wanted_ns: int) -> int:
        """The part of a time that a sample may have; at least `QUICK_NS` of it."""
        return min(wanted_ns, QUICK_NS + self.left_ns)

    def charge(self, elapsed_ns: int) -> None:
        """Note what a sample took."""
        self.left_ns = max(0, self.left_ns - max(0, elapsed_ns - QUICK_NS))
