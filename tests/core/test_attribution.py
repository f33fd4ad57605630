"""What of a latency is excused, on counters made up by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pytest_hancock_latency.core.attribution import (
    Brackets,
    Circumstances,
    attribute,
    slowdown,
    waits_in_window,
)

MS = 1_000_000


def bracket(**differences: int) -> Brackets:
    counters = {
        "wall": 10 * MS,
        "thread_cpu": 2 * MS,
        "process_cpu": 2 * MS,
        "run_queue": 8 * MS,
        "gap_before": 2000,
        "gap_after": 2000,
    }
    return Brackets(**{k: np.array([v]) for k, v in {**counters, **differences}.items()})


@pytest.mark.parametrize(
    ("differences", "wait"),
    [
        ({}, 8 * MS),
        ({"run_queue": 0}, 0),
        ({"thread_cpu": 9 * MS, "process_cpu": 9 * MS}, 1 * MS),
        ({"gap_before": 3 * MS + 5000}, 5 * MS),
        ({"gap_after": 8 * MS + 5000}, 0),
        ({"process_cpu": 10 * MS + 20_000}, 0),
        ({"process_cpu": 5 * MS + 20_000}, 5 * MS),
        ({"wall": 1 * MS}, 0),
    ],
    ids=[
        "waited in the window",
        "slept, which is the code's own doing",
        "no more than the time off the CPU",
        "part of the wait fell before the window",
        "all of the wait fell after the window",
        "own threads burnt as much CPU meanwhile",
        "own threads burnt some CPU meanwhile",
        "never off the CPU",
    ],
)
def test_only_waiting_inside_the_window_for_others_is_excused(
    differences: dict[str, int], wait: int
) -> None:
    assert waits_in_window(bracket(**differences)).tolist() == [wait]


def circumstances(n: int, *, blocked: bool = False, **columns: Any) -> Circumstances:
    known = {"wall": 5 * MS, "wait": 0, "thread_cpu": 0, "speed": 1.0} | columns
    return Circumstances(
        blocked=np.full(n, blocked), **{k: np.zeros(n) + v for k, v in known.items()}
    )


def test_a_wait_that_nearly_every_call_of_a_blocking_test_has_is_its_own_pattern() -> None:
    wait = np.full(300, 2 * MS)
    wait[10] = 4 * MS
    taken = attribute(circumstances(300, wait=wait, blocked=True)).attributed
    assert (taken[0], taken[10]) == (5 * MS, 3 * MS)


def test_a_thread_that_never_blocks_has_no_pattern_of_waiting() -> None:
    taken = attribute(circumstances(300, wait=2 * MS)).attributed
    assert set(taken.tolist()) == {3 * MS}


def test_cpu_time_on_a_slow_host_is_scaled_by_the_probe() -> None:
    taken = attribute(circumstances(1, wall=10 * MS, thread_cpu=8 * MS, speed=2.0))
    assert taken.attributed.tolist() == [6 * MS]


def test_the_least_that_a_sleeper_took_is_its_cpu_time_and_the_sleep_that_all_calls_have() -> None:
    wall = np.full(100, 5 * MS)
    wall[50:] = 20 * MS  # what it waits for is kept from the core
    least = attribute(circumstances(100, wall=wall, thread_cpu=2 * MS, blocked=True)).least
    assert set(least.tolist()) == {5 * MS}


def test_slowness_is_the_median_of_the_last_five_probes_over_the_quiet_ones() -> None:
    probes = np.array([100] * 20 + [300] * 5)
    assert slowdown(probes, np.array([19, 24])).tolist() == [1.0, 3.0]


def test_without_a_probe_the_host_is_taken_as_it_is() -> None:
    assert slowdown(np.array([], dtype=np.int64), np.array([0, 0])).tolist() == [1.0, 1.0]


@given(
    hnp.arrays(np.int64, 20, elements=st.integers(0, 10**10)),
    hnp.arrays(np.int64, 20, elements=st.integers(0, 10**10)),
    hnp.arrays(np.int64, 20, elements=st.integers(0, 10**10)),
    hnp.arrays(np.float64, 20, elements=st.floats(1, 100)),
)
def test_attributed_latency_is_never_above_raw_latency_and_never_negative(
    wall: np.ndarray, wait: np.ndarray, cpu: np.ndarray, speed: np.ndarray
) -> None:
    for blocked in (False, True):
        taken = attribute(
            circumstances(
                20,
                wall=wall,
                wait=np.minimum(wait, wall),
                thread_cpu=cpu,
                speed=speed,
                blocked=blocked,
            )
        )
        assert (taken.attributed <= wall).all()
        assert (taken.least <= taken.attributed).all()
        assert (taken.least >= 0).all()
