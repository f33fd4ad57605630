"""JUnit properties of a record."""

from __future__ import annotations

from collections.abc import Iterator

from ..core.duration import NS_PER_MS
from ..core.record import Record
from .wording import headline


def is_ours(name: str) -> bool:
    """Whether a property is one of a latency record."""
    return name.startswith("latency.")


def junit_properties(record: Record) -> Iterator[tuple[str, str]]:
    """Names and values, prefixed ``latency.`` and, where a sample has a name, by it as well."""
    prefix = f"latency.{record.name}." if record.name else "latency."
    yield f"{prefix}verdict", record.outcome
    yield f"{prefix}n", str(record.n)
    yield f"{prefix}failed", str(sum(record.failures.values()))
    for percentile, ns in record.quantiles_ns.items():
        yield f"{prefix}{percentile}_ms", f"{ns / NS_PER_MS:.6f}"
    if record.verdict:
        for part in record.verdict.limits:
            ms = part.limit.limit_ns / NS_PER_MS
            yield f"{prefix}limit_{part.limit.label}_ms", f"{ms:.6f}"
    yield f"{prefix}evidence", headline(record)
