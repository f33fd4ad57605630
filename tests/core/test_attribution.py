"""What of a latency is excused, on counters made up by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pytest_hancock_latency.core.attribution import (
    DISK,
    QUEUED,
    SLOW_MACHINE,
    STOLEN,
    THROTTLED,
    TREE_WAITED,
    UNSEEN,
    WAITED,
    Attribution,
    Brackets,
    Circumstances,
    Windows,
    attribute,
    candidates,
    timed_waits,
    waiting_for_each_other,
    waits_in_window,
    without_own_threads,
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
    brackets = bracket(**differences)
    assert without_own_threads(waits_in_window(brackets), brackets).tolist() == [wait]


def circumstances(n: int, *, blocked: bool = True, **columns: Any) -> Circumstances:
    whole = {"wall": 5 * MS, "own_wait": 0, "thread_cpu": 0, "tree_wait": 0, "tree_cpu": 0} | {
        "own_work": 0,
        "siblings_cpu": 0,
    }
    whole |= {"start": 0, "run_queue": columns.get("own_wait", 0)}
    filled = {name: np.zeros(n, np.int64) + columns.get(name, v) for name, v in whole.items()}
    return Circumstances(
        **filled,
        slowness=np.zeros(n) + columns.get("slowness", 1.0),
        blocked=np.full(n, blocked),
        unseen=np.zeros(n, bool) | columns.get("unseen", False),
        timed_out=np.zeros(n, bool) | columns.get("timed_out", False),
        queued=np.zeros(n, bool) | columns.get("queued", False),
        window=np.zeros(n, np.int64) + columns.get("window", 0),
    )


def windows(
    foreign: float,
    *,
    throttled: float = 0.0,
    calm: bool = True,
    disk: float = 0.0,
    busy_children: bool = False,
    consumed: float = 0.0,
) -> Windows:
    """One closed window, and the open one after it."""
    return Windows(
        foreign=np.array([foreign, np.inf]),
        consumed=np.array([consumed, 1.0]),
        throttled=np.array([throttled, 0.0]),
        calm=np.array([calm, False]),
        disk=np.array([disk, np.inf]),
        busy_children=np.array([busy_children, False]),
    )


QUIET, BUSY = windows(0, calm=True), windows(10_000 * MS, calm=False)


def attributed(circumstances: Circumstances, machine: Windows) -> list[int]:
    return attribute(circumstances, machine).attributed.tolist()


def test_the_own_wait_of_a_thread_that_never_blocks_is_excused_whatever_others_consumed() -> None:
    waited = circumstances(1, own_wait=2 * MS, thread_cpu=3 * MS, blocked=False)
    assert attributed(waited, QUIET) == attributed(waited, BUSY) == [3 * MS]


def test_the_wait_of_the_tree_is_excused_where_others_consumed_as_much() -> None:
    assert attributed(circumstances(1, tree_wait=2 * MS), windows(2 * MS)) == [3 * MS]


def test_a_tree_that_competes_with_itself_is_not_excused() -> None:
    assert attributed(circumstances(1, tree_wait=2 * MS), QUIET) == [5 * MS]


def test_no_more_is_excused_in_a_window_than_others_consumed_in_it() -> None:
    assert attributed(circumstances(4, tree_wait=2 * MS), windows(2 * MS)) == [4_500_000] * 4


def test_callers_of_a_load_share_what_others_consumed() -> None:
    one = circumstances(1, tree_wait=2 * MS)
    machine = windows(2 * MS)
    totals = candidates(one, machine) * 4
    assert attribute(one, machine, totals).attributed.tolist() == [4_500_000]


def test_no_more_is_excused_than_the_time_off_the_cpu() -> None:
    assert attributed(circumstances(1, tree_wait=9 * MS, thread_cpu=2 * MS), BUSY) == [2 * MS]


def test_the_wait_of_the_tree_is_no_excuse_for_a_call_that_did_not_block() -> None:
    assert attributed(
        circumstances(1, tree_wait=2 * MS, thread_cpu=5 * MS, blocked=False), BUSY
    ) == [5 * MS]


def test_a_wait_while_own_threads_ran_is_excused_as_far_as_others_consumed() -> None:
    waited = circumstances(2, run_queue=2 * MS, own_wait=0, siblings_cpu=2 * MS, blocked=False)
    assert attributed(waited, QUIET) == [5 * MS] * 2
    assert attributed(waited, windows(1 * MS, calm=False)) == [4_500_000] * 2
    assert attributed(waited, BUSY) == [3 * MS] * 2


def test_an_own_wait_next_to_busy_children_is_excused_as_far_as_others_consumed() -> None:
    waited = circumstances(2, own_wait=2 * MS, blocked=False)
    assert attributed(waited, windows(0, busy_children=True)) == [5 * MS] * 2
    assert attributed(waited, windows(1 * MS, busy_children=True)) == [4_500_000] * 2
    assert attributed(waited, windows(10 * MS, busy_children=True)) == [3 * MS] * 2


def test_callers_that_wait_at_the_same_time_are_excused_by_the_share_that_others_consumed() -> None:
    waited = circumstances(8, tree_wait=4 * MS)
    machine = windows(8 * MS, consumed=0.75)
    assert attribute(waited, machine, np.array([64.0 * MS, 0])).attributed.tolist() == [2 * MS] * 8


def test_a_request_that_queued_is_excused_for_its_siblings_by_what_others_consumed() -> None:
    late = circumstances(2, thread_cpu=1 * MS, siblings_cpu=4 * MS, queued=np.array([True, False]))
    result = attribute(late, windows(0, consumed=0.5))
    assert result.attributed.tolist() == [3 * MS, 5 * MS]
    assert result.excused[QUEUED].tolist() == [2 * MS, 0]


def test_callers_of_a_load_wait_for_each_other_as_far_as_their_calls_overlap() -> None:
    first = circumstances(2, start=np.array([0, 10 * MS]), wall=10 * MS, run_queue=4 * MS)
    second = circumstances(1, start=5 * MS, wall=10 * MS, run_queue=6 * MS)
    third = circumstances(0)
    waits = [c.tree_wait.tolist() for c in waiting_for_each_other([first, second, third])]
    assert waits == [[3 * MS, 3 * MS], [4 * MS], []]


def test_a_single_caller_waits_for_no_other() -> None:
    (alone,) = waiting_for_each_other([circumstances(1, run_queue=4 * MS, tree_wait=1 * MS)])
    assert alone.tree_wait.tolist() == [1 * MS]


def test_everything_that_may_be_excused_is_while_the_window_is_open() -> None:
    still_open = circumstances(1, thread_cpu=1 * MS, tree_wait=2 * MS, window=1)
    assert attributed(still_open, QUIET) == [1 * MS]


def test_sleep_is_the_code_s_own_where_nothing_unseen_is_waited_for() -> None:
    assert attributed(circumstances(1), BUSY) == [5 * MS]


def test_waiting_for_something_unseen_is_evidence_in_calm_windows_only() -> None:
    unseen = circumstances(1, unseen=True, thread_cpu=1 * MS)
    assert (attributed(unseen, QUIET), attributed(unseen, BUSY)) == ([5 * MS], [1 * MS])


def asleep_for(*times_ms: float, waits_ms: float = 0) -> Circumstances:
    """Calls that slept this long for something unseen, and waited for a CPU after it."""
    asleep = np.array([round(ms * MS) for ms in times_ms])
    wait = round(waits_ms * MS)
    return circumstances(
        len(asleep), unseen=True, wall=asleep + wait + MS, thread_cpu=MS, own_wait=wait
    )


def test_a_timed_wait_is_the_code_s_own_however_busy_the_machine_is() -> None:
    """The machine changes how long the thread then waits for a CPU, but not the timer."""
    sleeping = asleep_for(5.05, 5.04, 5.06, 5.05, 5.05, waits_ms=7)
    assert attributed(sleeping, BUSY) == [round(ms * MS) for ms in (6.05, 6.04, 6.06, 6.05, 6.05)]


@pytest.mark.parametrize(
    "times_ms",
    [(5.05,) * 4, (5.05, 5.05, 5.05, 5.05, 5.05, 9, 8, 7, 6, 4, 3), (5.0, 5.2, 5.4, 5.6, 5.8)],
    ids=["too few calls", "less than half of them", "too different"],
)
def test_times_asleep_that_are_not_all_alike_may_be_those_of_a_peer(
    times_ms: tuple[float, ...],
) -> None:
    assert not timed_waits(asleep_for(*times_ms)).any()


def test_a_wait_that_timed_out_was_for_somebody_else_however_alike_they_are() -> None:
    timed_out = circumstances(9, unseen=True, thread_cpu=MS, timed_out=True)
    assert not timed_waits(timed_out).any()
    assert attributed(timed_out, BUSY) == [MS] * 9


def test_timed_waits_of_a_second_may_differ_by_a_thousandth() -> None:
    times_ms = (1000, 1000.9, 1000.5, 1000.2, 1000.7, 12)
    expected = [round(ms * MS) for ms in (*times_ms[:-1], 0)]
    assert timed_waits(asleep_for(*times_ms)).tolist() == expected


def test_calls_that_slept_for_longer_than_a_timed_wait_contain_it() -> None:
    """A program that was started before it may have ended late, because the machine was busy."""
    times_ms = (100,) * 6 + (130, 160, 40)
    sleeping = asleep_for(*times_ms)
    assert timed_waits(sleeping).tolist() == [100 * MS] * 8 + [0]
    assert attributed(sleeping, BUSY) == [101 * MS] * 8 + [MS]


def test_work_of_the_process_s_own_threads_is_never_excused() -> None:
    unseen = circumstances(1, unseen=True, own_work=4 * MS, thread_cpu=1 * MS)
    assert attributed(unseen, BUSY) == [4 * MS]


@pytest.mark.parametrize(
    ("columns", "machine", "cause"),
    [
        ({"own_wait": 2 * MS}, BUSY, WAITED),
        ({"tree_wait": 2 * MS}, BUSY, TREE_WAITED),
        ({"tree_wait": 2 * MS}, windows(10 * MS, throttled=9 * MS), THROTTLED),
        ({"own_wait": 2 * MS}, windows(10 * MS, throttled=9 * MS), THROTTLED),
        ({"unseen": True}, BUSY, UNSEEN),
        ({"tree_cpu": 4 * MS, "slowness": 2.0}, QUIET, SLOW_MACHINE),
    ],
)
def test_excused_time_is_distinguished_by_its_cause(
    columns: dict[str, Any], machine: Windows, cause: str
) -> None:
    excused = attribute(circumstances(1, **columns), machine).excused
    assert [name for name, ns in excused.items() if ns[0] > 0] == [cause]


def test_the_cpu_time_of_the_whole_tree_is_divided_by_the_slowness() -> None:
    slow = circumstances(1, wall=10 * MS, thread_cpu=2 * MS, tree_cpu=8 * MS, slowness=2.0)
    assert attributed(slow, QUIET) == [6 * MS]


def test_time_that_nothing_explains_was_stolen_from_a_call_that_never_blocked() -> None:
    known = circumstances(1, blocked=False, wall=9 * MS, thread_cpu=2 * MS, own_wait=3 * MS)
    found = attribute(known, QUIET)
    assert found.attributed.tolist() == [2 * MS]
    assert found.excused[STOLEN].tolist() == [4 * MS]
    assert found.at_most.tolist() == [2 * MS]


def test_from_a_call_that_blocked_nothing_is_known_to_be_stolen() -> None:
    found = attribute(circumstances(1, wall=9 * MS, thread_cpu=2 * MS), QUIET)
    assert found.attributed.tolist() == found.at_most.tolist() == [9 * MS]


def test_while_other_threads_of_the_test_compute_nothing_is_known_to_be_stolen() -> None:
    known = circumstances(1, blocked=False, wall=9 * MS, thread_cpu=2 * MS, siblings_cpu=MS)
    assert attributed(known, QUIET) == [9 * MS]


def test_at_most_what_the_code_took_is_not_divided_by_the_slowness() -> None:
    known = circumstances(
        1, blocked=False, wall=9 * MS, thread_cpu=8 * MS, tree_cpu=8 * MS, slowness=2.0
    )
    found = attribute(known, QUIET)
    assert (found.attributed.tolist(), found.at_most.tolist()) == ([4 * MS], [8 * MS])


SLOWNESS = hnp.arrays(np.float64, 20, elements=st.floats(1, 100))
FLAGS = hnp.arrays(np.bool_, (2, 20))
FOREIGN = hnp.arrays(np.float64, 3, elements=st.floats(0, 10**11))


@given(hnp.arrays(np.int64, (6, 20), elements=st.integers(0, 10**10)), SLOWNESS, FLAGS, FOREIGN)
def test_attributed_latency_is_between_nothing_and_raw_latency_and_the_causes_add_up(
    ns: np.ndarray, slowness: np.ndarray, flags: np.ndarray, foreign: np.ndarray
) -> None:
    result = attribute(any_circumstances(ns, slowness, flags), any_windows(foreign))
    wall = ns[0]
    assert_between_nothing_and(wall, result)
    total = sum(result.excused.values())
    np.testing.assert_allclose(wall - total, result.attributed, atol=1)


@given(
    hnp.arrays(np.int64, (6, 20), elements=st.integers(-(10**10), 10**10)), SLOWNESS, FLAGS, FOREIGN
)
def test_attributed_latency_is_so_even_if_counters_go_back(
    ns: np.ndarray, slowness: np.ndarray, flags: np.ndarray, foreign: np.ndarray
) -> None:
    ns[0] = abs(ns[0])
    result = attribute(any_circumstances(ns, slowness, flags), any_windows(foreign))
    assert_between_nothing_and(ns[0], result)


def assert_between_nothing_and(wall: np.ndarray, result: Attribution) -> None:
    for latency in (result.attributed, result.at_most):
        assert (latency <= wall).all()
        assert (latency >= 0).all()


def any_circumstances(ns: np.ndarray, slowness: np.ndarray, flags: np.ndarray) -> Circumstances:
    wall, own_wait, thread_cpu, tree_wait, other_cpu, own_work = ns
    return Circumstances(
        start=np.cumsum(wall),
        wall=wall,
        run_queue=own_wait + other_cpu,
        own_wait=own_wait,
        thread_cpu=thread_cpu,
        slowness=slowness,
        blocked=flags[0],
        tree_wait=tree_wait,
        tree_cpu=thread_cpu + other_cpu,
        own_work=own_work,
        siblings_cpu=other_cpu,
        queued=flags[1],
        unseen=flags[1],
        timed_out=flags[0] & flags[1],
        window=np.arange(20) % 3,
    )


def any_windows(foreign: np.ndarray) -> Windows:
    calm = np.array([True, False, True])
    return Windows(
        foreign,
        consumed=np.array([0.0, 0.5, 1.0]),
        throttled=foreign / 2,
        calm=calm,
        disk=foreign[::-1],
        busy_children=~calm,
    )


def test_a_wait_for_a_disk_of_others_is_excused_as_far_as_it_kept_tasks_waiting() -> None:
    known = circumstances(4, wall=5 * MS, thread_cpu=1 * MS)
    result = attribute(known, windows(0, disk=8 * MS))
    assert result.attributed.tolist() == [3 * MS] * 4
    assert result.excused[DISK].tolist() == [2 * MS] * 4


def test_a_call_that_did_not_block_has_waited_for_no_disk() -> None:
    known = circumstances(1, blocked=False, wall=5 * MS, thread_cpu=5 * MS)
    assert attributed(known, windows(0, disk=80 * MS)) == [5 * MS]


@given(
    hnp.arrays(np.int64, 20, elements=st.integers(0, 10**9)),
    hnp.arrays(np.int64, 20, elements=st.integers(0, 10**9)),
    st.floats(0, 10**10),
    st.floats(0, 10**10),
)
def test_closing_a_window_never_makes_attributed_latency_less(
    own_wait: np.ndarray, tree_wait: np.ndarray, foreign: float, disk: float
) -> None:
    known = circumstances(20, wall=10**9, own_wait=own_wait, tree_wait=tree_wait)
    before = attribute(known, windows(np.inf, calm=False, disk=np.inf)).attributed
    after = attribute(known, windows(foreign, calm=True, disk=disk)).attributed
    assert (after >= before - 1).all()
