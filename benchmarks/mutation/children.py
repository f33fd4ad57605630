"""Run pytest in forked processes, each in a copy of the tree.

The parent has imported pytest, numpy and what else is slow, so that a child starts in a fraction of
a second. It must not import the packages that are mutated: children import them from their copy.
"""

from __future__ import annotations

import importlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from _pytest.assertion.rewrite import AssertionRewritingHook

PRELOADED: Final = (
    *("_pytest.pytester", "hypothesis.strategies", "numpy.testing", "scipy.stats", "unittest.mock"),
    *("_hypothesis_pytestplugin", "hypothesis.extra.pytestplugin", "xdist.plugin", "pytest_cov"),
    *("aiohttp", "flask", "gunicorn", "httpx", "jsonschema", "limits", "lxml.etree", "msgspec"),
)
MOST_MEMORY: Final = 6 << 30
POLL_SECONDS: Final = 0.02


@dataclass(frozen=True)
class Copy:
    """A copy of the tree for one child at a time."""

    folder: Path

    @classmethod
    def of(cls, root: Path, folder: Path) -> Copy:
        """Copy all files that git tracks or would track."""
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, cwd=root, capture_output=True, check=True).stdout
        for name in filter(None, listed.decode().split("\0")):
            if (root / name).is_file():
                (folder / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(root / name, folder / "tree" / name)
        return cls(folder)

    @property
    def tree(self) -> Path:
        return self.folder / "tree"

    @property
    def said(self) -> Path:
        """What the child printed."""
        return self.folder / "said.txt"


@dataclass(frozen=True)
class Job:
    """What one child is to do."""

    arguments: Sequence[str]
    plugins: Sequence[object]
    finish: Callable[[], None] = lambda: None
    """Called in the child after pytest."""
    seconds: float = 600
    undo: Callable[[], None] = lambda: None
    """Called in the parent when the child has ended."""


@dataclass(frozen=True)
class Ending:
    """How a child ended."""

    code: int
    """The exit code of pytest, or minus the number of a signal."""
    seconds: float
    text: str


def preload() -> None:
    """Import what the children need, as far as it is installed."""
    # Its warning is an error here: plugins are imported before pytest could rewrite their asserts.
    AssertionRewritingHook._warn_already_imported = lambda self, name: None  # type: ignore[method-assign]
    for name in PRELOADED:
        with suppress(ImportError):
            importlib.import_module(name)


@dataclass(frozen=True)
class Task:
    """A job that is made for the copy in which it runs, and what to do at its end."""

    prepare: Callable[[Copy], Job]
    conclude: Callable[[Ending], None]


def run_all(copies: Sequence[Copy], tasks: deque[Task]) -> None:
    """Run each task in a copy that is free. The end of a task may add another one."""
    free = list(copies)
    running: dict[int, _Child] = {}
    try:
        while True:
            while free and tasks:
                child = _Child.start(free.pop(), tasks.popleft())
                running[child.pid] = child
            if not running:
                return
            for pid, code in _ended(running):
                child = running.pop(pid)
                free.append(child.copy)
                child.task.conclude(child.ending(code))
            time.sleep(POLL_SECONDS)
    finally:
        for pid in running:
            _kill_group(pid)
            os.waitpid(pid, 0)


@dataclass(frozen=True)
class _Child:
    pid: int
    copy: Copy
    started: float
    deadline: float
    task: Task
    undo: Callable[[], None]

    @classmethod
    def start(cls, copy: Copy, task: Task) -> _Child:
        job = task.prepare(copy)
        shutil.rmtree(copy.tree / ".hypothesis", ignore_errors=True)
        started = time.monotonic()
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            _run(copy, job)
        with suppress(OSError):
            os.setpgid(pid, pid)
        return cls(pid, copy, started, started + job.seconds, task, job.undo)

    def ending(self, code: int) -> Ending:
        """Kill what the child left, undo its change, and read what it printed."""
        _kill_group(self.pid)
        self.undo()
        text = self.copy.said.read_text(encoding="utf-8", errors="replace")
        return Ending(code, time.monotonic() - self.started, text)


def _ended(running: dict[int, _Child]) -> Iterator[tuple[int, int]]:
    for pid, child in list(running.items()):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if not ended and time.monotonic() > child.deadline:
            _kill_group(pid)
            ended, status = os.waitpid(pid, 0)
        if ended:
            yield pid, os.waitstatus_to_exitcode(status)


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _run(copy: Copy, job: Job) -> None:
    """The life of a child."""
    code = 3
    try:
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
        said = os.open(copy.said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for stream in (1, 2):
            os.dup2(said, stream)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.chdir(copy.tree)
        # The tests see neither this script nor what it shares, and the copy comes before the
        # checkout that is installed.
        sys.path[0] = str(copy.tree)
        sys.argv = ["pytest"]
        os.environ["PYTHONPATH"] = str(copy.tree)
        # What is not mutated is compiled once.
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        sys.dont_write_bytecode = False
        os.environ.setdefault("HANCOCK_TESTS_WITHOUT_SERVICES", "1")
        for name in [name for name in sys.modules if name.split(".")[0] in ("mutation", "goals")]:
            del sys.modules[name]
        code = int(
            pytest.main(
                [
                    *("-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"),
                    *("--rootdir", str(copy.tree), "-c", str(copy.tree / "pyproject.toml")),
                    *("--basetemp", str(copy.folder / "temporary"), "--hypothesis-seed=0"),
                    *job.arguments,
                ],
                plugins=list(job.plugins),
            )
        )
        job.finish()
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
