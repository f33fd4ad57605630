"""Which readings belong to an observation, with counters of the kernel that are set by hand."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
import pytest

from pytest_hancock_latency import ManualClock
from pytest_hancock_latency.core.attribution import Windows
from pytest_hancock_latency.core.machine_speed import KnownSpeed
from pytest_hancock_latency.core.undisturbed import (
    MARGIN,
    SUFFERS_MORE,
    KnownTest,
    ReferenceSpeed,
)
from pytest_hancock_latency.measuring.own_modules import own_os
from pytest_hancock_latency.measuring.plan import Plan
from pytest_hancock_latency.measuring.request import Request
from pytest_hancock_latency.measuring.session_speed import SessionSpeed
from pytest_hancock_latency.measuring.stages import StagedWindow
from pytest_hancock_latency.measuring.takers import bracketed, why_bare
from pytest_hancock_latency.measuring.takers.bracketed import BracketTaker
from pytest_hancock_latency.measuring.takers.follower import SHORTEST_FOLLOWED_NS, Followed
from pytest_hancock_latency.measuring.takers.probes import Probes

MS = 1_000_000
US = 1_000
NEVER = 2**62


class Kernel:
    """The clock, and what the kernel says about the measuring thread."""

    def __init__(self) -> None:
        self.clock = ManualClock(10 * MS)
        self.thread_cpu = self.process_cpu = self.wait = self.switches = 0
        self.interruptions: list[int] = []
        """How long the next readings of the scheduler's line take."""

    def pread(self, file: int, length: int, offset: int) -> bytes:
        """The line of the scheduler."""
        line = b"%d %d %d\n" % (self.thread_cpu, self.wait, self.switches + 1)
        if self.interruptions:
            self.clock.advance(self.interruptions.pop(0))
        return line[offset : offset + length]

    def spend(
        self, ns: int, *, cpu: int = 0, others_cpu: int = 0, wait: int = 0, blocks: int = 0
    ) -> None:
        """Let time pass in a call."""
        self.clock.advance(ns)
        self.thread_cpu += cpu
        self.process_cpu += cpu + others_cpu
        self.wait += wait
        self.switches += blocks

    descriptor = -1


class Tree:
    """A follower that says what it is told to."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.is_started = False
        self.due = NEVER
        self.followed = Followed(wait=0, cpu=0, unseen=False)
        self.others_cpu: list[int] = []

    closed = 0

    def start(self) -> None:
        self.is_started = True

    def close_if_due(self) -> None:
        """There is a single window, which stays open."""

    def before(self) -> str:
        return "before"

    def after(self, start: str, other_cpu_ns: int) -> tuple[Followed, str]:
        assert start in ("before", "between")
        self.others_cpu.append(other_cpu_ns)
        return self.followed, "between"

    def window_of(self, ends: Any) -> Any:
        return np.zeros(len(ends), dtype=np.int64)

    def unseen_in(self, window: Any) -> Any:
        return np.zeros(len(window), dtype=bool)

    def windows(self) -> Windows:
        nothing, no = np.array([0.0]), np.array([False])
        return Windows(nothing, nothing, nothing, calm=no, disk=nothing, busy_children=no)


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    made = Kernel()
    monkeypatch.setattr(own_os, "pread", made.pread)
    monkeypatch.setattr(bracketed, "thread_cpu", lambda: made.thread_cpu)
    monkeypatch.setattr(bracketed, "process_cpu", lambda: made.process_cpu)
    monkeypatch.setattr(bracketed, "allowed_cpus", lambda: range(2))
    return made


@pytest.fixture
def tree(kernel: Kernel) -> Tree:
    return Tree(kernel.clock)


def taker_of(kernel: Kernel, tree: Tree, *, follows: bool = False) -> BracketTaker:
    counters: Any = (kernel, lambda: kernel.switches)
    speed = (Probes(kernel.clock), SessionSpeed())
    return BracketTaker(kernel.clock, speed, counters, tree, follows=follows)  # type: ignore[arg-type]


def take(taker: BracketTaker, call: Callable[[], Any], count: int = 1, until: int = NEVER) -> None:
    taker.take(Request(call), count, until)


def test_an_observation_is_the_time_of_the_call_with_its_own_counters(
    kernel: Kernel, tree: Tree
) -> None:
    taker = taker_of(kernel, tree)
    kernel.spend(3 * MS, cpu=MS, wait=MS)
    take(taker, lambda: kernel.spend(5 * MS, cpu=2 * MS, others_cpu=MS // 2, wait=MS))
    kernel.spend(3 * MS, cpu=MS, wait=MS)
    take(taker, lambda: kernel.spend(7 * MS, cpu=7 * MS))
    found = taker.circumstances()
    assert found.wall.tolist() == [5 * MS, 7 * MS]
    assert found.start.tolist() == [13 * MS, 21 * MS]
    assert found.thread_cpu.tolist() == [2 * MS, 7 * MS]
    assert found.run_queue.tolist() == [MS, 0]
    assert found.siblings_cpu.tolist() == [MS // 2, 0]
    assert found.own_work.tolist() == [2_500_000 // 2, 3_500_000]
    assert [False, False] == found.blocked.tolist() == found.unseen.tolist()
    assert found.queued.tolist() == [False, False]


SLOW, DELAYED = (60, 0), (5, 55)


@pytest.mark.parametrize(
    ("calls_ms", "refused", "kept_ms", "timed_out"),
    [
        ([(5, 0), DELAYED, (5, 0)], {1}, [5, 60, 5], [False, True, False]),
        ([DELAYED, DELAYED, (5, 0)], {0, 1}, [60, 60, 5], [True, True, False]),
        ([(5, 0), SLOW, (5, 0)], {1}, [5, 5], None),
        ([(5, 0), (4, 1), (6, 0)], {1}, [5, 6], None),
        ([DELAYED, (5, 0), (70, 0)], {0}, [5, 70], None),
        ([(5, 0), DELAYED, (4, 0)], {1, 2}, [5], None),
        ([DELAYED] * 10, range(10), [60] * 10, [True] * 10),
        ([DELAYED] * 11, range(11), [], None),
    ],
    ids=[
        "delayed",
        "the first ones",
        "not delayed",
        "no slower than one that passes",
        "faster than one that passes later",
        "slow and fast ones",
        "ten before any passes",
        "more before any passes",
    ],
)
def test_answers_are_too_late_where_a_check_refuses_only_the_slowest(  # noqa: PLR0917
    kernel: Kernel,
    tree: Tree,
    calls_ms: Sequence[tuple[int, int]],
    refused: Collection[int],
    kept_ms: list[int],
    timed_out: list[bool] | None,
) -> None:
    """Calls are given by CPU time and by the time for which they waited for a CPU."""
    taker, positions = taker_of(kernel, tree), iter(range(len(calls_ms)))

    def call() -> int:
        at = next(positions)
        cpu, wait = (ms * MS for ms in calls_ms[at])
        kernel.spend(cpu + wait, cpu=cpu, wait=wait)
        return at

    for _ in calls_ms:
        taker.take(Request(call, check=lambda at: at not in refused), 1, NEVER)
    assert taker.failures == {"check: returned False": len(refused)}
    observations = taker.observations()
    assert observations.wall_ns.tolist() == [ms * MS for ms in kept_ms]
    flags = observations.timed_out
    assert (flags.tolist() if flags is not None and flags.any() else None) == timed_out


def test_a_loop_ends_with_an_answer_that_may_be_too_late(kernel: Kernel, tree: Tree) -> None:
    taker, calls = taker_of(kernel, tree), []

    def call() -> None:
        calls.append(kernel.clock())
        kernel.spend(5 * MS, cpu=MS, wait=4 * MS)

    taker.take(Request(call, check=lambda _: False), 9, NEVER)
    assert (len(calls), len(taker)) == (1, 1)


def test_starts_are_relative_to_the_start_of_measuring(kernel: Kernel, tree: Tree) -> None:
    taker = taker_of(kernel, tree)
    kernel.clock.advance(3 * MS)
    take(taker, lambda: kernel.spend(MS, cpu=MS))
    assert taker.observations().start_ns.tolist() == [3 * MS]


def test_what_one_call_of_a_loop_spends_is_not_of_the_next(kernel: Kernel, tree: Tree) -> None:
    taker = taker_of(kernel, tree)
    costs = iter((1, 2, 4))

    def call() -> None:
        cost = next(costs) * MS
        kernel.spend(2 * cost, cpu=cost, wait=cost)

    take(taker, call, count=3)
    found = taker.circumstances()
    assert [MS, 2 * MS, 4 * MS] == found.thread_cpu.tolist() == found.run_queue.tolist()


def test_measuring_ends_with_the_call_during_which_time_is_up(kernel: Kernel, tree: Tree) -> None:
    taker = taker_of(kernel, tree)
    take(taker, lambda: kernel.spend(MS, cpu=MS), count=10, until=kernel.clock() + 3 * MS)
    assert len(taker) == 3


def test_taking_ends_early_where_an_accounting_window_has_to_be_closed(
    kernel: Kernel, tree: Tree
) -> None:
    taker = taker_of(kernel, tree)
    tree.is_started, tree.due = True, kernel.clock() + 2 * MS
    take(taker, lambda: kernel.spend(MS, cpu=MS), count=10)
    assert len(taker) == 2


def test_a_refused_answer_ends_the_loop_and_is_no_observation(kernel: Kernel, tree: Tree) -> None:
    for follows in (False, True):
        taker, answers = taker_of(kernel, tree, follows=follows), iter("aabaa")
        request = Request(lambda answers=answers: next(answers), check=lambda got: got == "a")  # type: ignore[misc]
        taker.take(request, 5, NEVER)
        assert (len(taker), taker.failures) == (2, {"check: returned False": 1})
        assert taker.answer == "b"


def test_what_a_check_spends_is_not_of_the_next_call(kernel: Kernel, tree: Tree) -> None:
    for follows in (False, True):
        taker = taker_of(kernel, tree, follows=follows)

        def check(answer: object) -> bool:
            kernel.spend(MS, cpu=MS, wait=MS, blocks=1)
            return True

        taker.take(Request(lambda: kernel.spend(MS, cpu=MS), check=check), 3, NEVER)
        found = taker.circumstances()
        assert found.thread_cpu.tolist() == [MS] * 3
        assert found.run_queue.tolist() == [0] * 3
        assert not found.blocked.any()


@pytest.mark.parametrize(
    ("interruptions", "gap_ns"),
    [
        ([50 * US], 50 * US),
        ([51 * US, 9 * US], 9 * US),
        ([51 * US, 50 * US], 50 * US),
        ([60 * US, 70 * US, 80 * US, 2 * US], 2 * US),
    ],
)
def test_a_reading_that_was_interrupted_is_made_again(
    kernel: Kernel, tree: Tree, interruptions: list[int], gap_ns: int
) -> None:
    taker = taker_of(kernel, tree)
    kernel.interruptions = [*interruptions]
    start = kernel.clock() + sum(interruptions)
    take(taker, lambda: kernel.spend(MS, cpu=MS))
    assert [start] == taker.circumstances().start.tolist()
    assert [gap_ns] == list(taker._columns["gap_before"])


def test_a_reading_is_made_at_most_five_times(kernel: Kernel, tree: Tree) -> None:
    taker = taker_of(kernel, tree)
    interruptions = kernel.interruptions = [60 * US] * 5 + [0, 70 * US]
    take(taker, lambda: kernel.spend(MS, cpu=MS))
    assert len(taker.circumstances().start) == 1
    assert list(taker._columns["gap_before"]) == [60 * US]
    assert interruptions == [70 * US]  # the one of 0 was the reading after the call


def test_waits_are_followed_after_a_call_that_blocked_for_long(kernel: Kernel, tree: Tree) -> None:
    taker = taker_of(kernel, tree)
    tree.followed = Followed(wait=7, cpu=9 * MS, unseen=False, programs_cpu=4 * MS)
    call = lambda: kernel.spend(SHORTEST_FOLLOWED_NS, cpu=MS, blocks=1)  # noqa: E731
    take(taker, call, count=10)
    assert len(taker) == 1
    take(taker, call, count=2)
    found = taker.circumstances()
    assert found.blocked.tolist() == [True] * 3
    assert found.unseen.tolist() == [True, False, False]
    assert found.tree_wait.tolist() == [0, 7, 7]
    assert found.tree_cpu.tolist() == [MS, 10 * MS, 10 * MS]
    assert found.own_work.tolist() == [MS // 2, 5 * MS // 2, 5 * MS // 2]


def test_what_a_followed_call_may_have_waited_for_unseen_is_unseen(
    kernel: Kernel, tree: Tree
) -> None:
    taker = taker_of(kernel, tree, follows=True)
    tree.followed = Followed(wait=0, cpu=0, unseen=True)
    take(taker, lambda: kernel.spend(MS, blocks=1))
    assert taker.circumstances().unseen.tolist() == [True]


@pytest.mark.parametrize(
    ("followed", "others_cpu", "unseen"),
    [
        (Followed(wait=0, cpu=0, unseen=False), 0, True),
        (Followed(wait=0, cpu=11 * US, unseen=False), 0, False),
        (Followed(wait=11 * US, cpu=0, unseen=False), 0, False),
        (Followed(wait=5 * US, cpu=5 * US, unseen=False), 0, True),
        (Followed(wait=0, cpu=0, unseen=False), 3 * MS, False),
        (Followed(wait=0, cpu=0, unseen=False), 2 * MS, True),
    ],
    ids=[
        "nothing in the tree did anything",
        "a member ran",
        "a member waited",
        "hardly anything",
        "another caller had the interpreter's lock",
        "another caller ran for less than half of it",
    ],
)
def test_a_call_that_slept_waited_for_something_unseen_unless_the_tree_explains_it(
    kernel: Kernel, tree: Tree, followed: Followed, others_cpu: int, unseen: bool
) -> None:
    taker = taker_of(kernel, tree, follows=True)
    tree.followed = followed
    take(taker, lambda: kernel.spend(5 * MS, cpu=MS, others_cpu=others_cpu, blocks=1))
    assert taker.circumstances().unseen.tolist() == [unseen]


def test_the_follower_is_told_the_cpu_time_of_the_other_threads(kernel: Kernel, tree: Tree) -> None:
    taker = taker_of(kernel, tree, follows=True)
    take(taker, lambda: kernel.spend(5 * MS, cpu=MS, others_cpu=3 * MS, blocks=1), count=2)
    assert tree.others_cpu == [3 * MS, 3 * MS]


def test_nothing_is_followed_unless_a_taker_is_told_to(kernel: Kernel, tree: Tree) -> None:
    taker = taker_of(kernel, tree)
    take(taker, lambda: kernel.spend(MS, cpu=MS))
    assert tree.others_cpu == []


def test_a_call_that_blocks_for_a_moment_is_not_followed(kernel: Kernel, tree: Tree) -> None:
    taker = taker_of(kernel, tree)
    take(taker, lambda: kernel.spend(SHORTEST_FOLLOWED_NS - 1, blocks=1), count=3)
    assert (len(taker), tree.is_started) == (3, True)
    assert tree.others_cpu == []


def test_after_fifty_calls_that_do_not_block_the_tree_is_no_longer_read(
    kernel: Kernel, tree: Tree
) -> None:
    taker = taker_of(kernel, tree, follows=True)
    take(taker, lambda: kernel.spend(MS, cpu=MS), count=100)
    assert 50 == len(taker) == len(tree.others_cpu)
    take(taker, lambda: kernel.spend(MS, cpu=MS), count=10)
    assert (len(taker), len(tree.others_cpu)) == (60, 50)


def test_a_window_that_is_timed_elsewhere_has_the_same_readings(kernel: Kernel, tree: Tree) -> None:
    taker = taker_of(kernel, tree)
    with StagedWindow(taker, None):
        kernel.spend(5 * MS, cpu=2 * MS, others_cpu=MS, wait=3 * MS, blocks=2)
    found = taker.circumstances()
    assert found.wall.tolist() == [5 * MS]
    assert found.thread_cpu.tolist() == [2 * MS]
    assert found.run_queue.tolist() == [3 * MS]
    assert found.siblings_cpu.tolist() == [MS]
    assert found.blocked.tolist() == [True]


def test_a_clock_of_the_process_behind_that_of_the_thread_is_no_work_of_others(
    kernel: Kernel, tree: Tree
) -> None:
    taker = taker_of(kernel, tree)
    take(taker, lambda: kernel.spend(MS, cpu=MS, others_cpu=-US))
    assert taker.circumstances().siblings_cpu.tolist() == [0]


def test_the_wait_so_far_is_read_from_the_scheduler(kernel: Kernel, tree: Tree) -> None:
    kernel.wait = 123
    kernel.read = lambda: kernel.pread(0, 96, 0)  # type: ignore[attr-defined]
    assert taker_of(kernel, tree).waited_ns() == 123


def test_excuses_of_a_call_that_blocked_are_provisional_while_its_window_is_open(
    kernel: Kernel, tree: Tree
) -> None:
    taker = taker_of(kernel, tree)
    take(taker, lambda: kernel.spend(MS, cpu=MS))
    take(taker, lambda: kernel.spend(MS, blocks=1))
    assert np.asarray(taker.observations().provisional).tolist() == [False, True]
    tree.closed = 1
    assert np.asarray(taker.observations().provisional).tolist() == [False, False]


@pytest.mark.parametrize(
    ("warmup", "has_maximum", "why"),
    [
        ((), False, None),
        ((1, 20_000, 99_999), False, None),
        (
            (1, 19_999, 99_999),
            False,
            "calls shorter than 20 µs are not worth the cost of attribution",
        ),
        ((1, 19_999, 99_999), True, None),
    ],
)
def test_calls_of_twenty_microseconds_are_worth_a_bracket(
    warmup: tuple[int, ...], has_maximum: bool, why: str | None
) -> None:
    assert why == why_bare(Plan(), warmup, has_maximum=has_maximum)
    assert why_bare(Plan(attribution=False), warmup, has_maximum=True) == "attribution is off"


@pytest.fixture
def quiet_probes(monkeypatch: pytest.MonkeyPatch, kernel: Kernel) -> None:
    """Probes that take the CPU time of a reference machine: 70 and 50 µs."""

    def run(probes: Probes) -> None:
        kernel.spend(170 * US, cpu=170 * US)
        probes._keep(70 * US, 50 * US)

    monkeypatch.setattr(Probes, "run", run)


def probing(kernel: Kernel, tree: Tree, *, follows: bool = False) -> BracketTaker:
    taker = taker_of(kernel, tree, follows=follows)
    taker.expect_probing()
    return taker


def counting(taker: BracketTaker) -> list[bool]:
    probed = taker.observations().probed
    assert probed is not None
    return list(probed.counts.tolist())


def test_no_call_counts_before_the_probing_phase_nor_in_its_first_half_second(
    kernel: Kernel, tree: Tree, quiet_probes: None
) -> None:
    taker = probing(kernel, tree)
    take(taker, lambda: kernel.spend(30 * MS, cpu=30 * MS), count=2)
    assert counting(taker) == [False, False]
    taker.start_probing()
    take(taker, lambda: kernel.spend(300 * MS, cpu=300 * MS), count=3)
    assert counting(taker) == [False, False, False, False, True]


def test_between_a_probe_and_a_short_call_one_more_call_warms_the_caches(
    kernel: Kernel, tree: Tree, quiet_probes: None
) -> None:
    taker, calls = probing(kernel, tree), []

    def call() -> None:
        calls.append(kernel.clock())
        kernel.spend(MS, cpu=MS)

    take(taker, call)
    taker.start_probing()
    take(taker, call, count=2)
    assert (len(taker), len(calls)) == (3, 5)


def test_five_calls_fill_the_caches_again_for_calls_under_a_millisecond(
    kernel: Kernel, tree: Tree, quiet_probes: None
) -> None:
    taker, calls = probing(kernel, tree), []

    def call() -> None:
        calls.append(kernel.clock())
        kernel.spend(MS // 2, cpu=MS // 2)

    take(taker, call)
    taker.start_probing()
    take(taker, call, count=2)
    assert (len(taker), len(calls)) == (3, 13)


def test_calls_of_twenty_milliseconds_need_no_warming_and_get_two_probes(
    kernel: Kernel, tree: Tree, quiet_probes: None
) -> None:
    taker, calls = probing(kernel, tree), []

    def call() -> None:
        calls.append(kernel.clock())
        kernel.spend(20 * MS, cpu=20 * MS)

    taker.start_probing()
    before = len(taker._probes)
    take(taker, call, count=3)
    assert len(taker) == 3
    assert len(calls) == 4  # only the first call did not know how long they take
    assert len(taker._probes) - before == 1 + 3 * 2


def test_the_probes_after_a_call_say_how_slow_the_machine_was_as_well(
    kernel: Kernel, tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    taker = probing(kernel, tree)
    arithmetic = iter([*[70 * US] * 201, 140 * US, *[70 * US] * 9])
    monkeypatch.setattr(Probes, "run", lambda probes: probes._keep(next(arithmetic), 50 * US))
    taker.start_probing()
    take(taker, lambda: kernel.spend(8 * MS, cpu=8 * MS), count=3)
    found = taker.observations()
    slower = round(8 * MS / MARGIN / 2**SUFFERS_MORE)
    assert found.attributed_ns.tolist() == [slower, slower, round(8 * MS / MARGIN)]
    assert found.at_most_ns is not None
    assert found.at_most_ns.tolist() == [8 * MS] * 3
    assert found.probed is not None
    assert found.probed.undisturbed_before.tolist() == [True, False, True]
    assert found.probed.undisturbed_after.tolist() == [False, True, True]


def test_a_call_that_blocks_is_never_undisturbed(
    kernel: Kernel, tree: Tree, quiet_probes: None
) -> None:
    taker = probing(kernel, tree, follows=True)
    taker.start_probing()
    take(taker, lambda: kernel.spend(5 * MS, blocks=1), count=2)
    probed = taker.observations().probed
    assert probed is not None
    assert not probed.undisturbed_before.any()


def test_what_others_did_during_the_probes_is_not_part_of_a_call(
    kernel: Kernel, tree: Tree, quiet_probes: None
) -> None:
    taker = probing(kernel, tree, follows=True)
    starts: list[str] = []
    monkeypatched = tree.before

    def before() -> str:
        starts.append("read again")
        return monkeypatched()

    tree.before = before  # type: ignore[method-assign]
    taker.start_probing()
    take(taker, lambda: kernel.spend(5 * MS, blocks=1), count=3)
    assert len(starts) == 3


def test_a_window_that_is_timed_elsewhere_has_its_probes(
    kernel: Kernel, tree: Tree, quiet_probes: None
) -> None:
    taker = probing(kernel, tree)
    taker.start_probing()
    before = len(taker._probes)
    with StagedWindow(taker, None):
        kernel.spend(MS, cpu=MS)
    assert len(taker._probes) == before + 1


def test_what_earlier_sessions_know_about_a_test_is_read_when_probing_begins(
    kernel: Kernel, tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Probes, "run", lambda probes: probes._keep(280 * US, 50 * US))
    taker, titles = taker_of(kernel, tree), []
    speed = taker._session_speed
    earlier = ReferenceSpeed(70.0 * US, 50.0 * US, "earlier sessions")
    speed.read_known = lambda: KnownSpeed(earlier)

    def read_test(title: str) -> KnownTest:
        titles.append(title)
        return KnownTest(powers=(0.5, 1.0))

    speed.read_test = read_test
    taker.expect_probing("test_it.py::test_it")
    assert titles == []
    taker.start_probing()
    taker.start_probing()
    take(taker, lambda: kernel.spend(8 * MS, cpu=8 * MS), count=2)
    assert titles == ["test_it.py::test_it"]
    assert taker.observations().attributed_ns.tolist() == [4 * MS] * 2


def test_calls_that_count_and_never_blocked_are_shown_to_later_sessions(
    kernel: Kernel, tree: Tree, quiet_probes: None
) -> None:
    taker = probing(kernel, tree)
    take(taker, lambda: kernel.spend(MS, cpu=MS), count=300)
    assert taker.probed_session is None
    taker.start_probing()
    take(taker, lambda: kernel.spend(MS, cpu=MS), count=700)
    found = taker.probed_session
    assert found is not None
    assert {cpu for _, _, cpu in found.points} == {round(math.log(MS), 3)}
    assert found.memory_ns == 50 * US


def test_calls_that_block_are_not_shown_to_later_sessions(
    kernel: Kernel, tree: Tree, quiet_probes: None
) -> None:
    taker = probing(kernel, tree, follows=True)
    taker.start_probing()
    take(taker, lambda: kernel.spend(5 * MS, cpu=5 * MS, blocks=1), count=700)
    assert taker.probed_session is None
