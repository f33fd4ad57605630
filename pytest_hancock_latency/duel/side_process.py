"""The pytest process of one side in one pass."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Final

from .connection import Connection, ConnectionClosed, ToSide
from .messages import (
    CoordinatorMessage,
    Ended,
    Failed,
    LeftOut,
    Measured,
    SideMessage,
    Waiting,
    parse_side_message,
)
from .run_duel import PassResult, SampleKey
from .sides import Side

CALLS: Final = 6
"""Calls of a turn. The first one is not counted: it is cold, as the process slept."""
HANG_S: Final = 300.0
"""How long a side may be silent: longer than any setup or test without a sample should take."""
_EXIT_S: Final = 10.0
"""How long a process may take to exit after its last message."""


class SideProcess:
    """The pytest process of one side, and what it has reported."""

    def __init__(
        self, side: Side, process: subprocess.Popen[bytes], connection: ToSide, log_path: Path
    ) -> None:
        self.side = side
        self.waiting_at: SampleKey | None = None
        """The sample at which it waits for the other side."""
        self.warmup_ns: list[int] = []
        self.cpus: list[int] = []
        """CPUs that its calling thread may use."""
        self.has_ended = False
        self._process = process
        self._connection = connection
        self._log_path = log_path
        self._position_of_test: dict[str, int] = {}
        self._regressions: dict[SampleKey, Fraction] = {}
        self._left_out: dict[SampleKey, str] = {}
        self._remarks: list[str] = []

    @property
    def reported(self) -> PassResult:
        """What it has reported, apart from latencies."""
        return PassResult(
            regressions=self._regressions,
            left_out=self._left_out,
            remarks=tuple(self._remarks),
        )

    def run_to_next_sample(self) -> None:
        """Receive messages until it waits at a sample, or has ended."""
        while self.waiting_at is None and not self.has_ended:
            message = self._receive()
            if message is not None:
                self._record(message)

    def may_reach(self, test: str) -> bool:
        """Whether it may still run this test."""
        if self.has_ended or test not in self._position_of_test:
            return False
        here = self._position_of_test.get(self.waiting_at.test, -1) if self.waiting_at else -1
        return self._position_of_test[test] > here

    def skip(self) -> None:
        """Let it go on without measuring the sample."""
        self.waiting_at = None
        self.send({"type": "skip"})

    def send(self, message: CoordinatorMessage) -> bool:
        """Send a message; return whether the process is still there."""
        try:
            self._connection.send(message)
        except ConnectionClosed:
            self._record_exit(None)
            return False
        return True

    def take_turn(self, cpu: int | None) -> bool:
        """Let it take one turn; return whether it did.

        Args:
            cpu: CPU to run on; None: any.
        """
        if not self.send({"type": "take_turn", "calls": CALLS, "cpu": cpu}):
            return False
        message = self._receive()
        if message is not None and message["type"] == "turn_done":
            return True
        self.waiting_at = None  # it has abandoned the sample or exited: nothing to stop
        return False

    def finish_turns(self) -> Measured | None:
        """End its turns; return what it measured, or None if that is nothing."""
        if self.waiting_at is None:
            return None
        self.waiting_at = None
        if not self.send({"type": "stop"}):
            return None
        message = self._receive()
        if message is None or message["type"] != "measured":
            return None
        return message if message["latencies_ns"] and all(message["latencies_ns"]) else None

    def kill(self) -> None:
        """Kill it and everything that it started."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        """End the process; one that has sent its last message may exit by itself."""
        self._connection.close()
        if self.has_ended:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_EXIT_S)
        self.kill()

    def _receive(self) -> SideMessage | None:
        """Return the next message; None if it has exited or hangs."""
        try:
            return self._connection.receive(HANG_S)
        except ConnectionClosed:
            self._record_exit(None)
        except TimeoutError:
            self.kill()
            self._record_exit(f"{self.side.name} did not answer for {HANG_S:.0f} s and was stopped")
        return None

    def _record(self, message: SideMessage) -> None:
        if message["type"] == "collected":
            self._position_of_test = {test: at for at, test in enumerate(message["tests"])}
        elif message["type"] == "waiting":
            self._record_waiting(message)
        elif message["type"] == "left_out":
            self._record_left_out(message)
        elif message["type"] == "failed":
            self._record_failed(message)
        elif message["type"] == "ended":
            self._record_ended(message)

    def _record_waiting(self, message: Waiting) -> None:
        self.waiting_at = SampleKey(message["test"], message["name"])
        self.warmup_ns, self.cpus = message["warmup_ns"], message["cpus"]
        if message["regression"] is not None:
            self._regressions[self.waiting_at] = Fraction(message["regression"])

    def _record_left_out(self, message: LeftOut) -> None:
        key = SampleKey(message["test"], message["name"])
        self._left_out[key] = f"{message['shape']}: not measured in turns"

    def _record_failed(self, message: Failed) -> None:
        why = f": {message['why']}" if message["why"] else ""
        self._remarks.append(f"{self.side.name}: {message['test']} failed{why}")

    def _record_ended(self, message: Ended) -> None:
        self.has_ended = True
        if message["foreign_imports"]:
            self._remarks.append(
                f"{self.side.name} imported {message['foreign_imports'][0]}, which belongs to "
                "neither version: install the package in editable mode, or put it on pythonpath"
            )

    def _record_exit(self, why: str | None) -> None:
        """Record that the process exited without its final message."""
        if self.has_ended:
            return
        self.has_ended, self.waiting_at = True, None
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_EXIT_S)
        self._remarks.append(why or self._why_exited())

    def _why_exited(self) -> str:
        status = self._process.returncode
        if status is not None and status < 0:
            return f"{self.side.name} was killed by {signal.Signals(-status).name}"
        lines = self._log_path.read_text(encoding="utf-8", errors="replace").splitlines()
        reasons = [*filter(_is_usage_error, lines), *filter(_is_error, lines), *lines[-1:]]
        reason = next(filter(None, reasons), "no output")
        return f"{self.side.name}: pytest ended with exit code {status}: {reason}"


def start_process(
    side: Side, arguments: Sequence[str], hash_seed: int, environ: Mapping[str, str]
) -> SideProcess:
    """Start pytest for one side.

    Args:
        side: The version to run.
        arguments: Arguments of pytest.
        hash_seed: Seed of Python's hashes, the same for both sides of a pass.
        environ: Environment of the duel.
    """
    ours, theirs = socket.socketpair()
    fd = theirs.fileno()
    log_path = side.root.parent / f"{side.name}.log"
    with theirs, log_path.open("wb") as log_file:
        process = subprocess.Popen(
            side.command(arguments),
            cwd=side.cwd,
            env=side.environment(environ, hash_seed, fd),
            stdin=subprocess.DEVNULL,
            stdout=log_file,
            stderr=subprocess.STDOUT,
            pass_fds=[fd],
            start_new_session=True,
        )
    return SideProcess(side, process, Connection(ours, parse_side_message), log_path)


def _is_usage_error(line: str) -> bool:
    """As in ``pytest: error: unrecognized arguments``; after it comes only the way to help."""
    return ": error: " in line


def _is_error(line: str) -> bool:
    return line.startswith(("E  ", "ERROR"))
