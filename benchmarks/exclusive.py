"""Gates among other tests under `pytest -n 4`: how many are decided, and how long the suite takes.

    python benchmarks/exclusive.py [--rounds 1] [--workers 4] [--files 20] [--check] [--json FILE]

A project of twenty files, each with two gates and ten other tests. A gate calls code that computes
for 1 to 30 ms, and its limit for p95 is twice what a call takes here while nothing else runs. The
other tests compute or sleep for 20 to 300 ms. A round runs it

exclusive  with `-n 4`: gates run alone
by hand    twice: the gates alone, without workers, and then the other tests with `-n 4`
off        with `-n 4 --latency-exclusive=off`

Gates are decided if they are within their limits or exceeded; none should be exceeded. In a last
session, one gate kills its worker: the time until another test begins is printed. A round takes
about four minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent))

from goals import at_most, conclude, parser

GATES, TESTS = 2, 10
"""Of each file."""
LEAST_MS, MOST_MS = 1.0, 30.0
MOST_UNDECIDED, MOST_LONGER_PERCENT = 2, 15
MOST_RELEASE_S: Final = 1.0
"""A worker that waits looks for its turn every 50 ms at least."""
LONGEST_S: Final = 900.0
WAYS: Final = ("exclusive", "by hand", "off")
WORK: Final = """
import json, os, time
from pathlib import Path
import pytest

HERE = Path(__file__).parent

def work(steps):
    x = 1
    for _ in range(steps):
        x = (x * 1_103_515_245 + 12_345) % 2_147_483_648
    return x

@pytest.fixture(autouse=True)
def span(request):
    began = time.monotonic_ns()
    yield
    with (HERE / "spans").open("a") as file:
        file.write(json.dumps([request.node.name, began, time.monotonic_ns()]) + "\\n")
"""
SUITE: Final = """
import os, signal, time
import pytest
from conftest import HERE, work
from pytest_hancock_latency import latency_budget

STEPS_OF_MS = {steps_of_ms}

@pytest.mark.parametrize("ms", {others})
def test_other(ms):
    if ms % 2:
        time.sleep(ms / 1000)
    else:
        work(int(ms * STEPS_OF_MS))

@pytest.mark.gate
@latency_budget(p95={limit_ms})
@pytest.mark.parametrize("number", range({gates}))
def test_gate(sample, number):
    if "KILLED" in os.environ and ({name!r}, number) == ("test_00.py", 0):
        (HERE / "killed").write_text(str(time.monotonic_ns()))
        os.kill(os.getpid(), signal.SIGKILL)
    sample(work, int({call_ms} * STEPS_OF_MS))
"""
Figures = dict[str, Any]


@dataclass(frozen=True)
class Session:
    """What one or several sessions took together, and what they said of the gates."""

    way: str
    seconds: float
    outcomes: dict[str, int]
    gates: int
    alone: int
    waited_s: float
    """Of the gates and of the other tests, all together."""

    @property
    def undecided(self) -> int:
        return self.gates - self.outcomes.get("within", 0) - self.outcomes.get("exceeded", 0)


def steps_of_ms() -> float:
    """How much work takes a millisecond on this machine while nothing disturbs it."""
    namespace: dict[str, Any] = {}
    exec(WORK.partition("@pytest.fixture")[0].replace("Path(__file__).parent", "None"), namespace)
    steps, fastest = 20_000, float("inf")
    for _ in range(200):
        begin = time.perf_counter()
        namespace["work"](steps)
        fastest = min(fastest, time.perf_counter() - begin)
    return steps / fastest / 1000


def write_project(folder: Path, files: int) -> None:
    """Write the files, which are the same except for the durations."""
    steps = steps_of_ms()
    (folder / "conftest.py").write_text(WORK, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = gate\n", encoding="utf-8")
    for number in range(files):
        call_ms = LEAST_MS * (MOST_MS / LEAST_MS) ** (number / (files - 1))
        # Of ten durations five are odd: they sleep.
        others = [20 + (37 * number + 31 * part) % 281 for part in range(TESTS)]
        name = f"test_{number:02}.py"
        suite = SUITE.format(
            steps_of_ms=steps,
            others=others,
            call_ms=round(call_ms, 2),
            limit_ms=round(2 * call_ms, 2),
            name=name,
            gates=GATES,
        )
        (folder / name).write_text(suite, encoding="utf-8")


def run_pytest(folder: Path, *arguments: str, **variables: str) -> tuple[float, Figures, str]:
    """Run the project once; its duration in s, its artifact, and what it printed."""
    artifact = folder / "artifact.json"
    artifact.unlink(missing_ok=True)
    (folder / "spans").unlink(missing_ok=True)
    plugins = ("-p", "hancock_latency", "-p", "xdist", "-p", "no:cacheprovider")
    begin = time.perf_counter()
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *plugins, "-q", f"--latency-json={artifact}", *arguments],
        cwd=folder,
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"} | variables,
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
        check=False,
    )
    seconds = time.perf_counter() - begin
    if not artifact.exists():
        raise RuntimeError(ran.stdout + ran.stderr)
    return seconds, json.loads(artifact.read_text(encoding="utf-8")), ran.stdout


def measured(way: str, folder: Path, workers: str) -> Session:
    """Run the project in one of the ways."""
    if way == "by hand":
        alone_s, artifact, _ = run_pytest(folder, "-m", "gate", "-p", "no:xdist")
        others_s, _, _ = run_pytest(folder, "-m", "not gate", "-n", workers)
        seconds = alone_s + others_s
    else:
        off = ["--latency-exclusive=off"] if way == "off" else []
        seconds, artifact, _ = run_pytest(folder, "-n", workers, *off)
    waited = artifact.get("exclusive", {})
    return Session(
        way,
        round(seconds, 2),
        dict(Counter(sample["outcome"] for sample in artifact["samples"])),
        len(artifact["samples"]),
        sum(sample["measurement"]["alone"] is True for sample in artifact["samples"]),
        round(sum(waited.values()) / 1e9, 2),
    )


def killed(folder: Path, workers: str, tests: int) -> Figures:
    """Let a gate kill its worker; what came of it.

    tests: how many there are, gates included.
    """
    _, artifact, printed = run_pytest(folder, "-n", workers, KILLED="1")
    kill_ns = int((folder / "killed").read_text(encoding="utf-8"))
    lines = (folder / "spans").read_text(encoding="utf-8").splitlines()
    spans = [json.loads(line) for line in lines]
    later = min(began for _, began, _ in spans if began > kill_ns)
    return {
        "seconds until a test began": round((later - kill_ns) / 1e9, 3),
        "tests not run": tests - 1 - len(spans),
        "gates alone": sum(s["measurement"]["alone"] is True for s in artifact["samples"]),
        "last line": printed.strip().splitlines()[-1],
    }


def chosen_options() -> argparse.Namespace:
    """The options of the command line."""
    options = parser(__doc__)
    options.add_argument("--rounds", type=int, default=1)
    options.add_argument("--workers", default="4", help="value of -n")
    options.add_argument("--files", type=int, default=20, help="at least 2")
    return options.parse_args()


def main() -> int:
    """Run all rounds, print and judge; the exit code."""
    chosen = chosen_options()
    sessions: list[Session] = []
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        write_project(folder, chosen.files)
        for number in range(chosen.rounds):
            for way in WAYS[number % 3 :] + WAYS[: number % 3]:
                sessions.append(measured(way, folder, chosen.workers))
                print(_line(sessions[-1]), flush=True)
        after_kill = killed(folder, chosen.workers, chosen.files * (GATES + TESTS))
    print(f"a gate killed its worker: {after_kill}")
    seconds = {way: median(s.seconds for s in sessions if s.way == way) for way in WAYS}
    longer = 100 * (seconds["exclusive"] / seconds["by hand"] - 1)
    exclusive = [session for session in sessions if session.way == "exclusive"]
    goals = [
        at_most(
            f"gates of {chosen.files * GATES} without a verdict, worst round",
            max(session.undecided for session in exclusive),
            MOST_UNDECIDED,
        ),
        at_most(
            "gates exceeded, all rounds",
            sum(session.outcomes.get("exceeded", 0) for session in exclusive),
            0,
        ),
        at_most("longer than two runs by hand, %", round(longer, 1), MOST_LONGER_PERCENT),
        at_most(
            "s from the death in a gate to the next test",
            after_kill["seconds until a test began"],
            MOST_RELEASE_S,
        ),
        at_most("tests not run after it", after_kill["tests not run"], 0),
    ]
    figures = {"sessions": [asdict(session) for session in sessions], "killed": after_kill}
    return conclude("exclusive", figures, goals, chosen)


def _line(session: Session) -> str:
    outcomes = ", ".join(f"{count} {name}" for name, count in sorted(session.outcomes.items()))
    return (
        f"{session.way:<10} {session.seconds:7.1f} s   {outcomes}; {session.alone} alone, "
        f"{session.waited_s:.1f} s waited"
    )


if __name__ == "__main__":
    sys.exit(main())
