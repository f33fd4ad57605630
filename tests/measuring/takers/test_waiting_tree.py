"""Who belongs to the waiting tree: real threads, children, servers and sockets."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from pytest_hancock_latency.measuring.takers import waiting_tree
from pytest_hancock_latency.measuring.takers.waiting_tree import (
    MOST_THREADS,
    WaitingTree,
    ended_children,
)

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")

PYTHON = Path(sys.executable).name[:15]
"""As the kernel names its processes: the first fifteen bytes."""
BUSY_S = 0.2
PATIENCE_S = 10.0
"""A kernel that has no core to spare may take long to end a thread."""
"""CPU time of a stranger before anybody is connected to it."""
ACCEPTING = f"""
import os, socket, sys, time
if os.fork():
    os._exit(0)
while time.process_time() < {BUSY_S}:
    pass
server = socket.socket(getattr(socket, sys.argv[1]))
server.bind(("127.0.0.1", 0) if sys.argv[1] == "AF_INET" else sys.argv[2])
server.listen()
print(os.getpid(), server.getsockname()[1] if sys.argv[1] == "AF_INET" else 0, flush=True)
kept = []
while True:
    kept.append(server.accept()[0])
    kept[-1].send(b".")
"""
READING = """
import os, time
if os.fork():
    os._exit(0)
print(os.getpid(), flush=True)
time.sleep(60)
"""


@pytest.fixture
def tree() -> Iterator[WaitingTree]:
    with closing(WaitingTree()) as tree:
        yield tree


@contextmanager
def threads(count: int) -> Iterator[None]:
    done = threading.Event()
    waiting = [threading.Thread(target=done.wait) for _ in range(count)]
    for thread in waiting:
        thread.start()
    try:
        yield
    finally:
        done.set()
        for thread in waiting:
            thread.join()
            wait_until_gone(thread)


def wait_until_gone(thread: threading.Thread) -> None:
    """Python forgets a thread when it is joined; the kernel ends it a moment later."""
    until = time.monotonic() + PATIENCE_S
    while os.path.exists(f"/proc/self/task/{thread.native_id}") and time.monotonic() < until:
        time.sleep(0.001)


def wait_until_it_has_one_thread(pid: int) -> None:
    """Wait for threads that were joined: next to others, the kernel may end them later."""
    while len(os.listdir(f"/proc/{pid}/task")) > 1:
        time.sleep(0.001)


def wait_until_it_has_run(pid: int, cpu_s: float) -> None:
    """Other work on the machine decides how long that takes."""
    until = time.monotonic() + 10 * PATIENCE_S
    while int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) < cpu_s * 1e9:
        assert time.monotonic() < until
        time.sleep(0.01)


@contextmanager
def child(code: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", code]) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def with_pipe_end(descriptor: int) -> Iterator[int]:
    """A process that is no descendant and holds this end of a pipe: its number."""
    command = [sys.executable, "-I", "-S", "-c", READING]
    with subprocess.Popen(
        command, pass_fds=(descriptor,), stdout=subprocess.PIPE, text=True
    ) as starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
    try:
        yield pid
    finally:
        os.kill(pid, 9)


@contextmanager
def stranger(family: str, path: str = "") -> Iterator[tuple[int, int]]:
    """A server that is not a descendant of this process: its number, and its port."""
    command = [sys.executable, "-I", "-S", "-c", ACCEPTING, family, path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        pid, port = map(int, starter.stdout.readline().split())
    try:
        yield pid, port
    finally:
        os.kill(pid, 9)


def connected(port: int) -> socket.socket:
    """A connection that the stranger has accepted: before that, nobody holds its other end."""
    client = socket.create_connection(("127.0.0.1", port))
    client.recv(1)
    return client


def thread_count(tree: WaitingTree) -> int:
    """Other threads of this process that are read; numpy has some of its own."""
    tree.refresh()
    words = [word.split()[0] for word in tree.words if word.endswith(("thread", "threads"))]
    return int(words[0]) if words else 0


def test_other_threads_of_this_process_are_in_the_tree(tree: WaitingTree) -> None:
    before = thread_count(tree)
    with threads(3):
        assert tree.has_changed()
        assert thread_count(tree) == before + 3


def test_a_thread_that_makes_requests_itself_is_left_out(tree: WaitingTree) -> None:
    before = thread_count(tree)
    with threads(2):
        tree.exclude(next(t.native_id or 0 for t in threading.enumerate()[1:]))
        assert thread_count(tree) == before + 1


def test_before_its_first_look_a_tree_has_not_changed_and_is_not_blind(tree: WaitingTree) -> None:
    assert not tree.has_changed()
    assert not tree.is_blind


def test_every_connection_in_the_kernel_s_table_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, client, server = "0100007F", "0100007F:C001", "0100007F:1F90"
    row = "{}: {} {} {} 0:0 0:0 0 0 0 {} 1"
    rows = [
        "sl local_address rem_address st tx rx tr tm retrnsmt uid timeout inode",
        row.format(0, client, server, "01", 11),
        row.format(1, server, client, "01", 12),
        row.format(2, f"{here}:1F90", "00000000:0000", "0A", 13),
    ]
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "tcp").write_text("\n".join(rows) + "\n", encoding="ascii")
    monkeypatch.setattr(waiting_tree, "PROC", str(tmp_path))
    sockets = waiting_tree._Sockets()
    sockets._read_tcp()
    assert sockets.peer_of("socket:[11]") == ("socket:[12]", 8080)
    assert sockets.client_of("socket:[12]") == "socket:[11]"
    assert sockets.client_of("socket:[11]") is None
    assert sockets.peer_of("socket:[13]") == (None, 0)


def test_an_ipv4_address_of_an_ipv6_socket_is_that_of_the_ipv4_socket() -> None:
    mapped = waiting_tree._end("0000000000000000FFFF00000100007F:1F90")
    assert "0100007F:1F90" == mapped == waiting_tree._end("0100007F:1F90")


def test_a_child_process_is_in_the_tree_with_its_cpu_time(tree: WaitingTree) -> None:
    with child("while True: pass") as process:
        tree.refresh()
        begin = tree.read()
        while tree.read().others_cpu - begin.others_cpu < 5_000_000:
            time.sleep(0.01)
        assert tree.processes == (process.pid,)
        assert tree.words[-1] == f"1 child process ({PYTHON})"
        with child("import time; time.sleep(60)") as second:
            until = time.monotonic() + PATIENCE_S
            while Path(f"/proc/{second.pid}/comm").read_text().strip() != PYTHON:
                assert time.monotonic() < until
            tree.refresh()
            assert tree.words[-1] == f"2 child processes ({PYTHON})"


def test_the_cpu_time_of_the_tree_has_that_of_children_and_of_ended_ones(
    tree: WaitingTree,
) -> None:
    tree.refresh()
    before, ended = tree.cpu_ns(), ended_children()
    subprocess.run([sys.executable, "-I", "-S", "-c", "for _ in range(10**6): pass"], check=True)
    assert tree.cpu_ns() - before >= 5_000_000
    assert ended_children() != ended


def test_a_child_that_is_seen_late_counts_from_its_birth(tree: WaitingTree) -> None:
    tree.refresh()
    before = tree.cpu_ns()
    with child("while True: pass") as process:
        wait_until_it_has_run(process.pid, BUSY_S)
        tree.refresh()
        assert tree.cpu_ns() - before >= BUSY_S / 2 * 1e9


def test_a_server_counts_from_when_it_joins(tree: WaitingTree) -> None:
    tree.refresh()
    before = tree.cpu_ns()
    with stranger("AF_INET") as (_, port), connected(port):
        tree.refresh()
        assert tree.cpu_ns() - before < BUSY_S / 2 * 1e9


def test_the_cpu_time_of_the_tree_stays_when_a_server_leaves_it(tree: WaitingTree) -> None:
    with stranger("AF_INET") as (_, port):
        with connected(port):
            tree.refresh()
            before = tree.cpu_ns()
        tree.refresh()
        assert tree.cpu_ns() >= before


def test_a_child_that_ends_is_not_counted_twice(tree: WaitingTree) -> None:
    burning = f"import time\nwhile time.process_time() < {BUSY_S}: pass\ninput()"
    command = [sys.executable, "-I", "-S", "-c", burning]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        time.sleep(3 * BUSY_S)
        tree.refresh()
        before = tree.cpu_ns()
        process.communicate(b"\n")
    assert tree.cpu_ns() - before < BUSY_S * 1e9 / 2


ANSWERING = """
import subprocess, sys, threading
def work(): {work}
while sys.stdin.readline():
    {each}
    print(flush=True)
"""
BURNING = f"import time\nwhile time.process_time() < {BUSY_S}: pass"


@pytest.mark.parametrize(
    "each",
    [
        f"subprocess.run([sys.executable, '-I', '-S', '-c', {BURNING!r}])",
        "thread = threading.Thread(target=work); thread.start(); thread.join()",
    ],
)
def test_what_a_child_runs_and_ends_counts_and_has_waits_that_nobody_read(
    tree: WaitingTree, each: str
) -> None:
    code = ANSWERING.format(each=each, work="sum(range(10**7))")
    command = [sys.executable, "-I", "-S", "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        tree.refresh()
        before = tree.cpu_ns()
        assert not tree.has_unread
        process.stdin.write(b"\n")
        process.stdin.flush()
        process.stdout.readline()
        wait_until_it_has_one_thread(process.pid)
        tree.refresh()
        assert tree.cpu_ns() - before >= BUSY_S / 4 * 1e9
        assert tree.has_unread
        process.stdin.close()


def test_a_child_that_only_computes_has_no_waits_that_nobody_read(tree: WaitingTree) -> None:
    with child("while True: pass") as process:
        wait_until_it_has_run(process.pid, BUSY_S)
        for more in range(10):
            tree.refresh()
            tree.cpu_ns()
            assert not tree.has_unread
            wait_until_it_has_run(process.pid, BUSY_S + more * 0.02)


def test_a_local_server_is_in_the_tree_by_its_connection(tree: WaitingTree) -> None:
    with stranger("AF_INET") as (pid, port):
        tree.refresh()
        assert tree.processes == ()
        with connected(port):
            tree.refresh()
            assert tree.processes == (pid,)
            assert tree.words[-1] == f"{PYTHON} on port {port}"
            assert not tree.is_blind


def test_a_server_that_accepts_late_is_looked_for_again(tree: WaitingTree) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            tree.refresh()
            assert tree.is_blind
            accepted, _ = listening.accept()
            with accepted:
                tree.refresh()
                assert not tree.is_blind


def test_a_server_of_a_unix_socket_is_in_the_tree(tree: WaitingTree, tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with stranger("AF_UNIX", path) as (pid, _), socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        client.recv(1)
        tree.refresh()
        assert tree.processes == (pid,)


@contextmanager
def other_client(family: str, address: object) -> Iterator[None]:
    """A client of a server that is not a descendant of this process."""
    code = f"""
import os, socket, time
if os.fork():
    os._exit(0)
kept = socket.socket(socket.{family})
kept.connect({address!r})
kept.recv(1)
print(os.getpid(), flush=True)
time.sleep(60)
"""
    command = [sys.executable, "-I", "-S", "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
    try:
        yield
    finally:
        os.kill(pid, 9)


def test_a_server_with_other_clients_makes_the_tree_blind(tree: WaitingTree) -> None:
    with (
        stranger("AF_INET") as (_, port),
        connected(port),
        other_client("AF_INET", ("127.0.0.1", port)),
    ):
        tree.refresh()
        assert tree.is_blind


def test_a_server_of_a_unix_socket_with_other_clients_makes_the_tree_blind(
    tree: WaitingTree, tmp_path: Path
) -> None:
    path = str(tmp_path / "s")
    with stranger("AF_UNIX", path), socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        client.recv(1)
        with other_client("AF_UNIX", path):
            tree.refresh()
            assert tree.is_blind


def test_links_begin_behind_the_standard_streams() -> None:
    code = "import os, sys; os.dup2(os.pipe()[0], 3); os.closerange(4, 99); print(flush=True)"
    command = [sys.executable, "-I", "-S", "-c", f"{code}; sys.stdin.read()"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        (link,) = waiting_tree._links(process.pid)
        process.stdin.close()
    assert link.startswith("pipe:")


def test_a_process_that_reads_our_output_is_not_waited_for(tree: WaitingTree) -> None:
    read, write = os.pipe()
    with with_pipe_end(read) as pid, os.fdopen(write, "wb"):
        os.close(read)
        tree.refresh()
        assert pid not in tree.processes


def test_a_process_that_writes_our_input_is_waited_for(tree: WaitingTree) -> None:
    read, write = os.pipe()
    with with_pipe_end(write) as pid, os.fdopen(read, "rb"):
        os.close(write)
        tree.refresh()
        assert pid in tree.processes


def test_ancestors_are_no_part_of_the_tree() -> None:
    code = """
import os, sys
from pytest_hancock_latency.measuring.takers.waiting_tree import WaitingTree
tree = WaitingTree()
tree.refresh()
print(os.getppid() in tree.processes)
"""
    read, write = os.pipe()
    try:
        done = subprocess.run(
            [sys.executable, "-c", code],
            pass_fds=(read, write),
            capture_output=True,
            text=True,
            check=True,
        )
    finally:
        os.close(read)
        os.close(write)
    assert done.stdout == "False\n"


def test_of_two_hundred_threads_some_are_read_and_the_tree_says_so(tree: WaitingTree) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with threads(200):
        tree.refresh()
        assert tree.is_blind
        assert len(os.listdir("/proc/self/fd")) - before <= MOST_THREADS
        tree.read()


def test_no_descriptor_is_left_open() -> None:
    before = sorted(os.listdir("/proc/self/fd"))
    with threads(5), child("input()"):
        tree = WaitingTree()
        for _ in range(3):
            tree.refresh()
        tree.close()
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_threads_that_end_meanwhile_are_read_no_more(tree: WaitingTree) -> None:
    before = thread_count(tree)
    with threads(3):
        tree.refresh()
    tree.read()
    assert tree.has_changed()
    assert thread_count(tree) == before


def test_threads_behind_one_that_has_ended_are_still_read(tree: WaitingTree) -> None:
    may_end, has_worked = threading.Event(), threading.Event()

    def work() -> None:
        while time.thread_time_ns() < 5_000_000:
            pass
        has_worked.set()
        may_end.wait()

    first, stays = threading.Event(), threading.Thread(target=work)
    ends = threading.Thread(target=first.wait)
    ends.start()
    stays.start()
    try:
        has_worked.wait()
        tree.refresh()
        first.set()
        wait_until_gone(ends)
        assert tree.read().threads_cpu >= 5_000_000
    finally:
        may_end.set()
        stays.join()


def test_a_process_that_ends_meanwhile_is_read_no_more(tree: WaitingTree) -> None:
    with child("input()") as process:
        tree.refresh()
        process.kill()
        process.wait()
        tree.read()
        tree.cpu_ns()
        tree.refresh()
        assert tree.processes == ()
