"""The turns of tests when gates run alone, with real locks of real processes and a manual clock."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_hancock_latency.core.advice import Advice
from pytest_hancock_latency.core.record import Record
from pytest_hancock_latency.measuring.clock import ManualClock
from pytest_hancock_latency.plugin.exclusive import (
    HAS_LOCKS,
    LONGEST_NS,
    PATIENCE_NS,
    QUEUE_NS,
    NodeHooks,
    Turns,
    Waited,
)

pytestmark = pytest.mark.skipif(not HAS_LOCKS, reason="this system has no record locks")

S = 1_000_000_000
GATE_NS = 60 * S
WORKER = """
import json, sys, time
from pytest_hancock_latency.plugin.exclusive import Turns

sleeps = []

def sleep(seconds):
    sleeps.append(seconds)
    if len(sleeps) == 1:
        print(json.dumps("waits"), flush=True)
    time.sleep(seconds)

for line in sys.stdin:
    command, path, slot, now_ns, gate_ns = json.loads(line)
    if command == "begin":
        sleeps.clear()
        turns = Turns(path, slot, clock=lambda: now_ns, sleep=sleep)
        turn = turns.begin(f"test of slot {slot}", gate_ns)
    else:
        turn.end()
    print(json.dumps(turn.obstacle and dict(turn.obstacle.figures)), flush=True)
"""


class Worker:
    """Another worker: a process that begins and ends tests as it is told."""

    def __init__(self, slot: int) -> None:
        self.path = Path()
        self._slot = slot
        self.process = subprocess.Popen(
            [sys.executable, "-c", WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, command: str, now_ns: int = 0, gate_ns: int | None = None) -> None:
        """Send a command, without waiting for the answer."""
        assert self.process.stdin
        words = [command, str(self.path), self._slot, now_ns, gate_ns]
        self.process.stdin.write(json.dumps(words) + "\n")
        self.process.stdin.flush()

    def answer(self) -> Any:
        """Wait for the end of the command, and return why a gate does not run alone."""
        assert self.process.stdout
        return json.loads(self.process.stdout.readline())

    def begin(self, now_ns: int = 0, gate_ns: int | None = None) -> Any:
        self.ask("begin", now_ns, gate_ns)
        return self.answer()

    def begin_to_wait(self, now_ns: int, gate_ns: int | None = None) -> None:
        self.ask("begin", now_ns, gate_ns)
        assert self.answer() == "waits"

    def end(self) -> None:
        self.ask("end")
        self.answer()


class Sleep:
    """Sleeping that only moves the clock, and does other things at given times."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self._events: list[tuple[int, Callable[[], object]]] = []
        self.count = 0

    def at(self, now_ns: int, event: Callable[[], object]) -> None:
        self._events.append((now_ns, event))

    def __call__(self, seconds: float) -> None:
        assert 0.001 <= seconds <= 0.02
        self.count += 1
        self._clock.advance(round(seconds * S))
        while self._events and self._events[0][0] <= self._clock():
            self._events.pop(0)[1]()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lock"


@pytest.fixture(scope="module")
def processes() -> Iterator[dict[int, Worker]]:
    """Workers by slot, which take half a second to start."""
    started: dict[int, Worker] = {}
    yield started
    for worker in started.values():
        worker.process.kill()
        worker.process.communicate()


@pytest.fixture
def workers(path: Path, processes: dict[int, Worker]) -> list[Worker]:
    for slot in (2, 3):
        if slot not in processes or processes[slot].process.poll() is not None:
            processes[slot] = Worker(slot)
        processes[slot].path = path
    return [processes[2], processes[3]]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1000 * S)


@pytest.fixture
def sleep(clock: ManualClock) -> Sleep:
    return Sleep(clock)


@pytest.fixture
def turns(path: Path, clock: ManualClock, sleep: Sleep) -> Turns:
    return Turns(str(path), 1, clock, sleep)


def record() -> Record:
    return Record("test_it.py::test_it", "", 0, {}, {}, {})


def noted_advice(turn: Any) -> Advice | None:
    noted = turn.noted(record())
    assert noted.measurement.alone is (not noted.measurement.advice)
    return next(iter(noted.measurement.advice), None)


def test_a_gate_waits_for_the_test_that_another_worker_runs(
    turns: Turns, workers: list[Worker], clock: ManualClock, sleep: Sleep
) -> None:
    workers[0].begin(clock())
    sleep.at(clock() + 2 * S, workers[0].end)
    turn = turns.begin("test_gate", GATE_NS)
    assert noted_advice(turn) is None
    assert 2 * S <= turn.waited_ns < 2.1 * S
    assert turn.noted(record()).measurement.waited_ns == turn.waited_ns


def test_a_gate_does_not_wait_for_a_test_that_has_run_for_long(
    turns: Turns, workers: list[Worker], clock: ManualClock, sleep: Sleep
) -> None:
    workers[0].begin(clock() - PATIENCE_NS)
    turn = turns.begin("test_gate", GATE_NS)
    assert sleep.count == 0
    assert noted_advice(turn) == Advice.of(
        "not-alone", reason="long test", test="test of slot 2", patience_ns=PATIENCE_NS
    )


def test_a_gate_does_not_wait_until_a_test_has_run_for_longer(
    turns: Turns, workers: list[Worker], clock: ManualClock
) -> None:
    workers[0].begin(clock() - PATIENCE_NS // 2)
    workers[1].begin(clock() - PATIENCE_NS // 3)
    turn = turns.begin("test_gate", GATE_NS)
    assert turn.waited_ns == pytest.approx(PATIENCE_NS * 2 / 3, rel=0.05)
    assert dict(noted_advice(turn).figures)["test"] == "test of slot 2"  # type: ignore[union-attr]


def test_no_test_begins_while_a_gate_waits_for_others(
    turns: Turns, workers: list[Worker], clock: ManualClock, sleep: Sleep
) -> None:
    """Otherwise, a gate could wait for ever: there would always be one that runs."""
    running, later = workers
    running.begin(clock())
    sleep.at(clock() + S, lambda: later.begin_to_wait(clock()))
    sleep.at(clock() + 2 * S, running.end)
    turn = turns.begin("test_gate", GATE_NS)
    assert 2 * S <= turn.waited_ns < 2.1 * S
    turn.end()
    assert later.answer() is None


@pytest.mark.parametrize("gate_ns", [None, GATE_NS], ids=["test", "gate"])
def test_every_test_waits_for_a_gate(
    turns: Turns, workers: list[Worker], clock: ManualClock, sleep: Sleep, gate_ns: int | None
) -> None:
    assert workers[0].begin(clock(), GATE_NS) is None
    sleep.at(clock() + 20 * S, workers[0].end)
    turn = turns.begin("test_it", gate_ns)
    assert 20 * S <= turn.waited_ns < 20.1 * S
    assert turn.obstacle is None


def test_tests_do_not_wait_for_each_other(
    turns: Turns, workers: list[Worker], clock: ManualClock, sleep: Sleep
) -> None:
    workers[0].begin(clock())
    workers[1].begin(clock())
    assert turns.begin("test_it").waited_ns == sleep.count == 0


def test_a_gate_that_takes_too_long_is_not_waited_for_again(
    turns: Turns, workers: list[Worker], clock: ManualClock, sleep: Sleep
) -> None:
    workers[0].begin(clock(), GATE_NS)
    first = turns.begin("test_first")
    assert GATE_NS <= first.waited_ns < GATE_NS + S
    first.end()
    assert turns.begin("test_second").waited_ns == 0


def test_a_gate_that_is_not_given_the_turn_measures_next_to_the_other(
    turns: Turns, workers: list[Worker], clock: ManualClock
) -> None:
    workers[0].begin(clock(), GATE_NS)
    turn = turns.begin("test_gate", GATE_NS)
    assert GATE_NS <= turn.waited_ns < GATE_NS + S
    assert noted_advice(turn) == Advice.of("not-alone", reason="long gate", test="test of slot 2")


def test_a_gate_that_took_too_long_says_so(turns: Turns, clock: ManualClock) -> None:
    turn = turns.begin("test_gate", GATE_NS)
    clock.advance(GATE_NS)
    assert noted_advice(turn) is None
    clock.advance(1)
    assert noted_advice(turn) == Advice.of("not-alone", reason="took too long", longest_ns=GATE_NS)


def test_a_gate_that_waits_begins_before_other_tests(
    turns: Turns, workers: list[Worker], clock: ManualClock, sleep: Sleep
) -> None:
    first, second = workers
    first.begin(clock(), GATE_NS)
    sleep.at(clock() + S, lambda: second.begin_to_wait(clock(), GATE_NS))
    sleep.at(clock() + 2 * S, first.end)
    sleep.at(clock() + 2 * S, lambda: answers.append(second.answer()))
    sleep.at(clock() + 5 * S, second.end)
    answers: list[object] = []
    turn = turns.begin("test_it")
    assert 5 * S <= turn.waited_ns < 5.1 * S
    assert answers == [None]


def test_a_test_that_has_waited_for_long_begins_before_the_next_gate(
    turns: Turns, workers: list[Worker], clock: ManualClock, sleep: Sleep
) -> None:
    first, second = workers
    first.begin(clock(), GATE_NS)
    sleep.at(clock() + QUEUE_NS + S, lambda: second.begin_to_wait(clock(), GATE_NS))
    sleep.at(clock() + QUEUE_NS + 2 * S, first.end)
    turn = turns.begin("test_it")
    assert turn.waited_ns < QUEUE_NS + 2.1 * S
    turn.end()
    assert second.answer() is None


def test_a_worker_that_is_killed_in_a_gate_lets_the_others_run(
    turns: Turns, workers: list[Worker], clock: ManualClock, sleep: Sleep
) -> None:
    workers[0].begin(clock(), GATE_NS)

    def kill() -> None:
        workers[0].process.kill()
        workers[0].process.communicate()

    sleep.at(clock() + S, kill)
    turn = turns.begin("test_gate", GATE_NS)
    assert S <= turn.waited_ns < 1.1 * S
    assert noted_advice(turn) is None


def test_a_child_of_a_test_holds_no_lock(turns: Turns, workers: list[Worker]) -> None:
    turn = turns.begin("test_it")
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    turn.end()
    assert workers[0].begin(0, GATE_NS) is None
    child.communicate(b"\n")


@pytest.mark.parametrize("gate_ns", [None, GATE_NS], ids=["test", "gate"])
def test_without_a_lock_file_nothing_is_waited_for(
    tmp_path: Path, clock: ManualClock, sleep: Sleep, gate_ns: int | None
) -> None:
    turn = Turns(str(tmp_path / "missing" / "lock"), 1, clock, sleep).begin("test_it", gate_ns)
    assert turn.waited_ns == 0
    advice = turn.noted(record()).measurement.advice
    why = Advice.of("not-alone", reason="no lock", why="No such file or directory")
    assert advice == (() if gate_ns is None else (why,))
    turn.end()


def test_a_test_that_closes_the_lock_file_loses_the_lock_and_nothing_else(
    turns: Turns, tmp_path: Path
) -> None:
    turn = turns.begin("test_gate", GATE_NS)
    assert turn.file
    os.close(turn.file._descriptor)
    with (tmp_path / "of the test").open("w") as file:
        assert file.fileno() == turn.file._descriptor
        assert noted_advice(turn) == Advice.of(
            "not-alone", reason="no lock", why="the test closed its file descriptor"
        )
        turn.end()
        file.write("still open")


def test_ctrl_c_while_a_gate_waits_lets_others_run(
    turns: Turns, workers: list[Worker], clock: ManualClock, sleep: Sleep
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    workers[0].begin(clock())
    sleep.at(clock() + S, interrupt)
    with pytest.raises(KeyboardInterrupt):
        turns.begin("test_gate", GATE_NS)
    assert workers[1].begin(clock()) is None


def test_a_long_name_is_cut_between_two_characters(
    path: Path, workers: list[Worker], clock: ManualClock
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.modules[Turns.__module__], "PATIENCE_NS", 0)
        other = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "import sys\n"
                "from pytest_hancock_latency.plugin.exclusive import Turns\n"
                "turn = Turns(sys.argv[1], 5).begin('x' + 'é' * 600)\n"
                "print(flush=True)\n"
                "input()",
                str(path),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert other.stdout
        other.stdout.readline()
        turn = Turns(str(path), 1).begin("test_gate", GATE_NS)
        other.communicate(b"\n")
    assert turn.obstacle
    assert turn.obstacle.figures["test"] == "x" + "é" * 251


def test_what_tests_waited_is_added_up_for_the_reader() -> None:
    waited = Waited(2 * S, 0) + Waited(S, S // 2)
    assert waited.plain() == {"gates_waited_ns": 3 * S, "tests_waited_ns": S // 2}
    assert list(waited.remarks()) == [
        "gates ran alone: they waited 3 s for the tests of other workers, which waited 500 ms for "
        "them, all taken together (--latency-exclusive=off runs them at the same time)"
    ]
    assert list(Waited(S - 1, S - 1).remarks()) == []


def test_others_wait_for_a_gate_longer_than_for_its_sample() -> None:
    assert LONGEST_NS > 61 * S + 5 * S


LOCAL, REMOTE, PROXIED = (
    SimpleNamespace(popen=popen, via=via)
    for popen, via in ((True, None), (None, None), (True, "a proxy elsewhere"))
)


@pytest.mark.parametrize(
    ("specs", "slots"),
    [
        ([LOCAL, LOCAL], [1, 2]),
        ([LOCAL], [None]),
        ([LOCAL, REMOTE], [None, None]),
        ([REMOTE, LOCAL, LOCAL], [None, 1, 2]),
        ([PROXIED, PROXIED], [None, None]),
    ],
    ids=["two", "one", "one is remote", "two of three", "behind a proxy"],
)
def test_each_worker_that_shares_the_machine_gets_a_slot(
    tmp_path: Path, specs: Sequence[object], slots: Sequence[int | None]
) -> None:
    factory = SimpleNamespace(getbasetemp=lambda: tmp_path)
    config: Any = SimpleNamespace(_tmp_path_factory=factory)
    hooks, given = NodeHooks(config), []
    for spec in specs:
        worker_input: dict[str, Any] = {}
        gateway = SimpleNamespace(spec=spec)
        manager = SimpleNamespace(specs=specs)
        hooks.pytest_configure_node(
            SimpleNamespace(gateway=gateway, nodemanager=manager, workerinput=worker_input)
        )
        given.append(worker_input.get("latency_exclusive"))
    assert [each and each[1] for each in given] == slots
    assert len({each[0] for each in given if each}) <= 1
