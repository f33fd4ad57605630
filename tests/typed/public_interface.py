"""Valid and invalid uses of the public interface.

The comment after each mistake names the error of mypy and the rule of basedpyright. Checked in
tests/test_typed.py, and never run.
"""

from __future__ import annotations

from fractions import Fraction

from pytest_hancock_latency import (
    BudgetError,
    InconclusiveWarning,
    LatencyError,
    ManualClock,
    Outcome,
    Record,
    Sample,
    Sampler,
    Verdict,
    Warmup,
    judge,
    latency_budget,
    measure,
    nearest_rank,
)


def parse(text: str) -> int:
    return int(text)


async def fetch(text: str) -> bytes:
    return text.encode()


@latency_budget(10, 25, "50ms")
@latency_budget("GET /health", p95=20, errors="1%")
@latency_budget(p50=10, p99_9="1s", max=2000, warmup="auto", percentiles={"p10": 5}, strict=True)
def accepted(sample: Sampler, warmup: Warmup) -> None:
    warmup(parse, "1", times=3)
    first: Sample = sample(parse, "1", name="first", check=bool)
    median: float = first.p50_ms
    assert median < first.p99_9_ms < first.max_ms < first.quantile_ms("99.99%")
    verdict: Verdict | None = first.verdict
    assert verdict is None or verdict.outcome is Outcome.WITHIN
    for _ in sample.rounds():
        with sample.observe():
            parse("1")
    new, old = sample.pairs(int, float)
    assert new.faster_than(old, by="20%")


async def accepted_in_coroutines(sample: Sampler) -> None:
    awaited: Sample = await sample(fetch, "1")
    assert awaited.n


def accepted_outside_of_pytest(record: Record) -> type[LatencyError]:
    ManualClock().advance(5)
    assert judge(measure(parse, "1"), {"p95": 5}).within or record.fails
    assert nearest_rank([1, 2, 3], Fraction(1, 2)) == 2
    assert issubclass(InconclusiveWarning, UserWarning)
    return BudgetError


@latency_budget(smaples=3)  # error: call-overload, reportCallIssue
@latency_budget("GET /health", p59=3)  # error: call-overload, reportCallIssue
@latency_budget(p50=[1])  # error: call-overload, reportArgumentType
@latency_budget(p50=1, strict="yes")  # error: call-overload, reportArgumentType
def mistaken(sample: Sampler, warmup: Warmup) -> None:
    measured = sample(parse, "1")
    assert measured.p95ms  # error: attr-defined, reportAttributeAccessIssue
    assert measured.p95_sm  # error: attr-defined, reportAttributeAccessIssue
    assert measured.verdict.outcome  # error: union-attr, reportOptionalMemberAccess
    sample(parse("1"))  # error: call-overload, reportCallIssue
    sample.at_rate(parse, duration="1s")  # error: call-overload, reportCallIssue
    warmup(parse, times="3")  # error: call-overload, reportCallIssue
