"""What the kernel says about the measuring thread, and what happens where it says nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_hancock_latency.measuring.takers.schedstat import (
    NoScheduler,
    Scheduler,
    run_queue_waits,
)


def test_lines_are_read_as_run_queue_wait() -> None:
    assert run_queue_waits([b"499001 44927 3\n", b"500000 50000 4\n"]).tolist() == [44927, 50000]


def test_the_counters_of_this_thread_grow() -> None:
    with Scheduler() as scheduler:
        first = scheduler.read()
        sum(range(100_000))
        assert len(scheduler.read().split()) == len(first.split()) == 3


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("0 0 0\n", "the kernel keeps no scheduler statistics"),
        ("nothing\n", "not three numbers"),
        ("", "not three numbers"),
    ],
)
def test_counters_that_count_nothing_are_refused_with_the_reason(
    tmp_path: Path, content: str, why: str
) -> None:
    path = tmp_path / "schedstat"
    path.write_text(content)
    with pytest.raises(NoScheduler) as refused:
        Scheduler(str(path))
    assert str(refused.value) == f"{path}: {why}"


def test_a_hidden_proc_is_refused_with_the_reason() -> None:
    with pytest.raises(NoScheduler) as refused:
        Scheduler("/proc/nowhere/schedstat")
    assert str(refused.value) == "/proc/nowhere/schedstat: No such file or directory"


def test_the_counters_are_closed_at_the_end() -> None:
    with Scheduler() as scheduler:
        descriptor = scheduler.descriptor
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
