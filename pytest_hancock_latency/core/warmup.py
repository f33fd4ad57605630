"""Warm-ups: calls before measuring starts, which are kept but never judged.

A warm-up is a number of calls, a time, or lasts until latency is steady: until the median of the
last `WINDOW` calls is at most `FALL` below that of the `WINDOW` calls before. Code that speeds up
only later, for example because it is compiled after its thousandth call, looks steady too early and
needs a time or a number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import median_low
from typing import Final

from ..errors import DurationError
from .duration import NS_PER_S, format_exactly, parse_duration

WINDOW: Final = 10
"""Calls per median. Four of ten calls can be disturbed (by preemption or a garbage collection)
without moving it, and the two windows of a comparison are 20 calls: fewer than the minimum number
that is measured."""
FALL: Final = Fraction(5, 100)
"""A larger fall is not considered noise: on quiet machines, nine of ten medians of recorded calls
(`benchmarks/traces`) differ by at most 6 % from the one before, up or down. On each of these
traces, including busy machines, 99 of 100 warm-ups end within 40 calls."""
MOST_CALLS: Final = 1_000
"""Maximum calls of a warm-up until steady: 25 times what noise explains, so code that still speeds
up then does so in production as well. Also the number of latencies kept from any warm-up: the last
ones."""
LONGEST_NS: Final = 5 * NS_PER_S
"""Maximum time of a warm-up until steady: the time that every sample may take to be measured."""


@dataclass(frozen=True, slots=True)
class WarmupRule:
    """A warm-up for a time, or until latency is steady."""

    time_ns: int
    """How long it lasts; the maximum if it ends when latency is steady."""
    until_steady: bool = False

    def __str__(self) -> str:
        return "auto" if self.until_steady else format_exactly(self.time_ns)


_MOST_DIGITS: Final = 18
"""Of a number of calls; Python reads no number of more than 4300."""
UNTIL_STEADY: Final = WarmupRule(LONGEST_NS, until_steady=True)

Warmup = int | WarmupRule
"""A number of calls, or a rule that ends the warm-up."""


def parse_warmup(value: object) -> Warmup:
    """Read a number of calls, a time with its unit such as ``"2s"``, or ``"auto"``.

    Returns:
        The number, or a rule with its time in ns.

    Raises:
        DurationError: it is none of these.

    ``parse_warmup(5)``, ``parse_warmup("250ms")``, ``parse_warmup("auto")``
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    text = value.strip().lower() if isinstance(value, str) else ""
    if text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS:
        return int(text)
    if text == "auto":
        return UNTIL_STEADY
    if not text[:1].isdecimal() or not text[-1].isalpha():
        raise DurationError(
            f"{value!r} is not a warm-up: write a number of calls, a time such as '2s', or 'auto'"
        )
    return WarmupRule(parse_duration(text))


def calls_to_make(warmup: Warmup, latencies_ns: Sequence[int], calls: int, elapsed_ns: int) -> int:
    """Return how many more calls to make before asking again; 0 ends the warm-up.

    Args:
        latencies_ns: of the calls so far, or of the last `MOST_CALLS` of them.
        calls: number of calls made so far.
        elapsed_ns: time since the warm-up began.
    """
    if isinstance(warmup, int):
        return max(0, warmup - calls)
    if elapsed_ns >= warmup.time_ns:
        return 0
    if not warmup.until_steady:
        return MOST_CALLS
    return 0 if calls >= MOST_CALLS or is_steady(latencies_ns) else WINDOW


def is_steady(latencies_ns: Sequence[int]) -> bool:
    """Whether the median of the last calls has stopped falling.

    ``is_steady([900] * 10 + [400] * 10)`` is false; so is anything shorter than two windows.
    ``is_steady([400] * 20)`` is true.
    """
    if len(latencies_ns) < 2 * WINDOW:
        return False
    latest = list(latencies_ns)[-2 * WINDOW :]
    before, after = median_low(latest[:WINDOW]), median_low(latest[WINDOW:])
    return after >= (1 - FALL) * before
