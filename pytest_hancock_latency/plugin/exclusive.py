"""Gates that run alone under pytest-xdist: while one measures, the other workers wait.

Each test takes its turn before its protocol begins, and so before pytest-timeout starts a timer:

    gate        turn, exclusive ───── until all other slots are free ───── its test ───
    other test  turn, shared ── own slot ── without the turn ── its test ───

A gate keeps the turn while it waits for the tests that run, so that no other test starts before it
does. Gates that wait for the turn come before other tests, since each change from tests to gates
leaves cores idle. Tests that have waited for long queue up, and come before all gates.

These are record locks (`fcntl.lockf`) on a file of the session. Children of a process do not
inherit them, and they end with the process, however it ends. They also end as soon as the process
closes *any* descriptor of the file, so each worker has only one, while it waits or runs a test.

Every wait ends. A test that has run for `PATIENCE_NS` is not waited for, nor is a gate beyond the
deadline that it wrote into the file. A gate that was not alone says so. Waiting is trying again and
again: a lock that blocks can only be left by a signal, and signals belong to the tests.
"""

from __future__ import annotations

import errno
import os
import struct
import tempfile
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

import pytest

try:
    from fcntl import LOCK_EX, LOCK_NB, LOCK_SH, LOCK_UN, lockf
except ImportError:  # Windows
    HAS_LOCKS = False
else:
    HAS_LOCKS = True

from ..core.advice import Advice
from ..core.duration import NS_PER_S, format_duration
from ..core.record import Record
from ..measuring.own_modules import own_time
from .item_settings import ITEM_SETTINGS
from .settings import Exclusive, Mode, Settings

PATIENCE_NS: Final = 3 * NS_PER_S
"""How long a test may have run if a gate is to wait for its end. Most gates take less than this,
and while a gate waits, cores are idle."""
QUEUE_NS: Final = 10 * NS_PER_S
"""How long a test lets one gate after another run before it queues up. A change from tests to gates
takes as long as the longest test, up to 3 s, and should be rare; a test that another one waits for
should not wait for all gates of a suite."""
LONGEST_NS: Final = 90 * NS_PER_S
"""How long other workers wait for a gate, in addition to a time limit of its own: a sample takes up
to 61 s, its warm-up 5 s, and its fixtures need time as well. A gate that waits for something that
another worker keeps between two tests, such as a file lock, costs this once."""
_SHORTEST_SLEEP_NS: Final = 1_000_000
_LONGEST_SLEEP_NS: Final = 20_000_000
_SLEEP_PART: Final = 50
"""A sleep takes a 50th of the time waited so far, so that 1 % is lost on average. Three workers
that wake up every 20 ms use 0.5 % of a core, which is one that the gate does not use."""
_MOST_TRIES: Final = 20

WORKER_INPUT: Final = "latency_exclusive"
"""Key of a worker's input with the path of the lock file and the number of the worker's slot."""
WAITED: Final = "latency_waited"
"""Key of a worker's output with the time in ns that its gates and its other tests waited."""
EXCLUSIVE_HOOKS: Final = "hancock_latency_exclusive"
NODE_HOOKS: Final = "hancock_latency_exclusive_nodes"

_BLOCK: Final = 512
"""Size in bytes of a slot, and of what precedes the first one."""
_NUMBER: Final = struct.Struct("<q")
_TURN: Final = _NUMBER.size
"""The first byte after the deadline."""
_QUEUE: Final = _TURN + 1
_GATES: Final = _QUEUE + 1
"""Locked by one of the gates that wait for the turn."""
_REFUSED: Final = (errno.EACCES, errno.EAGAIN)


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A test that another worker runs."""

    began_ns: int
    test: str


class LockFile:
    """The open file; every method raises OSError where the system has no such locks.

    It contains the deadline of the gate whose turn it is, and a slot for each worker with the start
    and the node id of its last test.
    """

    def __init__(self, path: str, slot: int) -> None:
        """Open the file.

        Args:
            slot: number of this worker, from 1.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._own = slot * _BLOCK
        self._descriptor = os.open(path, flags, 0o600)
        self._identity = os.fstat(self._descriptor)

    def take(self, place: int, *, shared: bool = False) -> bool:
        """Lock a byte, unless another process has locked it."""
        try:
            lockf(self._descriptor, (LOCK_SH if shared else LOCK_EX) | LOCK_NB, 1, place)
        except OSError as error:
            if error.errno in _REFUSED:
                return False
            raise
        return True

    def give_back(self, place: int) -> None:
        """Unlock a byte."""
        lockf(self._descriptor, LOCK_UN, 1, place)

    def take_slot(self, now_ns: int, test: str) -> bool:
        """Lock the slot of this worker, and write since when it runs which test."""
        if not self.take(self._own):
            return False
        name = test.encode("utf-8", "replace")[: _BLOCK - _NUMBER.size - 1]
        os.pwrite(self._descriptor, _NUMBER.pack(now_ns) + name + b"\0", self._own)
        return True

    def neighbours(self) -> Iterator[Neighbour]:
        """Yield the tests that other workers run now."""
        size = os.fstat(self._descriptor).st_size
        for slot in range(_BLOCK, size, _BLOCK):
            if slot == self._own:
                continue
            if self.take(slot, shared=True):
                self.give_back(slot)
                continue
            content = os.pread(self._descriptor, _BLOCK, slot).ljust(_BLOCK, b"\0")
            name = content[_NUMBER.size :].partition(b"\0")[0].decode("utf-8", "ignore")
            yield Neighbour(_NUMBER.unpack_from(content)[0], name)

    @property
    def deadline_ns(self) -> int:
        """Until when to wait for the gate whose turn it is; 0 without one, or if it just began."""
        content = os.pread(self._descriptor, _NUMBER.size, 0).ljust(_NUMBER.size, b"\0")
        deadline_ns: int = _NUMBER.unpack(content)[0]
        return deadline_ns

    def write_deadline(self, deadline_ns: int) -> None:
        """Write until when others wait for this gate, whose turn it is."""
        os.pwrite(self._descriptor, _NUMBER.pack(deadline_ns), 0)

    @property
    def is_open(self) -> bool:
        """Whether the descriptor is still ours: a test may close all that it finds."""
        with suppress(OSError):
            return os.path.samestat(self._identity, os.fstat(self._descriptor))
        return False

    def close(self) -> None:
        """Close the file, which unlocks all of it."""
        os.close(self._descriptor)


@dataclass(slots=True, eq=False)
class Turn:
    """The turn of one test."""

    clock: Callable[[], int]
    gate_ns: int | None
    """How long others wait for this gate; None if it is another test."""
    file: LockFile | None = None
    waited_ns: int = 0
    deadline_ns: int = 0
    """Until when others wait for this gate; 0 if it is not its turn."""
    obstacle: Advice | None = None
    """Why a gate did not begin alone."""

    def noted(self, record: Record) -> Record:
        """Return the record of a gate that has measured, with how long it waited."""
        if self.gate_ns is None:
            return record
        obstacle = self.obstacle or self._late_obstacle()
        measurement = replace(record.measurement, waited_ns=self.waited_ns, alone=obstacle is None)
        noted = replace(record, measurement=measurement)
        return noted.with_advice(obstacle) if obstacle else noted

    def _late_obstacle(self) -> Advice | None:
        if self.file is None or not self.file.is_open:
            return _not_alone("no lock", why="the test closed its file descriptor")
        if self.clock() > self.deadline_ns:
            return _not_alone("took too long", longest_ns=self.gate_ns)
        return None

    def end(self) -> None:
        """Let others run."""
        file, self.file = self.file, None
        if file is None or not file.is_open:
            return
        with suppress(OSError):
            if self.deadline_ns:
                file.write_deadline(0)
        with suppress(OSError):
            file.close()


@dataclass(slots=True)
class Waited:
    """How long the tests of a worker, or of all, waited for each other."""

    gates_ns: int = 0
    tests_ns: int = 0
    """Of the tests that are not gates."""

    def add(self, turn: Turn) -> None:
        """Add the time of one test."""
        if turn.gate_ns is None:
            self.tests_ns += turn.waited_ns
        else:
            self.gates_ns += turn.waited_ns

    def __add__(self, other: Waited) -> Waited:
        return Waited(self.gates_ns + other.gates_ns, self.tests_ns + other.tests_ns)

    def plain(self) -> dict[str, int]:
        """Return the times as the artifact has them."""
        return {"gates_waited_ns": self.gates_ns, "tests_waited_ns": self.tests_ns}

    def remarks(self) -> Iterator[str]:
        """Yield a remark for the reader if it was long."""
        if max(self.gates_ns, self.tests_ns) >= NS_PER_S:
            yield (
                f"gates ran alone: they waited {format_duration(self.gates_ns)} for the tests of "
                f"other workers, which waited {format_duration(self.tests_ns)} for them, all taken "
                "together (--latency-exclusive=off runs them at the same time)"
            )


class Turns:
    """Gives the tests of a worker their turns."""

    def __init__(
        self,
        path: str,
        slot: int,
        clock: Callable[[], int] = own_time.monotonic_ns,
        sleep: Callable[[float], object] = own_time.sleep,
    ) -> None:
        """Keep clock and sleep as they are before any test can replace them.

        Args:
            path: the lock file.
            slot: number of this worker, from 1.
            clock: the same in all processes of the machine.
        """
        self._path = path
        self._slot = slot
        self._clock = clock
        self._sleep = sleep

    def begin(self, test: str, gate_ns: int | None = None) -> Turn:
        """Wait until a test may run.

        Args:
            test: its node id.
            gate_ns: if it is a gate, how long others wait for it.
        """
        turn = Turn(self._clock, gate_ns)
        began_ns = self._clock()
        try:
            turn.file = LockFile(self._path, self._slot)
            if gate_ns is None:
                self._start(turn.file, test)
            else:
                self._start_alone(turn, turn.file, test, gate_ns)
        except OSError as error:
            turn.obstacle = _not_alone("no lock", why=error.strerror or str(error))
            turn.end()
        except BaseException:  # Ctrl-C
            turn.end()
            raise
        turn.waited_ns = self._clock() - began_ns
        return turn

    def _start(self, file: LockFile, test: str) -> None:
        in_queue = False

        def has_turn(waited_ns: int) -> bool:
            nonlocal in_queue
            if waited_ns > QUEUE_NS and not in_queue:
                in_queue = file.take(_QUEUE, shared=True)
            if not in_queue:
                if not file.take(_GATES, shared=True):
                    return False
                file.give_back(_GATES)
            return file.take(_TURN, shared=True)

        is_in_turn = self._wait(file, has_turn)
        self._take_slot(file, test)
        if is_in_turn:
            file.give_back(_TURN)
        if in_queue:
            file.give_back(_QUEUE)

    def _start_alone(self, turn: Turn, file: LockFile, test: str, gate_ns: int) -> None:
        def has_turn(_waited_ns: int) -> bool:
            if file.take(_QUEUE):
                is_free = file.take(_TURN)
                file.give_back(_QUEUE)
                if is_free:
                    return True
            file.take(_GATES)
            return False

        is_in_turn = self._wait(file, has_turn)
        file.give_back(_GATES)
        if is_in_turn:
            turn.deadline_ns = self._clock() + gate_ns
            file.write_deadline(turn.deadline_ns)
        self._take_slot(file, test)
        neighbours = self._remaining(file) if is_in_turn else [*file.neighbours()]
        if neighbours or not is_in_turn:
            oldest = min(neighbours, key=attrgetter("began_ns"), default=Neighbour(0, ""))
            turn.obstacle = (
                _not_alone("long test", test=oldest.test, patience_ns=PATIENCE_NS)
                if is_in_turn
                else _not_alone("long gate", test=oldest.test)
            )

    def _wait(self, file: LockFile, has_turn: Callable[[int], bool]) -> bool:
        """Return True when it is this test's turn, or False if another one takes too long."""
        began_ns = known_ns = self._clock()
        while not has_turn(self._clock() - began_ns):
            now_ns, deadline_ns = self._clock(), file.deadline_ns
            if deadline_ns:
                known_ns = now_ns
            if now_ns >= (deadline_ns or known_ns + LONGEST_NS):
                return False
            self._sleep_after(now_ns - began_ns)
        return True

    def _remaining(self, file: LockFile) -> Sequence[Neighbour]:
        """Wait for the tests that run, and return those that take too long."""
        began_ns = self._clock()
        while True:
            neighbours, now_ns = [*file.neighbours()], self._clock()
            if now_ns >= began_ns + PATIENCE_NS or all(
                now_ns >= neighbour.began_ns + PATIENCE_NS for neighbour in neighbours
            ):
                return neighbours
            self._sleep_after(now_ns - began_ns)

    def _take_slot(self, file: LockFile, test: str) -> None:
        """Take the slot, which a gate looks at only for a moment."""
        for _ in range(_MOST_TRIES):
            if file.take_slot(self._clock(), test):
                return
            self._sleep_after(0)

    def _sleep_after(self, waited_ns: int) -> None:
        part_ns = max(_SHORTEST_SLEEP_NS, waited_ns // _SLEEP_PART)
        self._sleep(min(_LONGEST_SLEEP_NS, part_ns) / NS_PER_S)


class ExclusiveHooks:
    """Gives each test its turn, in an xdist worker."""

    def __init__(self, config: pytest.Config, turns: Turns) -> None:
        self._config = config
        self._turns = turns
        self._process = os.getpid()
        self._is_running = False
        self._waited = Waited()

    @pytest.hookimpl(wrapper=True, tryfirst=True)  # around the timer of pytest-timeout
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Wait, and let others wait."""
        if self._is_running or os.getpid() != self._process:  # a child that a test has forked
            return (yield)
        gate_ns = _gate_ns(item)
        turn = self._turns.begin(item.nodeid, gate_ns)
        self._waited.add(turn)
        item.stash[_TURN_OF_TEST] = turn
        self._is_running = True
        try:
            return (yield)
        finally:
            self._is_running = False
            if os.getpid() == self._process:
                turn.end()

    def pytest_sessionfinish(self) -> None:
        """Send how long tests waited."""
        output: dict[str, object] = self._config.workeroutput  # type: ignore[attr-defined]
        output[WAITED] = [self._waited.gates_ns, self._waited.tests_ns]


class NodeHooks:
    """Gives each local worker its slot, in the controller of xdist."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._path: Path | None = None
        self._slots = 0

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker where the lock file is, if it is not the only one on this machine."""
        local = [spec for spec in node.nodemanager.specs if _is_local(spec)]
        if len(local) > 1 and _is_local(node.gateway.spec):
            self._path = self._path or self._new_path()
            self._slots += 1
            node.workerinput[WORKER_INPUT] = [str(self._path), self._slots]

    def pytest_unconfigure(self) -> None:
        """Remove the lock file."""
        if self._path is not None:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)

    def _new_path(self) -> Path:
        """Return a path that no other session has, even one with the same ``--basetemp``."""
        factory = getattr(self._config, "_tmp_path_factory", None)  # without with -p no:tmpdir
        folder = factory.getbasetemp() if factory else Path(tempfile.gettempdir())
        return folder / f".hancock-latency-{os.urandom(16).hex()}"


_TURN_OF_TEST = pytest.StashKey[Turn]()


def prepare_nodes(config: pytest.Config, settings: Settings) -> None:
    """In the controller of xdist, let gates run alone if the settings ask for it.

    Raises:
        pytest.UsageError: they must, and this system has no record locks.
    """
    has_workers = getattr(config.option, "dist", "no") != "no"
    if not has_workers or settings.exclusive is Exclusive.OFF or settings.mode is Mode.OFF:
        return
    if HAS_LOCKS:
        config.pluginmanager.register(NodeHooks(config), NODE_HOOKS)
    elif settings.exclusive is Exclusive.ON:
        raise pytest.UsageError(
            "latency_exclusive=on needs record locks (fcntl), which this system does not have: "
            "run gates without pytest-xdist, or set it to auto"
        )


def run_gates_alone(config: pytest.Config, items: Sequence[pytest.Item]) -> None:
    """In a worker of xdist, let its gates run alone if it has any."""
    worker_input: Any = getattr(config, "workerinput", {}).get(WORKER_INPUT)
    if worker_input is not None and any(_gate_ns(item) is not None for item in items):
        path, slot = worker_input
        config.pluginmanager.register(ExclusiveHooks(config, Turns(path, slot)), EXCLUSIVE_HOOKS)


def with_turn(record: Record, item: pytest.Item) -> Record:
    """Return a record with how long its test waited, and whether it ran alone."""
    turn = item.stash.get(_TURN_OF_TEST, None)
    return turn.noted(record) if turn is not None else record


def _gate_ns(item: pytest.Item) -> int | None:
    """Return how long others wait for a test if it is a gate; None if it is not."""
    settings = item.stash.get(ITEM_SETTINGS, None)
    if settings is None or not settings.alone or _is_skipped(item):
        return None
    return LONGEST_NS + settings.plan.time_limit_ns


def _is_skipped(item: pytest.Item) -> bool:
    """Whether a test is certainly skipped; other conditions are evaluated when it runs."""
    conditions = [mark.args for mark in item.iter_markers("skipif")]
    return item.get_closest_marker("skip") is not None or (True,) in conditions


def _is_local(spec: Any) -> bool:
    """Whether a worker is a child of the controller, and not of a proxy, which may be anywhere."""
    return bool(spec.popen) and not spec.via


def _not_alone(reason: str, **figures: str | int | None) -> Advice:
    return Advice.of("not-alone", reason=reason, **figures)
