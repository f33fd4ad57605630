"""Records in their plain form: what is read back, and what contradicts itself."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from pytest_hancock_latency.core.record import Record
from pytest_hancock_latency.core.record_json import InvalidRecord, from_plain, to_plain
from pytest_hancock_latency.core.verdict import (
    FailureVerdict,
    Outcome,
    Reason,
    RpsVerdict,
    Verdict,
)

RATE = RpsVerdict(
    200.0, Outcome.WITHIN, Reason.SHOWN, 210.0, 10**9, n=60, short=5, strained=4, short_strained=3
)


def plain_with(rate: RpsVerdict) -> dict[str, Any]:
    """The plain form of a record with this verdict on its requests/s."""
    failures = FailureVerdict(Fraction(0), Outcome.WITHIN, 0, 10)
    verdict = Verdict((), failures, n=10, elapsed_ns=0, rps=rate)
    quantiles_ns = {"p50": 1, "p95": 1, "p99": 1, "max": 1}
    return to_plain(Record("t", "", 10, {}, quantiles_ns, {}, verdict=verdict))


def rate_of(plain: dict[str, Any]) -> RpsVerdict | None:
    verdict = from_plain(plain).verdict
    assert verdict is not None
    return verdict.rps


@pytest.mark.parametrize(
    "rate",
    [
        RATE,
        replace(RATE, short=60, strained=60, short_strained=60),
        replace(RATE, short_strained=4),
    ],
)
def test_a_verdict_on_requests_per_second_is_read_back(rate: RpsVerdict) -> None:
    assert rate == rate_of(plain_with(rate))


@pytest.mark.parametrize(
    "rate",
    [
        replace(RATE, short_strained=5),
        replace(RATE, short=2),
        replace(RATE, short=61),
        replace(RATE, strained=61),
    ],
)
def test_numbers_of_stretches_that_contradict_each_other_are_refused(rate: RpsVerdict) -> None:
    with pytest.raises(InvalidRecord) as refused:
        from_plain(plain_with(rate))
    assert "its numbers of stretches contradict each other" in str(refused.value)


def test_an_early_verdict_had_no_least_time() -> None:
    plain = plain_with(RATE)
    del plain["verdict"]["least_time_ns"]
    verdict = from_plain(plain).verdict
    assert verdict is not None
    assert verdict.least_time_ns == 0


def test_a_quantile_with_an_unknown_name_is_refused() -> None:
    plain = plain_with(RATE)
    plain["quantiles_ns"]["often"] = 1
    with pytest.raises(InvalidRecord) as refused:
        from_plain(plain)
    assert refused.value.field == "quantiles_ns"
    assert str(refused.value) == "'often' is not a percentile: write p99, p99_9 or '99.9%'"
