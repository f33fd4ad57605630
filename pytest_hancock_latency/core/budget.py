"""Budgets: limits per quantile for one test, parsed from a marker or a file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from fractions import Fraction
from typing import Any, Final

from ..errors import BudgetError, QuantileError, did_you_mean, read_as
from .duration import format_exactly, parse_duration, parse_latency
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
"""Stands for a time limit that fits the budget; not a valid duration."""
PERCENTILES: Final = "percentiles"
"""The keyword for a mapping of limits of any percentiles."""
_USUAL: Final = ("p50", "p75", "p90", "p95", "p99", "p99_9")
"""Candidates for what a mistyped percentile was meant to be."""
RPS: Final = "rps"
"""The keyword for the minimum requests/s, which only a load can measure."""
TESTS: Final = "tests"
"""The keyword for the tests that a budget of the budget file applies to."""
POSITIONAL: Final = ("p50", "p95", "p99")
"""Positional arguments of the marker; independent of the columns of the table."""
_HIGHEST_ERRORS: Final = 1
_SHARE: Final = re.compile(
    r"[+-]?(\d{1,40}/\d{1,40}|(\d{1,40}(\.\d{0,40})?|\.\d{1,40})(e[+-]?\d{1,3})?\s*%?)",
    re.ASCII | re.IGNORECASE,
)
_FACTOR: Final = re.compile(r"\d{1,4}(\.\d{0,6})?|\.\d{1,6}", re.ASCII)
_LEAST_SCALE: Final = Fraction(1, 1000)
_MOST_SCALE: Final = Fraction(1000)
CLOCKS: Final = "clocks"
"""The keyword for limits of stages within a call, by the name of the stage."""
FIRST: Final = "first"
"""The clock of a stream that stops at its first item."""
GAP: Final = "gap"
"""The clock of the longest time between two items of a stream."""
TOTAL: Final = "total"
"""What the limits of a budget itself are about; no stage can have this name."""
ERRORS: Final = "errors"
"""The keyword for the share of requests that may fail."""
_MINIMUM: Final = re.compile(r"\s*(?:>=|≥)\s*(\d{1,12}(?:\.\d{1,6})?)\s*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit of a budget: the quantile must be at most `limit_ns`."""

    quantile: Fraction
    limit_ns: int
    allowed: Fraction = field(init=False, repr=False, compare=False)
    """The share of requests that may take longer, θ0 = 1 − q; 0 for the maximum."""

    def __post_init__(self) -> None:
        # Kept, since every look at a sample asks for it several times.
        object.__setattr__(self, "allowed", 1 - self.quantile)

    @property
    def label(self) -> str:
        """``p99``, ``p99.9`` or ``max``."""
        return label(self.quantile)


@dataclass(frozen=True, slots=True)
class LatencyBudget:
    """Everything that one sample is judged by.

    Invariants: quantiles ascend, limits never decrease, and there is at least one limit, of a
    quantile, of a stage or of requests/s.
    """

    limits: tuple[Limit, ...]
    errors: Fraction = Fraction(0)
    """The share of requests that may fail."""
    least_time_ns: int = 0
    """The sample cannot be *within* before it spans this time, so that slow phases can show up."""
    least_per_s: float | None = None
    """The minimum requests/s of a load."""
    clocks: Mapping[str, LatencyBudget] = field(default_factory=dict, hash=False)
    """The budgets of stages within a call, by name."""

    @property
    def parts(self) -> int:
        """The number of parts that can be exceeded by chance: limits, failures, requests/s."""
        own = len(self.limits) + bool(self.errors) + (self.least_per_s is not None)
        return own + sum(clock.parts for clock in self.clocks.values())

    def of_maximum(self) -> LatencyBudget | None:
        """Return the budget with no limit but that of the maximum; None if it has none."""
        limits = tuple(limit for limit in self.limits if limit.quantile == MAXIMUM)
        return LatencyBudget(limits) if limits else None

    def __post_init__(self) -> None:
        if not self.limits and self.least_per_s is None and not self.clocks:
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
    """The values of one marker or one named budget; a value that is not set is None or absent."""

    limits: Mapping[Fraction, int] = field(default_factory=dict)
    clocks: Mapping[str, Mapping[Fraction, int]] = field(default_factory=dict)
    """Limits of stages within a call, by the name of the stage."""
    errors: Fraction | None = None
    name: str | None = None
    budget_name: str | None = None
    """Name of these terms in the budget file, if they come from there."""
    warmup: Warmup | None = None
    samples: int | None = None
    max_samples: int | None = None
    time_limit_ns: int | None = None
    """Maximum time to measure; `AUTO_TIME` means as long as the limits need."""
    least_time_ns: int | None = None
    strict: bool | None = None
    regression: Fraction | None = None
    """Share by which the median may be above that of the baseline."""
    least_per_s: float | None = None
    """Minimum requests/s of a load; where none are measured, `without_rps` removes it."""
    tests: tuple[str, ...] | None = None
    """Patterns of the tests that a budget of the budget file applies to."""

    def over(self, defaults: Terms) -> Terms:
        """Return these terms, with unset values taken from less specific terms."""
        open_fields = {
            f.name: getattr(defaults, f.name)
            for f in fields(self)
            if f.name not in {"limits", CLOCKS} and getattr(self, f.name) is None
        }
        clocks = {
            name: {**defaults.clocks.get(name, {}), **self.clocks.get(name, {})}
            for name in {**defaults.clocks, **self.clocks}
        }
        limits = {**defaults.limits, **self.limits}
        return replace(self, limits=limits, clocks=clocks, **open_fields)

    def budget(self) -> LatencyBudget:
        """Return the budget that these terms describe.

        Raises:
            BudgetError: there is no limit, or limits decrease as percentiles increase.
        """
        least_time_ns = self.least_time_ns or 0
        clocks = {}
        for name, limits in self.clocks.items():
            with _naming(name):
                clocks[name] = LatencyBudget(_limits(limits), least_time_ns=least_time_ns)
        return LatencyBudget(
            _limits(self.limits),
            self.errors or Fraction(0),
            least_time_ns,
            self.least_per_s,
            clocks,
        )

    def of_clock(self, name: str) -> Terms | None:
        """Return the terms of a stage within a call; None if it has no limits."""
        limits = self.clocks.get(name)
        return replace(self, limits=limits, clocks={}, errors=None) if limits else None

    def scaled(self, factor: Fraction) -> Terms:
        """Return the terms with latency limits multiplied; errors and rates stay the same."""

        def scaled(limits: Mapping[Fraction, int]) -> dict[Fraction, int]:
            return {quantile: max(1, round(ns * factor)) for quantile, ns in limits.items()}

        clocks = {name: scaled(limits) for name, limits in self.clocks.items()}
        return replace(self, limits=scaled(self.limits), clocks=clocks)

    def without_rps(self) -> Terms:
        """Return the terms for a test, or for counts without times, which have no requests/s.

        Raises:
            BudgetError: there is no other limit.
        """
        if self.least_per_s is not None and not self.limits:
            raise BudgetError(
                f'budget "{self.budget_name}" limits only rps, '
                "which only Locust runs can measure: add a limit such as p99"
            )
        return replace(self, least_per_s=None)


def of_whole_calls(budgets: Mapping[str, Terms]) -> dict[str, Terms]:
    """Return budgets without their stages, for results in which calls have none.

    What limits only stages is left out.
    """
    return {
        name: replace(terms, clocks={})
        for name, terms in budgets.items()
        if terms.limits or terms.least_per_s is not None
    }


def parse_terms(arguments: Mapping[str, Any]) -> Terms:
    """Read the keywords of a marker or the keys of a named budget.

    Raises:
        BudgetError: an unknown keyword or an invalid value; the text names both.
    """
    limits: dict[Fraction, int] = {}
    clocks: dict[str, Mapping[Fraction, int]] = {}
    settings: dict[str, Any] = {}
    for keyword, value in arguments.items():
        if keyword in {FIRST, GAP}:
            clocks[keyword] = _limits_of_clock(keyword, value)
        elif keyword == CLOCKS:
            clocks |= _clocks(value)
        elif keyword in _READERS:
            target, read = _READERS[keyword]
            settings[target] = read(keyword, value)
        elif keyword == PERCENTILES:
            limits |= _percentiles(value)
        elif looks_like_quantile(keyword):
            quantile = _quantile(keyword)
            _refuse_low(keyword, value, quantile)
            limits[quantile] = _latency(keyword, value)
        else:
            known = (*_USUAL, "max", PERCENTILES, FIRST, GAP, CLOCKS, *_READERS)
            near = did_you_mean(keyword, known)
            raise BudgetError(f"unknown keyword {keyword!r}{near}: {_VALID}")
    terms = Terms(limits=limits, clocks=clocks, **settings)
    if terms.max_samples is not None and terms.samples is not None:
        check_counts(terms.samples, terms.max_samples)
    if terms.least_time_ns and terms.time_limit_ns and terms.least_time_ns > terms.time_limit_ns:
        raise BudgetError(
            f"least_time={format_exactly(terms.least_time_ns)} is above "
            f"time_limit={format_exactly(terms.time_limit_ns)}"
        )
    return terms


def _limits(by_quantile: Mapping[Fraction, int]) -> tuple[Limit, ...]:
    return tuple(Limit(quantile, ns) for quantile, ns in sorted(by_quantile.items()))


@contextmanager
def _naming(clock: str) -> Iterator[None]:
    """Say of which clock an error is."""
    try:
        yield
    except BudgetError as error:
        raise BudgetError(f"{clock}: {error}") from None


def _limits_of_clock(name: str, value: object) -> Mapping[Fraction, int]:
    """Read the limits of a clock: ``first={"p95": 300}``."""
    if not isinstance(value, Mapping) or not value:
        raise BudgetError(f"{name}={value!r} is not a mapping of limits such as {{'p95': 300}}")
    for keyword in value:
        if not (isinstance(keyword, str) and looks_like_quantile(keyword)):
            raise BudgetError(
                f"{name}: {keyword!r} is not a percentile: a clock has limits only, such as p95"
            )
    with _naming(name):
        return parse_terms(value).limits


def _clocks(value: object) -> dict[str, Mapping[Fraction, int]]:
    """Read the limits of stages: ``clocks={"connected": {"p95": 20}}``."""
    if not isinstance(value, Mapping) or not value:
        raise BudgetError(
            f"clocks={value!r} is not a mapping such as {{'connected': {{'p95': 20}}}}"
        )
    for name in value:
        check_clock(name)
    return {name: _limits_of_clock(name, limits) for name, limits in value.items()}


def check_clock(name: object) -> None:
    """Raise BudgetError unless a stage can have this name."""
    if not isinstance(name, str) or not name.strip() or name in {FIRST, GAP, TOTAL}:
        raise BudgetError(
            f"{name!r} cannot be the name of a stage: it is a text, and first, gap and total have "
            "a meaning of their own"
        )


def _refuse_low(keyword: str, value: object, quantile: Fraction) -> None:
    """Raise BudgetError for a limit below p50, which is far more often a typo than intended."""
    if quantile < P50:
        near = did_you_mean(keyword, _USUAL)
        raise BudgetError(
            f"{keyword}={value!r} would limit the fastest {label(quantile)[1:]} % of the requests"
            f"{near}: write percentiles={{{keyword!r}: {value!r}}} if that is what you want"
        )


def _percentiles(value: object) -> dict[Fraction, int]:
    """Read limits of any percentiles, also below p50: ``percentiles={"p10": 5, "p99": 50}``."""
    if not isinstance(value, Mapping):
        raise BudgetError(f"percentiles={value!r} is not a mapping such as {{'p10': 5}}")
    return {_quantile(str(name)): _latency(str(name), limit) for name, limit in value.items()}


def check_counts(samples: int, max_samples: int) -> None:
    """Raise BudgetError if the minimum number of observations is above the maximum."""
    if samples > max_samples:
        raise BudgetError(f"samples={samples} is above max_samples={max_samples}")


def positional_terms(values: Iterable[Any]) -> dict[str, Any]:
    """Return positional limits of a marker by keyword: p50, p95, p99 in this order.

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


def _latency(keyword: str, value: object) -> int:
    return read_as(keyword, BudgetError, parse_latency, value)


def _duration(keyword: str, value: object) -> int:
    return read_as(keyword, BudgetError, parse_duration, value)


def _time_limit(keyword: str, value: object) -> int:
    return read_as(keyword, BudgetError, parse_time_limit, value)


def _warmup(keyword: str, value: object) -> Warmup:
    return read_as(keyword, BudgetError, parse_warmup, value)


def parse_time_limit(value: object) -> int:
    """Read a duration in ns, or ``"auto"``.

    Raises:
        DurationError: it is neither.
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


_LEAST_SLOWDOWN, _MOST_SLOWDOWN = Fraction(1, 100), Fraction(9)
"""Less is within the noise of every machine; more is noticed by every limit that is one."""


def parse_scale(value: object) -> Fraction:
    """Read the factor for latency limits: a number such as ``2`` or ``"1.5"``.

    Raises:
        BudgetError: it is not a number from 0.001 to 1000.
    """
    text = str(value).strip()
    if not _FACTOR.fullmatch(text) or not _LEAST_SCALE <= Fraction(text) <= _MOST_SCALE:
        raise BudgetError(f"{value!r} is not a factor: write a number from 0.001 to 1000")
    return Fraction(text)


def parse_slowdown(value: object) -> Fraction:
    """Read by how much to slow calls down, such as ``30%`` or ``0.3``.

    Raises:
        BudgetError: it is not a share from 1 % to 900 %.
    """
    text = str(value).strip()
    number = text.removesuffix("%").strip()
    if _FACTOR.fullmatch(number):
        share = Fraction(number) / (100 if text.endswith("%") else 1)
        if _LEAST_SLOWDOWN <= share <= _MOST_SLOWDOWN:
            return share
    raise BudgetError(f"{value!r} is not a slowdown: write 30% for calls that take 30 % longer")


def _least_per_s(keyword: str, value: object) -> float:
    """Read ``">= 200"``; the sign marks the only limit that is a minimum."""
    match = _MINIMUM.fullmatch(value) if isinstance(value, str) else None
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
    # A Fraction with a large exponent has as many digits, which takes minutes and gigabytes.
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
    "first, gap, clocks, "
    + ", ".join(keyword for keyword in _READERS if keyword not in (RPS, TESTS))
    + ", and rps and tests in a budget file"
)


def describe(budget: LatencyBudget) -> str:
    """Return a budget on one line: ``p50 10 ms, p99 50 ms, errors 0.1 %``."""
    parts = [f"{limit.label} {format_exactly(limit.limit_ns)}" for limit in budget.limits]
    for name, clock in budget.clocks.items():
        parts += [
            f"{name} {limit.label} {format_exactly(limit.limit_ns)}" for limit in clock.limits
        ]
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
