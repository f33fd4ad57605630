"""How much to measure: everything that bounds the measuring of one sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

DEFAULT_WARMUP: Final = 5
DEFAULT_SAMPLES: Final = 50
DEFAULT_MAX_SAMPLES: Final = 20_000
DEFAULT_TIME_LIMIT_NS: Final = 5_000_000_000


@dataclass(frozen=True, slots=True)
class Plan:
    """Bounds for one sample."""

    warmup: int = DEFAULT_WARMUP
    """Calls before measuring; kept in the record, never judged."""
    samples: int = DEFAULT_SAMPLES
    """The least number of observations for a pass."""
    max_samples: int = DEFAULT_MAX_SAMPLES
    time_limit_ns: int = DEFAULT_TIME_LIMIT_NS
    """Measuring ends with the observation during which this much time has passed."""
    attribution: bool = True
    """Whether to read what the machine did around each observation, where it can be read."""
