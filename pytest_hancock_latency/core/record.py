"""Records: budget, sample summary, verdict and circumstances of one sample, as plain data and back.

A record is what travels between processes and into artifacts. Its plain form has only dicts, lists,
texts, numbers, booleans and None; every duration is integer nanoseconds and says so in its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from typing import Any

from .advice import Advice
from .budget import Limit
from .quantile import MAXIMUM, P50, P95, P99, label, parse_quantile
from .sample import Measurement, Sample, Slow
from .verdict import FailureVerdict, LimitVerdict, Outcome, Reason, Verdict

Plain = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Record:
    """Everything worth keeping of one sample."""

    test: str
    """Node id of the test."""
    name: str
    """Name of the sample; empty where a test has just one."""
    n: int
    failures: Mapping[str, int]
    quantiles_ns: Mapping[str, int]
    """Raw latency by ``p50``, ``p95``, ``p99``, ``max`` and every percentile of the budget."""
    attributed_quantiles_ns: Mapping[str, int]
    verdict: Verdict | None = None
    not_judged: str | None = None
    """Why there is no verdict, where there is none."""
    strict: bool = False
    measurement: Measurement = field(default_factory=Measurement)
    worker: str | None = None
    workers: int = 1
    attempt: int = 1

    @property
    def title(self) -> str:
        """The test and, where it has several samples, the name of this one."""
        return f"{self.test} [{self.name}]" if self.name else self.test

    @property
    def outcome(self) -> str:
        """``within``, ``exceeded``, ``inconclusive`` or ``not judged``."""
        return self.verdict.outcome.value if self.verdict else "not judged"

    def without_verdict(self, why: str) -> Record:
        """The same measurements, not judged."""
        return replace(self, verdict=None, not_judged=why)


def record_of(sample: Sample, test: str, *, strict: bool = False) -> Record:
    """Summarise a sample of the test with this node id."""
    quantiles = {P50, P95, P99, MAXIMUM}
    if sample.verdict:
        quantiles |= {part.limit.quantile for part in sample.verdict.limits}
    asked = sorted(quantiles) if sample.n else []
    return Record(
        test=test,
        name=sample.name,
        n=sample.n,
        failures=dict(sample.failures),
        quantiles_ns={label(q): sample.quantile_ns(q) for q in asked},
        attributed_quantiles_ns={label(q): sample.attributed_quantile_ns(q) for q in asked},
        verdict=sample.verdict,
        not_judged=None if sample.verdict else "no budget",
        strict=strict,
        measurement=sample.measurement,
    )


def to_plain(record: Record) -> Plain:
    """The plain form of a record; `from_plain` reads it."""
    plain: Plain = {
        "test": record.test,
        "name": record.name,
        "outcome": record.outcome,
        "n": record.n,
        "failures": dict(record.failures),
        "quantiles_ns": dict(record.quantiles_ns),
        "attributed_quantiles_ns": dict(record.attributed_quantiles_ns),
        "strict": record.strict,
        "not_judged": record.not_judged,
        "verdict": _verdict_to_plain(record.verdict) if record.verdict else None,
        "measurement": _listed(asdict(record.measurement)),
        "worker": record.worker,
        "workers": record.workers,
        "attempt": record.attempt,
    }
    return plain


def from_plain(plain: Mapping[str, Any]) -> Record:
    """A record from its plain form.

    Raises:
        KeyError, TypeError, ValueError: it is not the plain form of a record.
    """
    known = {k: plain[k] for k in ("test", "name", "n", "strict", "not_judged", "worker")}
    return Record(
        **known,
        workers=plain["workers"],
        attempt=plain["attempt"],
        failures=dict(plain["failures"]),
        quantiles_ns=dict(plain["quantiles_ns"]),
        attributed_quantiles_ns=dict(plain["attributed_quantiles_ns"]),
        verdict=_verdict_from_plain(plain["verdict"]) if plain["verdict"] else None,
        measurement=_measurement_from_plain(plain["measurement"]),
    )


def _verdict_to_plain(verdict: Verdict) -> Plain:
    return {
        "outcome": verdict.outcome.value,
        "method": verdict.method,
        "version": verdict.version,
        "n": verdict.n,
        "elapsed_ns": verdict.elapsed_ns,
        "limits": [_limit_to_plain(part) for part in verdict.limits],
        "failures": {
            "outcome": verdict.failures.outcome.value,
            "allowed": str(verdict.failures.allowed),
            "failed": verdict.failures.failed,
            "attempts": verdict.failures.attempts,
        },
    }


def _limit_to_plain(part: LimitVerdict) -> Plain:
    plain = {k: v for k, v in asdict(part).items() if k not in ("limit", "outcome", "reason")}
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
        method=plain["method"],
        version=plain["version"],
    )


def _limit_from_plain(plain: Mapping[str, Any]) -> LimitVerdict:
    named = ("percentile", "limit_ns", "outcome", "reason")
    return LimitVerdict(
        limit=Limit(parse_quantile(plain["percentile"]), plain["limit_ns"]),
        outcome=Outcome(plain["outcome"]),
        reason=Reason(plain["reason"]),
        **{k: v for k, v in plain.items() if k not in named},
    )


def _measurement_from_plain(plain: Mapping[str, Any]) -> Measurement:
    values = dict(plain)
    values["warmup_ns"] = tuple(values["warmup_ns"])
    values["advice"] = tuple(Advice(**a) for a in values["advice"])
    values["slowest"] = tuple(
        Slow(**{**slow, "causes": tuple(slow["causes"])}) for slow in values["slowest"]
    )
    return Measurement(**values)


def _listed(value: Any) -> Any:
    """The same with lists for tuples: what JSON would make of it, before JSON does."""
    if isinstance(value, dict):
        return {k: _listed(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return [_listed(v) for v in value]
    return value
