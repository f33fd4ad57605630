"""The time that a timeout leaves to a test: everything that measures in it shares it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Final

import pytest

from ..core.duration import NS_PER_S, format_duration
from ..errors import LatencyError
from ..measuring.clock import NEVER, Clock, system_clock

_SHARE: Final = 0.4
"""Maximum share of the time left for one sample: measuring may exceed its time limit by a second,
and the rest of the test needs time as well. Later samples get the same share of what is left."""
_SHARE_OF_LOAD: Final = 0.8
"""The same for a load whose duration is given: it is as long as its author wants it."""


@dataclass(frozen=True, slots=True)
class TimeLeft:
    """The time that is left to a test."""

    timeout_ns: int = NEVER
    begin_ns: int = 0
    """When the timeout began to count, on the clock."""
    clock: Clock = system_clock

    @property
    def left_ns(self) -> int:
        """Time until the timeout."""
        return max(0, self.timeout_ns - (self.clock() - self.begin_ns))

    @property
    def of_sample_ns(self) -> int:
        """Time that a sample may take, its warm-up included."""
        if self.timeout_ns == NEVER:
            return NEVER
        return max(1, int(self.left_ns * _SHARE))

    @property
    def load_until_ns(self) -> int:
        """When a load has to end, on the clock."""
        if self.timeout_ns == NEVER:
            return NEVER
        return self.clock() + int(self.left_ns * _SHARE_OF_LOAD)

    def require(self, duration_ns: int) -> None:
        """Refuse a load that does not fit.

        Raises:
            LatencyError: it takes longer than what is left.
        """
        if duration_ns > self.left_ns * _SHARE_OF_LOAD:
            raise LatencyError(
                f"{format_duration(duration_ns)} of requests do not fit into the test's timeout of "
                f"{format_duration(self.timeout_ns)}, of which {format_duration(self.left_ns)} are "
                "left: shorten duration=, or raise the timeout"
            )


def time_left_of(item: pytest.Item, begin_ns: int) -> TimeLeft:
    """Return what counts the time of a test, by the timeouts of pytest-timeout and faulthandler.

    Args:
        item: the test.
        begin_ns: when its setup began. If that does not count, the body begins later than now.
    """
    timeout_ns, counts_setup = _of_pytest_timeout(item)
    if _ini(item.config, "faulthandler_exit_on_timeout"):
        limit_ns = _in_ns(_ini(item.config, "faulthandler_timeout"))
        if limit_ns < timeout_ns:
            return TimeLeft(limit_ns, begin_ns)
    return TimeLeft(timeout_ns, begin_ns if counts_setup else system_clock())


def _of_pytest_timeout(item: pytest.Item) -> tuple[int, bool]:
    """Return the timeout, and whether the setup of the test counts."""
    if not hasattr(item.config.option, "timeout"):
        return NEVER, True
    marker = item.get_closest_marker("timeout")
    keywords: dict[str, Any] = {}
    if marker is not None:
        names = ("timeout", "method", "func_only")
        keywords = {**dict(zip(names, marker.args, strict=False)), **marker.kwargs}
    candidates = (
        keywords.get("timeout"),
        item.config.option.timeout,
        os.environ.get("PYTEST_TIMEOUT"),
        _ini(item.config, "timeout"),
    )
    timeout = next((value for value in candidates if value not in (None, "")), None)
    is_only_body = keywords.get("func_only", _ini(item.config, "timeout_func_only"))
    return _in_ns(timeout), not is_only_body


def _in_ns(seconds: object) -> int:
    try:
        return int(float(str(seconds or 0)) * NS_PER_S) or NEVER
    except (ValueError, OverflowError):  # the other plugin reports it
        return NEVER


def _ini(config: pytest.Config, name: str) -> Any:
    try:
        return config.getini(name)
    except (KeyError, TypeError, ValueError, pytest.UsageError):  # not registered, or invalid
        return None
