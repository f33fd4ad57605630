"""The server under load, where it runs on this machine: whether others kept it from a CPU.

It consists of the processes that listen on its port, their descendants, and the local processes
that these may wait for, such as a database. As in the waiting tree, the machine cannot have taken
more of their time than others used: a server that starts more workers than there are CPUs makes
them wait for each other, and that is its own fault. Processes that are connected to its port, which
make the load, are no others.

Linux only. A server on another machine, in another container or of another user is not visible.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import chain, islice
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from ..own_modules import UNKNOWN, numbers_in, read_file
from .foreign_work import CpuTimes, cpu_times, cpus_of, growth, is_supported
from .waiting_tree import PROC, Server, process_cpu_ns, server_on

_PORTS: Final = {"http": 80, "https": 443}
_SCANS_AT_FIRST: Final = 2
"""Servers start workers and connect to databases with the first requests."""
_CALLS_PER_SCAN: Final = 5
"""It reads the descriptors of all processes, which takes some milliseconds, and users pause."""
_MOST_THREADS: Final = 256
"""Reading so many takes 2 ms each second, during which the users of this process pause."""


class _Counters(NamedTuple):
    """Readings of the machine and of the server, in ns."""

    cpus: Mapping[int, CpuTimes]
    cpu_ns: Mapping[int, int]
    """CPU time by process, of the server and of its clients."""
    waits: Mapping[tuple[int, int], int]
    """Run-queue wait by process and thread, of the server."""


class LocalServer:
    """Watches the server on a port of this machine."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._server = Server((), frozenset())
        self._scans = 0
        self._calls_to_scan = 0
        """Calls before its processes may be looked for again."""
        self._before = self._read()

    def kept_waiting_ns(self) -> int:
        """Return how long others kept it from a CPU since the last call, all threads together.

        The first call returns 0, and so does every call without such a server.
        """
        before, now = self._before, self._read()
        used_ns = sum(
            ns - before.cpu_ns[pid] for pid, ns in now.cpu_ns.items() if pid in before.cpu_ns
        )
        waited_ns = sum(
            max(0, ns - before.waits.get((pid, thread), 0))
            for (pid, thread), ns in now.waits.items()
            if pid in before.cpu_ns
        )
        cpus = set[int]().union(*map(cpus_of, self._server.processes))
        others_ns = growth(before.cpus, now.cpus, cpus).busy - used_ns
        self._before = self._read() if self._is_found_again(now) else now
        return max(0, min(waited_ns, int(others_ns)))

    def _is_found_again(self, now: _Counters) -> bool:
        """Look for its processes at first, and when one of them has ended; whether it did."""
        self._calls_to_scan -= 1
        is_same = now.cpu_ns.keys() >= {*self._server.processes}
        if self._calls_to_scan > 0 or (is_same and self._scans >= _SCANS_AT_FIRST):
            return False
        self._scans, self._calls_to_scan = self._scans + 1, _CALLS_PER_SCAN
        self._server = server_on(self.port)
        return True

    def _read(self) -> _Counters:
        processes, clients = self._server
        clocks_ns = {pid: process_cpu_ns(pid) for pid in (*processes, *clients)}
        threads = islice(chain.from_iterable(map(_threads_of, processes)), _MOST_THREADS)
        return _Counters(
            cpus=cpu_times(),
            cpu_ns={pid: cpu_ns for pid, cpu_ns in clocks_ns.items() if cpu_ns is not None},
            waits={key: _wait_ns(*key) for key in threads},
        )


def local_servers(urls: Iterable[str]) -> list[LocalServer]:
    """Return the servers of these URLs that are on this machine; none where it is not visible."""
    if not is_supported():
        return []
    return [LocalServer(port) for port in sorted({*map(_local_port, urls)} - {0})]


def _local_port(url: str) -> int:
    """Return the port of a URL on this machine; 0 if it is on another one, or unknown."""
    with suppress(ValueError, OSError):
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme, 0)
        if not parts.hostname:
            return 0
        for family, _, _, _, address in socket.getaddrinfo(
            parts.hostname, port, type=socket.SOCK_STREAM
        ):
            if _is_own(family, str(address[0])):
                return port
    return 0


def _is_own(family: int, address: str) -> bool:
    """Whether an address is one of this machine: no other can be bound to."""
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as trial:
        trial.bind((address, 0))
        return True
    return False


def _threads_of(pid: int) -> Iterator[tuple[int, int]]:
    yield from ((pid, thread) for thread in numbers_in(f"{PROC}/{pid}/task"))


def _wait_ns(pid: int, thread: int) -> int:
    """Return the run-queue wait of a thread; 0 if it has ended."""
    with suppress(*UNKNOWN):
        return int(read_file(f"{PROC}/{pid}/task/{thread}/schedstat").split()[1])
    return 0
