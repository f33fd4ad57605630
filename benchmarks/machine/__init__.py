"""Making a machine busy on purpose, and never for longer than asked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from .control_groups import control_group, joined

_SPIN: Final = """
import os, time
if {cores}:
    os.sched_setaffinity(0, {cores})
end, parent = time.monotonic() + {seconds}, {parent}
while time.monotonic() < end and is_wanted(parent):
    for _ in range(100_000):
        pass
"""
_BY_TURNS: Final = """
import os, random, time
end, parent = time.monotonic() + {seconds}, {parent}
while time.monotonic() < end and is_wanted(parent):
    until = time.monotonic() + random.uniform(0.012, 0.030)
    while time.monotonic() < until:
        pass
    time.sleep(random.uniform(0.060, 0.150))
"""
_ON_AND_OFF: Final = """
import os, time
end, parent = time.monotonic() + {seconds}, {parent}
while time.monotonic() < end and is_wanted(parent):
    while time.monotonic() % 0.6 < 0.3:
        pass
    time.sleep(0.005)
"""
_COPY: Final = """
import os, time
one, end, parent = bytearray(64_000_000), time.monotonic() + {seconds}, {parent}
while time.monotonic() < end and is_wanted(parent):
    other = bytes(one)
"""
_COMPILE: Final = """
import random, time
end, parent = time.monotonic() + {seconds}, {parent}
with open(random.__file__, encoding="utf-8") as file:
    text = file.read()
while time.monotonic() < end and is_wanted(parent):
    compile(text, "random.py", "exec")
"""
_FORK: Final = """
import os, time
end, parent, started = time.monotonic() + {seconds}, {parent}, 0
while time.monotonic() < end and is_wanted(parent):
    os.posix_spawn("/bin/true", ["true"], {{}})
    started += 1
    if started > {at_once}:
        os.wait()
"""
_FSYNC: Final = """
import os, time
end, parent = time.monotonic() + {seconds}, {parent}
file = os.open({folder!r} + "/" + str(os.getpid()), os.O_CREAT | os.O_RDWR)
while time.monotonic() < end and is_wanted(parent):
    os.pwrite(file, b"x" * 1_000_000, 0)
    os.fsync(file)
"""
_READ: Final = """
import os, time
end, parent = time.monotonic() + {seconds}, {parent}
file = os.open({path!r}, os.O_RDONLY)
while time.monotonic() < end and is_wanted(parent):
    os.lseek(file, 0, os.SEEK_SET)
    while os.read(file, 1_000_000):
        pass
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
"""
_RENAME: Final = """
import os, time
end, parent, folder = time.monotonic() + {seconds}, {parent}, {folder!r}
own = os.open(folder, os.O_RDONLY)
while time.monotonic() < end and is_wanted(parent):
    os.mkdir(folder + "/before")
    os.rename(folder + "/before", folder + "/after")
    os.fsync(own)
    os.rmdir(folder + "/after")
"""
_LARGE_MB: Final = 256


_UNTIL: Final = """
import os
def is_wanted(parent):
    try:
        os.kill(parent, 0)
    except OSError:
        return False
    return True
"""
_DETACHED: Final = """
import os
if os.fork():
    os._exit(0)
"""
"""Busy children of a test are its own fault; these processes are no children of it."""


@contextmanager
def folder_on_disk() -> Iterator[str]:
    """A folder for files that are forced to the disk, which the usual one for short-lived files may
    not be on; in ``build``, which is ignored.
    """
    parent = Path(__file__).resolve().parents[2] / "build"
    parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=parent) as folder:
        yield folder


@contextmanager
def spinning(
    count: int, cores: set[int], longest_s: float, *, children: bool = False
) -> Iterator[None]:
    """`count` processes that do nothing but run, pinned to `cores` if there are any.

    They also end by themselves, when this process does or after `longest_s`.

    children: whether they are children of this process.
    """
    code = _SPIN.format(cores=cores or None, seconds=longest_s, parent=os.getpid())
    with _running(count, code, children=children):
        yield


@contextmanager
def busy_by_turns(count: int, longest_s: float) -> Iterator[None]:
    """`count` processes that run for 12 to 30 ms every 60 to 150 ms."""
    with _running(count, _BY_TURNS.format(seconds=longest_s, parent=os.getpid())):
        yield


@contextmanager
def on_and_off(count: int, longest_s: float) -> Iterator[None]:
    """`count` processes that run for 300 ms and then sleep for 300 ms, all at the same time."""
    with _running(count, _ON_AND_OFF.format(seconds=longest_s, parent=os.getpid())):
        yield


@contextmanager
def copying_memory(count: int, longest_s: float) -> Iterator[None]:
    """`count` processes that copy more memory than a cache holds."""
    with _running(count, _COPY.format(seconds=longest_s, parent=os.getpid())):
        yield


@contextmanager
def compiling(count: int, longest_s: float) -> Iterator[None]:
    """`count` processes that compile Python code again and again."""
    with _running(count, _COMPILE.format(seconds=longest_s, parent=os.getpid())):
        yield


@contextmanager
def forking(at_once: int, longest_s: float) -> Iterator[None]:
    """A process that starts short programs as fast as it can, `at_once` at the same time."""
    code = _FORK.format(seconds=longest_s, parent=os.getpid(), at_once=at_once)
    with _running(1, code):
        yield


@contextmanager
def committing(count: int, longest_s: float) -> Iterator[None]:
    """`count` processes that write to a file here and wait for the disk."""
    with folder_on_disk() as folder:
        code = _FSYNC.format(seconds=longest_s, parent=os.getpid(), folder=folder)
        with _running(count, code):
            yield


@contextmanager
def reading(longest_s: float) -> Iterator[None]:
    """A process that reads a large file again and again, each time from the disk."""
    with folder_on_disk() as folder:
        path = Path(folder) / "large"
        with path.open("wb") as file:
            for _ in range(_LARGE_MB):
                file.write(os.urandom(1_000_000))
            file.flush()
            os.fsync(file.fileno())  # only what is on the disk can be dropped from the cache
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        code = _READ.format(seconds=longest_s, parent=os.getpid(), path=str(path))
        with _running(1, code):
            yield


@contextmanager
def renaming(longest_s: float) -> Iterator[None]:
    """A process that makes and renames folders, and waits for the disk."""
    with folder_on_disk() as folder:
        code = _RENAME.format(seconds=longest_s, parent=os.getpid(), folder=folder)
        with _running(1, code):
            yield


@contextmanager
def throttled_with_sibling(longest_s: float) -> Iterator[None]:
    """This process in a control group without a quota, a process that does nothing but run in
    another one, and half a core for the group around both.
    """
    with (
        control_group("outer", 0.5) as outer,
        control_group("sibling", outer=outer) as sibling,
        control_group("test", outer=outer) as group,
        ExitStack() as stack,
    ):
        with joined(sibling):
            stack.enter_context(spinning(1, set(), longest_s))
        with joined(group):
            yield


@contextmanager
def _running(count: int, code: str, *, children: bool = False) -> Iterator[None]:
    code = ("" if children else _DETACHED) + _UNTIL + code
    command = [sys.executable, "-I", "-S", "-c", code]
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for _ in range(count):
            processes.append(subprocess.Popen(command, start_new_session=True))
        time.sleep(0.3 if count else 0)  # until they have started
        yield
    finally:
        for each in processes:
            with suppress(ProcessLookupError):  # it has ended by itself
                os.killpg(each.pid, signal.SIGKILL)
        for each in processes:
            each.wait()


@contextmanager
def pinned(cores: set[int]) -> Iterator[None]:
    """This process on `cores` alone, and where it was afterwards."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
