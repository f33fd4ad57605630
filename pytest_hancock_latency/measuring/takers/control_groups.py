"""The control groups of the waiting tree that have a quota, and for how long it stopped them.

A quota stops all processes of a group, and of the groups inside of it, once they have used it up
together. As far as others in the group have used it, the machine stopped the code; the rest is due
to the code itself, which computed more than its container may. Versions 1 and 2 are read; Linux
only.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from math import inf
from typing import Final, NamedTuple

from ..own_modules import UNKNOWN, exists, lines_of, own_os
from .waiting_tree import process_cpu_ns

ROOT: Final = "/sys/fs/cgroup"
PROC: Final = "/proc"
_NS_PER_US: Final = 1_000
_STATISTICS: Final = "cpu.stat"
_MEMBERS: Final = "cgroup.procs"
_NO_QUOTA: Final = {"cpu.max": "max", "cpu.cfs_quota_us": "-1"}
"""Start of the file that has the quota of a group, where it has none."""


class _Group(NamedTuple):
    """Times of a group, in ns."""

    throttled: int
    """For which its quota stopped it."""
    members_cpu: Mapping[int, int] | None
    """CPU time of each living process; None if some are not visible from here."""


Groups = Mapping[str, _Group]
"""The groups of the tree that have a quota, by their folders."""


class ControlGroups:
    """Reads the control groups of the processes of a waiting tree."""

    def __init__(self) -> None:
        self._folders: dict[int, list[str]] = {}
        """Folders of the groups of each process, looked up once: there are up to a dozen places."""

    def read(self, pids: Collection[int]) -> Groups:
        """Return the groups of these processes, the outer ones included."""
        self._folders = {
            pid: self._folders[pid] if pid in self._folders else [*_limited_groups(pid)]
            for pid in pids
        }
        folders = {folder for found in self._folders.values() for folder in found}
        return {
            folder: _Group(throttled_ns, _cpu_of_members(folder))
            for folder in folders
            if (throttled_ns := _throttled_ns(folder)) is not None
        }


def throttled_by_others(before: Groups, after: Groups, tree: Collection[int]) -> float:
    """Return for how long others stopped the tree between two readings, in ns.

    Args:
        tree: its processes.
    """
    times = (
        min(now.throttled - before[folder].throttled, _used_by_others(before[folder], now, tree))
        for folder, now in after.items()
        if folder in before
    )
    return max(times, default=0)


def _used_by_others(before: _Group, now: _Group, tree: Collection[int]) -> float:
    if before.members_cpu is None or now.members_cpu is None:
        return inf
    return sum(
        cpu_ns - before.members_cpu.get(pid, 0)
        for pid, cpu_ns in now.members_cpu.items()
        if pid not in tree
    )


def _limited_groups(pid: int) -> Iterator[str]:
    """Yield the folders of the groups of a process, as far as they are visible from here."""
    for line in lines_of(f"{PROC}/{pid}/cgroup"):
        _, _, group = line.partition(":")
        controllers, _, path = group.partition(":")
        if controllers and "cpu" not in controllers.split(","):
            continue
        for mounted in (f"{ROOT}/cpu", f"{ROOT}/cpu,cpuacct", f"{ROOT}"):
            folder = f"{mounted}/{path.strip('/')}".rstrip("/")
            while len(folder) >= len(mounted):
                if exists(f"{folder}/{_STATISTICS}") and not _is_unlimited(folder):
                    yield folder
                folder, _, _ = folder.rpartition("/")


def _is_unlimited(folder: str) -> bool:
    return any(
        line.startswith(nothing)
        for name, nothing in _NO_QUOTA.items()
        for line in lines_of(f"{folder}/{name}")
    )


def _throttled_ns(folder: str) -> int | None:
    """Return the throttled time from version 2 (µs) or 1 (ns); None without a quota."""
    for line in lines_of(f"{folder}/{_STATISTICS}"):
        name, _, value = line.partition(" ")
        with suppress(ValueError):
            if name == "throttled_usec":
                return int(value) * _NS_PER_US
            if name == "throttled_time":
                return int(value)
    return None


def _cpu_of_members(folder: str) -> Mapping[int, int] | None:
    """Return the CPU time of each process of a group; None if some are not visible from here."""
    if not exists(f"{folder}/{_MEMBERS}"):
        return None
    try:
        pids = [
            int(line) for inside in _folders_in(folder) for line in lines_of(f"{inside}/{_MEMBERS}")
        ]
    except UNKNOWN:
        return None
    if 0 in pids:  # in another container
        return None
    return {pid: cpu_ns for pid in pids if (cpu_ns := process_cpu_ns(pid)) is not None}


def _folders_in(folder: str) -> Iterator[str]:
    """Yield a folder and all folders inside of it."""
    pending = [folder]
    while pending:
        yield (inside := pending.pop())
        with suppress(OSError), own_os.scandir(inside) as entries:
            pending += [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
