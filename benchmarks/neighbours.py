"""Gates of code that never blocks, in real pytest sessions, next to other work on the machine.

    python benchmarks/neighbours.py --results FILE [--rounds 1] [--states nothing,spinner]
        [--cells unchanged,slower] [--works integers,json] [--check] [--json FILE]

A project with seven gates (`own_thread/`: integers, look-ups, JSON, a regular expression, a request
to Flask, SQLite in memory, numpy; 0.3 to 6 ms a call) is measured once, next to nothing else, and
`hancock-latency suggest` makes its budget file. Then all its gates are judged again and again, in a
new pytest session each time, without pytest's cache, next to a neighbour that was there before:

nothing      no neighbour inside this machine
spinner      a loop that computes
compiling    a loop that compiles Python code
memory       a loop that copies 64 MB
forking      a process that starts short programs as fast as it can
n-4          no neighbour, but `pytest -n 4 --latency-exclusive=off`: four gates at a time
half-a-core  no neighbour, but a control group that may use half a core

unchanged    the code of which the limits were made: none may be exceeded
slower       the same code, which does its work twice in each call: none may be within
fresh        unchanged code with hand-written limits: those of `suggest`, without the machine

A cell is a state and one of these, a round is one session for each cell. The verdicts of a session
are appended to the results as soon as it ends, and a run that was stopped goes on where it was,
with the same limits. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent))

from goals import Goal, at_most, conclude, parser
from machine import compiling, copying_memory, forking, spinning
from machine.control_groups import half_a_core

ROOT: Final = Path(__file__).resolve().parents[1]
PROJECT: Final = ROOT / "benchmarks" / "own_thread"
WORKS: Final = ("integers", "dict", "json", "regex", "flask", "sqlite", "numpy")
LONGEST_S: Final = 600.0
"""Of a neighbour and of a session; a session takes about 40 s."""
GATE_S: Final = 5
"""The plugin's time limit for a gate whose limits need no more."""
START_S: Final = 6
"""To start a session, its workers and its neighbour."""
CALM_LOAD: Final = 0.5
"""From this load on, limits are too high, and code that is twice as slow may be within them."""
STATES: Final[dict[str, Callable[[], AbstractContextManager[None]]]] = {
    "nothing": nullcontext,
    "spinner": partial(spinning, 1, set(), LONGEST_S),
    "compiling": partial(compiling, 1, LONGEST_S),
    "memory": partial(copying_memory, 1, LONGEST_S),
    "forking": partial(forking, 4, LONGEST_S),
    "n-4": nullcontext,
    "half-a-core": half_a_core,
}
AT_A_TIME: Final = {"n-4": 4}
"""Gates that are measured at the same time; one elsewhere."""
OUTCOMES: Final = ("exceeded", "within", "inconclusive")
LEAST_GATES: Final = {"unchanged": 300, "fresh": 100}
MOST_MISSED, MOST_MISSED_NEXT_TO_OTHERS = 0.2, 0.4
"""Share of the slower gates that are not exceeded."""
Row = dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """The sessions whose verdicts are counted together."""

    state: str
    code: str

    @property
    def key(self) -> str:
        """Return its name in the results."""
        return f"{self.state} {self.code}"


class Results:
    """Verdicts, and the limits by which they were judged, appended to a file as they come."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.limits: str | None = None
        self.rows: list[Row] = []
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                self._take(json.loads(line))

    def add(self, rows: Sequence[Row]) -> None:
        """Keep the verdicts of a session, or the limits."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write("".join(json.dumps(row) + "\n" for row in rows))
        for row in rows:
            self._take(row)

    def _take(self, row: Row) -> None:
        if "limits" in row:
            self.limits = row["limits"]
        else:
            self.rows.append(row)

    def of(self, cell: Cell) -> list[Row]:
        """Return the verdicts of a cell."""
        return [row for row in self.rows if row["cell"] == cell.key]

    def missing(self, cell: Cell, number: int, works: Sequence[str]) -> list[str]:
        """Return the works that have no verdict in this round of the cell."""
        judged = {row["work"] for row in self.of(cell) if row["round"] == number}
        return [work for work in works if work not in judged]


def run_pytest(
    folder: Path, works: Sequence[str], options: Sequence[str], added: Mapping[str, str]
) -> tuple[list[Row], str]:
    """Run the gates in a session of their own; return their records and what it printed.

    Raises:
        SystemExit: the session did not judge all gates.
    """
    artifact = folder / "artifacts" / "performance-latency.json"
    artifact.unlink(missing_ok=True)
    tests = [f"test_works.py::test_{work}" for work in works]
    plugins = ("no:cacheprovider", "hancock_latency", "xdist")
    command = [sys.executable, "-m", "pytest", *(f"-p{name}" for name in plugins), "-q"]
    command += [*tests, "--latency-artifacts=artifacts", *options]
    environ = {key: text for key, text in os.environ.items() if not key.startswith("HANCOCK_")}
    environ |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "COLUMNS": "300", **added}
    printed = run(command, folder, environ)
    records = (
        json.loads(artifact.read_text(encoding="utf-8"))["samples"] if artifact.exists() else []
    )
    if len(records) != len(works):
        raise SystemExit(f"neighbours: a session judged {len(records)} gates:\n{printed}")
    return records, printed


def run(command: Sequence[str], folder: Path, environ: Mapping[str, str]) -> str:
    """Return what a program prints; it and all that it starts never outlive this call."""
    with subprocess.Popen(
        command,
        cwd=folder,
        env=dict(environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            return process.communicate(timeout=LONGEST_S)[0]
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise


def suggested(folder: Path, works: Sequence[str]) -> str:
    """Return the budget file that `suggest` makes of one run, as its manual says."""
    options = ("--latency=report", "--latency-default=p99=10s")
    run_pytest(folder, works, options, {})
    command = [sys.executable, "-m", "pytest_hancock_latency", "suggest"]
    command += ["artifacts/performance-latency.json", "--format", "toml"]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout


def without_machine(limits: str) -> str:
    """Return a budget file without the speed of the machine on which it was made."""
    return re.sub(r"(?ms)^\[(tool\.hancock-latency\.)?machine\b.*?(?=^\[|\Z)", "", limits)


def sentences(printed: str, test: str) -> list[str]:
    """Return the lines about a test: its row of the table, what is inconclusive, its failure."""
    return [line for line in printed.splitlines() if line.startswith((test, f"FAILED {test}"))]


def judged(folder: Path, cell: Cell, number: int, works: Sequence[str]) -> list[Row]:
    """Return the verdicts of one session."""
    options = ["--latency-budgets=latency.toml"]
    if cell.state == "n-4":
        options += ["-n4", "--latency-exclusive=off"]
    added = {"TIMES": "2"} if cell.code == "slower" else {}
    with STATES[cell.state]():
        begin = time.perf_counter()
        records, printed = run_pytest(folder, works, options, added)
        seconds = time.perf_counter() - begin
    return [
        {
            "cell": cell.key,
            "round": number,
            "work": record["test"].rpartition("test_")[2],
            "outcome": record["verdict"]["outcome"],
            "n": record["n"],
            "quantiles_ns": record["quantiles_ns"],
            "judged": record["verdict"]["limits"],
            "sentences": sentences(printed, record["test"]),
            "elapsed_s": record["measurement"]["elapsed_ns"] / 1e9,
            "session_s": round(seconds, 1),
            "load": os.getloadavg()[0],
        }
        for record in records
    ]


def cells(chosen: argparse.Namespace) -> Iterator[Cell]:
    """Yield every cell that was asked for and that this machine allows."""
    for state in chosen.states:
        try:
            with STATES[state]():
                pass
        except OSError as error:
            print(f"{state} is left out: {error}")
            continue
        for code in chosen.cells:
            if (state, code) != ("nothing", "fresh"):  # it needs a neighbour
                yield Cell(state, code)


def longest_s(cell: Cell, works: Sequence[str]) -> int:
    """Return how long the gates of a session may take, in whole seconds."""
    return START_S + GATE_S * -(-len(works) // AT_A_TIME.get(cell.state, 1))


def measure(results: Results, asked: Sequence[Cell], chosen: argparse.Namespace) -> None:
    """Judge what is missing, round by round."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name in ("works.py", "test_works.py"):
            shutil.copy(PROJECT / name, folder)
        if results.limits is None:
            load = os.getloadavg()[0]
            results.add([{"limits": suggested(folder, WORKS), "load": load}])
            if load > CALM_LOAD:
                print(f"the limits were measured at load {load:.1f}, not next to nothing")
        limits = results.limits or ""
        for number in range(chosen.rounds):
            for cell in asked:
                works = results.missing(cell, number, chosen.works)
                if works:
                    text = without_machine(limits) if cell.code == "fresh" else limits
                    (folder / "latency.toml").write_text(text, encoding="utf-8")
                    results.add(judged(folder, cell, number, works))
                    shown = counts(results, [cell])
                    print(f"round {number}, {cell.key}: {shown}", flush=True)


def counts(results: Results, asked: Sequence[Cell]) -> str:
    """Return how many gates of some cells were exceeded / within / inconclusive."""
    outcomes = Counter(row["outcome"] for cell in asked for row in results.of(cell))
    return " / ".join(str(outcomes[outcome]) for outcome in OUTCOMES) if outcomes else ""


def report(results: Results, asked: Sequence[Cell], chosen: argparse.Namespace) -> str:
    """Return the table, what unchanged gates that were exceeded said, and slower ones within."""
    heads = [f"{code}: {' / '.join(OUTCOMES)}" for code in chosen.cells]
    lines = ["", f"| next to | {' | '.join(heads)} |", f"|{'---|' * (1 + len(heads))}"]
    for state in dict.fromkeys(cell.state for cell in asked):
        shown = [counts(results, [Cell(state, code)]) for code in chosen.cells]
        lines.append(f"| {state} | {' | '.join(shown)} |")
    totals = [
        counts(results, [cell for cell in asked if cell.code == code]) for code in chosen.cells
    ]
    lines.append(f"| all | {' | '.join(totals)} |")
    for cell in asked:
        wrong = "within" if cell.code == "slower" else "exceeded"
        for row in results.of(cell):
            if row["outcome"] == wrong:
                sentence = "".join(row["sentences"][-1:])
                lines.append(
                    f"{wrong}: {cell.key}, round {row['round']}, {row['work']}: {sentence}"
                )
    return "\n".join(lines)


def goals(results: Results, asked: Sequence[Cell]) -> list[Goal]:
    """Return the goals: no wrong verdict, enough gates, and slower code found."""
    made = []
    for code in dict.fromkeys(cell.code for cell in asked):
        rows = [row for cell in asked if cell.code == code for row in results.of(cell)]
        wrong = "within" if code == "slower" else "exceeded"
        places = [f"{row['cell']} {row['work']}" for row in rows if row["outcome"] == wrong]
        where = ", ".join(sorted(set(places)))
        made.append(at_most(f"{code} gates {wrong}", len(places), 0, where))
        if code in LEAST_GATES:
            missing = max(0, LEAST_GATES[code] - len(rows))
            made.append(at_most(f"{code} gates missing of {LEAST_GATES[code]}", missing, 0))
    for name, most in (("nothing", MOST_MISSED), ("others", MOST_MISSED_NEXT_TO_OTHERS)):
        outcomes = [
            row["outcome"]
            for cell in asked
            if cell.code == "slower" and (cell.state == "nothing") == (name == "nothing")
            for row in results.of(cell)
        ]
        if outcomes:
            missed = 1 - outcomes.count("exceeded") / len(outcomes)
            made.append(at_most(f"slower gates next to {name}, missed", missed, most))
    return made


def listed(names: Sequence[str]) -> Callable[[str], list[str]]:
    """Return a reader of a list of some of these names."""

    def read(text: str) -> list[str]:
        unknown = [name for name in text.split(",") if name not in names]
        if unknown:
            message = f"unknown: {', '.join(unknown)}; there are {', '.join(names)}"
            raise argparse.ArgumentTypeError(message)
        return text.split(",")

    return read


def main() -> int:
    """Measure, print, judge."""
    options = parser(__doc__)
    options.add_argument("--rounds", type=int, default=1, help="(%(default)s)")
    options.add_argument("--states", type=listed([*STATES]), default="nothing,spinner")
    options.add_argument("--works", type=listed(WORKS), default=",".join(WORKS))
    codes = ("unchanged", "slower", "fresh")
    options.add_argument("--cells", type=listed(codes), default="unchanged,slower")
    options.add_argument("--results", type=Path, help="where verdicts are appended")
    chosen = options.parse_args()
    if not hasattr(os, "sched_setaffinity"):
        print("neighbours: needs Linux; nothing was measured")
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # neighbours end with it
    asked = list(cells(chosen))
    with tempfile.TemporaryDirectory() as folder:
        results = Results(chosen.results or Path(folder) / "results.jsonl")
        missing = (
            longest_s(cell, works)
            for number in range(chosen.rounds)
            for cell in asked
            if (works := results.missing(cell, number, chosen.works))
        )
        print(f"this takes at most about {sum(missing) / 60:.0f} minutes", flush=True)
        measure(results, asked, chosen)
    print(report(results, asked, chosen))
    rows = {cell.key: results.of(cell) for cell in asked}
    return conclude("neighbours", {"rows": rows}, goals(results, asked), chosen)


if __name__ == "__main__":
    sys.exit(main())
