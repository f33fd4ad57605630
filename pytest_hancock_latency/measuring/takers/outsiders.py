"""Processes outside of the waiting tree that behave like a peer of the test.

Nothing leads to a peer that is called by datagrams, named pipes, semaphores or shared memory, or
that connected to the test by itself. But it answers: it goes to sleep after each call until the
next one; or it is interrupted for the answer to be read, and gets a time slice for each call. So
does a neighbour that computes, whenever a call that begins interrupts it, but that never sleeps.

Linux only. A process that is not visible from here, such as one of another container, is none.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Final, NamedTuple

from ..own_modules import UNKNOWN, Place, numbers_in, read_file
from .waiting_tree import process_cpu_ns

_LEAST_CPU_NS: Final = 200_000
"""CPU time in a window from which a process is looked at: most processes sleep all the time, and
their clock takes 2 µs to read, all counters of a process 30 µs for each thread."""
_SHARE_OF_CALLS: Final = 0.2
"""Sleeps, or time slices, for each call that blocked, from which a process may have answered: a
server may share the calls among four processes."""
_ALWAYS_READY: Final = 0.9
"""Share of a window in which a thread ran or waited for a CPU, from which it hardly slept."""
_WAITED: Final = 0.02
"""Share of a window for which peers waited for a CPU, from which they may have been late: a gate on
p95 is exceeded if a twentieth of the calls is."""
_SLEEPS: Final = b"voluntary_ctxt_switches:"


class Peers(NamedTuple):
    """What the processes that behave like a peer did in a window."""

    cpu_ns: int
    were_late: bool
    """Whether they waited for a CPU long enough to answer late."""


class _Thread(NamedTuple):
    """Counters of a thread."""

    cpu_ns: int
    wait_ns: int
    slices: int
    sleeps: int


class Outsiders:
    """Watches the processes outside of a waiting tree, from one window to the next."""

    def __init__(self, proc: Place) -> None:
        self._proc = proc
        self._cpu: dict[int, int] = {}
        self._threads: dict[int, dict[int, _Thread]] = {}
        """Counters of the processes that ran, when last looked at."""

    def since_last_look(self, tree: tuple[int, ...], length_ns: int, calls: int) -> Peers:
        """Return what peers did since the last look.

        Args:
            tree: processes of the waiting tree, this one included.
            length_ns: time since then.
            calls: number of calls that blocked since then.
        """
        cpu_ns = wait_ns = 0
        for pid in self._that_ran(tree):
            before, now = self._threads.get(pid), self._counters(pid)
            self._threads[pid] = now
            if before is None or not calls:
                continue
            grown = [_growth(before.get(thread), counters) for thread, counters in now.items()]
            slices = sum(
                each.slices
                for each in grown
                if each.cpu_ns + each.wait_ns < _ALWAYS_READY * length_ns
            )
            if max(slices, sum(each.sleeps for each in grown)) < _SHARE_OF_CALLS * calls:
                continue
            cpu_ns += sum(each.cpu_ns for each in grown)
            wait_ns += sum(each.wait_ns for each in grown)
        return Peers(cpu_ns, wait_ns >= _WAITED * length_ns)

    def _that_ran(self, tree: tuple[int, ...]) -> Iterator[int]:
        cpu: dict[int, int] = {}
        for pid in numbers_in(self._proc):
            if pid in tree or (now := process_cpu_ns(pid)) is None:
                continue
            cpu[pid] = now
            if now - self._cpu.get(pid, now) >= _LEAST_CPU_NS:
                yield pid
        self._cpu = cpu
        self._threads = {pid: threads for pid, threads in self._threads.items() if pid in cpu}

    def _counters(self, pid: int) -> dict[int, _Thread]:
        counters: dict[int, _Thread] = {}
        folder = f"{self._proc}/{pid}/task"
        for thread in numbers_in(folder):
            with suppress(*UNKNOWN):
                cpu_ns, wait_ns, slices = map(int, _words(f"{folder}/{thread}/schedstat"))
                status = _words(f"{folder}/{thread}/status")
                sleeps = int(status[status.index(_SLEEPS) + 1]) if _SLEEPS in status else 0
                counters[thread] = _Thread(cpu_ns, wait_ns, slices, sleeps)
        return counters


def _words(path: str) -> list[bytes]:
    return read_file(path).split()


def _growth(before: _Thread | None, now: _Thread) -> _Thread:
    if before is None:  # it was born since then
        return now
    return _Thread(*(last - first for first, last in zip(before, now, strict=True)))
