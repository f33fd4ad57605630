"""What a worker adds to its reports: the plain form of what was counted, for msgpack.

Windows and buckets are integers, everything else is lists, so that a report of three seconds of a
thousand requests a second has a few kilobytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from .generator import Strain
from .listener import Counted

KEY: Final = "hancock_latency"
"""Under which it stands in a report."""


def to_plain(counted: Counted, strain: Strain) -> dict[str, Any]:
    """The plain form of an increment."""
    return {
        "latencies": _cells(counted.latencies),
        "failures": _cells(counted.failures),
        "send_lags": _cells(counted.send_lags),
        "seconds": strain.seconds,
        "busy_seconds": strain.busy_seconds,
        "greenlet_lags": strain.greenlet_lags,
    }


def from_plain(plain: Mapping[str, Any]) -> tuple[Counted, Strain]:
    """An increment from its plain form."""
    counted = Counted(
        latencies=_from_cells(plain["latencies"]),
        failures=_from_cells(plain["failures"]),
        send_lags=_from_cells(plain["send_lags"]),
    )
    return counted, Strain(plain["seconds"], plain["busy_seconds"], plain["greenlet_lags"])


def _cells(cells: Mapping[tuple[str, str, int], Mapping[Any, int]]) -> list[list[Any]]:
    return [[*cell, counts] for cell, counts in cells.items()]


def _from_cells(cells: list[list[Any]]) -> dict[tuple[str, str, int], Any]:
    return {(method, name, window): counts for method, name, window, counts in cells}
