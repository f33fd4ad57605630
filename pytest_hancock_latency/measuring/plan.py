"""How much to measure: all bounds for one sample."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from ..core.budget import AUTO_TIME
from ..core.duration import NS_PER_S
from ..core.warmup import Warmup, WarmupRule
from ..errors import LatencyError
from .clock import NEVER
from .session_speed import SessionSpeed

DEFAULT_WARMUP: Final = 5
DEFAULT_SAMPLES: Final = 50
DEFAULT_MAX_SAMPLES: Final = 20_000
QUICK_NS: Final = 5 * NS_PER_S
"""Time that every sample may take, independent of the shared time."""
LONGEST_NS: Final = 60 * NS_PER_S
"""Maximum of an automatic time limit: enough for p99 of 170 ms calls, p95 of 860 ms calls."""
_WARMUP_PART: Final = 4
"""A warm-up gets a quarter of the time of its sample."""
SHARED_NS: Final = 300 * NS_PER_S


@dataclass(frozen=True, slots=True)
class Plan:
    """Bounds for one sample."""

    warmup: Warmup = DEFAULT_WARMUP
    """Calls before measuring, or their duration; kept in the record, but never judged."""
    samples: int = DEFAULT_SAMPLES
    """Minimum number of observations for a pass."""
    max_samples: int = DEFAULT_MAX_SAMPLES
    time_limit_ns: int = AUTO_TIME
    """Measuring ends with the observation during which this much time has passed."""
    longest_ns: int = LONGEST_NS
    """Maximum of an automatic time limit."""
    longest_warmup_ns: int = NEVER
    """Time at which a warm-up ends that has a number of calls."""
    load_until_ns: int = NEVER
    """When a burst has to end, on the clock."""
    attribution: bool = True
    """Whether to read the kernel's counters around each observation, if available."""
    probes: bool = False
    """Whether both probes run from the first call on, and not only once something is suspicious."""
    foretells: bool = True
    """Whether to say before measuring that no verdict is possible."""
    slowdown: float = 0
    """Share by which calls are slowed down on purpose, to find out whether the gate notices."""
    speed: SessionSpeed = field(default_factory=SessionSpeed)
    """The probes of the session, with which those of a sample are compared."""
    test: str = ""
    """Node id of the test, by which earlier sessions know it."""

    def within(self, time_ns: int, load_until_ns: int) -> Plan:
        """Return a plan that ends in time.

        Args:
            time_ns: for a sample, its warm-up included.
            load_until_ns: when a load has to end, on the clock.
        """
        warmup_ns = time_ns // _WARMUP_PART
        warmup = self.warmup
        if isinstance(warmup, WarmupRule):
            warmup = replace(warmup, time_ns=min(warmup.time_ns, warmup_ns))
        rest_ns = time_ns - warmup_ns
        is_automatic = self.time_limit_ns == AUTO_TIME
        return replace(
            self,
            warmup=warmup,
            longest_warmup_ns=min(self.longest_warmup_ns, warmup_ns),
            time_limit_ns=AUTO_TIME if is_automatic else min(self.time_limit_ns, rest_ns),
            longest_ns=min(self.longest_ns, rest_ns),
            load_until_ns=load_until_ns,
        )

    def require_all(self, requests: int, finished: int) -> None:
        """Refuse a load that had to end before all of its requests were made.

        Raises:
            LatencyError: some are missing.
        """
        if finished < requests:
            raise LatencyError(
                f"{requests} requests do not fit into the time that the test's timeout leaves: "
                f"{finished} were made; make fewer, or raise the timeout"
            )

    def automatic_limit_ns(
        self, shared_time: SharedTime, wanted_ns: int, least_time_ns: int = 0
    ) -> int:
        """Return the automatic time limit of a sample that is to be judged.

        Args:
            wanted_ns: how long a clear pass takes at the present pace.
            least_time_ns: the least time that its budget wants.
        """
        wanted_ns = max(QUICK_NS, least_time_ns, wanted_ns)
        granted_ns = shared_time.grant(min(wanted_ns, LONGEST_NS))
        return min(max(granted_ns, least_time_ns), self.longest_ns)


@dataclass(slots=True)
class SharedTime:
    """Time that all samples of a process share, beyond `QUICK_NS` each.

    Quick gates hardly use it, so slow ones can have what they need, and a session takes at most
    this time plus `QUICK_NS` per sample.
    """

    left_ns: int = SHARED_NS

    def grant(self, wanted_ns: int) -> int:
        """Return how much of the wanted time a sample may use; at least `QUICK_NS`."""
        return min(wanted_ns, QUICK_NS + self.left_ns)

    def charge(self, elapsed_ns: int) -> None:
        """Record the time that a sample took."""
        self.left_ns = max(0, self.left_ns - max(0, elapsed_ns - QUICK_NS))
