"""Budgets: limits per quantile for one test, read from what a marker or a file says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from fractions import Fraction
from typing import Any, Final

from ..errors import BudgetError, QuantileError, did_you_mean, read_as
from .duration import format_exactly, parse_duration
from .quantile import (
    MAXIMUM,
    P50,
    format_percent,
    label,
    looks_like_quantile,
    parse_quantile,
)
from .warmup import Warmup, parse_warmup

AUTO_TIME: Final = 0
"""The time limit that fits the budget, which no duration can be."""
PERCENTILES: Final = "percentiles"
"""The keyword of a mapping of limits, in which any percentile may be limited."""
_USUAL: Final = ("p50", "p75", "p90", "p95", "p99", "p99_9")
"""What a mistyped percentile may have been meant to be."""
RPS: Final = "rps"
"""The keyword of the least requests/s, which only a load can show."""
TESTS: Final = "tests"
"""The keyword of the tests that a budget of the budget file is for."""
POSITIONAL: Final = ("p50", "p95", "p99")
"""Positional arguments of the marker, whose signature stays whatever columns a table has."""
_HIGHEST_ERRORS: Final = 1
_SHARE: Final = re.compile(
    r"[+-]?(\d{1,40}/\d{1,40}|(\d{1,40}(\.\d{0,40})?|\.\d{1,40})(e[+-]?\d{1,3})?\s*%?)",
    re.ASCII | re.IGNORECASE,
)
_FACTOR: Final = re.compile(r"\d{1,4}(\.\d{0,6})?|\.\d{1,6}", re.ASCII)
_LEAST_SCALE: Final = Fraction(1, 1000)
_MOST_SCALE: Final = Fraction(1000)
ERRORS: Final = "errors"
"""The keyword of the share of requests that may fail."""
_LEAST: Final = re.compile(r"\s*(?:>=|≥)\s*(\d{1,12}(?:\.\d{1,6})?)\s*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit of a budget: the quantile must not be above `limit_ns`."""

    quantile: Fraction
    limit_ns: int

    @property
    def label(self) -> str:
        """``p99``, ``p99.9`` or ``max``."""
        return label(self.quantile)

    @property
    def allowed(self) -> Fraction:
        """The share of requests that may take longer, θ0 = 1 − q; 0 for the maximum."""
        return 1 - self.quantile


@dataclass(frozen=True, slots=True)
class LatencyBudget:
    """All that one sample is judged by.

    Invariants: quantiles ascend, limits never descend with them, and there is at least one limit,
    of a quantile or of requests/s.
    """

    limits: tuple[Limit, ...]
    errors: Fraction = Fraction(0)
    """The share of requests that may fail."""
    least_time_ns: int = 0
    """No *within* before the sample spans this long, so that slow phases have time to show."""
    least_per_s: float | None = None
    """The least requests/s of a load."""

    @property
    def parts(self) -> int:
        """How many parts can be exceeded by chance: limits, a share of failures, requests/s."""
        return len(self.limits) + bool(self.errors) + (self.least_per_s is not None)

    def __post_init__(self) -> None:
        if not self.limits and self.least_per_s is None:
            raise BudgetError(f"no limit is given: {_VALID}")
        for lower, higher in zip(self.limits, self.limits[1:], strict=False):
            if lower.quantile >= higher.quantile:
                raise BudgetError(f"{higher.label} is given twice")
            if lower.limit_ns > higher.limit_ns:
                raise BudgetError(
                    f"{higher.label}={format_exactly(higher.limit_ns)} is below "
                    f"{lower.label}={format_exactly(lower.limit_ns)}: "
                    "limits must not decrease as percentiles increase"
                )


@dataclass(frozen=True, slots=True)
class Terms:
    """What one marker or one named budget says; whatever it does not say is None or absent."""

    limits: Mapping[Fraction, int] = field(default_factory=dict)
    errors: Fraction | None = None
    name: str | None = None
    budget_name: str | None = None
    """Under which name of the budget file these terms stand, where they stand there."""
    warmup: Warmup | None = None
    samples: int | None = None
    max_samples: int | None = None
    time_limit_ns: int | None = None
    """Longest measuring; `AUTO_TIME` is as long as the limits take."""
    least_time_ns: int | None = None
    strict: bool | None = None
    regression: Fraction | None = None
    """By which share the median may be above that of the baseline."""
    least_per_s: float | None = None
    """Least requests/s of a load; whoever measures none drops it by `without_rps`."""
    tests: tuple[str, ...] | None = None
    """Patterns of the tests that a budget of the budget file is for."""

    def over(self, farther: Terms) -> Terms:
        """These terms, with what they leave open taken from terms that stand farther away."""
        open_fields = {
            f.name: getattr(farther, f.name)
            for f in fields(self)
            if f.name != "limits" and getattr(self, f.name) is None
        }
        return replace(self, limits={**farther.limits, **self.limits}, **open_fields)

    def budget(self) -> LatencyBudget:
        """The budget that these terms describe.

        Raises:
            BudgetError: no limit at all, or limits that get smaller as percentiles rise.
        """
        limits = tuple(Limit(q, ns) for q, ns in sorted(self.limits.items()))
        return LatencyBudget(
            limits, self.errors or Fraction(0), self.least_time_ns or 0, self.least_per_s
        )

    def scaled(self, factor: Fraction) -> Terms:
        """The same with latency limits multiplied; shares of errors and rates stay."""
        scaled = {quantile: max(1, round(ns * factor)) for quantile, ns in self.limits.items()}
        return replace(self, limits=scaled)

    def without_rps(self) -> Terms:
        """The same for whoever cannot see requests/s: a test, or counts without their time.

        Raises:
            BudgetError: nothing else is limited.
        """
        if self.least_per_s is not None and not self.limits:
            raise BudgetError(
                f'budget "{self.budget_name}" limits only rps, '
                "which only Locust runs can measure: add a limit such as p99"
            )
        return replace(self, least_per_s=None)


def parse_terms(arguments: Mapping[str, Any]) -> Terms:
    """Read the keywords of a marker or the keys of a named budget.

    Raises:
        BudgetError: an unknown keyword or an invalid value; the text names both.
    """
    limits: dict[Fraction, int] = {}
    settings: dict[str, Any] = {}
    for keyword, value in arguments.items():
        if keyword in _READERS:
            target, read = _READERS[keyword]
            settings[target] = read(keyword, value)
        elif keyword == PERCENTILES:
            limits |= _percentiles(value)
        elif looks_like_quantile(keyword):
            quantile = _quantile(keyword)
            _refuse_low(keyword, value, quantile)
            limits[quantile] = _duration(keyword, value)
        else:
            near = did_you_mean(keyword, (*_USUAL, "max", PERCENTILES, *_READERS))
            raise BudgetError(f"unknown keyword {keyword!r}{near}: {_VALID}")
    terms = Terms(limits=limits, **settings)
    if terms.max_samples is not None and terms.samples is not None:
        check_counts(terms.samples, terms.max_samples)
    if terms.least_time_ns and terms.time_limit_ns and terms.least_time_ns > terms.time_limit_ns:
        raise BudgetError(
            f"least_time={format_exactly(terms.least_time_ns)} is above "
            f"time_limit={format_exactly(terms.time_limit_ns)}"
        )
    return terms


def _refuse_low(keyword: str, value: object, quantile: Fraction) -> None:
    """A limit below p50 is far more often a slip of the keyboard than meant."""
    if quantile < P50:
        near = did_you_mean(keyword, _USUAL)
        raise BudgetError(
            f"{keyword}={value!r} would limit the fastest {label(quantile)[1:]} % of the requests"
            f"{near}: write percentiles={{{keyword!r}: {value!r}}} if that is what you want"
        )


def _percentiles(value: object) -> dict[Fraction, int]:
    """Limits of any percentiles, those below p50 too: ``percentiles={"p10": 5, "p99": 50}``."""
    if not isinstance(value, Mapping):
        raise BudgetError(f"percentiles={value!r} is not a mapping such as {{'p10': 5}}")
    return {_quantile(str(name)): _duration(str(name), limit) for name, limit in value.items()}


def check_counts(samples: int, max_samples: int) -> None:
    """Raise BudgetError where the least number of observations is above the greatest."""
    if samples > max_samples:
        raise BudgetError(f"samples={samples} is above max_samples={max_samples}")


def positional_terms(values: Iterable[Any]) -> dict[str, Any]:
    """Positional limits of a marker by their keywords: p50, p95, p99 in this order.

    Raises:
        BudgetError: more than three.
    """
    limits = list(values)
    if len(limits) > len(POSITIONAL):
        raise BudgetError(
            f"{len(limits)} positional arguments: write at most three (p50, p95, p99), or one "
            "budget name"
        )
    return {k: v for k, v in zip(POSITIONAL, limits, strict=False) if v is not None}


def _quantile(keyword: str) -> Fraction:
    try:
        return parse_quantile(keyword)
    except QuantileError as error:
        raise BudgetError(str(error)) from None


def _duration(keyword: str, value: object) -> int:
    return read_as(keyword, BudgetError, parse_duration, value)


def _time_limit(keyword: str, value: object) -> int:
    return read_as(keyword, BudgetError, parse_time_limit, value)


def _warmup(keyword: str, value: object) -> Warmup:
    return read_as(keyword, BudgetError, parse_warmup, value)


def parse_time_limit(value: object) -> int:
    """Read a duration in ns, or ``"auto"``.

    Raises:
        DurationError: neither.
    """
    return AUTO_TIME if value == "auto" else parse_duration(value)


def _count(minimum: int) -> Any:
    def read(keyword: str, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
            raise BudgetError(f"{keyword}={value!r} must be a whole number of at least {minimum}")
        return value

    return read


def _text(keyword: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise BudgetError(f"{keyword}={value!r} must be a non-empty string")
    return value


def _flag(keyword: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise BudgetError(f"{keyword}={value!r} must be True or False")
    return value


def _patterns(keyword: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise BudgetError(f"{keyword}={value!r} is not a list such as ['tests/api', 'test_health']")
    return tuple(_text(keyword, pattern) for pattern in value)


def parse_limits(text: str) -> Terms:
    """Read the limits of ``p95=25ms,errors=0.1%``; bare numbers are milliseconds.

    Raises:
        BudgetError: a part is not a limit, is given twice or is invalid.
    """
    arguments: dict[str, object] = {}
    for part in text.split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not (name == ERRORS or looks_like_quantile(name)):
            raise BudgetError(
                f"{part.strip()!r} is not a limit: write p99=50ms, max=1s or errors=0.1%"
            )
        if name in arguments:
            raise BudgetError(f"{name} is given twice")
        arguments[name] = value
    terms = parse_terms(arguments)
    terms.budget()
    return terms


def parse_scale(value: object) -> Fraction:
    """Read the factor for latency limits: a number such as ``2`` or ``"1.5"``.

    Raises:
        BudgetError: not a number, or not between 0.001 and 1000.
    """
    text = str(value).strip()
    if not _FACTOR.fullmatch(text) or not _LEAST_SCALE <= Fraction(text) <= _MOST_SCALE:
        raise BudgetError(f"{value!r} is not a factor: write a number from 0.001 to 1000")
    return Fraction(text)


def _least_per_s(keyword: str, value: object) -> float:
    """Read ``">= 200"``: the sign says that this is the one limit that must not be undercut."""
    match = _LEAST.fullmatch(value) if isinstance(value, str) else None
    if match is None or not float(match[1]):
        raise BudgetError(
            f"{keyword}={value!r} is not a minimum rate: write a string such as '>= 200'"
        )
    return float(match[1])


def parse_share(keyword: str, value: object) -> Fraction:
    """Read a share such as ``"0.1%"`` or ``0.001``, from 0 up to but not including 1."""
    wrong = BudgetError(f"{keyword}={value!r} is not a share: write a string such as '0.1%'")
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise wrong
    text = str(value).strip()
    # A Fraction of a large exponent has as many digits, and takes minutes and gigabytes.
    if not _SHARE.fullmatch(text):
        raise wrong
    try:
        share = Fraction(text[:-1].strip()) / 100 if text.endswith("%") else Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise wrong from None
    if not 0 <= share < _HIGHEST_ERRORS:
        raise BudgetError(
            f"{keyword}={value!r} must be at least 0 % and below 100 %: write '1%' or 0.01 for 1 %"
        )
    return share


_READERS: Final[Mapping[str, tuple[str, Any]]] = {
    ERRORS: ("errors", parse_share),
    "name": ("name", _text),
    "warmup": ("warmup", _warmup),
    "samples": ("samples", _count(1)),
    "max_samples": ("max_samples", _count(1)),
    "time_limit": ("time_limit_ns", _time_limit),
    "least_time": ("least_time_ns", _duration),
    "strict": ("strict", _flag),
    "regression": ("regression", parse_share),
    RPS: ("least_per_s", _least_per_s),
    TESTS: ("tests", _patterns),
}

_VALID: Final = (
    "valid keywords are p50, p95, p99, any other percentile such as p75 or p99_9, max, "
    + ", ".join(keyword for keyword in _READERS if keyword not in (RPS, TESTS))
    + ", and rps and tests in a budget file"
)


def describe(budget: LatencyBudget) -> str:
    """A budget on one line: ``p50 10 ms, p99 50 ms, errors 0.1 %``."""
    parts = [f"{limit.label} {format_exactly(limit.limit_ns)}" for limit in budget.limits]
    if budget.errors:
        parts.append(f"errors {format_percent(budget.errors)} %")
    if budget.least_per_s is not None:
        parts.append(f"requests/s at least {budget.least_per_s:.12g}")
    if budget.least_time_ns:
        parts.append(f"for at least {format_exactly(budget.least_time_ns)}")
    return ", ".join(parts)


__all__ = [
    "MAXIMUM",
    "LatencyBudget",
    "Limit",
    "Terms",
    "check_counts",
    "describe",
    "parse_share",
    "parse_terms",
    "positional_terms",
]
