"""One limit while its sample grows, and what remains without the worst windows."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_hancock_latency.core.budget import Limit
from pytest_hancock_latency.core.evidence import boundaries
from pytest_hancock_latency.core.quantile import MAXIMUM, P95
from pytest_hancock_latency.core.sample import Observations
from pytest_hancock_latency.core.verdict import Outcome
from pytest_hancock_latency.judging.limit_judge import LimitJudge, survives_deletion

MS = 1_000_000
FAST, SLOW = 1 * MS, 100 * MS
MANY = 20_000


def judge_of(quantile: object = P95) -> LimitJudge:
    limit = Limit(quantile, 10 * MS)  # type: ignore[arg-type]
    return LimitJudge(limit, boundaries(limit.allowed, 0.05, 1e-4), least=1)


def look(
    judge: LimitJudge, wall: list[int], attributed: list[int] | None = None, room: int = MANY
) -> None:
    """One observation every 300 ms, each in a window of its own."""
    walls = np.array(wall, dtype=np.int64)
    attributed_ns = walls if attributed is None else np.array(attributed, dtype=np.int64)
    window = np.arange(len(walls), dtype=np.int64)
    judge.look(Observations(walls, attributed_ns, window * 300 * MS), window, room)


def test_before_the_first_look_nothing_is_counted() -> None:
    verdict = judge_of().verdict(stopped=False)
    assert (verdict.n, verdict.over, verdict.over_attributed) == (0, 0, 0)
    assert Outcome.INCONCLUSIVE is verdict.outcome


def test_a_maximum_that_holds_so_far_is_looked_at_again_after_each_observation() -> None:
    judge = judge_of(MAXIMUM)
    look(judge, [FAST] * 5)
    assert judge.next_look() == 1


def test_the_next_look_is_where_the_limit_can_pass_at_the_earliest() -> None:
    judge = judge_of()
    look(judge, [FAST] * 30)
    assert judge.next_look() == 40
    look(judge, [FAST] * 30 + [SLOW])
    assert judge.next_look() == 118 - 31


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
    ("over", "needed"), [(0, 70), (1, 164), (2, 454), (8, 1425)], ids=["no", "few", "some", "many"]
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
