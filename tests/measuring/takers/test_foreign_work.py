"""Accounting windows, from files of the kernel that are written by hand."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from pytest_hancock_latency.measuring.takers import control_groups, foreign_work
from pytest_hancock_latency.measuring.takers.foreign_work import WINDOW_NS, ForeignWork
from pytest_hancock_latency.measuring.takers.outsiders import Peers

MS = 1_000_000
TICK_MS = 10
SERVER, STRANGER = 1_000_001, 1_000_002
"""Process numbers that Linux does not give in its default range of 32768 or 4 million."""


class Machine:
    """Writes the files that are read, and is the clock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = 0
        self.tree_cpu = 0
        self.write(busy=0, idle=0)

    def __call__(self) -> int:
        return self.now

    is_blind = has_unread = False
    processes = (SERVER,)
    children_cpu = 0

    def refresh(self) -> None:
        """Nobody joins."""

    def children_cpu_ns(self) -> int:
        return self.children_cpu

    def cpu_ns(self) -> int:
        return self.tree_cpu

    def write(self, *, busy: int, idle: int, **files: str) -> None:
        """Ticks of the one CPU, user time and idle time; other files by their names."""
        stat = (
            f"cpu  0 0 0 0\ncpu0 {busy} 0 0 {idle} 0 0 0 0 0 0\ncpu7 99 0 0 0 0 0 0 0 0 0\nintr 1\n"
        )
        for name, text in {"stat": stat, **files}.items():
            (self.folder / name).write_text(text, encoding="ascii")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr(foreign_work, "_STAT", tmp_path / "stat")
    monkeypatch.setattr(foreign_work, "_PRESSURE", tmp_path / "pressure")
    monkeypatch.setattr(foreign_work, "_PROC", tmp_path / "proc")
    monkeypatch.setattr(foreign_work, "_SNMP", tmp_path / "snmp")
    monkeypatch.setattr(foreign_work, "_DISKS", tmp_path / "block")
    monkeypatch.setattr(control_groups, "PROC", tmp_path / "proc")
    monkeypatch.setattr(control_groups, "ROOT", tmp_path / "fs")
    monkeypatch.setattr(foreign_work, "allowed_cpus", lambda: {0})
    monkeypatch.setattr(foreign_work.own_os, "sysconf", lambda _: 100)
    (tmp_path / "fs" / "box").mkdir(parents=True)
    (tmp_path / "pressure").mkdir()
    for pid in (os.getpid(), SERVER, STRANGER):
        (tmp_path / "proc" / str(pid)).mkdir(parents=True)
    return Machine(tmp_path)


def one_window(machine: Machine, *, busy: int, idle: int, tree_cpu: int = 0, **files: Any) -> Any:
    work = ForeignWork(machine, machine)  # type: ignore[arg-type]
    machine.now = WINDOW_NS
    machine.tree_cpu = tree_cpu
    machine.write(busy=busy, idle=idle, **files)
    assert work.due == WINDOW_NS
    work.close_window()
    return work


def test_foreign_work_is_what_the_cpus_did_less_what_the_tree_did(machine: Machine) -> None:
    work = one_window(machine, busy=20, idle=5, tree_cpu=150 * MS)
    assert work.windows().foreign.tolist() == [50 * MS, float("inf")]
    assert work.ends == [WINDOW_NS]


def test_a_tree_that_did_it_all_leaves_nothing_to_others(machine: Machine) -> None:
    work = one_window(machine, busy=20, idle=5, tree_cpu=210 * MS)
    assert work.windows().foreign[0] == 0


@pytest.mark.parametrize(("percent", "busy"), [(5, True), (4, False)])
def test_children_are_busy_from_a_twentieth_of_a_cpu(
    machine: Machine, percent: int, busy: bool
) -> None:
    work = ForeignWork(machine, machine)  # type: ignore[arg-type]
    machine.now, machine.children_cpu = WINDOW_NS, WINDOW_NS * percent // 100
    work.close_window()
    assert work.windows().busy_children.tolist() == [busy, False]


@pytest.mark.parametrize(("pressure", "calm"), [(True, True), (False, False)])
def test_a_window_has_nothing_of_what_was_counted_before_it(
    machine: Machine, pressure: bool, calm: bool
) -> None:
    group, quota = "0::/box\n", "throttled_usec {}\n"
    opened = "Tcp: RtoMin ActiveOpens PassiveOpens\nTcp: 200 {} 9\n"

    def count(at: int, times: int) -> None:
        machine.now, machine.tree_cpu = at, 30 * MS * times
        machine.children_cpu = 10 * MS * times
        files = {
            f"proc/{os.getpid()}/cgroup": group,
            "fs/box/cpu.stat": quota.format(5_000 * times),
        }
        files["snmp"] = opened.format(7)
        if pressure:
            files["pressure/cpu"] = f"some avg10=0.00 total={5_000 * times}\n"
        machine.write(busy=19 * times, idle=6 * times, **files)

    count(at=0, times=1)
    work = ForeignWork(machine, machine)  # type: ignore[arg-type]
    for number in (1, 2):
        count(at=number * WINDOW_NS, times=number + 1)
        work.close_window()
    windows = work.windows()
    assert windows.foreign[:2].tolist() == [165 * MS, 165 * MS]
    assert pytest.approx(windows.consumed[:2].tolist()) == [0.66, 0.66]
    assert windows.throttled[:2].tolist() == [5 * MS, 5 * MS]
    assert [calm, calm] == windows.calm[:2].tolist()
    assert [False, False] == windows.busy_children[:2].tolist() == work.unseen


def test_in_a_window_of_a_few_ticks_one_more_may_have_been_busy(machine: Machine) -> None:
    work = ForeignWork(machine, machine)  # type: ignore[arg-type]
    machine.now = 30 * MS
    work.close_window()
    assert work.windows().foreign[0] == TICK_MS * MS


def test_stolen_time_is_foreign_and_that_of_guests_counts_once(machine: Machine) -> None:
    work = ForeignWork(machine, machine)  # type: ignore[arg-type]
    machine.now = WINDOW_NS
    # user nice system idle iowait irq softirq steal guest guest_nice; user has the guest's time
    (machine.folder / "stat").write_text("cpu0 5 0 0 10 0 0 0 8 4 0\n", encoding="ascii")
    work.close_window()
    assert work.windows().foreign[0] == 130 * MS


@pytest.mark.parametrize(("idle", "calm"), [(13, True), (12, False)])
def test_of_two_cpus_a_quarter_of_both_has_to_be_idle(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, idle: int, calm: bool
) -> None:
    monkeypatch.setattr(foreign_work, "allowed_cpus", lambda: {0, 7})
    work = one_window(machine, busy=25 - idle, idle=idle)
    assert work.windows().calm.tolist() == [calm, False]


@pytest.mark.parametrize(
    ("tree_cpu_ms", "peer_cpu_ms", "calm"),
    [(238, 0, True), (237, 0, False), (120, 118, True), (120, 117, False)],
)
def test_a_window_is_calm_where_strangers_used_next_to_nothing_whoever_waited(
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
    tree_cpu_ms: int,
    peer_cpu_ms: int,
    calm: bool,
) -> None:
    """The tree and its peers then waited for each other: nothing else was in their way."""
    peers = Peers(peer_cpu_ms * MS, were_late=False)
    monkeypatch.setattr(foreign_work.Outsiders, "since_last_look", lambda *_: peers)
    pressure = "some avg10=0.00 avg60=0.00 avg300=0.00 total={}\n"
    machine.write(busy=0, idle=0, **{"pressure/cpu": pressure.format(0)})
    files = {"pressure/cpu": pressure.format(200_000)}
    work = one_window(machine, busy=25, idle=0, tree_cpu=tree_cpu_ms * MS, **files)
    assert work.windows().calm[0] == calm


def test_a_window_in_which_peers_were_late_has_something_unseen(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = Peers(MS, were_late=True)
    monkeypatch.setattr(foreign_work.Outsiders, "since_last_look", lambda *_: late)
    assert one_window(machine, busy=2, idle=23).unseen == [True]


def test_a_window_in_which_a_server_ran_programs_has_something_unseen(machine: Machine) -> None:
    work = ForeignWork(machine, machine)  # type: ignore[arg-type]
    for machine.has_unread in (False, True):
        work.close_window()
    assert work.unseen == [False, True]


def test_peers_are_looked_for_only_where_others_used_a_cpu(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[tuple[int, int]] = []

    def look(_: object, tree: tuple[int, ...], length_ns: int, calls: int) -> Peers:
        looks.append((length_ns, calls))
        return Peers(0, were_late=False)

    monkeypatch.setattr(foreign_work.Outsiders, "since_last_look", look)
    work = ForeignWork(machine, machine)  # type: ignore[arg-type]
    for number, busy in enumerate((1, 3, 6), start=1):
        machine.now = number * WINDOW_NS
        machine.write(busy=busy, idle=number * 25 - busy)
        work.close_window(calls=number)
    assert looks == [(2 * WINDOW_NS, 3), (WINDOW_NS, 3)]


@pytest.mark.parametrize(("stolen", "calm"), [(1, True), (2, False)])
def test_a_window_is_not_calm_where_the_hypervisor_took_a_twentieth_of_it(
    machine: Machine, stolen: int, calm: bool
) -> None:
    work = ForeignWork(machine, machine)  # type: ignore[arg-type]
    machine.now = WINDOW_NS
    stat = f"cpu0 3 0 0 20 0 0 0 {stolen} 0 0\n"
    (machine.folder / "stat").write_text(stat, encoding="ascii")
    work.close_window()
    assert work.windows().calm[0] == calm


def test_work_on_a_cpu_that_only_a_server_of_the_tree_may_use_is_foreign(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(foreign_work.own_os, "sched_getaffinity", {SERVER: {7}}.__getitem__)
    work = ForeignWork(machine, machine)  # type: ignore[arg-type]
    machine.now = WINDOW_NS
    stat = "cpu0 0 0 0 25 0 0 0 0\ncpu3 25 0 0 0 0 0 0 0\ncpu7 119 0 0 5 0 0 0 0\n"
    (machine.folder / "stat").write_text(stat, encoding="ascii")
    work.close_window()
    assert work.windows().foreign[0] == 200 * MS
    assert work.windows().consumed[0] == 0.4


@pytest.mark.parametrize("pid", [os.getpid(), SERVER], ids=["own", "of a server"])
def test_the_quota_of_an_outer_group_counts_as_well(machine: Machine, pid: int) -> None:
    (machine.folder / "fs" / "box" / "inner").mkdir()
    quota = "throttled_usec {}\n"
    group = {f"proc/{pid}/cgroup": "0::/box/inner\n"}
    inner, outer = "fs/box/inner/cpu.stat", "fs/box/cpu.stat"
    before = {inner: quota.format(5_000), outer: quota.format(7_000)}
    machine.write(busy=0, idle=0, **group, **before)
    after = {inner: quota.format(6_000), outer: quota.format(97_000)}
    work = one_window(machine, busy=2, idle=23, **after)
    assert work.windows().throttled.tolist() == [90 * MS, 0]


@pytest.mark.parametrize(("idle", "calm"), [(7, True), (6, False)])
def test_without_a_pressure_file_a_window_is_calm_where_a_quarter_is_idle(
    machine: Machine, idle: int, calm: bool
) -> None:
    work = one_window(machine, busy=25 - idle, idle=idle)
    assert work.windows().calm.tolist() == [calm, False]


@pytest.mark.parametrize(("waited_us", "calm"), [(12_500, True), (12_501, False)])
def test_a_window_is_calm_where_a_task_waited_for_a_twentieth_of_it(
    machine: Machine, waited_us: int, calm: bool
) -> None:
    line = "some avg10=0.00 avg60=0.00 avg300=0.00 total={}\nfull avg10=0.00 total=0\n"
    machine.write(busy=0, idle=0, **{"pressure/cpu": line.format(1_000)})
    pressure = {"pressure/cpu": line.format(1_000 + waited_us)}
    work = one_window(machine, busy=25, idle=0, **pressure)
    assert work.windows().calm[0] == calm


@pytest.mark.parametrize(
    ("groups", "file", "line"),
    [
        ("0::/box\n", "box/cpu.stat", "nr_throttled 3\nthrottled_usec {us}\n"),
        ("4:cpu,cpuacct:/box\n0::/\n", "cpu/box/cpu.stat", "throttled_time {ns}\n"),
        ("0::/a:b\n", "a:b/cpu.stat", "throttled_usec {us}\n"),
        ("0::/elsewhere\n", "cpu.stat", "throttled_usec {us}\n"),
    ],
    ids=[
        "version 2",
        "a colon in the name",
        "version 1",
        "a container sees its own group as the root",
    ],
)
def test_time_for_which_a_quota_stopped_the_container_is_foreign(
    machine: Machine, groups: str, file: str, line: str
) -> None:
    (machine.folder / "fs" / file).parent.mkdir(parents=True, exist_ok=True)
    machine.write(
        busy=0,
        idle=0,
        **{f"proc/{os.getpid()}/cgroup": groups, f"fs/{file}": line.format(us=0, ns=0)},
    )
    throttled = line.format(us=90_000, ns=90 * MS)
    work = one_window(machine, busy=2, idle=23, **{f"fs/{file}": throttled})
    assert work.windows().throttled.tolist() == [90 * MS, 0]
    assert work.windows().foreign[0] == 110 * MS


def one_throttled_window(
    machine: Machine, members: str, monkeypatch: pytest.MonkeyPatch, **files: str
) -> ForeignWork:
    """A window in which a quota stopped the group of the test for 90 ms; the neighbour used 30."""
    cpu_ns = {os.getpid(): [0, 200 * MS], STRANGER: [500 * MS, 530 * MS]}
    monkeypatch.setattr(control_groups, "process_cpu_ns", lambda pid: cpu_ns[pid].pop(0))
    group = {f"proc/{os.getpid()}/cgroup": "0::/box\n", "fs/box/cgroup.procs": members, **files}
    quota = "throttled_usec {}\n"
    machine.write(busy=0, idle=0, **group, **{"fs/box/cpu.stat": quota.format(0)})
    return one_window(machine, busy=2, idle=23, **{"fs/box/cpu.stat": quota.format(90_000)})


@pytest.mark.parametrize(
    ("members", "throttled_ms"),
    [
        (f"{os.getpid()}\n", 0),
        (f"{os.getpid()}\n{STRANGER}\n", 30),
        (f"{os.getpid()}\n0\n", 90),
    ],
    ids=["nobody else", "a neighbour", "somebody in another container"],
)
def test_a_quota_is_foreign_as_far_as_others_in_its_group_used_it(
    machine: Machine, members: str, throttled_ms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = one_throttled_window(machine, members, monkeypatch)
    assert work.windows().throttled.tolist() == [throttled_ms * MS, 0]


def test_processes_in_inner_groups_use_the_quota_of_the_outer_one(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    (machine.folder / "fs" / "box" / "inner" / "innermost").mkdir(parents=True)
    innermost = {"fs/box/inner/innermost/cgroup.procs": f"{STRANGER}\n"}
    work = one_throttled_window(machine, f"{os.getpid()}\n", monkeypatch, **innermost)
    assert work.windows().throttled.tolist() == [30 * MS, 0]


@pytest.mark.parametrize(
    ("limit", "throttled_ms"),
    [
        ({"cpu.max": "max 100000\n"}, 0),
        ({"cpu.cfs_quota_us": "-1\n"}, 0),
        ({"cpu.max": "50000 100000\n"}, 90),
    ],
    ids=["version 2, none", "version 1, none", "version 2, half a core"],
)
def test_a_group_without_a_quota_is_not_read(
    machine: Machine, limit: dict[str, str], throttled_ms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {f"fs/box/{name}": text for name, text in limit.items()}
    work = one_throttled_window(machine, f"{os.getpid()}\n0\n", monkeypatch, **files)
    assert work.windows().throttled.tolist() == [throttled_ms * MS, 0]


def test_a_window_in_which_a_connection_was_opened_is_known(machine: Machine) -> None:
    line = "Tcp: RtoMin ActiveOpens PassiveOpens\nTcp: 200 {} 9\n"
    machine.write(busy=0, idle=0, snmp=line.format(5))
    assert one_window(machine, busy=1, idle=24, snmp=line.format(6)).unseen == [True]


def written(**kilobytes: int) -> dict[str, str]:
    """Files of what has been written, by ``own``, ``server`` and ``stranger``."""
    pids = {"own": os.getpid(), "server": SERVER, "stranger": STRANGER}
    line = "wchar: 9\nwrite_bytes: {}\ncancelled_write_bytes: 0\n"
    return {f"proc/{pids[who]}/io": line.format(n * 1024) for who, n in kilobytes.items()}


IO_STALLED = "some avg10=0.00 avg60=0.00 avg300=0.00 total={}\n"


@pytest.mark.parametrize(
    ("before", "after", "disk_ms"),
    [
        ({"own": 100, "stranger": 900}, {"own": 200, "stranger": 910}, 70),
        ({"own": 100, "stranger": 900}, {"own": 200, "stranger": 909}, 0),
        ({"own": 100, "stranger": 900}, {"own": 100, "stranger": 990}, 0),
        (
            {"own": 100, "server": 5, "stranger": 900},
            {"own": 100, "server": 8, "stranger": 990},
            70,
        ),
        ({"own": 100}, {"own": 200, "server": 900, "stranger": 0}, 0),
        ({"own": 100}, {"own": 200, "stranger": 90}, 70),
    ],
    ids=[
        "others wrote a tenth of it",
        "others wrote less",
        "the tree wrote nothing",
        "a server of the tree wrote",
        "a server that has joined is no stranger",
        "a stranger that is new has written since",
    ],
)
def test_a_disk_keeps_the_tree_waiting_where_it_and_others_write(
    machine: Machine, before: dict[str, int], after: dict[str, int], disk_ms: int
) -> None:
    machine.write(busy=0, idle=0, **{"pressure/io": IO_STALLED.format(5_000)}, **written(**before))
    files = {"pressure/io": IO_STALLED.format(75_000)} | written(**after)
    work = one_window(machine, busy=1, idle=24, **files)
    assert work.windows().disk.tolist() == [disk_ms * MS, float("inf")]


@pytest.mark.parametrize(
    ("own_read", "sectors", "disk_ms"), [(0, 20, 70), (0, 19, 0), (9, 37, 0), (9, 40, 70)]
)
def test_whoever_reads_from_the_same_disks_keeps_the_tree_waiting(
    machine: Machine, own_read: int, sectors: int, disk_ms: int
) -> None:
    """Its own counters need not be readable. Partitions are part of their disk."""
    (machine.folder / "block" / "vda").mkdir(parents=True)
    rows = "254 0 vda 1 0 {0} 0 0 0 0 0 0 0 0\n254 1 vda1 1 0 {0} 0 0 0 0 0 0 0 0\n"
    io = "read_bytes: {}\nwrite_bytes: {}\n"
    own = f"proc/{os.getpid()}/io"
    before = {"proc/diskstats": rows.format(5), own: io.format(0, 0)}
    machine.write(busy=0, idle=0, **{"pressure/io": IO_STALLED.format(5_000)}, **before)
    after = {"proc/diskstats": rows.format(5 + sectors)}
    after[own] = io.format(own_read * 1024, (100 - own_read) * 1024)
    files = {"pressure/io": IO_STALLED.format(75_000)} | after
    assert one_window(machine, busy=1, idle=24, **files).windows().disk[0] == disk_ms * MS


def test_a_disk_counts_for_as_long_as_it_was_busy_if_tasks_waited_less(
    machine: Machine,
) -> None:
    (machine.folder / "block" / "vda").mkdir(parents=True)
    row = "254 0 vda 1 0 0 0 1 0 0 0 0 {} 0\n"
    stalled = {"pressure/io": IO_STALLED.format(5_000)}
    machine.write(
        busy=0, idle=0, **stalled, **written(own=1, stranger=1), **{"proc/diskstats": row.format(7)}
    )
    after = {"proc/diskstats": row.format(97), "pressure/io": IO_STALLED.format(45_000)}
    work = one_window(machine, busy=1, idle=24, **after, **written(own=2, stranger=2))
    assert work.windows().disk[0] == 90 * MS


def test_without_a_pressure_file_all_of_the_window_may_have_been_the_disk(machine: Machine) -> None:
    machine.write(busy=0, idle=0, **written(own=1, stranger=1))
    work = one_window(machine, busy=1, idle=24, **written(own=2, stranger=2))
    assert work.windows().disk[0] == float("inf")


@pytest.mark.parametrize("appears", [True, False])
def test_a_pressure_file_that_comes_or_goes_in_a_window_says_nothing(
    machine: Machine, appears: bool
) -> None:
    pressure = {"pressure/io": IO_STALLED.format(5_000)}
    before: dict[str, str] = {} if appears else pressure
    machine.write(busy=0, idle=0, **before, **written(own=1, stranger=1))
    work = ForeignWork(machine, machine)  # type: ignore[arg-type]
    machine.now = WINDOW_NS
    (machine.folder / "pressure" / "io").unlink(missing_ok=True)
    after = pressure if appears else {}
    machine.write(busy=1, idle=24, **after, **written(own=2, stranger=2))
    work.close_window()
    assert work.windows().disk[0] == float("inf")


def test_without_any_of_these_files_nothing_is_known_to_be_foreign(machine: Machine) -> None:
    (machine.folder / "stat").unlink()
    work = ForeignWork(machine, machine)  # type: ignore[arg-type]
    machine.now = WINDOW_NS
    work.close_window()
    assert work.windows().foreign[0] == 0
    assert not work.windows().calm[0]
