"""Answers that a check refuses: wrong ones, and those that came too late."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pytest_hancock_latency import ManualClock
from pytest_hancock_latency.measuring.request import Request
from pytest_hancock_latency.measuring.takers.bare import BareTaker

MS = 1_000_000


def taker_after(latencies_ms: Sequence[int], *, refused: Sequence[int]) -> BareTaker:
    """Take calls of these latencies; the check refuses those at the given positions."""
    clock, positions = ManualClock(), iter(range(len(latencies_ms)))

    def call() -> int:
        at = next(positions)
        clock.advance(latencies_ms[at] * MS)
        return at

    taker = BareTaker(clock)
    for _ in latencies_ms:
        taker.take(Request(call, check=lambda at: at not in refused), 1, 2**62)
    return taker


@pytest.mark.parametrize(
    ("latencies_ms", "refused", "kept_ms", "timed_out"),
    [
        ([5, 5, 60, 5], [2], [5, 5, 60, 5], [False, False, True, False]),
        ([60, 70, 5, 5], [0, 1], [60, 70, 5, 5], [True, True, False, False]),
        ([5, 5, 5, 50], [0], [5, 5, 50], None),
        ([60, 5, 5, 70], [0], [5, 5, 70], None),
        ([5, 60, 4, 5], [1, 2], [5, 5], None),
        ([60] * 10, range(10), [60] * 10, [True] * 10),
        ([60] * 11, range(11), [], None),
    ],
    ids=[
        "the slowest",
        "the first ones",
        "as fast as others that pass",
        "faster than one that passes later",
        "slow and fast ones",
        "ten before any passes",
        "more before any passes",
    ],
)
def test_answers_are_too_late_where_a_check_refuses_only_the_slowest(
    latencies_ms: Sequence[int],
    refused: Sequence[int],
    kept_ms: list[int],
    timed_out: list[bool] | None,
) -> None:
    taker = taker_after(latencies_ms, refused=refused)
    assert taker.failures == {"check: returned False": len(refused)}
    observations = taker.observations()
    assert observations.wall_ns.tolist() == [ms * MS for ms in kept_ms]
    flags = observations.timed_out
    assert (None if flags is None else flags.tolist()) == timed_out
