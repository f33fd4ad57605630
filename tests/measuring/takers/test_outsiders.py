"""Processes that behave like a peer: by counters that are written by hand, and by a real one."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_hancock_latency.measuring.takers import outsiders as module
from pytest_hancock_latency.measuring.takers.outsiders import Outsiders, Peers

MS = 1_000_000
WINDOW_NS = 250 * MS
TREE, PEER, OTHER = 11, 22, 33
NOTHING = Peers(0, were_late=False)
STATUS = "Name:\tserver\nvoluntary_ctxt_switches:\t{}\nnonvoluntary_ctxt_switches:\t7\n"


class Proc:
    """Threads of processes, and the CPU clocks of these."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._threads: dict[tuple[int, int], list[int]] = {}

    def run(
        self,
        pid: int,
        *,
        cpu_ms: float = 0,
        wait_ms: float = 0,
        slices: int = 0,
        sleeps: int = 0,
        thread: int = 0,
    ) -> None:
        """Let a thread run for this long, or appear."""
        before = self._threads.get((pid, thread), [0] * 4)
        growth = (int(cpu_ms * MS), int(wait_ms * MS), slices, sleeps)
        now = [first + more for first, more in zip(before, growth, strict=True)]
        self._threads[pid, thread] = now
        folder = self.folder / str(pid) / "task" / str(thread or pid)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "schedstat").write_text("{} {} {}\n".format(*now), encoding="ascii")
        (folder / "status").write_text(STATUS.format(now[3]), encoding="ascii")

    def cpu_ns(self, pid: int) -> int | None:
        """Return the CPU time of a process."""
        found = [row[0] for (owner, _), row in self._threads.items() if owner == pid]
        return sum(found) if found else None


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Proc:
    made = Proc(tmp_path)
    monkeypatch.setattr(module, "process_cpu_ns", made.cpu_ns)
    for pid in (TREE, PEER, OTHER):
        made.run(pid)
    return made


def watching(proc: Proc) -> Outsiders:
    """Outsiders that have seen each process run."""
    watched = Outsiders(proc.folder)
    for _ in range(2):
        for pid in (TREE, PEER, OTHER):
            proc.run(pid, cpu_ms=1, slices=1)
        look(watched)
    return watched


def look(watched: Outsiders, calls: int = 50) -> Peers:
    return watched.since_last_look((TREE,), WINDOW_NS, calls)


@pytest.mark.parametrize(
    "counters",
    [
        {"cpu_ms": 40, "wait_ms": 30, "sleeps": 50},
        {"cpu_ms": 40, "wait_ms": 200, "sleeps": 50},
        {"cpu_ms": 40, "wait_ms": 30, "slices": 50},
    ],
    ids=[
        "it sleeps until the next call",
        "it is ready to run all the time on a busy machine",
        "it is interrupted for its answer to be read",
    ],
)
def test_a_process_that_runs_for_each_call_is_a_peer(proc: Proc, counters: dict[str, int]) -> None:
    watched = watching(proc)
    proc.run(PEER, **counters)
    assert look(watched) == Peers(40 * MS, were_late=True)


def test_a_peer_that_hardly_waits_for_a_cpu_is_not_late(proc: Proc) -> None:
    watched = watching(proc)
    proc.run(PEER, cpu_ms=40, wait_ms=4.9, sleeps=50)
    assert look(watched) == Peers(40 * MS, were_late=False)


def test_a_process_that_never_sleeps_is_no_peer_however_often_it_is_interrupted(
    proc: Proc,
) -> None:
    watched = watching(proc)
    proc.run(OTHER, cpu_ms=150, wait_ms=80, slices=500)
    assert look(watched) == NOTHING


def test_a_process_that_runs_far_less_often_than_calls_are_made_is_no_peer(proc: Proc) -> None:
    watched = watching(proc)
    proc.run(OTHER, cpu_ms=40, wait_ms=30, slices=9, sleeps=9)
    assert look(watched) == NOTHING


def test_the_threads_of_a_server_may_share_the_calls(proc: Proc) -> None:
    watched = watching(proc)
    for thread in (1, 2, 3):
        proc.run(PEER, cpu_ms=10, wait_ms=2, sleeps=4, thread=thread)
    assert look(watched) == Peers(30 * MS, were_late=True)


def test_a_member_of_the_tree_is_no_outsider(proc: Proc) -> None:
    watched = watching(proc)
    proc.run(TREE, cpu_ms=40, wait_ms=30, sleeps=50)
    assert look(watched) == NOTHING


def test_without_a_call_that_blocked_there_is_no_peer(proc: Proc) -> None:
    watched = watching(proc)
    proc.run(PEER, cpu_ms=40, wait_ms=30, sleeps=50)
    assert look(watched, calls=0) == NOTHING


def test_what_a_process_did_before_it_was_first_seen_does_not_count(proc: Proc) -> None:
    watched = Outsiders(proc.folder)
    look(watched)
    proc.run(PEER, cpu_ms=40, wait_ms=30, sleeps=50)
    assert look(watched) == NOTHING
    proc.run(PEER, cpu_ms=40, wait_ms=30, sleeps=50)
    assert look(watched) == Peers(40 * MS, were_late=True)


ANSWERING = """
import os, sys
there, back = os.open(sys.argv[1], os.O_RDONLY), os.open(sys.argv[2], os.O_WRONLY)
while os.read(there, 1):
    for _ in range(20_000):
        pass
    os.write(back, b"!")
"""
PAUSE_S = 0.002
"""Between two calls, as for reading the counters: without any, the next call is often there before
the peer is back from its answer."""


@pytest.fixture
def named_pipes(tmp_path: Path) -> Iterator[tuple[int, int]]:
    """The ends here of two named pipes, at whose other ends a process answers."""
    there, back = tmp_path / "there", tmp_path / "back"
    os.mkfifo(there)
    os.mkfifo(back)
    command = [sys.executable, "-I", "-c", ANSWERING, str(there), str(back)]
    with subprocess.Popen(command):
        writing, reading = os.open(there, os.O_WRONLY), os.open(back, os.O_RDONLY)
        yield writing, reading
        os.close(writing)
        os.close(reading)


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="needs Linux's schedstat")
def test_a_process_that_answers_by_a_named_pipe_is_a_peer(named_pipes: tuple[int, int]) -> None:
    writing, reading = named_pipes
    watched = Outsiders(Path("/proc"))
    begin, peers = time.perf_counter_ns(), NOTHING
    for _ in range(3):
        for _ in range(20):
            os.write(writing, b"?")
            assert os.read(reading, 1) == b"!"
            time.sleep(PAUSE_S)
        end = time.perf_counter_ns()
        peers = watched.since_last_look((os.getpid(),), end - begin, 20)
        begin = end
    assert peers.cpu_ns > 0
