"""Pauses until a CPU is free, with files of the kernel that are written by hand."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_hancock_latency.measuring import patience
from pytest_hancock_latency.measuring.patience import Patience

MS = 1_000_000
SERVER = 1_000_001


class Machine:
    """Two CPUs; the number of other running threads changes with each pause."""

    def __init__(self, proc: Path, running: Iterator[int]) -> None:
        self.proc = proc
        self._running = running
        self.paused_ms: list[float] = []
        self._write()

    def sleep(self, ns: int) -> None:
        self.paused_ms.append(ns / MS)
        self._write()

    def _write(self) -> None:
        running = next(self._running) + 1
        (self.proc / "loadavg").write_text(f"1.00 1.00 1.00 {running}/99 7\n", encoding="ascii")

    def threads(self, pid: int, *states: str) -> None:
        for number, state in enumerate(states):
            folder = self.proc / str(pid) / "task" / str(number)
            folder.mkdir(parents=True)
            stat = f"{number} (a) R name) {state} 1 2 3\n"
            (folder / "stat").write_text(stat, encoding="ascii")


@pytest.fixture(autouse=True)
def two_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience.os, "cpu_count", lambda: 2)


def machine_with(proc: Path, *running: int) -> Machine:
    """A machine with so many other running threads; the last number stays."""

    def numbers() -> Iterator[int]:
        yield from running
        while True:
            yield running[-1]

    return Machine(proc, numbers())


def patience_on(machine: Machine, most_ms: int = 2_500) -> Patience:
    return Patience(most_ms * MS, machine.sleep, machine.proc)


@pytest.mark.parametrize("running", [0, 1])
def test_nobody_waits_where_a_cpu_is_free(tmp_path: Path, running: int) -> None:
    machine = machine_with(tmp_path, running)
    assert not patience_on(machine).wait(())
    assert machine.paused_ms == []


def test_a_call_waits_until_a_cpu_is_free(tmp_path: Path) -> None:
    machine = machine_with(tmp_path, 2, 3, 2, 1)
    assert patience_on(machine).wait(())
    assert len(machine.paused_ms) == 3
    assert all(2 <= pause <= 20 for pause in machine.paused_ms)


def test_pauses_differ_in_length(tmp_path: Path) -> None:
    machine = machine_with(tmp_path, 2)
    patience_on(machine).wait(())
    assert len(set(machine.paused_ms)) > 10


@pytest.mark.parametrize(("most_ms", "total_ms"), [(300, 300), (2_500, 1_000)])
def test_nobody_waits_any_longer_where_no_moment_is_calm(
    tmp_path: Path, most_ms: int, total_ms: int
) -> None:
    machine = machine_with(tmp_path, 2)
    waiting = patience_on(machine, most_ms)
    assert waiting.wait(())
    assert total_ms <= sum(machine.paused_ms) < total_ms + 20
    assert not waiting.wait(())


@pytest.mark.parametrize("pid", [os.getpid(), SERVER], ids=["a thread", "a server"])
def test_what_the_test_runs_itself_is_no_reason_to_wait(tmp_path: Path, pid: int) -> None:
    machine = machine_with(tmp_path, 2)
    own = ["R"] if pid == SERVER else ["R", "R", "S"]
    machine.threads(pid, *own)
    if pid == SERVER:
        machine.threads(os.getpid(), "R", "S")
    assert not patience_on(machine).wait((SERVER,))


def test_threads_that_sleep_are_not_counted(tmp_path: Path) -> None:
    machine = machine_with(tmp_path, 2)
    machine.threads(os.getpid(), "R", "S", "D")
    assert patience_on(machine).wait(())


@pytest.mark.parametrize("text", [None, "", "1.00 2.00", "nonsense a b c d"])
def test_nobody_waits_where_it_is_unknown(tmp_path: Path, text: str | None) -> None:
    machine = machine_with(tmp_path, 2)
    file = machine.proc / "loadavg"
    file.unlink() if text is None else file.write_text(text, encoding="ascii")
    assert not patience_on(machine).wait(())
