"""A pass of pytest: a fresh process of each side, both going through the suite together.

The side that reaches a sample first waits there for the other. Then both take turns, in an order
that is drawn for each pair of turns. A sample that only one side has is not measured, nor is one
that is settled already. A side that fails, ends early or does not answer releases the other.
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
from dataclasses import dataclass
from fractions import Fraction
from math import log
from pathlib import Path
from random import Random
from typing import Final

from ..core.quantile import P50
from ..errors import DuelError
from ..runs.duel import log_ratio_of_turns
from .environments import Environments
from .line import Line, LineClosed, Message
from .sides import Side, two_sides
from .tournament import BASE, HEAD, Key, Pass, RunPass

CALLS: Final = 6
"""Calls of a turn. The first one is not counted: it is cold, as the process slept."""
TURNS: Final = 20
"""Of each side at a sample."""
MOST_TURNS: Final = 60
LEAST_TURNS: Final = 5
SHORT_S: Final = 0.5
"""Fast calls get more turns, up to this time: that costs little next to starting the processes."""
LONG_S: Final = 4.0
"""Slow calls get fewer turns beyond this time."""
HANG_S: Final = 300.0
"""How long a side may be silent: longer than any setup or test without a sample should take."""
_ENDING_S: Final = 10.0


class SideProcess:
    """The pytest process of one side in one pass."""

    def __init__(self, side: Side, process: subprocess.Popen[bytes], line: Line, log: Path) -> None:
        self.side, self._process, self._line, self._log = side, process, line, log
        self.at: Key | None = None
        """The sample at which it waits."""
        self.warmup_ns: list[int] = []
        self.cpus: list[int] = []
        """On which its calling thread may run."""
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
            self.warmup_ns, self.cpus = message["warmup_ns"], message["cpus"]
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


@dataclass(frozen=True, slots=True)
class PytestPasses:
    """Runs both sides once, as often as it is called."""

    sides: tuple[Side, Side]
    """Base, head."""
    arguments: Sequence[str]
    """Of pytest."""
    quantiles: Sequence[Fraction] = (P50,)
    """That are compared."""

    def __call__(self, settled: Container[Key], draw: Random) -> Pass:
        """One pass."""
        result = Pass()
        seed = draw.randrange(1, 2**32)
        order = [BASE, HEAD]
        draw.shuffle(order)  # who is started first is faster or slower, by up to 1 %
        with _started(self.sides, self.arguments, seed, order) as (base, head):
            while True:
                base.advance(result)
                head.advance(result)
                if base.ended and head.ended:
                    return result
                if base.at is not None and base.at == head.at:
                    keys = [base.at._replace(quantile=quantile) for quantile in self.quantiles]
                    _meet(base, head, [key for key in keys if key not in settled], draw, result)
                else:
                    _release(base, head, self.quantiles, settled, result)


@contextmanager
def opponents(  # noqa: PLR0913 - all by name but the first two
    base: str,
    arguments: Sequence[str],
    quantiles: Sequence[Fraction] = (P50,),
    *,
    head: str | None = None,
    own_tests: bool = False,
    environments: Environments | None = None,
) -> Iterator[tuple[RunPass, tuple[str, str]]]:
    """What runs a pass of two versions, and their names: base, head. See `two_sides`.

    Raises:
        DuelError: there is no such version, or this is Windows.
    """
    if sys.platform == "win32":  # it hands down no descriptors, and has no file locks
        raise DuelError("a duel of versions needs Linux or macOS")
    with two_sides(
        base, arguments, head=head, own_tests=own_tests, environments=environments
    ) as sides:
        yield PytestPasses(sides, arguments, quantiles), (sides[0].version, sides[1].version)


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
    # -P: the working folder, which may contain another version of this package, is not first.
    command = [
        str(side.python),
        "-P",
        "-m",
        "pytest",
        "-p",
        "hancock_latency",
    ]
    log_path = side.root.parent / f"{side.name}.log"
    with theirs, log_path.open("wb") as log_file:
        process = subprocess.Popen(
            [*command, *arguments, *side.plugins, "--latency=report"],
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
    base: SideProcess, head: SideProcess, keys: Sequence[Key], draw: Random, into: Pass
) -> None:
    """Measure a sample at which both wait, in turns. keys: its quantiles that are not settled."""
    if not keys:
        base.skip(into)
        head.skip(into)
        return
    sides = [base, head]
    start = {
        "warmup_ns": min(base.warmup_ns, head.warmup_ns),
        "quantiles": [str(key.quantile) for key in keys],
    }
    # Both get the message even if one of them is gone: the other has to be released.
    present = [side.send(start, into) for side in sides]
    alive = all(present)
    cpus = sorted(set(base.cpus) & set(head.cpus))
    begin, turns = time.monotonic(), 0
    while alive and not _is_enough(turns, time.monotonic() - begin):
        draw.shuffle(sides)
        cpu = draw.choice(cpus) if cpus else None
        alive = all(_turn(side, cpu, into) for side in sides)
        turns += 1
    measured = [_finish(side, into) for side in (base, head)]
    complete = [message for message in measured if message and all(message["latencies_ns"])]
    for at, key in enumerate(keys):
        if len(complete) < len(sides):
            into.left_out[key] = "a side did not finish it"
            continue
        base_ns, head_ns = (message["latencies_ns"][at] for message in complete)
        into.latencies_ns[key] = base_ns, head_ns
        into.ratios[key] = (
            log_ratio_of_turns(*(message["turns_ns"] for message in complete))
            if key.quantile == P50
            else log(head_ns / base_ns)
        )


def _is_enough(turns: int, elapsed_s: float) -> bool:
    if elapsed_s > LONG_S:
        return turns >= LEAST_TURNS
    return turns >= (TURNS if elapsed_s > SHORT_S else MOST_TURNS)


def _turn(side: SideProcess, cpu: int | None, into: Pass) -> bool:
    """One turn of a side; whether it ended well."""
    if not side.send({"calls": CALLS, "cpu": cpu}, into):
        return False
    message = side.receive(into)
    if message is not None and "done" in message:
        return True
    side.at = None  # abandoned, or gone: there is nothing to stop
    return False


def _finish(side: SideProcess, into: Pass) -> Message | None:
    """End the turns of a side; what it measured, if it has anything."""
    if side.at is None or side.ended:
        return None
    side.at = None
    if not side.send({"stop": True}, into):
        return None
    message = side.receive(into)
    return message if message and message.get("latencies_ns") else None


def _release(
    base: SideProcess,
    head: SideProcess,
    quantiles: Sequence[Fraction],
    settled: Container[Key],
    into: Pass,
) -> None:
    """Let at least one of the two, which wait at different samples, go on without the other."""
    waiting = [
        (side, opponent, side.at)
        for side, opponent in ((base, head), (head, base))
        if side.at is not None
    ]
    released = [
        (side, opponent, key)
        for side, opponent, key in waiting
        if not opponent.may_come_to(key.test)
    ]
    for side, opponent, key in released or waiting[:1]:
        for quantile in quantiles:
            if (full := key._replace(quantile=quantile)) not in settled:
                into.left_out[full] = f"{opponent.side.name} did not measure it"
        side.skip(into)
