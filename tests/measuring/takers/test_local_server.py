"""Whether others kept the server from a CPU: a machine made by hand, and real processes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pytest_hancock_latency.measuring.takers import local_server
from pytest_hancock_latency.measuring.takers.foreign_work import CpuTimes
from pytest_hancock_latency.measuring.takers.local_server import LocalServer, local_servers
from pytest_hancock_latency.measuring.takers.waiting_tree import Server, server_on

linux = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")
MS = 1_000_000
SERVER, WORKER, CLIENT = 10, 11, 20
PORT = 5000


class Machine:
    """What the kernel says about a machine with a server of two processes and one client."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.busy_ns = 0
        self.used_ns = {SERVER: 0, WORKER: 0, CLIENT: 0}
        self.waits_ns = {(SERVER, 1): 0, (WORKER, 2): 0}
        self.found, self.scans = Server((SERVER, WORKER), frozenset({CLIENT})), 0
        monkeypatch.setattr(local_server, "server_on", self._server_on)
        monkeypatch.setattr(local_server, "cpu_times", lambda: {0: CpuTimes(busy=self.busy_ns)})
        monkeypatch.setattr(local_server, "process_cpu_ns", self.used_ns.get)
        monkeypatch.setattr(
            local_server, "_threads_of", lambda pid: [key for key in self.waits_ns if key[0] == pid]
        )
        monkeypatch.setattr(local_server, "_wait_ns", lambda *key: self.waits_ns.get(key, 0))
        monkeypatch.setattr(local_server, "cpus_of", lambda _: {0})

    def _server_on(self, port: int) -> Server:
        assert port == PORT
        self.scans += 1
        return self.found

    def passes(self, waits_ms: int, others_ms: int = 0, used_ms: int = 0) -> None:
        """The server and its client compute, others compute, and both processes wait."""
        for pid in self.used_ns:
            self.used_ns[pid] += used_ms * MS
        for key in self.waits_ns:
            self.waits_ns[key] += waits_ms * MS
        self.busy_ns += others_ms * MS + used_ms * MS * len(self.used_ns)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


@pytest.fixture
def server(machine: Machine) -> LocalServer:
    server = LocalServer(PORT)
    assert server.kept_waiting_ns() == 0  # it has been looked for now
    return server


@pytest.mark.parametrize(
    ("expected_ms", "second_ms"),
    [
        (60, (30, 500, 0)),
        (60, (30, 500, 100)),
        (20, (30, 20, 100)),
        (0, (30, 0, 300)),
        (0, (0, 900, 10)),
    ],
    ids=["starved", "computing as well", "hardly others", "choking itself", "not waiting"],
)
def test_others_kept_it_waiting_for_at_most_as_long_as_they_computed(
    machine: Machine, server: LocalServer, expected_ms: int, second_ms: tuple[int, int, int]
) -> None:
    machine.passes(*second_ms)
    assert server.kept_waiting_ns() == expected_ms * MS
    assert server.kept_waiting_ns() == 0


def test_a_thread_that_ended_or_began_waits_no_negative_time(
    machine: Machine, server: LocalServer
) -> None:
    machine.passes(30, 500)
    server.kept_waiting_ns()
    del machine.waits_ns[SERVER, 1]
    machine.waits_ns[WORKER, 3] = 5 * MS
    machine.passes(1, 500)
    assert server.kept_waiting_ns() == 7 * MS


def test_its_processes_are_looked_for_twice_and_when_one_has_ended(
    machine: Machine, server: LocalServer
) -> None:
    scans = []
    for second in range(20):
        if second == 12:
            del machine.used_ns[WORKER]
            machine.found = Server((SERVER,), frozenset())
        server.kept_waiting_ns()
        scans.append(machine.scans)
    assert scans == [1] * 4 + [2] * 8 + [3] * 8


def test_a_server_that_is_not_visible_is_looked_for_twice(
    machine: Machine, server: LocalServer
) -> None:
    machine.found = Server((), frozenset())
    for _ in range(20):
        machine.passes(100, 100)
        server.kept_waiting_ns()
    assert machine.scans == 2


@linux
@pytest.mark.parametrize(
    ("ports", "url"),
    [
        ([8080], "http://127.0.0.1:8080/path"),
        ([80], "http://localhost"),
        ([443], "https://[::1]" if socket.has_ipv6 and Path("/proc/net/if_inet6").exists() else ""),
        ([], "http://192.0.2.1:8080"),
        ([], "http://127.0.0.1:port"),
        ([], "unused"),
        ([], "ftp://127.0.0.1"),
    ],
)
def test_a_server_is_local_if_its_address_is_one_of_this_machine(
    ports: list[int], url: str
) -> None:
    if not url:
        pytest.skip("this machine has no IPv6")
    assert [server.port for server in local_servers([url, url])] == ports


def test_without_proc_no_server_is_visible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_server, "is_supported", lambda: False)
    assert local_servers(["http://127.0.0.1:8080"]) == []


FORKING = """
import os, socket
server = socket.create_server(("127.0.0.1", 0))
child = os.fork()
if child:
    print(server.getsockname()[1], os.getpid(), child, flush=True)
kept = [server.accept()]
os.read(0, 1)
"""


@contextmanager
def forked_server() -> Iterator[tuple[int, set[int]]]:
    """A server of two processes that both accept; yields its port and its processes."""
    command = [sys.executable, "-c", FORKING]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        port, *processes = map(int, process.stdout.readline().split())
        try:
            yield port, set(processes)
        finally:
            for pid in processes:
                os.kill(pid, 9)


@linux
def test_a_server_consists_of_all_that_listen_and_knows_its_clients() -> None:
    with forked_server() as (port, processes):
        assert server_on(port) == Server(tuple(sorted(processes)), frozenset())
        with socket.create_connection(("127.0.0.1", port)):
            found = server_on(port)
            assert (set(found.processes), found.clients) == (processes, {os.getpid()})
        assert LocalServer(port).kept_waiting_ns() == 0


@linux
def test_a_port_on_which_nobody_listens_has_no_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    assert server_on(port) == Server((), frozenset())
    assert LocalServer(port).kept_waiting_ns() == 0
