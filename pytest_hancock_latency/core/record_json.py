"""The plain form of a record, for sending between processes and for artifacts.

It consists of dicts, lists, strings, numbers, booleans and None. Durations are integer nanoseconds,
with names that end in ``_ns``. Histograms are strings in HdrHistogram's V2 encoding, see
`hdr_histogram`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from math import inf, isfinite
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ..errors import BudgetError, QuantileError
from . import hdr_histogram
from .advice import Advice
from .budget import LatencyBudget, Limit, parse_share
from .histogram import Histogram
from .quantile import label, parse_quantile
from .record import Bounds, Record, quantiles_of
from .sample import Measurement, Slow
from .timeline import Timeline, plain_fields
from .verdict import (
    FailureVerdict,
    GrowthStep,
    GrowthVerdict,
    LimitVerdict,
    Outcome,
    Pooled,
    Reason,
    Route,
    RpsVerdict,
    ThroughputVerdict,
    Verdict,
)

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Plain = dict[str, Any]
_T = TypeVar("_T")
_HISTOGRAMS: Final = ("histogram", "attributed_histogram")


def to_plain(record: Record) -> Plain:
    """Convert a record to its plain form, which `from_plain` reads."""
    plain: Plain = {
        "test": record.test,
        "name": record.name,
        "outcome": record.outcome.value,
        "n": record.n,
        "failures": dict(record.failures),
        "quantiles_ns": dict(record.quantiles_ns),
        "attributed_quantiles_ns": dict(record.attributed_quantiles_ns),
        "bounds_ns": {name: list(bounds) for name, bounds in record.bounds_ns.items()},
        "undisturbed_bounds_ns": dict(record.undisturbed_bounds_ns),
        "histogram": _encoded(record.histogram),
        "attributed_histogram": _encoded(record.attributed_histogram),
        "timeline": record.timeline.to_plain() if record.timeline else None,
        "budget_name": record.budget_name,
        "strict": record.strict,
        "not_judged": record.not_judged,
        "verdict": _verdict_to_plain(record.verdict) if record.verdict else None,
        "measurement": _measurement_to_plain(record.measurement),
        "worker": record.worker,
        "workers": record.workers,
        "attempt": record.attempt,
    }
    return plain


class InvalidRecord(ValueError):
    """A plain form whose fields have the right types, but contradict each other."""

    def __init__(self, field: str, problem: object) -> None:
        super().__init__(str(problem))
        self.field = field
        """The path of the wrong field."""


def from_plain(plain: Mapping[str, Any]) -> Record:
    """Make a record from its plain form; fields of later versions may be absent or present.

    The plain form must be valid by the schema of artifacts, see `reporting.artifact_schema`.

    Raises:
        InvalidRecord: two of its fields contradict each other, or a histogram cannot be read.
    """
    quantiles_ns = dict(plain["quantiles_ns"])
    record = Record(
        **{k: plain[k] for k in ("test", "name", "n", "strict", "not_judged", "worker")},
        workers=plain["workers"],
        attempt=plain["attempt"],
        failures=dict(plain["failures"]),
        quantiles_ns=quantiles_ns,
        attributed_quantiles_ns=dict(plain["attributed_quantiles_ns"]),
        bounds_ns={k: _bounds_from_plain(v) for k, v in plain.get("bounds_ns", {}).items()},
        undisturbed_bounds_ns=dict(plain.get("undisturbed_bounds_ns", {})),
        histogram=_decoded(plain, "histogram"),
        attributed_histogram=_decoded(plain, "attributed_histogram"),
        timeline=_timeline_from_plain(plain.get("timeline")),
        budget_name=plain.get("budget_name"),
        verdict=_verdict_from_plain(plain["verdict"]) if plain["verdict"] else None,
        measurement=_measurement_from_plain(plain["measurement"]),
    )
    _check(record, plain["outcome"])
    return record


def _check(record: Record, outcome: str) -> None:
    """Raise InvalidRecord if fields contradict each other."""
    for name in _HISTOGRAMS:
        histogram: Histogram | None = getattr(record, name)
        if histogram is not None and histogram.n != record.n:
            raise InvalidRecord(name, f"it has {histogram.n} observations, n is {record.n}")
    if record.histogram is None and record.attributed_histogram is not None:
        raise InvalidRecord("attributed_histogram", "there is no histogram of raw latency")
    for name in map(label, sorted(quantiles_of(record.verdict)) if record.n else ()):
        if name not in record.quantiles_ns:
            raise InvalidRecord("quantiles_ns", f"{name} is missing")
    try:
        for name in record.quantiles_ns:
            parse_quantile(name)
    except QuantileError as error:
        raise InvalidRecord("quantiles_ns", error) from None
    if outcome != record.outcome:
        raise InvalidRecord(
            "outcome", f"{outcome!r}, but its verdict says {record.outcome.value!r}"
        )


def unpacked_size(plain: Mapping[str, Any]) -> int:
    """Return the number of bytes that the histograms of a plain form decompress to.

    Raises:
        InvalidRecord: one of them does not decompress, or is too large on its own.
    """
    return sum(_of_histogram(plain, name, hdr_histogram.unpacked_size) or 0 for name in _HISTOGRAMS)


def _encoded(histogram: Histogram | None) -> str | None:
    return hdr_histogram.encode(histogram) if histogram else None


def _decoded(plain: Mapping[str, Any], name: str) -> Histogram | None:
    return _of_histogram(plain, name, hdr_histogram.decode)


def _of_histogram(plain: Mapping[str, Any], name: str, read: Callable[[str], _T]) -> _T | None:
    text = plain.get(name)
    if text is None:
        return None
    try:
        return read(text)
    except ValueError as error:
        raise InvalidRecord(name, error) from None


def _timeline_from_plain(plain: Mapping[str, Any] | None) -> Timeline | None:
    if plain is None:
        return None
    try:
        return Timeline.from_plain(plain)
    except ValueError as error:
        raise InvalidRecord("timeline", error) from None


def _bounds_from_plain(plain: list[int | None]) -> Bounds:
    low, high = plain
    return low, high


def _verdict_to_plain(verdict: Verdict) -> Plain:
    return {
        "outcome": verdict.outcome.value,
        "method": verdict.method,
        "version": verdict.version,
        "n": verdict.n,
        "elapsed_ns": verdict.elapsed_ns,
        "least_time_ns": verdict.least_time_ns,
        "limits": [_limit_to_plain(part) for part in verdict.limits],
        "failures": {
            "outcome": verdict.failures.outcome.value,
            "allowed": str(verdict.failures.allowed),
            "failed": verdict.failures.failed,
            "attempts": verdict.failures.attempts,
            "excused": verdict.failures.excused,
        },
        "throughput": _throughput_to_plain(verdict.throughput),
        "rps": _rps_to_plain(verdict.rps),
        "growth": _growth_to_plain(verdict.growth),
    }


def _limit_to_plain(part: LimitVerdict) -> Plain:
    apart = ("limit", "outcome", "reason", "pooled", "route")
    plain = {k: v for k, v in plain_fields(part).items() if k not in apart}
    plain["route"] = part.route.value
    if part.pooled is not None:
        plain["pooled"] = plain_fields(part.pooled)
    return {
        "percentile": part.limit.label,
        "limit_ns": part.limit.limit_ns,
        "outcome": part.outcome.value,
        "reason": part.reason.value,
        **plain,
    }


def _verdict_from_plain(plain: Mapping[str, Any]) -> Verdict:
    failures = _known(FailureVerdict, plain["failures"])
    limits = tuple(
        _limit_from_plain(part, f"verdict.limits[{index}]")
        for index, part in enumerate(plain["limits"])
    )
    try:
        allowed = parse_share("allowed", failures["allowed"])
        rps = _rps_from_plain(plain.get("rps"))
        least_per_s = rps.least_per_s if rps else None
        if not plain.get("growth"):  # which has a bound of its own
            LatencyBudget(tuple(part.limit for part in limits), allowed, least_per_s=least_per_s)
    except BudgetError as error:
        raise InvalidRecord("verdict", error) from None
    return Verdict(
        limits=limits,
        failures=FailureVerdict(
            **{**failures, "allowed": allowed, "outcome": Outcome(failures["outcome"])}
        ),
        n=plain["n"],
        elapsed_ns=plain["elapsed_ns"],
        least_time_ns=plain.get("least_time_ns", 0),
        throughput=_throughput_from_plain(plain.get("throughput")),
        rps=rps,
        growth=_growth_from_plain(plain.get("growth")),
        method=plain["method"],
        version=plain["version"],
    )


def _limit_from_plain(plain: Mapping[str, Any], path: str) -> LimitVerdict:
    try:
        limit = Limit(parse_quantile(plain["percentile"]), plain["limit_ns"])
    except QuantileError as error:
        raise InvalidRecord(f"{path}.percentile", error) from None
    if not plain["over_attributed"] <= plain["over"] <= plain["n"]:
        raise InvalidRecord(
            path,
            f"over_attributed {plain['over_attributed']}, over {plain['over']} and "
            f"n {plain['n']} do not ascend",
        )
    values = {**_known(LimitVerdict, plain), "limit": limit}
    values["outcome"], values["reason"] = Outcome(plain["outcome"]), Reason(plain["reason"])
    values["route"] = Route(plain.get("route", Route.RAW))
    pooled = plain.get("pooled")
    values["pooled"] = Pooled(**_known(Pooled, pooled)) if pooled else None
    return LimitVerdict(**values)


def _throughput_to_plain(throughput: ThroughputVerdict | None) -> Plain | None:
    return {**plain_fields(throughput), "outcome": throughput.outcome.value} if throughput else None


def _throughput_from_plain(plain: Mapping[str, Any] | None) -> ThroughputVerdict | None:
    if plain is None:
        return None
    return ThroughputVerdict(
        **{**_known(ThroughputVerdict, plain), "outcome": Outcome(plain["outcome"])}
    )


def _rps_to_plain(rps: RpsVerdict | None) -> Plain | None:
    if rps is None:
        return None
    return {**plain_fields(rps), "outcome": rps.outcome.value, "reason": rps.reason.value}


def _rps_from_plain(plain: Mapping[str, Any] | None) -> RpsVerdict | None:
    if plain is None:
        return None
    values = _known(RpsVerdict, plain)
    values["outcome"], values["reason"] = Outcome(plain["outcome"]), Reason(plain["reason"])
    rps = RpsVerdict(**values)
    if rps.short_strained > min(rps.short, rps.strained) or max(rps.short, rps.strained) > rps.n:
        raise InvalidRecord("verdict.rps", "its numbers of stretches contradict each other")
    return rps


def _growth_to_plain(growth: GrowthVerdict | None) -> Plain | None:
    if growth is None:
        return None
    return {
        **plain_fields(growth),
        "outcome": growth.outcome.value,
        "reason": growth.reason.value,
        "steps": [_step_to_plain(step) for step in growth.steps],
        "curve": [{"size": size, "latency_ns": ns} for size, ns in growth.curve],
    }


def _step_to_plain(step: GrowthStep) -> Plain:
    plain = plain_fields(step)
    for end in ("low", "high"):  # JSON has no infinity
        plain[end] = plain[end] if isfinite(plain[end]) else None
    return plain


def _growth_from_plain(plain: Mapping[str, Any] | None) -> GrowthVerdict | None:
    if plain is None:
        return None
    curve = tuple((point["size"], point["latency_ns"]) for point in plain["curve"])
    steps = tuple(_step_from_plain(step) for step in plain["steps"])
    sizes = [size for size, _ in curve]
    ends = [size for step in steps for size in (step.smaller, step.larger)]
    if not sizes:
        raise InvalidRecord("verdict.growth.curve", "it has no sizes")
    if sizes != sorted(set(sizes)) or any(step.smaller >= step.larger for step in steps):
        raise InvalidRecord("verdict.growth", "its sizes do not ascend")
    if not set(ends) <= set(sizes):
        raise InvalidRecord("verdict.growth", "its steps have sizes that its curve lacks")
    return GrowthVerdict(
        **{
            **_known(GrowthVerdict, plain),
            "outcome": Outcome(plain["outcome"]),
            "reason": Reason(plain["reason"]),
            "steps": steps,
            "curve": curve,
        }
    )


def _step_from_plain(plain: Mapping[str, Any]) -> GrowthStep:
    low, high = plain["low"], plain["high"]
    ends = {"low": -inf if low is None else low, "high": inf if high is None else high}
    return GrowthStep(**{**_known(GrowthStep, plain), **ends})


def _measurement_to_plain(measurement: Measurement) -> Plain:
    plain = plain_fields(measurement)
    plain["slowest"] = [plain_fields(slow) for slow in measurement.slowest]
    plain["advice"] = [{"kind": a.kind, "figures": dict(a.figures)} for a in measurement.advice]
    return plain


def _known(kind: type[DataclassInstance], plain: Mapping[str, Any]) -> Plain:
    """Return the values that the dataclass has fields for, without those of later versions."""
    return {field.name: plain[field.name] for field in fields(kind) if field.name in plain}


def _measurement_from_plain(plain: Mapping[str, Any]) -> Measurement:
    values = _known(Measurement, plain)
    values["warmup_ns"] = tuple(values["warmup_ns"])
    values["followed"] = tuple(values.get("followed", ()))
    values["advice"] = tuple(
        Advice(a["kind"], tuple(a["figures"].items())) for a in plain["advice"]
    )
    values["slowest"] = tuple(
        Slow(**{**_known(Slow, slow), "causes": tuple(slow["causes"])}) for slow in plain["slowest"]
    )
    return Measurement(**values)
