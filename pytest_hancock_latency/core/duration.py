"""Durations: parsed into integer nanoseconds, and formatted as short text."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Final

from ..errors import DurationError

Duration = str | timedelta
"""With its unit, such as ``"1.5s"``."""

NS_PER_US: Final = 1_000
NS_PER_MS: Final = 1_000_000
NS_PER_S: Final = 1_000_000_000

_UNITS: Final = {
    "ns": 1,
    "us": NS_PER_US,
    "µs": NS_PER_US,  # micro sign
    "μs": NS_PER_US,  # Greek mu: looks the same, typed as often
    "ms": NS_PER_MS,
    "s": NS_PER_S,
    "min": 60 * NS_PER_S,
}
_NUMBER: Final = r"[+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?"
_TEXT: Final = re.compile(rf"\s*({_NUMBER})\s*([a-zµμ]*)\s*", re.ASCII | re.I)
_LONGEST_NS: Final = 366 * 24 * 3600 * NS_PER_S
_HOW: Final = "write a number of milliseconds or a string such as '250us', '10ms' or '1.5s'"


def parse_duration(value: object) -> int:
    """Read a duration as integer nanoseconds.

    A string has the unit ns, us, ms, s or min. A number has none, and people who write 60 mean
    seconds as often as milliseconds. Fractions of a nanosecond are rounded to the nearest one.

    Raises:
        DurationError: neither a string with a unit nor a `timedelta`, not positive, or longer than
            a year.
    """
    number = value.strip() if isinstance(value, str) else value
    if _is_number(number) and number != 0:
        raise DurationError(f"{value!r} has no unit: write '{number}s' or '{number}ms'")
    return parse_latency(value)


def _is_number(value: object) -> bool:
    if isinstance(value, str):
        return re.fullmatch(_NUMBER, value) is not None
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def parse_latency(value: object) -> int:
    """Read the limit of a latency as integer nanoseconds.

    A bare number is milliseconds, as a string or not. Otherwise it is a duration.

    Raises:
        DurationError: not a number, not positive, longer than a year, or an unknown unit.
    """
    amount, unit = _amount_and_unit(value)
    if not amount.is_finite():
        raise DurationError(f"{value!r} is not a duration: it must be finite")
    if amount <= 0:
        raise DurationError(f"{value!r} is not a duration: it must be greater than zero")
    if amount > Decimal(_LONGEST_NS) / unit:  # a product could overflow Decimal
        raise DurationError(f"{value!r} is not a duration: it is longer than a year")
    return max(1, round(amount * unit))


def _amount_and_unit(value: object) -> tuple[Decimal, int]:
    if isinstance(value, timedelta):
        return Decimal(value // timedelta(microseconds=1)), NS_PER_US
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        raise DurationError(f"{value!r} is not a duration: {_HOW}")
    if not isinstance(value, str):
        # repr() of a float is its shortest exact spelling: 0.1 stays 0.1 ms.
        return Decimal(repr(value)) if isinstance(value, float) else Decimal(value), NS_PER_MS
    match = _TEXT.fullmatch(value)
    if match is None:
        raise DurationError(f"{value!r} is not a duration: {_HOW}")
    unit = match[2].lower() or "ms"
    if unit not in _UNITS:
        raise DurationError(f"{value!r} has the unknown unit {unit!r}: use ns, us, ms, s or min")
    try:
        return Decimal(match[1]), _UNITS[unit]
    except InvalidOperation:
        raise DurationError(f"{value!r} is not a duration: {_HOW}") from None


def format_duration(ns: int) -> str:
    """Format with three significant digits and a unit: ``31.2 ms``, ``210 µs``, ``1.5 s``."""
    name, unit = _fitting_unit(ns)
    return f"{_significant(ns, unit)} {name}"


def format_exactly(ns: int) -> str:
    """Return the shortest exact text of a duration; for limits, which users wrote."""
    name, unit = _fitting_unit(ns)
    return f"{_plain(Decimal(ns) / unit)} {name}"


def format_against(observed_ns: int, limit_ns: int) -> tuple[str, str]:
    """Format an observed latency and its limit so that the texts differ as the values do.

    50.04 ms against a limit of 50 ms is never printed as "50 ms against 50 ms".
    """
    name, unit = _fitting_unit(max(observed_ns, limit_ns))
    limit = _plain(Decimal(limit_ns) / unit)
    for digits in range(3, 20):
        observed = _significant(observed_ns, unit, digits)
        if _order(Decimal(observed), Decimal(limit)) == _order(observed_ns, limit_ns):
            break
    return f"{observed} {name}", f"{limit} {name}"


def format_ms(ns: int) -> str:
    """Format milliseconds with three significant digits and no unit, for table columns."""
    return _significant(ns, NS_PER_MS)


def plain_ms(ns: int) -> str:
    """Format exact milliseconds without a unit, as users write limits: ``0.25``, ``50``."""
    return _plain(Decimal(ns) / NS_PER_MS)


def _order(a: Decimal | int, b: Decimal | int) -> int:
    return (a > b) - (a < b)


def _fitting_unit(ns: int) -> tuple[str, int]:
    for name, unit in (("s", NS_PER_S), ("ms", NS_PER_MS), ("µs", NS_PER_US)):
        if abs(ns) >= unit:
            return name, unit
    return "ns", 1


def _significant(ns: int, unit: int, digits: int = 3) -> str:
    value = Decimal(ns) / unit
    if value == 0:
        return "0"
    decimals = max(0, digits - 1 - value.adjusted())
    return _plain(round(value, decimals))


def _plain(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
