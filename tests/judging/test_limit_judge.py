"""One limit while its sample grows, and what remains without the worst windows."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from pytest_hancock_latency.core.attribution import UNSEEN
from pytest_hancock_latency.core.budget import Limit
from pytest_hancock_latency.core.evidence import boundaries
from pytest_hancock_latency.core.quantile import MAXIMUM, P50, P95
from pytest_hancock_latency.core.sample import Observations, Probed
from pytest_hancock_latency.core.verdict import Outcome, Reason, Route
from pytest_hancock_latency.judging.limit_judge import LimitJudge, survives_deletion, tables_of

MS = 1_000_000
FAST, SLOW = 1 * MS, 100 * MS
MANY = 20_000


def judge_of(quantile: object = P95, slowness: float = 1) -> LimitJudge:
    limit = Limit(quantile, 10 * MS)  # type: ignore[arg-type]
    return LimitJudge(limit, tables_of(limit.allowed, 0.05, 1e-4), least=1, slowness=slowness)


def look(
    judge: LimitJudge,
    wall: list[int],
    attributed: list[int] | None = None,
    room: int = MANY,
    at_most: list[int] | None = None,
) -> None:
    """One observation every 300 ms, each in a window of its own."""
    walls = np.array(wall, dtype=np.int64)
    attributed_ns = walls if attributed is None else np.array(attributed, dtype=np.int64)
    window = np.arange(len(walls), dtype=np.int64)
    at_most_ns = None if at_most is None else np.array(at_most, dtype=np.int64)
    observations = Observations(walls, attributed_ns, window * 300 * MS, at_most_ns=at_most_ns)
    judge.look(observations, window, room)


def test_before_the_first_look_nothing_is_counted() -> None:
    verdict = judge_of().verdict(stopped=False)
    assert (verdict.n, verdict.over, verdict.over_attributed) == (0, 0, 0)
    assert Outcome.INCONCLUSIVE is verdict.outcome


@pytest.mark.parametrize("quantile", [P50, P95, MAXIMUM])
@pytest.mark.parametrize(
    ("slowness", "outcome", "reason"),
    [
        (1, Outcome.EXCEEDED, Reason.SHOWN),
        (9, Outcome.EXCEEDED, Reason.SHOWN),
        (11, Outcome.INCONCLUSIVE, Reason.TRACER),
        (math.inf, Outcome.INCONCLUSIVE, Reason.TRACER),
    ],
)
def test_under_a_tracer_more_than_its_factor_is_exceeded(
    quantile: object, slowness: float, outcome: Outcome, reason: Reason
) -> None:
    judge = judge_of(quantile, slowness)
    look(judge, [SLOW] * 60, at_most=[SLOW] * 60)
    verdict = judge.verdict(stopped=False)
    assert (verdict.outcome, verdict.reason, verdict.over) == (outcome, reason, 60)
    assert verdict.over_attributed == (60 if outcome is Outcome.EXCEEDED else 0)


def test_under_a_tracer_what_is_within_with_it_is_within() -> None:
    judge = judge_of(slowness=30)
    look(judge, [FAST] * 100)
    assert judge.verdict(stopped=False).outcome is Outcome.WITHIN


def test_a_maximum_that_holds_so_far_is_looked_at_again_after_each_observation() -> None:
    judge = judge_of(MAXIMUM)
    look(judge, [FAST] * 5)
    assert judge.next_look() == 1


def test_the_next_look_is_where_the_limit_can_pass_at_the_earliest() -> None:
    judge = judge_of()
    look(judge, [FAST] * 30)
    assert judge.next_look() == 42
    look(judge, [FAST] * 30 + [SLOW])
    assert judge.next_look() == 120 - 31


@pytest.mark.parametrize(
    ("wall", "expected"),
    [
        ([FAST] * 20 + [SLOW] * 2, True),
        ([FAST] * 19 + [SLOW], False),
        ([SLOW] * 30, False),
    ],
    ids=["more than allowed", "as many as allowed", "exceeded already"],
)
def test_a_limit_would_be_exceeded_if_more_are_over_than_allowed(
    wall: list[int], expected: bool
) -> None:
    judge = judge_of()
    look(judge, wall)
    assert expected is judge.would_exceed(10_000_000)


@pytest.mark.parametrize(
    ("over", "room", "settled"), [(6, MANY, False), (6, 250, True), (8, MANY, False)]
)
def test_a_rate_that_may_be_lower_by_chance_is_measured_while_a_pass_fits_into_the_room(
    over: int, room: int, settled: bool
) -> None:
    judge = judge_of()
    look(judge, [FAST] * (200 - over) + [SLOW] * over, [FAST] * 200, room)
    assert judge.outcome is None
    assert settled is judge.settled


@pytest.mark.parametrize(
    ("over", "needed"), [(0, 72), (1, 166), (2, 457), (8, 1425)], ids=["no", "few", "some", "many"]
)
def test_how_many_observations_would_settle_a_limit_depends_on_how_many_are_over(
    over: int, needed: int
) -> None:
    judge = judge_of()
    n = 100 if over else 30
    look(judge, [FAST] * (n - over) + [SLOW] * over)
    assert needed == judge.verdict(stopped=False).needed


def test_each_pair_of_adjacent_windows_is_deleted_by_itself() -> None:
    table = boundaries(1 - P95, 0.05, 1e-4)
    # Without the first two, half of 390 are over; without any other two, 190 of 4380 are.
    totals, exceeding = [4000, *[10] * 40], [0, *[5] * 40]
    assert table.shows_exceeded(390, 195)
    assert not survives_deletion(table, totals, exceeding)
    assert survives_deletion(table, totals[1:], exceeding[1:])


def test_all_of_a_single_window_is_deleted() -> None:
    table = boundaries(1 - P95, 0.05, 1e-4)
    assert table.shows_exceeded(100, 50)
    assert not survives_deletion(table, [100], [50])


def probed(
    wall: list[int],
    attributed: list[int] | None = None,
    *,
    at_most: list[int] | None = None,
    counts: int = 0,
    undisturbed: list[bool] | None = None,
    after: list[bool] | None = None,
) -> Observations:
    """One observation every 300 ms; those from position `counts` on are in the probing phase."""
    n = len(wall)
    before = np.array(undisturbed or [False] * n)
    return Observations(
        np.array(wall),
        np.array(wall if attributed is None else attributed),
        np.arange(n) * 300 * MS,
        at_most_ns=np.array(wall if at_most is None else at_most),
        probed=Probed(np.arange(n) >= counts, before, before if after is None else np.array(after)),
    )


def looked_at(observations: Observations, quantile: object = P95) -> LimitJudge:
    judge = judge_of(quantile)
    judge.look(observations, np.arange(len(observations)), MANY)
    return judge


def test_before_the_probing_phase_nothing_is_exceeded() -> None:
    judge = looked_at(probed([SLOW] * 40, counts=40))
    assert judge.outcome is None
    assert judge.needs_probing
    assert judge.is_concentrated


def test_only_calls_of_the_probing_phase_count() -> None:
    assert looked_at(probed([SLOW] * 40, counts=36)).outcome is None
    judge = looked_at(probed([SLOW] * 40, counts=20))
    assert judge.outcome is Outcome.EXCEEDED
    part = judge.verdict(stopped=False)
    assert (part.n, part.over, part.counted, part.over_counted) == (40, 40, 20, 20)


def test_calls_that_an_undisturbed_machine_would_have_made_in_time_exceed_nothing() -> None:
    judge = looked_at(probed([SLOW] * 40, [FAST] * 40))
    assert judge.outcome is None
    assert judge.verdict(stopped=False).reason is Reason.MACHINE


@pytest.mark.parametrize(("quantile", "expected"), [(P50, None), (P95, Outcome.EXCEEDED)])
def test_of_a_median_both_probes_together_explain_more(
    quantile: Fraction, expected: Outcome | None
) -> None:
    slow = probed([SLOW] * 40, counts=0)
    assert slow.probed is not None
    together = np.full(40, SLOW / FAST)
    seen = replace(slow, probed=replace(slow.probed, together=together))
    assert looked_at(seen, quantile).outcome is expected


def test_calls_that_are_in_time_only_without_an_unknown_wait_are_counted_apart() -> None:
    seen = probed([SLOW] * 40, [FAST] * 40)
    unseen_ns = np.array([SLOW - FAST] * 30 + [FAST] * 10, dtype=np.float64)
    judge = looked_at(replace(seen, excused_ns={UNSEEN: unseen_ns}))
    assert judge.verdict(stopped=False).over_unseen == 30


def test_what_both_probes_explain_of_a_median_is_no_unknown_wait() -> None:
    seen = probed([SLOW] * 40, [2 * FAST * 10] * 40)
    assert seen.probed is not None
    explained = replace(seen.probed, together=np.full(40, SLOW / FAST))
    judge = looked_at(replace(seen, probed=explained, excused_ns={UNSEEN: np.zeros(40)}), P50)
    part = judge.verdict(stopped=False)
    assert (part.reason, part.over_attributed, part.over_unseen) == (Reason.MACHINE, 0, 0)


def test_the_machine_is_why_what_would_be_exceeded_without_it_is_not() -> None:
    # More than allowed by either count, but only the raw one shows it.
    judge = looked_at(probed([SLOW] * 40, [FAST] * 19 + [SLOW] * 21), P50)
    part = judge.verdict(stopped=False)
    assert (judge.outcome, part.reason, part.over_attributed) == (None, Reason.MACHINE, 21)


@pytest.mark.parametrize(("slow_count", "expected"), [(0, False), (2, False), (3, True)])
def test_a_tenth_of_the_evidence_begins_the_probing_phase(slow_count: int, expected: bool) -> None:
    wall = [FAST] * (10 - slow_count) + [SLOW] * slow_count
    assert looked_at(probed(wall, counts=10)).needs_probing is expected


def test_raw_latency_that_will_not_pass_begins_the_probing_phase() -> None:
    wall = ([FAST] * 19 + [SLOW]) * 20  # exactly as many as allowed
    assert looked_at(probed(wall, counts=len(wall))).needs_probing


def test_without_waits_a_pass_takes_more_calls() -> None:
    slow = [SLOW] * 129
    passing = looked_at(probed(slow, [FAST] * 129, at_most=[FAST] * 129))
    assert (passing.outcome, passing.route) == (Outcome.WITHIN, Route.WITHOUT_WAITS)
    assert passing.verdict(stopped=False).route is Route.WITHOUT_WAITS
    assert looked_at(probed(slow[:-1], [FAST] * 128, at_most=[FAST] * 128)).outcome is None


def test_undisturbed_calls_show_a_pass_if_they_are_spread_over_four_windows() -> None:
    n = 148
    slow, clean = [FAST] * n + [SLOW] * n, [True] * n + [False] * n
    judge = looked_at(probed(slow, undisturbed=clean, counts=2 * n))
    assert (judge.outcome, judge.route) == (Outcome.WITHIN, Route.UNDISTURBED)
    part = judge.verdict(stopped=False)
    assert (part.undisturbed, part.over_undisturbed) == (n, 0)
    in_three = judge_of()
    in_three.look(probed(slow, undisturbed=clean, counts=2 * n), np.arange(2 * n) * 3 // n, MANY)
    assert in_three.outcome is None


def test_a_call_that_began_undisturbed_counts_whatever_followed() -> None:
    n = 148
    slow = [FAST] * n + [SLOW] * n
    ended_disturbed = [True] * n + [False] * n
    both = [True] * (2 * n)
    judge = looked_at(probed(slow, undisturbed=both, after=ended_disturbed, counts=2 * n))
    assert judge.outcome is not Outcome.WITHIN
    assert judge.verdict(stopped=False).over_undisturbed == n


def test_a_maximum_is_exceeded_only_by_what_the_code_surely_took() -> None:
    assert looked_at(probed([SLOW], at_most=[FAST]), MAXIMUM).outcome is None
    assert looked_at(probed([SLOW], counts=1), MAXIMUM).outcome is Outcome.EXCEEDED
