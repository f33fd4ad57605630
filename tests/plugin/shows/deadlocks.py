"""Random sessions whose tests hang, fork and wait for each other next to gates: does each end?

python tests/plugin/shows/deadlocks.py [--sessions 200] [--seed 1] [--at-once 1]
    [--longest 120] [--keep DIR]

Each session has two to four workers and pytest-timeout, and 15 to 30 tests of random kinds in
random order: gates, among them some that hang, fork, kill their worker or need a file lock, and
other tests that do so, that wait for a test of another worker, or that take longer than a gate
waits. A session that takes more than 120 s counts as a deadlock. A gate whose record says
that it ran alone, although another test ran at the same time, is counted as well.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

SUMMARY_EVERY: Final = 20
CONFTEST: Final = """
import json, os, sys, time
from pathlib import Path
import pytest
from filelock import FileLock

HERE = Path(__file__).parent
LONGEST_S = {longest_s}

def pytest_collection_finish():
    exclusive = sys.modules.get("pytest_hancock_latency.plugin.exclusive")
    if exclusive and LONGEST_S:
        exclusive.LONGEST_NS = LONGEST_S * 1_000_000_000

@pytest.fixture(autouse=True)
def span(request):
    began = time.monotonic_ns()
    yield
    span = [request.node.name, os.environ["PYTEST_XDIST_WORKER"], began, time.monotonic_ns()]
    with (HERE / "spans").open("a") as file:
        file.write(json.dumps(span) + "\\n")

@pytest.fixture(scope="session")
def made_once(tmp_path_factory):
    path = tmp_path_factory.getbasetemp().parent / "made"
    with FileLock(f"{{path}}.lock"):
        if not path.exists():
            time.sleep(0.3)
            path.touch()

@pytest.fixture(scope="module")
def kept_lock():
    with FileLock(HERE / "kept.lock", timeout=20):
        yield

def meet(own, awaited, seconds):
    (HERE / own).touch()
    until = time.monotonic() + seconds
    while not (HERE / awaited).exists() and time.monotonic() < until:
        time.sleep(0.005)
"""
HEAD: Final = """
import os, signal, subprocess, sys, threading, time
import pytest
from conftest import meet
from pytest_hancock_latency import latency_budget
"""
GATE: Final = "@latency_budget(p50=500, samples=1, max_samples=50)\n"
FORK: Final = """
    child = os.fork()
    if not child:
        time.sleep({seconds})
        os._exit(0)
"""
BODIES: Final = {
    "quick": "    time.sleep(0.01)\n",
    "computes": "    sum(range(300_000))\n",
    "long": "    time.sleep(4)\n",
    "hangs": "    time.sleep(600)\n",
    "waits for itself": "    lock = threading.Lock()\n    lock.acquire()\n    lock.acquire()\n",
    "forks": FORK.format(seconds=0.05) + "    os.waitpid(child, 0)\n",
    "leaves a child": FORK.format(seconds=20),
    "starts a program": "    subprocess.run([sys.executable, '-c', 'pass'], check=True)\n",
    "dies": "    os.kill(os.getpid(), signal.SIGKILL)\n",
}
FIXTURES: Final = {"made_once": 0.3, "kept_lock": 0.15}
WEIGHTS: Final = {
    "quick": 15, "computes": 4, "long": 0.5, "hangs": 1, "waits for itself": 0.5, "forks": 2,
    "leaves a child": 1, "starts a program": 1, "dies": 0.4,
}  # fmt: skip
DISTRIBUTIONS: Final = ("load", "load", "loadscope", "loadfile", "worksteal", "each")


@dataclass(frozen=True)
class Ended:
    """How one session ended."""

    number: int
    seconds: float
    problems: Sequence[str]
    counts: Counter[str] = field(default_factory=Counter)
    is_stuck: bool = False


def write_suite(folder: Path, chance: random.Random) -> None:
    """Write two or three files of random tests."""
    longest_s = chance.choice([0, 0, 2, 5])
    (folder / "conftest.py").write_text(CONFTEST.format(longest_s=longest_s), encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    sources = [HEAD] * chance.randint(2, 3)
    for number in range(chance.randint(15, 30)):
        for test in _tests(number, chance):
            sources[chance.randrange(len(sources))] += test
    for number, source in enumerate(sources):
        (folder / f"test_{number}.py").write_text(source, encoding="utf-8")


def _tests(number: int, chance: random.Random) -> list[str]:
    """One test of a random kind, or two that wait for each other."""
    if chance.random() < 0.08:
        return [
            f"\ndef test_{own}{number}(): meet('{own}{number}', '{awaited}{number}', 8)\n"
            for own, awaited in (("a", "b"), ("b", "a"))
        ]
    kind = chance.choices([*WEIGHTS], [*WEIGHTS.values()])[0]
    fixtures = [name for name, share in FIXTURES.items() if chance.random() < share]
    if chance.random() < 0.3:
        arguments = ", ".join(["sample", *fixtures])
        body = f"    sample(time.sleep, 0.001)\n{BODIES[kind]}"
        return [f"\n{GATE}def test_gate{number}({arguments}):\n{body}"]
    return [f"\ndef test_{number}({', '.join(fixtures)}):\n{BODIES[kind]}"]


def run_session(number: int, seed: int, folder: Path, longest_s: float) -> Ended:
    """Run one session, and say what was wrong with its end."""
    chance = random.Random(f"{seed} {number}")
    folder.mkdir()
    write_suite(folder, chance)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "timeout"]
    command += ["-p", "hancock_latency", "-p", "xdist", "-n", str(chance.randint(2, 4))]
    command += [f"--dist={chance.choice(DISTRIBUTIONS)}", f"--timeout={chance.choice([2, 5])}"]
    command += [f"--timeout-method={chance.choice(['signal', 'thread'])}"]
    # With loadscope and loadfile, a test that ends its worker is run again by the next one.
    command += [f"--max-worker-restart={chance.randint(1, 3)}"]
    command += ["--latency-json=artifact.json", "-W", "ignore::DeprecationWarning"]
    command += chance.choice([[], [], ["--maxfail=2"]])
    (folder / "command").write_text(" ".join(command), encoding="utf-8")
    output = folder / "output"
    begin = time.monotonic()
    with output.open("w", encoding="utf-8") as file:
        # The output goes to a file: children that outlive the session would keep a pipe open.
        ran = subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
            stdout=file,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            code = ran.wait(longest_s)
        except subprocess.TimeoutExpired:
            os.killpg(ran.pid, 9)
            ran.wait()
            problems = [f"did not end within {longest_s:g} s"]
            return Ended(number, longest_s, problems, is_stuck=True)
    seconds = time.monotonic() - begin
    printed = output.read_text(encoding="utf-8", errors="replace")
    problems = [] if code in (0, 1, 2) else [f"exit code {code}"]
    problems += ["INTERNALERROR"] if "INTERNALERROR" in printed else []
    counts, wrong = _gates(folder)
    counts["sessions with a crashed worker"] = "crashed while running" in printed
    counts["sessions with a timeout"] = "Timeout" in printed
    return Ended(number, seconds, [*problems, *wrong], counts)


def _gates(folder: Path) -> tuple[Counter[str], list[str]]:
    """How many gates ran alone, and which say so wrongly."""
    (folder / "spans").touch()  # without any if no test ended by itself
    lines = (folder / "spans").read_text(encoding="utf-8").splitlines()
    spans = [json.loads(line) for line in lines]
    artifact = json.loads((folder / "artifact.json").read_text(encoding="utf-8"))
    counts, wrong = Counter[str](), []
    for sample in artifact["samples"]:
        measurement = sample["measurement"]
        counts["gates alone" if measurement["alone"] else "gates not alone"] += 1
        counts.update(
            f"not alone: {advice['figures']['reason']}"
            for advice in measurement["advice"]
            if advice["kind"] == "not-alone"
        )
        name, worker = sample["test"].partition("::")[2], sample["worker"]
        for gate in spans:
            if gate[:2] == [name, worker] and measurement["alone"]:
                wrong += [
                    f"{name} says it was alone, and ran next to {other[0]}"
                    for other in spans
                    if other[1] != worker and other[2] < gate[3] and gate[2] < other[3]
                ]
    return counts, wrong


def main() -> int:
    """Run all sessions, print, judge; the exit code is 1 where one did not end as it should."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--at-once", type=int, default=1, help="sessions at the same time")
    parser.add_argument("--longest", type=float, default=120, help="seconds of a session")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="folder in which they remain")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as made, ThreadPoolExecutor(chosen.at_once) as pool:
        folder = chosen.keep or Path(made)
        folder.mkdir(exist_ok=True)
        ended: list[Ended] = []
        for session in pool.map(
            lambda number: run_session(number, chosen.seed, folder / str(number), chosen.longest),
            range(chosen.sessions),
        ):
            ended.append(session)
            for problem in session.problems:
                print(f"session {session.number}: {problem}", flush=True)
            if len(ended) % SUMMARY_EVERY == 0 or len(ended) == chosen.sessions:
                print(_summary(ended), flush=True)
    return 1 if any(session.problems for session in ended) else 0


def _summary(ended: Sequence[Ended]) -> str:
    seconds = sorted(session.seconds for session in ended)
    stuck = sum(session.is_stuck for session in ended)
    counts = sum((session.counts for session in ended), Counter[str]())
    return (
        f"deadlocks: {stuck} of {len(ended)} sessions did not end, "
        f"{sum(bool(session.problems) for session in ended)} had a problem; they took "
        f"{median(seconds):.1f} s, {seconds[-1]:.1f} s at most; "
        + ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
    )


if __name__ == "__main__":
    sys.exit(main())
