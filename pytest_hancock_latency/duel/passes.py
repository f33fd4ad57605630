"""A pass: a fresh process of each side, both going through the suite together.

Whichever comes to a sample waits there for the other one. Then both take turns, in an order that is
drawn for each pair of turns. What only one side has is not measured, and neither is what is settled
already. A side that fails, ends early or does not answer releases the other.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from fractions import Fraction
from math import log
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from ..core.record import titled
from .line import Line, LineClosed, Message
from .sides import BASE, HEAD, Side

CALLS: Final = 6
"""Calls of a turn. The first one is not counted: it is cold, as the process slept."""
MOST_TURNS: Final = 20
LEAST_TURNS: Final = 5
LONG_S: Final = 4.0
"""What the turns at a sample should take at most; slow calls get fewer of them."""
HANG_S: Final = 300.0
"""How long a side may be silent: longer than any setup or test without a sample should take."""
_ENDING_S: Final = 10.0
_NEIGHBOURS: Final = ("xdist", "randomly", "rerunfailures", "cacheprovider")
"""Plugins that would split, shuffle or repeat the tests, or write into the sides."""


class Key(NamedTuple):
    """A sample: the id of its test, and its name there."""

    test: str
    name: str

    @property
    def title(self) -> str:
        """As people read it."""
        return titled(self.test, self.name)


@dataclass
class Pass:
    """What came out of one pass."""

    ratios: dict[Key, float] = field(default_factory=dict)
    """log( median of head / median of base ) of each sample that was measured."""
    medians_ns: dict[Key, tuple[float, float]] = field(default_factory=dict)
    regressions: dict[Key, Fraction] = field(default_factory=dict)
    left_out: dict[Key, str] = field(default_factory=dict)
    """Why a sample was not measured."""
    remarks: dict[str, None] = field(default_factory=dict)
    """What went wrong on a side, each once."""


class SideProcess:
    """The pytest process of one side in one pass."""

    def __init__(self, side: Side, process: subprocess.Popen[bytes], line: Line, log: Path) -> None:
        self.side, self._process, self._line, self._log = side, process, line, log
        self.at: Key | None = None
        """The sample at which it waits."""
        self.warmup_ns: list[int] = []
        self.ended = False
        self._collected: dict[str, int] | None = None

    def advance(self, into: Pass) -> None:
        """Listen until it waits at a sample, or has ended."""
        while self.at is None and not self.ended:
            message = self.receive(into)
            if message is not None:
                self._note(message, into)

    def receive(self, into: Pass) -> Message | None:
        """The next message; None where there will be none."""
        try:
            return self._line.receive(HANG_S)
        except LineClosed:
            self._end(into, None)
        except TimeoutError:
            self.kill()
            self._end(into, f"{self.side.name} did not answer for {HANG_S:.0f} s and was stopped")
        return None

    def send(self, message: Message, into: Pass) -> bool:
        """Send a message; whether somebody is there."""
        try:
            self._line.send(message)
        except LineClosed:
            self._end(into, None)
            return False
        return True

    def skip(self, into: Pass) -> None:
        """Go on without measuring the sample."""
        self.at = None
        self.send({"skip": True}, into)

    def may_come_to(self, test: str) -> bool:
        """Whether the test lies before it."""
        if self.ended or self._collected is None or test not in self._collected:
            return False
        here = self._collected.get(self.at.test, -1) if self.at else -1
        return self._collected[test] > here

    def kill(self) -> None:
        """End it and all that it started."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        """Let it end by itself for a moment if it has said that it ends, then end it."""
        self._line.close()
        if self.ended:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_ENDING_S)
        self.kill()

    def _note(self, message: Message, into: Pass) -> None:
        if "at" in message:
            self.at = Key(*message["at"])
            self.warmup_ns = message["warmup_ns"]
            if message["regression"] is not None:
                into.regressions[self.at] = Fraction(message["regression"])
        elif "collected" in message:
            self._collected = {test: at for at, test in enumerate(message["collected"])}
        elif "left_out" in message:
            into.left_out[Key(*message["left_out"])] = f"{message['shape']}: not measured in turns"
        elif "failed" in message:
            why = f": {message['why']}" if message["why"] else ""
            into.remarks[f"{self.side.name}: {message['failed']} failed{why}"] = None
        elif "end" in message:
            self.ended = True
            if message["strangers"]:
                into.remarks[
                    f"{self.side.name} imported {message['strangers'][0]}, which is the code of "
                    "neither side: install the package in editable mode, or put it on pythonpath"
                ] = None

    def _end(self, into: Pass, why: str | None) -> None:
        """It ended without a word."""
        if self.ended:
            return
        self.ended, self.at = True, None
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_ENDING_S)
        into.remarks[why or self._why_ended()] = None

    def _why_ended(self) -> str:
        status = self._process.returncode
        if status is not None and status < 0:
            return f"{self.side.name} was killed by {signal.Signals(-status).name}"
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        telling = [
            next((line for line in lines if is_telling(line)), "")
            for is_telling in (_is_usage_error, _is_error)
        ]
        last = next((line for line in (*telling, *lines[-1:]) if line), "no output")
        return f"{self.side.name}: pytest ended with exit code {status}: {last}"


def _is_usage_error(line: str) -> bool:
    """As in ``pytest: error: unrecognized arguments``; after it comes only the way to help."""
    return ": error: " in line


def _is_error(line: str) -> bool:
    return line.startswith(("E  ", "ERROR"))


def run_pass(
    sides: tuple[Side, Side], arguments: Sequence[str], settled: Container[Key], draw: Random
) -> Pass:
    """Run both sides once.

    arguments: of pytest. settled: samples that need no further pass. draw: all that is random.
    """
    result = Pass()
    seed = draw.randrange(1, 2**32)
    order = [BASE, HEAD]
    draw.shuffle(order)  # who is started first is faster or slower, by up to 1 %
    with _started(sides, arguments, seed, order) as (base, head):
        while True:
            base.advance(result)
            head.advance(result)
            if base.ended and head.ended:
                return result
            if base.at is not None and base.at == head.at:
                _meet(base, head, settled, draw, result)
            else:
                _release(base, head, settled, result)


@contextmanager
def _started(
    sides: tuple[Side, Side], arguments: Sequence[str], seed: int, order: Sequence[str]
) -> Iterator[tuple[SideProcess, SideProcess]]:
    by_name = {side.name: side for side in sides}
    running: dict[str, SideProcess] = {}
    try:
        for name in order:
            running[name] = _start(by_name[name], arguments, seed)
        yield running[BASE], running[HEAD]
    finally:
        for process in running.values():
            process.close()


def _start(side: Side, arguments: Sequence[str], seed: int) -> SideProcess:
    ours, theirs = socket.socketpair()
    fd = theirs.fileno()
    without = [part for name in _NEIGHBOURS for part in ("-p", f"no:{name}")]
    # -P: the working folder, which may contain another version of this package, is not first.
    command = [sys.executable, "-P", "-m", "pytest", "-p", "hancock_latency", *without, *arguments]
    log_path = side.root.parent / f"{side.name}.log"
    with theirs, log_path.open("wb") as log_file:
        process = subprocess.Popen(
            [*command, "--latency=report"],
            cwd=side.cwd,
            env=side.environment(os.environ, seed, fd),
            stdin=subprocess.DEVNULL,
            stdout=log_file,
            stderr=subprocess.STDOUT,
            pass_fds=[fd],
            start_new_session=True,
        )
    return SideProcess(side, process, Line(ours), log_path)


def _meet(
    base: SideProcess,
    head: SideProcess,
    settled: Container[Key],
    draw: Random,
    into: Pass,
) -> None:
    """Both are at the same sample: measure it in turns, unless that is known."""
    key = base.at
    assert key is not None
    if key in settled:
        base.skip(into)
        head.skip(into)
        return
    sides = [base, head]
    shared = min(base.warmup_ns, head.warmup_ns)
    # Both are told even if one of them is gone: the other has to be released.
    present = [side.send({"warmup_ns": shared}, into) for side in sides]
    alive = all(present)
    begin, turns = time.monotonic(), 0
    while alive and turns < MOST_TURNS:
        if turns >= LEAST_TURNS and time.monotonic() - begin > LONG_S:
            break
        draw.shuffle(sides)
        alive = all(_turn(side, into) for side in sides)
        turns += 1
    medians = [_finish(side, into) for side in (base, head)]
    base_ns, head_ns = medians
    if base_ns and head_ns:
        into.ratios[key] = log(head_ns / base_ns)
        into.medians_ns[key] = base_ns, head_ns
    else:
        into.left_out[key] = "a side did not finish it"


def _turn(side: SideProcess, into: Pass) -> bool:
    """One turn of a side; whether it ended well."""
    if not side.send({"calls": CALLS}, into):
        return False
    message = side.receive(into)
    if message is not None and "done" in message:
        return True
    side.at = None  # abandoned, or gone: there is nothing to stop
    return False


def _finish(side: SideProcess, into: Pass) -> float:
    """End the turns of a side; the median, or 0 where there is none."""
    if side.at is None or side.ended:
        return 0.0
    side.at = None
    if not side.send({"stop": True}, into):
        return 0.0
    message = side.receive(into)
    return float(message.get("median_ns", 0.0)) if message else 0.0


def _release(base: SideProcess, head: SideProcess, settled: Container[Key], into: Pass) -> None:
    """They wait at different samples: at least one of them goes on without the other."""
    waiting = [
        (side, other, side.at)
        for side, other in ((base, head), (head, base))
        if side.at is not None
    ]
    released = [each for each in waiting if not each[1].may_come_to(each[2].test)]
    for side, other, key in released or waiting[:1]:
        if key not in settled:
            into.left_out[key] = f"{other.side.name} did not measure it"
        side.skip(into)
