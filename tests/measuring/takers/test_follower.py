"""What is known to have been waited for, and what is not."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pytest_hancock_latency.measuring.takers import follower as module
from pytest_hancock_latency.measuring.takers.follower import Follower
from pytest_hancock_latency.measuring.takers.foreign_work import WINDOW_NS

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")


class Clock:
    """Set by hand."""

    now = 0

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def follower(clock: Clock) -> Iterator[Follower]:
    with Follower(clock) as follower:
        yield follower


def test_nothing_is_followed_before_a_call_has_blocked(follower: Follower) -> None:
    before = len(os.listdir("/proc/self/fd"))
    follower.close_if_due()
    follower.finish()
    assert (follower.words, follower.closed) == ((), 0)
    assert len(os.listdir("/proc/self/fd")) == before


def test_windows_close_when_they_are_due(follower: Follower, clock: Clock) -> None:
    follower.start()
    follower.close_if_due()
    assert follower.closed == 0
    clock.now = WINDOW_NS
    follower.close_if_due()
    clock.now += 1
    follower.finish()
    assert follower.closed == 2
    ends = np.array([0, WINDOW_NS, WINDOW_NS + 1])
    assert follower.window_of(ends).tolist() == [0, 0, 1]


def test_a_call_that_waits_for_a_thread_of_the_process_sees_all(follower: Follower) -> None:
    done = threading.Event()
    other = threading.Thread(target=done.wait)
    other.start()
    follower.start()
    followed, _ = follower.after(follower.before(), other_cpu_ns=0)
    follower.finish()
    done.set()
    other.join()
    assert not followed.unseen
    assert follower.words[0].endswith(("thread", "threads"))
    assert "something unknown" not in follower.words


def unseen_after(follower: Follower, other_cpu_ns: int = 0) -> bool:
    followed, _ = follower.after(follower.before(), other_cpu_ns)
    return followed.unseen


def test_cpu_time_of_no_living_thread_tells_of_one_that_came_and_went(follower: Follower) -> None:
    follower.start()
    assert not unseen_after(follower, other_cpu_ns=40_000)
    assert unseen_after(follower, other_cpu_ns=60_000)


def test_a_child_that_came_and_went_is_unseen(follower: Follower) -> None:
    follower.start()
    start = follower.before()
    subprocess.run([sys.executable, "-I", "-S", "-c", ""], check=True)
    followed, after = follower.after(start, 0)
    assert followed.unseen
    assert not follower.after(after, 0)[0].unseen
    follower.finish()
    assert follower.words[-1] == "something unknown"


def test_a_thread_that_was_born_in_the_call_is_unseen_and_then_followed(
    follower: Follower,
) -> None:
    follower.start()
    start, done = follower.before(), threading.Event()
    other = threading.Thread(target=done.wait)
    other.start()
    assert follower.after(start, 0)[0].unseen
    assert not unseen_after(follower)
    done.set()
    other.join()


def test_without_the_kernel_s_files_nothing_is_followed(
    follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "is_supported", lambda: False)
    follower.start()
    assert not follower.is_started


def programs_cpu_of_a_call(follower: Follower) -> int:
    """CPU time of a program that burns some during the call, as the follower counts it."""
    start = follower.before()
    subprocess.run([sys.executable, "-I", "-S", "-c", "for _ in range(10**6): pass"], check=True)
    followed, _ = follower.after(start, other_cpu_ns=0)
    assert followed.cpu >= followed.programs_cpu
    return followed.programs_cpu


def test_the_cpu_time_of_programs_counts_once_a_call_has_ended_one(follower: Follower) -> None:
    follower.start()
    assert programs_cpu_of_a_call(follower) == 0
    assert programs_cpu_of_a_call(follower) >= 5_000_000


def test_a_child_from_before_the_call_leaves_the_cpu_time_of_programs_open(
    follower: Follower,
) -> None:
    follower.start()
    programs_cpu_of_a_call(follower)
    with subprocess.Popen(["sleep", "30"]) as child:
        assert programs_cpu_of_a_call(follower) == 0
        child.kill()
