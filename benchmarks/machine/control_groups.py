"""Control groups of version 1 and 2 with a quota of CPU time, and processes in them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_V2: Final = Path("/sys/fs/cgroup")
_V1: Final = _V2 / "cpu"
_PERIOD_US: Final = 100_000
_LONGEST_S: Final = 5.0
"""How long a process that was killed may still be in its group."""


@contextmanager
def control_group(
    name: str, cores: float | None = None, outer: Path | None = None
) -> Iterator[Path]:
    """A control group, removed at the end: by then, all processes in it must have ended.

    Args:
        name: of the group; the number of this process is added.
        cores: quota of the whole group; without, only that of the groups around it.
        outer: group in which it is; otherwise the root.

    Raises:
        OSError: no such group may be made here.
    """
    folder = outer or _root()
    with suppress(OSError):  # of version 2: controllers are handed down by the parent
        (folder / "cgroup.subtree_control").write_text("+cpu", encoding="ascii")
    group = folder / f"{name}-{os.getpid()}"
    group.mkdir()
    try:
        if cores is not None:
            _limit(group, round(cores * _PERIOD_US))
        yield group
    finally:
        _remove(group)


def join(group: Path, pid: int) -> None:
    """Move a process, with all its threads, to a control group."""
    (group / "cgroup.procs").write_text(str(pid), encoding="ascii")


@contextmanager
def joined(group: Path) -> Iterator[None]:
    """This process, and all that it starts meanwhile, in a control group; then where it was."""
    before = _own_group(_V1 if group.is_relative_to(_V1) else _V2)
    join(group, os.getpid())
    try:
        yield
    finally:
        join(before, os.getpid())


@contextmanager
def half_a_core() -> Iterator[None]:
    """This process and all that it starts in a control group that may use half a core."""
    with control_group("half-a-core", 0.5) as group, joined(group):
        yield


def _root() -> Path:
    for root in (_V2, _V1):
        if (root / "cgroup.procs").exists():
            return root
    raise OSError("this machine does not let us make a control group with a quota")


def _limit(group: Path, quota_us: int) -> None:
    quotas = {"cpu.max": f"{quota_us} {_PERIOD_US}", "cpu.cfs_quota_us": str(quota_us)}
    for file, quota in quotas.items():
        if (group / file).exists():
            (group / file).write_text(quota, encoding="ascii")
            return
    raise OSError("control groups have no quota on this machine")


def _own_group(root: Path) -> Path:
    for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
        _, controllers, path = line.split(":", 2)
        if ("cpu" in controllers.split(",")) if root == _V1 else not controllers:
            return root / path.lstrip("/")
    return root


def _remove(group: Path) -> None:
    end = time.monotonic() + _LONGEST_S
    while True:
        try:
            group.rmdir()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            return
