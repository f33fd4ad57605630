"""The plain form of a record: what travels between processes and into artifacts.

It has only dicts, lists, texts, numbers, booleans and None. Every duration is integer nanoseconds
and says so in its name. Histograms are texts in HdrHistogram's V2 encoding, see `hdr_histogram`.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from .advice import Advice
from .budget import Limit
from .hdr_histogram import decode, encode
from .histogram import Histogram
from .judging.verdict import (
    FailureVerdict,
    LimitVerdict,
    Outcome,
    Reason,
    ThroughputVerdict,
    Verdict,
)
from .quantile import parse_quantile
from .record import Bounds, Record
from .sample import Measurement, Slow
from .timeline import Timeline, plain_fields

Plain = dict[str, Any]


def to_plain(record: Record) -> Plain:
    """The plain form of a record; `from_plain` reads it."""
    plain: Plain = {
        "test": record.test,
        "name": record.name,
        "outcome": record.outcome.value,
        "n": record.n,
        "failures": dict(record.failures),
        "quantiles_ns": dict(record.quantiles_ns),
        "attributed_quantiles_ns": dict(record.attributed_quantiles_ns),
        "bounds_ns": {name: list(bounds) for name, bounds in record.bounds_ns.items()},
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


def from_plain(plain: Mapping[str, Any]) -> Record:
    """A record from its plain form; what later versions added may be absent.

    Raises:
        KeyError, TypeError, ValueError: it is not the plain form of a record.
    """
    unchanged = {k: plain[k] for k in ("test", "name", "n", "strict", "not_judged", "worker")}
    return Record(
        **unchanged,
        workers=plain["workers"],
        attempt=plain["attempt"],
        failures=dict(plain["failures"]),
        quantiles_ns=dict(plain["quantiles_ns"]),
        attributed_quantiles_ns=dict(plain["attributed_quantiles_ns"]),
        bounds_ns={k: _bounds_from_plain(v) for k, v in plain.get("bounds_ns", {}).items()},
        histogram=_decoded(plain.get("histogram")),
        attributed_histogram=_decoded(plain.get("attributed_histogram")),
        timeline=Timeline.from_plain(plain["timeline"]) if plain.get("timeline") else None,
        budget_name=plain.get("budget_name"),
        verdict=_verdict_from_plain(plain["verdict"]) if plain["verdict"] else None,
        measurement=_measurement_from_plain(plain["measurement"]),
    )


def _encoded(histogram: Histogram | None) -> str | None:
    return encode(histogram) if histogram else None


def _decoded(text: str | None) -> Histogram | None:
    return decode(text) if text else None


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
        },
        "throughput": _throughput_to_plain(verdict.throughput),
    }


def _limit_to_plain(part: LimitVerdict) -> Plain:
    plain = {k: v for k, v in plain_fields(part).items() if k not in ("limit", "outcome", "reason")}
    return {
        "percentile": part.limit.label,
        "limit_ns": part.limit.limit_ns,
        "outcome": part.outcome.value,
        "reason": part.reason.value,
        **plain,
    }


def _verdict_from_plain(plain: Mapping[str, Any]) -> Verdict:
    failures = plain["failures"]
    return Verdict(
        limits=tuple(_limit_from_plain(part) for part in plain["limits"]),
        failures=FailureVerdict(
            allowed=Fraction(failures["allowed"]),
            outcome=Outcome(failures["outcome"]),
            failed=failures["failed"],
            attempts=failures["attempts"],
        ),
        n=plain["n"],
        elapsed_ns=plain["elapsed_ns"],
        least_time_ns=plain.get("least_time_ns", 0),
        throughput=_throughput_from_plain(plain.get("throughput")),
        method=plain["method"],
        version=plain["version"],
    )


def _limit_from_plain(plain: Mapping[str, Any]) -> LimitVerdict:
    own_fields = ("percentile", "limit_ns", "outcome", "reason")
    return LimitVerdict(
        limit=Limit(parse_quantile(plain["percentile"]), plain["limit_ns"]),
        outcome=Outcome(plain["outcome"]),
        reason=Reason(plain["reason"]),
        **{k: v for k, v in plain.items() if k not in own_fields},
    )


def _throughput_to_plain(throughput: ThroughputVerdict | None) -> Plain | None:
    return {**plain_fields(throughput), "outcome": throughput.outcome.value} if throughput else None


def _throughput_from_plain(plain: Mapping[str, Any] | None) -> ThroughputVerdict | None:
    return ThroughputVerdict(**{**plain, "outcome": Outcome(plain["outcome"])}) if plain else None


def _measurement_to_plain(measurement: Measurement) -> Plain:
    plain = plain_fields(measurement)
    plain["slowest"] = [plain_fields(slow) for slow in measurement.slowest]
    plain["advice"] = [{"kind": a.kind, "figures": dict(a.figures)} for a in measurement.advice]
    return plain


def _measurement_from_plain(plain: Mapping[str, Any]) -> Measurement:
    values = dict(plain)
    values["warmup_ns"] = tuple(values["warmup_ns"])
    values["followed"] = tuple(values.get("followed", ()))
    values["advice"] = tuple(Advice.of(a["kind"], **a["figures"]) for a in values["advice"])
    values["slowest"] = tuple(
        Slow(**{**slow, "causes": tuple(slow["causes"])}) for slow in values["slowest"]
    )
    return Measurement(**values)
