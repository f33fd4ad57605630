"""What measuring uses of the system, and what it makes of nonsense in the kernel's files."""

from __future__ import annotations

import io
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_hancock_latency import ManualClock
from pytest_hancock_latency.measuring import environment, own_modules, patience
from pytest_hancock_latency.measuring.own_modules import (
    exists,
    lines_of,
    numbers_in,
    own_os,
    own_resource,
    own_time,
    own_unless_gevent,
    read_file,
)
from pytest_hancock_latency.measuring.takers import local_server, outsiders, waiting_tree
from pytest_hancock_latency.measuring.takers.foreign_work import ForeignWork
from pytest_hancock_latency.measuring.takers.local_server import LocalServer
from pytest_hancock_latency.measuring.takers.waiting_tree import WaitingTree, server_on


@pytest.mark.parametrize(
    ("own", "module", "name"),
    [
        (own_os, os, "listdir"),
        (own_resource, resource, "getrusage"),
        (own_time, time, "perf_counter_ns"),
    ],
)
def test_the_functions_are_none_of_those_that_tests_replace(
    own: object, module: object, name: str
) -> None:
    assert isinstance(getattr(own, name), type(getattr(module, name)))
    assert getattr(own, name) is not getattr(module, name)


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    content = os.urandom(200_000)
    (tmp_path / "file").write_bytes(content)
    assert read_file(tmp_path / "file") == content


def test_reading_closes_the_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text", encoding="ascii")
    before = os.listdir("/proc/self/fd")
    read_file(tmp_path / "file")
    with pytest.raises(IsADirectoryError):
        read_file(tmp_path)
    assert os.listdir("/proc/self/fd") == before


def test_a_missing_file_has_no_lines_and_a_missing_folder_no_numbers(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    assert (lines_of(missing), numbers_in(missing), exists(missing)) == ((), (), False)


def test_the_numbers_in_a_folder_are_its_processes(tmp_path: Path) -> None:
    for name in ("12", "self", "007", "-3", "1.5"):
        (tmp_path / name).touch()
    assert sorted(numbers_in(tmp_path)) == [7, 12]
    assert exists(tmp_path / "self")


@pytest.mark.parametrize(
    ("module", "is_present"),
    [("gevent.hub", True), ("gevent", True), ("geventlet", False), ("unittest.mock", False)],
)
def test_only_gevent_s_own_is_used_instead(module: str, is_present: bool) -> None:
    def present() -> None: ...

    present.__module__ = module
    assert (own_unless_gevent(print, present) is present) is is_present


@pytest.mark.parametrize("present", [None, "nonsense", 1])
def test_what_has_no_module_is_not_gevent_s(present: Any) -> None:
    assert own_unless_gevent(print, present) is print


# --- nonsense -------------------------------------------------------------------------------------

OWN, PARENT = os.getpid(), os.getppid()
NONSENSE = {
    "nothing": b"",
    "a word": b"nonsense",
    "a line": b"nonsense\n",
    "every byte": bytes(range(256)) * 3,
    "few numbers": b"1 2\n" * 5,
    "negative numbers": b"-1 -2 -3 -4 -5 -6 -7 -8 -9 -10 -11 -12 -13 -14\n" * 5,
    "huge numbers": b"99999999999999999999999999999999 99999999999999999999999999999999 9\n" * 5,
    "more digits than are converted": b"9" * 5_000,
    "a circle": f"{OWN} (a) S {OWN} {OWN} 1\n".encode() * 3,
    "a circle of two": f"{OWN} {PARENT} 1\n".encode() * 3,
    "short lines": b"cpu0 1 2\ncpu1 x\nsome\nTcp: ActiveOpens\nTcp:\nread_bytes: x\n",
    "short groups": b"1:cpu:\n::\n0\n\nthrottled_usec\nthrottled_time x\n",
    "half a quota": b"100000 0\n",
    "a path that leads out": b"0::/../../..\n0::\n1:cpu:/../x\n",
}


@pytest.fixture(params=NONSENSE)
def nonsense(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Nonsense in every file of the kernel, whose names are as they are."""
    content = NONSENSE[request.param]
    for module in (own_modules, environment, patience, waiting_tree, outsiders, local_server):
        monkeypatch.setattr(module, "read_file", lambda _: content)
    monkeypatch.setattr(own_os, "pread", lambda *_: content[:96])
    return content


def test_a_waiting_tree_of_nonsense_is_read(nonsense: bytes) -> None:
    tree = WaitingTree()
    try:
        for _ in range(2):
            tree.refresh()
            tree.has_children()
            assert isinstance(tree.read().wait, int)
            assert all(isinstance(word, str) for word in tree.words)
    finally:
        tree.close()


def test_windows_of_nonsense_are_closed(nonsense: bytes) -> None:
    clock, tree = ManualClock(), WaitingTree()
    try:
        work = ForeignWork(clock, tree)
        for _ in range(2):
            clock.advance(250_000_000)
            work.close_window(calls=1)
        assert len(work.windows().foreign) == len(work.ends) + 1
    finally:
        tree.close()


def test_a_server_in_nonsense_waits_for_nobody(nonsense: bytes) -> None:
    assert server_on(8080).processes == ()
    assert LocalServer(8080).kept_waiting_ns() == 0


@pytest.mark.parametrize(
    "read",
    [
        environment.cpu_quota,
        environment.container_memory_bytes,
        environment.governor,
        patience.others_run,
    ],
)
def test_facts_in_nonsense_are_unknown(nonsense: bytes, read: Callable[[], object]) -> None:
    assert isinstance(read(), int | float | str | None)


def test_a_socket_that_answers_nonsense_has_no_peers(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [b"", b"\0" * 64, b"\0" * 3, b"\xff" * 64]

    class Kernel(io.BytesIO):
        def __init__(self, *_: object) -> None:
            super().__init__()

        def settimeout(self, _: float) -> None: ...

        def send(self, _: bytes) -> None: ...

        def recv(self, _: int) -> bytes:
            return answers.pop(0)

    monkeypatch.setattr(waiting_tree._socket, "socket", Kernel)
    while answers:
        waiting_tree._Sockets()._read_unix()
