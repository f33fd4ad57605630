"""The process of a side: the command that starts it, and what it reports."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import pytest

from pytest_hancock_latency.duel import side_process
from pytest_hancock_latency.duel.run_duel import SampleKey
from pytest_hancock_latency.duel.side_process import start_process
from pytest_hancock_latency.duel.sides import Side
from pytest_hancock_latency.errors import DuelError

GOLD: Final = Path(__file__).parent / "gold" / "side_command.json"
ENVIRON: Final = {
    "PATH": "/usr/bin",
    "PYTHONDONTWRITEBYTECODE": "1",
    "HANCOCK_LATENCY_ARTIFACTS": "artifacts",
    "HANCOCK_PERF_ARTIFACT": "run.json",
    "PYTEST_XDIST_WORKER": "gw0",
}


class StartedProcess:
    """A process that has exited, and how it was started."""

    returncode = -9
    pid = 2**30

    def __init__(self, command: Sequence[str], **options: Any) -> None:
        self.command = command
        self.cwd: Path = options["cwd"]
        self.env: Mapping[str, str] = options["env"]
        self.end = socket.fromfd(options["pass_fds"][0], socket.AF_UNIX, socket.SOCK_STREAM)

    def wait(self, timeout: float | None = None) -> int:
        return self.returncode

    def reports(self, *messages: Mapping[str, object]) -> None:
        """Send these messages and close the connection."""
        for message in messages:
            self.end.sendall(json.dumps(message).encode() + b"\n")
        self.end.close()


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[StartedProcess]:
    """The processes that were started, none of them real."""
    processes: list[StartedProcess] = []

    def start(command: Sequence[str], **options: Any) -> StartedProcess:
        processes.append(StartedProcess(command, **options))
        return processes[-1]

    monkeypatch.setattr(subprocess, "Popen", start)
    monkeypatch.setattr(side_process.os, "killpg", lambda *_: None)
    return processes


@pytest.fixture
def side(tmp_path: Path) -> Side:
    return Side(
        name="head",
        version="HEAD",
        root=tmp_path / "head",
        cwd=tmp_path / "head",
        python=Path("/env/bin/python"),
        python_path=f"{tmp_path}/plugin:{tmp_path}/head",
        origin=Path("/project"),
        plugin_arguments=("-p", "no:randomly", "-p", "xdist", "-n0"),
    )


def test_a_side_is_started_by_the_command_of_the_gold_file(
    side: Side, started: list[StartedProcess], tmp_path: Path
) -> None:
    process = start_process(side, ["-v", "--label", "x", "tests"], 7, ENVIRON)
    (call,) = started
    call.end.close()
    process.close()
    text = json.dumps(
        {
            "command": call.command,
            "cwd": str(call.cwd),
            "environment": {**call.env, "HANCOCK_LATENCY_DUEL_SOCKET": "FD"},
        },
        indent=2,
    )
    assert text.replace(str(tmp_path), "DUEL") + "\n" == GOLD.read_text()


def test_the_socket_in_the_environment_always_has_the_same_length(side: Side) -> None:
    values = {
        side.environment(ENVIRON, 7, fd)["HANCOCK_LATENCY_DUEL_SOCKET"] for fd in (5, 12, 12345)
    }
    assert values == {"00005", "00012", "12345"}


def test_a_process_runs_to_its_next_sample(side: Side, started: list[StartedProcess]) -> None:
    process = start_process(side, [], 7, ENVIRON)
    waiting = {"test": "a", "name": "x", "warmup_ns": [5], "regression": "1/10", "cpus": [0]}
    started[0].reports(
        {"type": "collected", "tests": ["a", "b"]},
        {"type": "left_out", "test": "a", "name": "", "shape": "a burst"},
        {"type": "waiting", **waiting},
    )
    process.run_to_next_sample()
    assert process.waiting_at == SampleKey("a", "x")
    assert (process.may_reach("a"), process.may_reach("b")) == (False, True)
    assert process.reported.left_out == {SampleKey("a", ""): "a burst: not measured in turns"}
    assert process.reported.regressions == {SampleKey("a", "x"): Fraction(1, 10)}
    process.close()


def test_a_process_that_exits_without_its_final_message_is_reported(
    side: Side, started: list[StartedProcess]
) -> None:
    process = start_process(side, [], 7, ENVIRON)
    started[0].reports({"type": "collected", "tests": ["a"]})
    process.run_to_next_sample()
    assert process.has_ended
    assert process.reported.remarks == ("head was killed by SIGKILL",)
    process.close()


def test_an_invalid_message_ends_the_duel(side: Side, started: list[StartedProcess]) -> None:
    process = start_process(side, [], 7, ENVIRON)
    started[0].reports({"type": "collected"})
    with pytest.raises(DuelError) as refused:
        process.run_to_next_sample()
    assert str(refused.value) == (
        'invalid message between the processes of a duel: tests is missing: {"type": "collected"}'
    )
    process.close()
