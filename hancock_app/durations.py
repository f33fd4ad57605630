"""Durations as people write them: `400ms`, `1.5s`, `250us`, `5min`; seconds inside."""

from __future__ import annotations

import math
import re

_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
_WRITTEN = re.compile(r"(?P<number>\d+(\.\d+)?)\s*(?P<unit>[a-zµ]*)", re.ASCII)


def parse_seconds(written: str) -> float:
    """Return the seconds in `written`; a bare number is only taken for zero.

    Raises `ValueError`, whose text says what is accepted.
    """
    match = _WRITTEN.fullmatch(written.strip())
    if match is None or not _unit_is_known(match["number"], match["unit"]):
        raise ValueError(f"expected a duration such as 250us, 400ms, 1.5s or 5min, got {written!r}")
    return float(match["number"]) * _SECONDS[match["unit"] or "s"]


def _unit_is_known(number: str, unit: str) -> bool:
    # "400" could mean milliseconds or seconds, a mistake of a factor 1000; "0" means one thing.
    return unit in _SECONDS or (not unit and math.isclose(float(number), 0.0))
