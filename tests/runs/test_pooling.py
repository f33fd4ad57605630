"""Limits that a run leaves inconclusive, judged by the last runs together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_hancock_latency.core.advice import Advice
from pytest_hancock_latency.core.budget import LatencyBudget, Limit
from pytest_hancock_latency.core.evidence import ALPHA_WITHIN, Boundaries, boundaries
from pytest_hancock_latency.core.histogram import Histogram
from pytest_hancock_latency.core.record import Artifact, Record
from pytest_hancock_latency.core.record_json import from_plain, to_plain
from pytest_hancock_latency.core.sample import Measurement
from pytest_hancock_latency.core.verdict import Outcome, Pooled, Reason
from pytest_hancock_latency.judging.counts import Tally, judge_counts
from pytest_hancock_latency.judging.limit_judge import LimitCounts
from pytest_hancock_latency.judging.sequential import Policy
from pytest_hancock_latency.runs.change_points import ChangePoint
from pytest_hancock_latency.runs.pooling import shown_exceeded, shown_within, with_earlier_runs

MS = 1_000_000
DAY_S = 86_400
P99 = Fraction(99, 100)
BUDGET = LatencyBudget((Limit(P99, 50 * MS),))
MACHINE = {"cpu": "a CPU", "cores": 2, "python": "3.12"}
KIND = ("a CPU", "2 cores", "Python 3.12")


def table(allowed: Fraction = Fraction(1, 100)) -> Boundaries:
    made = boundaries(allowed, ALPHA_WITHIN, 1e-4)
    assert isinstance(made, Boundaries)
    return made


def run(
    n: int = 100,
    over: int = 0,
    *,
    typical_ms: int = 10,
    over_ms: int = 90,
    budget: LatencyBudget = BUDGET,
    day: int = 0,
    machine: dict[str, Any] = MACHINE,
    title: str = "test",
) -> Artifact:
    """A run with this many calls, of which some take longer than the others."""
    wall = np.array([typical_ms * MS] * (n - over) + [over_ms * MS] * over, dtype=np.int64)
    histogram = Histogram.of(wall)
    verdict = judge_counts(Tally(histogram, histogram), budget, Policy())
    measurement = Measurement(started_unix_s=1e9 + day * DAY_S)
    record = Record(
        title,
        "",
        n,
        {},
        {"p50": 1, "p95": 1, "p99": 1, "max": 1},
        {},
        verdict=verdict,
        histogram=histogram,
        measurement=measurement,
    )
    return Artifact({"machine": machine}, [record])


def judged(present: Artifact, *history: Artifact) -> Record:
    return with_earlier_runs(present.records[0], KIND, history)


def limit_of(record: Record) -> Any:
    assert record.verdict
    return record.verdict.limits[0]


def advice_of(record: Record) -> list[tuple[str, dict[str, Any]]]:
    return [(advice.kind, dict(advice.figures)) for advice in record.measurement.advice]


def test_runs_are_added_until_they_show_the_limit_to_be_within() -> None:
    history = [run(day=day) for day in range(9)]
    record = judged(run(over=1, day=9), *history)
    assert (limit_of(record).outcome, limit_of(record).reason) == (Outcome.WITHIN, Reason.POOLED)
    assert Pooled(6, 600, 1, 5 * DAY_S * 10**9) == limit_of(record).pooled
    figures = {"limit": "p99", "runs": 6, "n": 600, "span_ns": 5 * DAY_S * 10**9}
    assert [("pooled-within", figures)] == advice_of(record)


def test_the_span_of_runs_without_a_start_is_unknown() -> None:
    (record,) = run().records
    undated = Artifact({"machine": MACHINE}, [replace(record, measurement=Measurement())])
    for present, earlier in ((undated, run()), (run(), undated)):
        assert limit_of(judged(present, *[earlier] * 9)).pooled.span_ns == 0


def test_the_counts_of_the_present_run_stay_its_own() -> None:
    part = limit_of(judged(run(), *[run()] * 5))
    assert (part.n, part.over) == (100, 0)


def test_runs_that_do_not_suffice_are_said() -> None:
    record = judged(run(day=1), run())
    assert Outcome.INCONCLUSIVE is record.outcome
    figures = {"limit": "p99", "runs": 2, "n": 200, "slower_percent": 0}
    assert [("pooled-few", figures)] == advice_of(record)


def test_a_present_run_with_more_over_than_allowed_stays_inconclusive() -> None:
    assert Outcome.INCONCLUSIVE is judged(run(over=2), *[run(1000)] * 5).outcome


def test_last_runs_with_more_over_than_allowed_show_nothing() -> None:
    history = [*[run()] * 20, run(over=3)]
    assert Outcome.INCONCLUSIVE is judged(run(), *history).outcome
    assert Outcome.WITHIN is judged(run(), *[*[run()] * 20, run(over=1), run()]).outcome


def changes_are(monkeypatch: pytest.MonkeyPatch, *changes: ChangePoint) -> list[int]:
    """Let these be the changes of any history; returns the lengths of those looked at."""
    lengths = list[int]()

    def change_points(medians: Sequence[float]) -> Sequence[ChangePoint]:
        lengths.append(len(medians))
        return changes

    monkeypatch.setattr("pytest_hancock_latency.runs.pooling.change_points", change_points)
    return lengths


def test_no_run_before_a_change_is_added(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths = changes_are(monkeypatch, ChangePoint(7, 10.0, 11.0))
    record = judged(run(), *[run() for _ in range(9)])
    assert Outcome.INCONCLUSIVE is record.outcome
    assert advice_of(record)[0][1]["runs"] == 3
    assert lengths == [10]


def test_after_a_change_at_the_present_run_no_other_is_added(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    changes_are(monkeypatch, ChangePoint(9, 10.0, 11.0))
    present = run()
    assert judged(present, *[run()] * 9) == present.records[0]


def test_the_last_sixty_runs_are_looked_at_for_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths = changes_are(monkeypatch)
    judged(run(), *[run() for _ in range(70)])
    assert lengths == [61]


def test_a_single_run_shows_nothing_here_that_it_has_not_shown_itself() -> None:
    assert shown_within([LimitCounts(1000, 0, 0)], Fraction(1, 100), table()) is None


def test_at_most_thirty_runs_are_added_up() -> None:
    record = judged(run(n=2), *[run(n=2)] * 70)
    assert (
        advice_of(record)[0][0],
        advice_of(record)[0][1]["runs"],
        advice_of(record)[0][1]["n"],
    ) == ("pooled-few", 30, 60)


def test_earlier_runs_count_as_if_they_had_been_as_slow_as_the_present_one() -> None:
    earlier = [run(typical_ms=8, over=2, over_ms=9)] * 9
    assert Outcome.WITHIN is judged(run(typical_ms=8), *earlier).outcome
    record = judged(run(typical_ms=48), *earlier)  # six times 9 ms is over 50 ms
    assert Outcome.INCONCLUSIVE is record.outcome
    figures = {"limit": "p99", "runs": 10, "n": 1000, "slower_percent": 500}
    assert [("pooled-few", figures)] == advice_of(record)


def test_earlier_runs_without_a_measurable_latency_are_added() -> None:
    record = judged(run(typical_ms=0), *[run(typical_ms=0)] * 9)
    assert Outcome.WITHIN is record.outcome


def test_earlier_runs_do_not_count_as_faster_if_the_present_one_is() -> None:
    assert judged(run(typical_ms=5), *[run(over=2)] * 9).outcome is Outcome.INCONCLUSIVE


def test_runs_go_back_to_one_that_was_exceeded() -> None:
    record = judged(run(), *[run()] * 9, run(over=90), run())
    assert Outcome.INCONCLUSIVE is record.outcome
    assert advice_of(record)[0][1]["runs"] == 2


@pytest.mark.parametrize(
    "earlier",
    [
        run(machine={**MACHINE, "cores": 4}),
        run(machine={}),
        run(title="another"),
        run(budget=LatencyBudget((Limit(P99, 60 * MS),))),
        run(budget=LatencyBudget((Limit(P99, 50 * MS),), Fraction(1, 10))),
    ],
    ids=["machine", "unknown machine", "test", "limit", "errors"],
)
def test_runs_of_another_machine_test_or_budget_are_not_added(earlier: Artifact) -> None:
    present = run().records[0]
    assert present == judged(run(), *[earlier] * 9)


def test_a_decided_limit_is_not_touched() -> None:
    within, exceeded = run(400), run(over=90)
    assert within.records[0] == judged(within, *[run()] * 9)
    assert exceeded.records[0] == judged(exceeded, *[run(1000)] * 9)


def test_a_limit_that_the_last_runs_show_to_be_exceeded_is_said_only() -> None:
    record = judged(run(over=4), *[run(over=4)] * 9)
    assert Outcome.INCONCLUSIVE is record.outcome
    ((kind, figures),) = advice_of(record)
    assert kind == "pooled-exceeded"
    assert figures["over"] > 0.02 * figures["n"]


def test_a_single_bad_run_does_not_show_exceeded() -> None:
    counts = [LimitCounts(100, 0, 0), LimitCounts(100, 60, 60), LimitCounts(100, 0, 0)]
    assert shown_exceeded(counts, table()) is None


def test_the_runs_that_show_exceeded_are_counted_from_the_present_one_on() -> None:
    counts = [LimitCounts(100, 12, 7), LimitCounts(100, 13, 8), LimitCounts(100, 14, 8)] * 3
    assert Pooled(3, 300, 23) == shown_exceeded(counts, table())
    assert shown_exceeded(counts[:2], table()) is None


def test_runs_of_another_machine_in_between_are_left_out() -> None:
    elsewhere = run(machine={**MACHINE, "cores": 4})
    record = judged(run(day=9), *[run(day=day) for day in range(4)], elsewhere, run(day=8))
    assert Outcome.WITHIN is record.outcome
    assert 4 <= limit_of(record).pooled.runs <= 6


def test_a_run_that_was_not_judged_or_has_no_histogram_is_left_out() -> None:
    (earlier,) = run().records
    without = [replace(earlier, verdict=None), replace(earlier, histogram=None)]
    history = [Artifact({"machine": MACHINE}, [record]) for record in without]
    present = run().records[0]
    assert present == judged(run(), *history * 5)


def test_exceeded_counts_attributed_latency() -> None:
    by_machine = [LimitCounts(100, 10, 0)] * 9
    assert shown_exceeded(by_machine, table()) is None
    assert shown_exceeded([LimitCounts(100, 10, 10)] * 9, table()) is not None


@given(
    st.lists(
        st.integers(1, 200).flatmap(
            lambda n: st.integers(0, min(n, 4)).map(lambda k: LimitCounts(n, k, k))
        ),
        min_size=1,
        max_size=12,
    )
)
def test_within_is_shown_by_its_own_counts_and_no_last_runs_speak_against_it(
    counts: list[LimitCounts],
) -> None:
    allowed = Fraction(1, 100)
    pooled = shown_within(counts, allowed, table())
    if pooled is None:
        return
    added = counts[: pooled.runs]
    assert (sum(c.n for c in added), sum(c.over for c in added)) == (pooled.n, pooled.over)
    assert table().shows_within(pooled.n, pooled.over)
    for runs in range(1, pooled.runs + 1):
        assert sum(c.over for c in counts[:runs]) <= allowed * sum(c.n for c in counts[:runs])


def test_a_warning_that_a_decided_limit_would_stay_inconclusive_is_dropped() -> None:
    present = run()
    warnings = tuple(
        Advice.of(kind, limit=limit) for kind in ("cap-samples", "takes-long") for limit in ("p99",)
    )
    record = replace(present.records[0], measurement=Measurement(advice=warnings))
    kinds = [kind for kind, _ in advice_of(judged(Artifact({}, [record]), *[run()] * 9))]
    assert kinds == ["pooled-within", "takes-long"]


def test_the_runs_survive_json() -> None:
    record = judged(run(day=9), *[run(day=day) for day in range(9)])
    read = from_plain(to_plain(replace(record, measurement=Measurement())))
    assert limit_of(record).pooled == limit_of(read).pooled


@pytest.mark.parametrize("repeated", [(True, False), (False, True)], ids=["present", "earlier"])
def test_repeated_bursts_are_neither_added_nor_added_to(repeated: tuple[bool, bool]) -> None:
    runs = [run(day=day) for day in range(8)]
    assert judged(runs[-1], *runs[:-1]).outcome is Outcome.WITHIN
    for artifact in runs:
        (record,) = artifact.records
        if repeated[artifact is not runs[-1]]:
            measurement = replace(record.measurement, loop="bursts")
            artifact.records[0] = replace(record, measurement=measurement)  # type: ignore[index]
    assert judged(runs[-1], *runs[:-1]) == runs[-1].records[0]
