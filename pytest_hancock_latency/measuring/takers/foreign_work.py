"""Activity of other processes on this machine, in accounting windows of a quarter of a second.

Foreign work is the busy time of the CPUs that the tree may use, including stolen time, less the CPU
time of the waiting tree, plus the time for which others stopped it by using up a quota. A window is
calm if hardly any CPU time was stolen and, according to the kernel's pressure file, some task
waited for a CPU at most a twentieth of the time; without that file, if a quarter of the CPU time is
idle. It is also calm, whoever waited, if strangers used next to nothing: the tree and its peers
then waited for each other.

A call that commits to a disk also waits for the commits of others, which no run-queue wait shows.
Another pressure file contains the time for which any task waited for a disk, but not for the
journal of a file system; /proc/diskstats has the time for which disks were busy. The longer of both
is used, only if both the tree and others used a disk. `/proc/PID/io` shows which processes wrote,
but is readable only for the user's own processes: writes of a database that runs as another user
are invisible.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from typing import Final, NamedTuple

from ...core.attribution import Windows
from ...core.late_numpy import np
from ..clock import Clock
from ..environment import allowed_cpus
from ..own_modules import UNKNOWN, exists, lines_of, numbers_in, own_os
from .control_groups import ControlGroups, Groups, throttled_by_others
from .outsiders import Outsiders, Peers
from .waiting_tree import WaitingTree, tick_ns

WINDOW_NS: Final = 250_000_000
"""As long as the deletion windows. CPU counters have ticks of 10 ms, so in much shorter windows
rounding would dominate."""
OTHERS_SHARE: Final = 0.1
"""Others must use the disks at least this share of what the tree does. A gate on p95 is exceeded if
a twentieth of the calls is late, and each commit of another process can delay one of them."""
COARSE_NS: Final = 50_000_000
"""In a shorter window, each CPU may have been busy for one tick more than counted."""
CALM_PRESSURE: Final = 0.05
"""A window is calm if some task waited for a CPU at most this share of it: that can have delayed at
most one call in twenty."""
CALM_IDLE: Final = 0.25
"""Minimum idle share of the CPUs in a calm window if the kernel has no pressure file: then a CPU
was available."""
NEXT_TO_NOTHING: Final = 0.05
"""Share of the CPU time that strangers, or the hypervisor, may use in a calm window: that can have
delayed at most one call in twenty."""
_BUSY_CHILDREN: Final = 0.05
"""Share of one CPU from which children of the test can delay its own thread."""
_STAT: Final = "/proc/stat"
_DISKS: Final = "/sys/block"
_NAME_FIELD, _READ_FIELD, _BUSY_FIELD = 2, 5, 12
_SECTOR: Final = 512
"""Bytes of the sectors that /proc/diskstats counts, whatever those of the disk are."""
_PRESSURE: Final = "/proc/pressure"
_PROC: Final = "/proc"
_SNMP: Final = "/proc/net/snmp"
_NS_PER_US, _NS_PER_MS = 1_000, 1_000_000
_IDLE_FIELDS: Final = (3, 4)
"""Fields of a line of /proc/stat: idle, and idle during disk I/O."""
_STOLEN_FIELD: Final = 7


class CpuTimes(NamedTuple):
    """Times of one CPU, or of several together, in ns."""

    busy: float = 0.0
    """Includes stolen time."""
    idle: float = 0.0
    stolen: float = 0.0


NO_TIMES: Final = CpuTimes()


@dataclass(frozen=True, slots=True)
class _Counters:
    """Readings at the border between two windows."""

    at: int
    cpus: Mapping[int, CpuTimes]
    tree_cpu_ns: int
    children_cpu_ns: int
    groups: Groups
    pressure_ns: int | None
    opened: int
    """Connections opened in this network namespace."""


class ForeignWork:
    """Keeps the accounting windows of one sample."""

    def __init__(self, clock: Clock, tree: WaitingTree) -> None:
        self._clock = clock
        self._tree = tree
        self._disk = _DiskStalls(tree)
        self._outsiders = Outsiders(_PROC)
        self._unlooked_ns = self._unlooked_calls = 0
        """Length of the windows since they were last looked at, and the calls in them."""
        self._control_groups = ControlGroups()
        self._tick_ns = tick_ns()
        self._foreign: list[float] = []
        self._consumed: list[float] = []
        self._throttled: list[float] = []
        self._calm: list[bool] = []
        self._stalled: list[float] = []
        self._busy_children: list[bool] = []
        self.ends: list[int] = []
        """End of each closed window, on the clock."""
        self.unseen: list[bool] = []
        """Whether a connection was opened in each closed window, or the tree was incomplete."""
        self._begin = self._read()

    @property
    def due(self) -> int:
        """When the current window may be closed, on the clock."""
        return self._begin.at + WINDOW_NS

    def close_window(self, calls: int = 0) -> None:
        """Close the current window, update the tree, and start the next window.

        Args:
            calls: number of calls in it that may have waited for a peer.
        """
        self._tree.refresh()
        before, after = self._begin, self._read()
        length = max(1, after.at - before.at)
        cpus = self._usable_cpus()
        uncounted = self._tick_ns * len(cpus) if length < COARSE_NS else 0.0
        tree = _pids_of(self._tree)
        throttled = throttled_by_others(before.groups, after.groups, tree)
        own = max(0, after.tree_cpu_ns - before.tree_cpu_ns)
        times = growth(before.cpus, after.cpus, cpus)
        others = max(0.0, times.busy + uncounted - own)
        self._foreign.append(others + throttled)
        self._consumed.append(min(1.0, self._foreign[-1] / (length * len(cpus))))
        self._throttled.append(throttled)
        self._unlooked_ns += length
        self._unlooked_calls += calls
        peers, strangers = Peers(0, were_late=False), others + throttled
        idle = NEXT_TO_NOTHING * length * len(cpus)
        if times == NO_TIMES or strangers > idle:  # peers only matter where it may not be calm
            peers = self._outsiders.since_last_look(tree, self._unlooked_ns, self._unlooked_calls)
            self._unlooked_ns = self._unlooked_calls = 0
            strangers -= peers.cpu_ns
        is_quiet = times != NO_TIMES and strangers <= idle
        self._calm.append(is_quiet or _is_calm(before, after, times, len(cpus)))
        children = after.children_cpu_ns - before.children_cpu_ns
        self._busy_children.append(children >= _BUSY_CHILDREN * length)
        self._stalled.append(self._disk.since_last_look())
        self.unseen.append(
            after.opened > before.opened
            or self._tree.is_blind
            or self._tree.has_unread
            or peers.were_late
        )
        self.ends.append(after.at)
        self._begin = after

    def windows(self) -> Windows:
        """Return all windows; the values of the last, current one are unknown."""
        return Windows(
            foreign=np.array([*self._foreign, np.inf]),
            consumed=np.array([*self._consumed, 1.0]),
            throttled=np.array([*self._throttled, 0.0]),
            calm=np.array([*self._calm, False]),
            disk=np.array([*self._stalled, np.inf]),
            busy_children=np.array([*self._busy_children, False]),
        )

    def _usable_cpus(self) -> set[int]:
        """Return the CPUs that a member of the tree may use."""
        cpus = set(allowed_cpus())
        return cpus.union(*map(cpus_of, self._tree.processes))

    def _read(self) -> _Counters:
        return _Counters(
            at=self._clock(),
            cpus=cpu_times(),
            tree_cpu_ns=self._tree.cpu_ns(),
            children_cpu_ns=self._tree.children_cpu_ns(),
            groups=self._control_groups.read(_pids_of(self._tree)),
            pressure_ns=_pressure_ns("cpu"),
            opened=_opened_connections(),
        )


def cpu_times() -> dict[int, CpuTimes]:
    """Return the times of each CPU since the machine booted; none without /proc."""
    ns_per_tick = tick_ns() if is_supported() else 0.0
    cpus = {}
    for line in lines_of(_STAT):
        name, _, fields = line.partition(" ")
        if not name.startswith("cpu"):
            break  # the rest is long, and about interrupts
        with suppress(*UNKNOWN):  # the line of all CPUs together has no number
            cpu = int(name[3:])
            ticks = map(int, fields.split()[:8])  # user time contains that of guests
            times = [ns_per_tick * each for each in ticks]
            idle = sum(times[at] for at in _IDLE_FIELDS)
            cpus[cpu] = CpuTimes(sum(times) - idle, idle, times[_STOLEN_FIELD])
    return cpus


def growth(
    before: Mapping[int, CpuTimes], after: Mapping[int, CpuTimes], cpus: set[int]
) -> CpuTimes:
    """Return the growth of the times of these CPUs together."""
    both = before.keys() & after.keys() & cpus
    pairs = [(before[cpu], after[cpu]) for cpu in both]
    return CpuTimes(
        *(
            max(0.0, sum(last[at] - first[at] for first, last in pairs))
            for at in range(len(CpuTimes._fields))
        )
    )


def _is_calm(before: _Counters, after: _Counters, times: CpuTimes, cpus: int) -> bool:
    """Whether hardly anybody waited for a CPU, as far as the kernel tells."""
    length = after.at - before.at
    if times.stolen > NEXT_TO_NOTHING * length * cpus:
        return False
    if before.pressure_ns is not None and after.pressure_ns is not None:
        return after.pressure_ns - before.pressure_ns <= CALM_PRESSURE * length
    return times.idle >= CALM_IDLE * length * cpus


class _DiskStalls:
    """Measures how long a disk kept tasks waiting while both the tree and others used it."""

    def __init__(self, tree: WaitingTree) -> None:
        self._tree = tree
        self._own = _used(_pids_of(self._tree))
        self._others = _used(numbers_in(_PROC))
        self._disks = _disks()
        self._stalled_ns = _pressure_ns("io")

    def since_last_look(self) -> float:
        """Return the time in ns; 0 unless the tree and others used it, infinite without the file.

        Whoever reads is known from the disks as well, so also readers whose own counters are not
        readable. Not so for writing: the file system adds its own to what the tree wrote.
        """
        own, before_own = _used(_pids_of(self._tree)), self._own
        stalled_ns, before_ns = _pressure_ns("io"), self._stalled_ns
        disks, before_disks = _disks(), self._disks
        self._own, self._stalled_ns, self._disks = own, stalled_ns, disks
        # New members of the tree count from now on; other new processes started since the last
        # look.
        own_growth = _Used(
            *(
                sum(now[at] - before_own.get(pid, now)[at] for pid, now in own.items())
                for at in (0, 1)
            )
        )
        if sum(own_growth) <= 0:
            return 0.0
        others, before_others = _used(numbers_in(_PROC)), self._others
        self._others = others
        written = sum(
            now.written - before_others.get(pid, _Used(0, 0)).written
            for pid, now in others.items()
            if pid not in own
        )
        read = disks.read - before_disks.read - own_growth.read
        if max(written, read) < OTHERS_SHARE * sum(own_growth):
            return 0.0
        if stalled_ns is None or before_ns is None:
            return inf
        return float(max(stalled_ns - before_ns, disks.busy_ns - before_disks.busy_ns))


def _pids_of(tree: WaitingTree) -> tuple[int, ...]:
    """Return the processes of a tree, this one included."""
    return (own_os.getpid(), *tree.processes)


class _Used(NamedTuple):
    """Bytes that a process has caused to be read from disks and written to them."""

    read: int
    written: int


def _used(pids: Iterable[int]) -> dict[int, _Used]:
    """Return what each process whose counters are readable has used of the disks."""
    used = {}
    for pid in pids:
        with suppress(*UNKNOWN):
            values = dict(line.split(": ") for line in lines_of(f"{_PROC}/{pid}/io"))
            used[pid] = _Used(int(values.get("read_bytes", 0)), int(values["write_bytes"]))
    return used


class _Disks(NamedTuple):
    """What all disks did together, without their partitions."""

    read: int
    """Bytes that were read from them."""
    busy_ns: int
    """Time for which they had requests in progress."""


def _disks() -> _Disks:
    """Return what the disks have done since the machine booted."""
    read = busy_ns = 0
    with suppress(*UNKNOWN):
        names = set(own_os.listdir(_DISKS))
        for row in map(str.split, lines_of(f"{_PROC}/diskstats")):
            if row[_NAME_FIELD] in names:
                read += int(row[_READ_FIELD]) * _SECTOR
                busy_ns += int(row[_BUSY_FIELD]) * _NS_PER_MS
    return _Disks(read, busy_ns)


def cpus_of(pid: int) -> set[int]:
    """Return the CPUs that a process may use; none if it has ended."""
    with suppress(*UNKNOWN):
        return own_os.sched_getaffinity(pid)
    return set()


def is_supported() -> bool:
    """Whether this system provides the necessary counters."""
    return exists(_STAT)


def _pressure_ns(resource: str) -> int | None:
    """Return how long some task has waited for a CPU or a disk since the machine booted."""
    for line in lines_of(f"{_PRESSURE}/{resource}"):
        if line.startswith("some "):
            with suppress(*UNKNOWN):
                return int(line.rpartition("total=")[2]) * _NS_PER_US
    return None


def _opened_connections() -> int:
    """Return the number of outgoing TCP connections: ActiveOpens of /proc/net/snmp."""
    lines = [line.split() for line in lines_of(_SNMP) if line.startswith("Tcp:")]
    with suppress(ValueError, IndexError):
        names, values = lines[0], lines[1]
        return int(values[names.index("ActiveOpens")])
    return 0
