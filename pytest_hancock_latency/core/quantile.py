"""Quantiles by nearest rank, with exact arithmetic.

The q-quantile of n observations is observation number ceil(q·n) in ascending order (Hyndman & Fan
1996, type 1). It is always a latency that was observed. q is a `Fraction`: in binary floating
point 0.999·1000 is just above 999, and its ceiling would be 1000.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Final

from ..errors import NothingMeasured, QuantileError

MAXIMUM: Final = Fraction(1)
P50: Final = Fraction(50, 100)
P95: Final = Fraction(95, 100)
P99: Final = Fraction(99, 100)
COLUMNS: Final = (P50, P95, P99)
"""The percentiles that are columns of every table and in every record; ascending."""

_KEYWORD: Final = re.compile(r"p(\d{1,20}(?:[._]\d+)?)", re.ASCII)
_DECIMALS: Final = 6
"""Maximum decimals, as `label` writes: with more, two percentiles could share a name."""
_PERCENT: Final = re.compile(r"(\d{1,20}(?:\.\d+)?)\s*%", re.ASCII)


def looks_like_quantile(text: str) -> bool:
    """Whether a name has the form of a percentile (``p99``, ``p99_9``), valid or not."""
    return text == "max" or _KEYWORD.fullmatch(text) is not None


def parse_quantile(value: str | Fraction) -> Fraction:
    """Read ``p99``, ``p99_9``, ``p99.9``, ``99.9%`` or ``max`` as an exact fraction.

    Raises:
        QuantileError: it is not a percentile, or not between 0 and 100 (the maximum is ``max``).
    """
    if value in (MAXIMUM, "max"):
        return MAXIMUM
    if isinstance(value, Fraction):
        return _checked(value, str(value))
    match = _KEYWORD.fullmatch(value) or _PERCENT.fullmatch(value)
    if match is None:
        raise QuantileError(f"{value!r} is not a percentile: write p99, p99_9 or '99.9%'")
    if len(match[1].replace("_", ".").partition(".")[2]) > _DECIMALS:
        raise QuantileError(f"{value!r} is not a percentile: at most {_DECIMALS} decimals")
    return _checked(Fraction(match[1].replace("_", ".")) / 100, value)


def _checked(quantile: Fraction, text: str) -> Fraction:
    if not 0 < quantile < 1:
        raise QuantileError(
            f"{text} is not a percentile: it must lie between p0 and p100 (the largest is 'max')"
        )
    return quantile


def label(quantile: Fraction) -> str:
    """Return the name of a quantile: ``p99``, ``p99.9``, ``max``."""
    if quantile == MAXIMUM:
        return "max"
    return f"p{format_percent(quantile)}"


def format_percent(share: Fraction) -> str:
    """Format a share as a decimal percentage without the sign: 1/1000 is ``0.1``."""
    percent = Decimal(share.numerator * 100) / Decimal(share.denominator)
    text = f"{round(percent, 6):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def rank(quantile: Fraction, n: int) -> int:
    """Return the rank, counted from 1, of the quantile among n observations."""
    return -(-quantile.numerator * n // quantile.denominator)


def nearest_rank(ascending: Sequence[int], quantile: Fraction) -> int:
    """Return the quantile of observations in ascending order: observation number ceil(q · n).

    Args:
        ascending: latencies in ns, shape (n,).
        quantile: greater than 0 and at most 1.

    Raises:
        NothingMeasured: there are no observations.

    >>> nearest_rank([10, 20, 30, 40], Fraction(1, 2))
    20
    """
    if not len(ascending):
        raise NothingMeasured(f"cannot compute {label(quantile)}: the sample has no observations")
    return int(ascending[rank(quantile, len(ascending)) - 1])
