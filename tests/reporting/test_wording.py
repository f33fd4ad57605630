"""Every sentence that a verdict can be told in, in full."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from pytest_hancock_latency.core.budget import Limit
from pytest_hancock_latency.core.record import Record
from pytest_hancock_latency.core.verdict import (
    FailureVerdict,
    LimitVerdict,
    Outcome,
    Pooled,
    Reason,
    Verdict,
)
from pytest_hancock_latency.reporting.wording import explain, headline, why_inconclusive

MS = 1_000_000
P95, P99, MAX = Fraction(95, 100), Fraction(99, 100), Fraction(1)
NO_FAILURES = FailureVerdict(Fraction(0), Outcome.WITHIN, 0, 140)


def part(
    quantile: Fraction, limit_ms: int, outcome: Outcome, reason: Reason, **facts: int | None
) -> LimitVerdict:
    counts = {"n": 140, "over": 35, "over_attributed": 31} | facts
    return LimitVerdict(Limit(quantile, limit_ms * MS), outcome, reason, **counts)  # type: ignore[arg-type]


def record(*parts: LimitVerdict, failures: FailureVerdict = NO_FAILURES, **kinds: int) -> Record:
    n = parts[0].n if parts else 0
    verdict = Verdict(parts, failures, n=n, elapsed_ns=n * 40 * MS, least_time_ns=20_000 * MS)
    return Record(
        "t.py::test",
        "",
        n,
        kinds,
        quantiles_ns={"p95": 41 * MS, "p99": 41 * MS, "max": 41 * MS},
        attributed_quantiles_ns={},
        verdict=verdict,
        bounds_ns={"p95": (31_200_000, None)},
    )


EXCEEDED = part(P95, 25, Outcome.EXCEEDED, Reason.SHOWN)


OPEN = (Outcome.INCONCLUSIVE, Reason.NEAR)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            replace(EXCEEDED, over=31, bursts=7),
            "exceeded p95: 31 of 140 over 25 ms in 7 bursts (22 %, allowed 5 %); p95 ≥ 31.2 ms",
        ),
        (
            part(MAX, 25, Outcome.EXCEEDED, Reason.SHOWN, over=1, over_attributed=1, bursts=1),
            "exceeded max: 1 of 140 over 25 ms in 1 burst; the largest took 41 ms",
        ),
        (
            part(P95, 25, Outcome.WITHIN, Reason.SHOWN, over=0, over_attributed=0, bursts=72),
            "within: p95 0 of 140 over 25 ms in 72 bursts; measured for 5.6 s",
        ),
        (
            part(
                P95,
                25,
                Outcome.INCONCLUSIVE,
                Reason.FEW,
                over=0,
                over_attributed=0,
                bursts=20,
                needed=72,
            ),
            "inconclusive p95: 0 of 140 over 25 ms in 20 bursts; p95 needs 72 bursts",
        ),
        (
            part(MAX, 25, Outcome.INCONCLUSIVE, Reason.FEW, over=0, over_attributed=0, bursts=1),
            "inconclusive max: 0 of 140 over 25 ms in 1 burst; not enough for max",
        ),
        (
            part(P95, 25, *OPEN, bursts=4, needed=24),
            "inconclusive p95: 35 of 140 over 25 ms in 4 bursts (25 %, allowed 5 %); more than "
            "allowed so far; about 24 bursts would settle it",
        ),
        (
            part(P95, 25, *OPEN, over=4, over_attributed=4, bursts=40, needed=190),
            "inconclusive p95: 4 of 140 over 25 ms in 40 bursts (2.9 %, allowed 5 %); too near the "
            "limit to tell; about 190 bursts would settle it",
        ),
        (
            part(P95, 25, *OPEN, bursts=4),
            "inconclusive p95: 35 of 140 over 25 ms in 4 bursts (25 %, allowed 5 %); too near the "
            "limit to tell",
        ),
        (
            part(P95, 25, Outcome.INCONCLUSIVE, Reason.STALL, bursts=9),
            "inconclusive p95: 35 of 140 over 25 ms in 9 bursts (25 %, allowed 5 %), nearly all in "
            "one burst or two in a row: could be a single stall; more bursts show whether it "
            "recurs",
        ),
        (
            EXCEEDED,
            "exceeded p95: 31 of 140 over 25 ms (22 %, allowed 5 %); p95 ≥ 31.2 ms; "
            "4 observations excused",
        ),
        (
            replace(EXCEEDED, over=31),
            "exceeded p95: 31 of 140 over 25 ms (22 %, allowed 5 %); p95 ≥ 31.2 ms",
        ),
        (
            replace(EXCEEDED, over=32),
            "exceeded p95: 31 of 140 over 25 ms (22 %, allowed 5 %); p95 ≥ 31.2 ms; "
            "1 observation excused",
        ),
        (
            part(MAX, 25, Outcome.EXCEEDED, Reason.SHOWN, over=1, over_attributed=1),
            "exceeded max: 1 of 140 over 25 ms; the largest took 41 ms",
        ),
        (
            part(
                P99,
                50,
                Outcome.INCONCLUSIVE,
                Reason.FEW,
                n=120,
                over=0,
                over_attributed=0,
                needed=354,
            ),
            "inconclusive p99: 0 of 120 over 50 ms; enough for p97, "
            "p99 needs 354 observations (14.2 s at this pace)",
        ),
        (
            part(
                P99,
                50,
                Outcome.INCONCLUSIVE,
                Reason.FEW,
                n=3,
                over=0,
                over_attributed=0,
                needed=354,
            ),
            "inconclusive p99: 0 of 3 over 50 ms; p99 needs 354 observations (14.2 s at this pace)",
        ),
        (
            part(P99, 50, Outcome.INCONCLUSIVE, Reason.MACHINE, n=400, over=9, over_attributed=1),
            "inconclusive p99 (machine): 9 of 400 over 50 ms, "
            "8 of them only because of the machine",
        ),
        (
            part(P99, 50, Outcome.INCONCLUSIVE, Reason.MACHINE, n=400, over=9, over_attributed=0),
            "inconclusive p99 (machine): 9 of 400 over 50 ms, "
            "all of them only because of the machine",
        ),
        (
            part(
                P99,
                50,
                Outcome.INCONCLUSIVE,
                Reason.MACHINE,
                n=400,
                over=9,
                over_attributed=1,
                over_unseen=5,
            ),
            "inconclusive p99 (machine): 9 of 400 over 50 ms, "
            "5 of them after waiting for something unknown while the machine was busy",
        ),
        (
            part(P99, 50, Outcome.INCONCLUSIVE, Reason.MACHINE, n=90, over=1, over_attributed=0),
            "inconclusive p99 (machine): 1 of 90 over 50 ms, only because of the machine",
        ),
        (
            part(P99, 50, Outcome.INCONCLUSIVE, Reason.STALL, n=500, over=54),
            "inconclusive p99: 54 of 500 over 50 ms (11 %, allowed 1 %), nearly all at the same "
            "time: could be a single stall; measure longer to see whether it recurs",
        ),
        (
            part(P99, 50, Outcome.INCONCLUSIVE, Reason.STOPPED, over=3),
            "p99: 3 of 140 over 50 ms, not needed for the verdict",
        ),
        (
            part(
                P99,
                50,
                Outcome.INCONCLUSIVE,
                Reason.NEAR,
                n=40,
                over=3,
                over_attributed=3,
                needed=60,
            ),
            "inconclusive p99: 3 of 40 over 50 ms (7.5 %, allowed 1 %); "
            "more than allowed so far; about 60 observations would settle it "
            "(2.4 s at this pace)",
        ),
        (
            part(
                P99,
                50,
                Outcome.INCONCLUSIVE,
                Reason.NEAR,
                n=400,
                over=3,
                over_attributed=3,
                needed=9000,
            ),
            "inconclusive p99: 3 of 400 over 50 ms (0.75 %, allowed 1 %); "
            "too near the limit to tell; about 9000 observations would settle it (360 s at this "
            "pace)",
        ),
        (
            part(P99, 50, Outcome.INCONCLUSIVE, Reason.NEAR, n=400, over=4),
            "inconclusive p99: 4 of 400 over 50 ms (1 %, allowed 1 %); too near the limit to tell",
        ),
        (
            part(P99, 50, Outcome.INCONCLUSIVE, Reason.SHORT, n=400, over=0, over_attributed=0),
            "inconclusive p99: 0 of 400 over 50 ms; measured for 16 s, least_time is 20 s",
        ),
        (
            part(P99, 50, Outcome.WITHIN, Reason.SHOWN, n=354, over=0, over_attributed=0),
            "within: p99 0 of 354 over 50 ms; measured for 14.2 s",
        ),
    ],
)
def test_a_limit_is_explained(given: LimitVerdict, sentence: str) -> None:
    assert explain(record(given)) == [sentence]


def test_the_headline_of_an_exceeded_limit_is_short() -> None:
    assert headline(record(EXCEEDED)) == "p95 41 ms > 25 ms, 31 of 140 over"


def test_a_latency_just_over_its_limit_is_not_shown_as_equal_to_it() -> None:
    near = replace(record(EXCEEDED), quantiles_ns={"p95": 25_000_001})
    assert headline(near) == "p95 25.000001 ms > 25 ms, 31 of 140 over"


def test_a_bound_that_is_not_above_the_limit_is_left_out() -> None:
    below = replace(record(EXCEEDED), bounds_ns={"p95": (24_900_000, None)})
    assert explain(below) == [
        "exceeded p95: 31 of 140 over 25 ms (22 %, allowed 5 %); 4 observations excused"
    ]


@pytest.mark.parametrize(
    ("reasons", "words"),
    [
        ([Reason.FEW], "too few calls"),
        ([Reason.SHORT], "too few calls"),
        ([Reason.FEW, Reason.MACHINE], "busy machine"),
        ([Reason.NEAR, Reason.FEW], "near the limit"),
        ([Reason.STALL], "one stall"),
    ],
)
def test_why_a_budget_is_inconclusive_is_said_in_short(reasons: list[Reason], words: str) -> None:
    parts = [part(P99, 50 + i, Outcome.INCONCLUSIVE, why) for i, why in enumerate(reasons)]
    assert why_inconclusive(record(*parts)) == words


def test_a_decided_budget_has_no_reason_to_be_inconclusive() -> None:
    assert why_inconclusive(record(EXCEEDED)) == ""


def test_exceeded_limits_come_before_what_is_inconclusive_and_the_highest_first() -> None:
    unsure = part(MAX, 900, Outcome.INCONCLUSIVE, Reason.STOPPED, over=0)
    lines = explain(record(EXCEEDED, replace(EXCEEDED, limit=Limit(P99, 30 * MS)), unsure))
    assert [line.split(":")[0] for line in lines] == [
        "exceeded p99",
        "exceeded p95",
        "max",
    ]


def test_failures_are_explained_with_their_classes() -> None:
    failures = FailureVerdict(Fraction(1, 1000), Outcome.EXCEEDED, 6, 400)
    within = part(P99, 50, Outcome.WITHIN, Reason.SHOWN, n=394, over=0)
    told = record(within, failures=failures, **{"check: status 503": 4, "TimeoutError": 2})
    expected = (
        "exceeded errors: 6 of 400 requests failed (1.5 %, allowed 0.1 %): "
        "check: status 503 ×4, TimeoutError ×2"
    )
    assert explain(told) == [expected]
    assert headline(told) == expected


@pytest.mark.parametrize(
    ("outcome", "head"),
    [
        (Outcome.INCONCLUSIVE, "inconclusive errors (machine)"),
        (Outcome.EXCEEDED, "exceeded errors"),
    ],
)
def test_time_outs_on_a_busy_machine_are_counted_apart(outcome: Outcome, head: str) -> None:
    failures = FailureVerdict(Fraction(0), outcome, 6, 400, excused=5)
    within = part(P99, 50, Outcome.WITHIN, Reason.SHOWN, n=394, over=0)
    told = record(within, failures=failures, TimeoutError=6)
    assert explain(told) == [
        f"{head}: 6 of 400 requests failed (1.5 %, allowed 0 %): TimeoutError ×6; "
        "5 timed out while the machine was busy"
    ]


def test_a_sample_without_a_verdict_says_why() -> None:
    assert explain(Record("t", "", 0, {}, {}, {}, not_judged="no budget")) == [
        "not judged: no budget"
    ]


def test_the_last_runs_that_decided_are_named() -> None:
    pooled = replace(
        part(P99, 50, Outcome.WITHIN, Reason.POOLED, n=68, over=0, over_attributed=0),
        pooled=Pooled(6, 412, 1),
    )
    assert explain(record(pooled)) == [
        "within: p99 0 of 68 over 50 ms (last 6 runs: 1 of 412); measured for 2.72 s"
    ]
    inconclusive = part(P95, 25, Outcome.INCONCLUSIVE, Reason.NEAR, needed=None)
    assert "p99" not in explain(record(pooled, inconclusive))[0]


def test_a_budget_that_its_bursts_hold_names_their_number_once() -> None:
    within = part(P95, 25, Outcome.WITHIN, Reason.SHOWN, over=0, over_attributed=0, bursts=366)
    limits = within, replace(within, limit=Limit(P99, 50 * MS))
    assert explain(record(*limits)) == [
        "within: p95 0 of 140 over 25 ms, p99 0 of 140 over 50 ms in 366 bursts; measured for 5.6 s"
    ]


def test_failed_requests_of_bursts_name_their_number() -> None:
    failures = FailureVerdict(Fraction(1, 100), Outcome.EXCEEDED, 30, 170)
    within = part(P95, 25, Outcome.WITHIN, Reason.SHOWN, over=0, over_attributed=0, bursts=20)
    assert explain(record(within, failures=failures, TimeoutError=30)) == [
        "exceeded errors: 30 of 170 requests failed in 20 bursts (18 %, allowed 1 %): "
        "TimeoutError ×30"
    ]


def test_the_headline_of_a_slow_burst_names_the_number_of_bursts() -> None:
    slow = replace(EXCEEDED, bursts=7)
    assert headline(record(slow)) == "p95 41 ms > 25 ms, 31 of 140 over in 7 bursts"
