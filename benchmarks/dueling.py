"""Real duels whose answer is known, and the rules of other tools on the same pairs of versions.

    python benchmarks/dueling.py [--only self,busy,+5,+10,+25,-10,other-tools] [--results FILE]
        [--runs N] [--check] [--json FILE]

- self: Hancock's suite against itself, 15 duels; busy: 15 more next to two processes that spin
- +5, +10, +25, -10: five Flask handlers, of which one does that much more or less real work
- other-tools: ten pairs of unchanged versions and ten with +5 %, judged by pytest-benchmark's
  ``--benchmark-compare-fail=mean:5%`` against a saved run, by the wall-clock mode of codspeed
  with the 10 % of its service, and by hyperfine's comparison with a Welch test at 5 %, where it is
  installed (it calls the handlers in programs of their own)

Each duel is appended to the results as soon as it is there, and a run that was stopped goes on
where it was. All of it takes about two hours. Needs a repository, as `hancock-latency duel` does.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent))

from goals import Goal, at_most, conclude, parser
from machine import spinning
from scipy.stats import ttest_ind_from_stats

from pytest_hancock_latency.runs.duel import DuelRule, judge_duel

ROOT: Final = Path(__file__).resolve().parents[1]
RUNS: Final = {"self": 15, "busy": 15, "+5": 12, "+10": 8, "+25": 4, "-10": 8, "other-tools": 10}
PLANTED: Final = "test_lookups"
LEAST_FOUND: Final = {"+5": 11, "+10": 8, "+25": 4, "-10": 8}
LOOKUPS: Final = 20_000
_LONGEST_S: Final = 1200.0
APP: Final = """\
import json
import zlib
from flask import Flask

LOOKUPS = {lookups}
TABLE = {{n: n for n in range(1000)}}
ROWS = [{{"id": n, "name": f"name {{n}}", "tags": ["a", "b"]}} for n in range(30)]
TEXT = b"What is a port scan? " * 400
app = Flask(__name__)

@app.get("/health")
def health():
    return {{"status": "ok"}}

@app.get("/json")
def round_trip():
    return json.loads(json.dumps(ROWS))

@app.get("/lookups")
def lookups():
    total = 0
    for n in range(LOOKUPS):
        total += TABLE[n % 1000]
    return {{"total": total}}

@app.get("/sort")
def sort():
    return {{"first": sorted(range(3000), key=lambda n: n * 7919 % 3001)[0]}}

@app.get("/compress")
def compress():
    return {{"length": len(zlib.compress(TEXT))}}
"""
NAMES: Final = ("health", "json", "lookups", "sort", "compress")
HEADER: Final = "from app import app\n\nclient = app.test_client()\n"
DUEL_TEST: Final = "\n\ndef test_{name}(sample):\n    sample(client.get, '/{name}')\n"
BENCHMARK_TEST: Final = "\n\ndef test_{name}(benchmark):\n    benchmark(client.get, '/{name}')\n"
PROGRAM: Final = """\
import sys
from app import app
client = app.test_client()
for _ in range(200):
    client.get("/" + sys.argv[1])
"""


def git(folder: Path, *arguments: str) -> None:
    """Run git as somebody without settings."""
    settings = [part for key in ("name", "email") for part in ("-c", f"user.{key}=x@example.org")]
    subprocess.run(["git", "-C", str(folder), *settings, *arguments], check=True)


def work_share(folder: Path) -> float:
    """The share of a request for /lookups that the look-ups take, so that +5 % are 5 % of it."""
    code = (
        "import app, time, statistics\n"
        "def median(lookups):\n"
        "    app.LOOKUPS, client, times = lookups, app.app.test_client(), []\n"
        "    for _ in range(400):\n"
        "        start = time.perf_counter(); client.get('/lookups')\n"
        "        times.append(time.perf_counter() - start)\n"
        "    return statistics.median(times)\n"
        f"median({LOOKUPS}); print(1 - median(0) / median({LOOKUPS}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def repository_of_handlers(folder: Path, percent: float) -> None:
    """Two commits: the handlers, and the same with that much more work in one of them."""
    tests = HEADER + "".join(DUEL_TEST.format(name=name) for name in NAMES)
    (folder / "app.py").write_text(APP.format(lookups=LOOKUPS))
    (folder / "test_handlers.py").write_text(tests)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "base")
    more = round(LOOKUPS * (1 + percent / 100 / work_share(folder)))
    (folder / "app.py").write_text(APP.format(lookups=more))
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--allow-empty", "-m", "head")


def duel(folder: Path, base: str, tests: str) -> dict[str, Any]:
    """One duel by the command that users run; what its JSON says, in short."""
    with tempfile.TemporaryDirectory() as out:
        file = Path(out, "duel.json")
        command = [sys.executable, "-m", "pytest_hancock_latency", "duel", base, "--head", "HEAD"]
        command += ["--no-fail", f"--json={file}", "--", "-q", tests]
        begin = time.monotonic()
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=_LONGEST_S, check=False
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
        plain = json.loads(file.read_text())
    return {
        "seconds": time.monotonic() - begin,
        "passes": plain["passes"],
        "load": os.getloadavg()[0],
        "outcomes": {s["title"]: (s["outcome"], s["ratio"]) for s in plain["samples"]},
        "log_ratios": {s["title"]: s["log_ratios"] for s in plain["samples"]},
    }


def run_series(series: str) -> dict[str, Any]:
    """One run of a series."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if series in ("self", "busy"):
            subprocess.run(["git", "clone", "-q", str(ROOT), str(folder / "clone")], check=True)
            if series == "busy":
                stack.enter_context(spinning(2, set(), _LONGEST_S))
            return duel(folder / "clone", "HEAD", "tests/benchmark_suite.py")
        if series == "other-tools":
            changes = (0, 5)
            return {f"{p:+d}": verdicts_of_tools(folder / f"{p}", p) for p in changes}
        repository_of_handlers(folder, float(series))
        return duel(folder, "HEAD~1", "test_handlers.py")


def verdicts_of_tools(folder: Path, percent: float) -> dict[str, dict[str, bool]]:
    """By tool: which handlers it calls slower."""
    sides = [folder / "base", folder / "head"]
    for side, change in zip(sides, (0.0, percent), strict=True):
        side.mkdir(parents=True)
        (side / "app.py").write_text(APP.format(lookups=LOOKUPS))
        if change:
            more = round(LOOKUPS * (1 + change / 100 / work_share(sides[0])))
            (side / "app.py").write_text(APP.format(lookups=more))
        tests = HEADER + "".join(BENCHMARK_TEST.format(name=name) for name in NAMES)
        (side / "test_handlers.py").write_text(tests)
        (side / "program.py").write_text(PROGRAM)
    found = {
        "pytest-benchmark": _slower_by([_pytest_benchmark(side) for side in sides], 1.05),
        "pytest-codspeed": _slower_by([_codspeed(side) for side in sides], 1.10),
    }
    if shutil.which("hyperfine"):
        found["hyperfine"] = {name: _hyperfine(sides, name) for name in NAMES}
    return found


def _slower_by(means: Sequence[dict[str, float]], factor: float) -> dict[str, bool]:
    base, head = means
    return {name: head[name] > factor * base[name] for name in NAMES}


def _run(folder: Path, *arguments: str) -> None:
    environ = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "test_handlers.py", *arguments]
    subprocess.run(command, cwd=folder, env=environ, capture_output=True, check=True)


def _pytest_benchmark(folder: Path) -> dict[str, float]:
    _run(folder, "-p", "pytest_benchmark.plugin", "--benchmark-json=run.json")
    rows = json.loads((folder / "run.json").read_text())["benchmarks"]
    return {row["name"].removeprefix("test_"): row["stats"]["mean"] for row in rows}


def _codspeed(folder: Path) -> dict[str, float]:
    _run(folder, "-p", "pytest_codspeed.plugin", "--codspeed", "--codspeed-mode=walltime")
    (results,) = folder.glob(".codspeed/results_*.json")
    rows = json.loads(results.read_text())["benchmarks"]
    return {row["name"].removeprefix("test_"): row["stats"]["mean_ns"] for row in rows}


def _hyperfine(sides: Sequence[Path], name: str) -> bool:
    """Whether its runs differ by a Welch test at 5 %, as the script that comes with it does."""
    out = sides[0] / "hyperfine.json"
    commands = [f"{sys.executable} {side / 'program.py'} {name}" for side in sides]
    command = ["hyperfine", "-N", "--warmup=1", "--runs=15", f"--export-json={out}", *commands]
    subprocess.run(command, capture_output=True, check=True)
    base, head = (result["times"] for result in json.loads(out.read_text())["results"])
    test = ttest_ind_from_stats(
        mean(base), stdev(base), len(base), mean(head), stdev(head), len(head), equal_var=False
    )
    return bool(test.pvalue < 0.05 and mean(head) > mean(base))


def rows_of(rows: Sequence[dict[str, Any]], series: str) -> list[dict[str, Any]]:
    """The duels of a series."""
    return [row for row in rows if row["series"] == series]


def outcomes(row: dict[str, Any]) -> dict[str, str]:
    """What the rule says to the passes of a duel, also to duels that an earlier rule decided."""
    rule = DuelRule(compared=len(row["log_ratios"]))
    return {
        title: judge_duel(log_ratios, rule, ended=True).outcome.value
        for title, log_ratios in row["log_ratios"].items()
    }


def counts(rows: Sequence[dict[str, Any]], series: str) -> tuple[int, int, int]:
    """Duels that found what was planted, wrong alarms, and inconclusive samples."""
    right = "faster" if series == "-10" else "slower"
    found = wrong = inconclusive = 0
    for row in rows_of(rows, series):
        for title, outcome in outcomes(row).items():
            is_planted = PLANTED in title and series not in ("self", "busy")
            found += is_planted and outcome == right
            wrong += outcome in ("slower", "faster") and not (is_planted and outcome == right)
            inconclusive += outcome == "inconclusive"
    return found, wrong, inconclusive


def table(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """A line for each series, then one for each other tool."""
    yield "| duels | found | wrong | inconclusive | seconds (median) | passes |"
    yield "|---|---|---|---|---|---|"
    for series in RUNS:
        duels = rows_of(rows, series)
        if series == "other-tools" or not duels:
            continue
        found, wrong, inconclusive = counts(rows, series)
        samples = sum(len(row["outcomes"]) for row in duels)
        of = f"{found} of {len(duels)}" if series in LEAST_FOUND else "nothing planted"
        yield (
            f"| {len(duels)} × {series} | {of} | {wrong} of {samples} | {inconclusive} | "
            f"{median(row['seconds'] for row in duels):.0f} | "
            f"{median(row['passes'] for row in duels):g} |"
        )
    pairs = rows_of(rows, "other-tools")
    if not pairs:
        return
    yield ""
    yield "| tool | +5 % found | false alarms, unchanged | false alarms, other handlers |"
    yield "|---|---|---|---|"
    for tool in pairs[0]["+0"]:
        same = [alarm for pair in pairs for alarm in pair["+0"][tool].values()]
        found = sum(pair["+5"][tool]["lookups"] for pair in pairs)
        on_others = [
            alarm for pair in pairs for name, alarm in pair["+5"][tool].items() if name != "lookups"
        ]
        yield (
            f"| {tool} | {found} of {len(pairs)} | {sum(same)} of {len(same)} | "
            f"{sum(on_others)} of {len(on_others)} |"
        )


def goals_of(rows: Sequence[dict[str, Any]]) -> list[Goal]:
    """What a duel promises, for the series that have been run in full."""
    alike = [row for series in ("self", "busy") for row in rows_of(rows, series)]
    wrong = sum(counts(rows, series)[1] for series in ("self", "busy"))
    goals = [at_most("wrong in duels with itself", wrong, 1)] if alike else []
    for series, least in LEAST_FOUND.items():
        duels = rows_of(rows, series)
        if not duels:
            continue
        found, wrong, _ = counts(rows, series)
        goals.append(at_most(f"{series} missed", len(duels) - found, RUNS[series] - least))
        goals.append(at_most(f"{series} wrong", wrong, 0))
    return goals


def main() -> int:
    """Run what is missing, print the tables, check the goals."""
    options = parser(__doc__)
    options.add_argument("--only", default=",".join(RUNS), help="series, separated by commas")
    options.add_argument("--runs", type=int, help="runs of each series (default: as above)")
    options.add_argument("--results", type=Path, help="where runs are appended")
    chosen = options.parse_args()
    rows: list[dict[str, Any]] = []
    if chosen.results and chosen.results.exists():
        rows = [json.loads(line) for line in chosen.results.read_text().splitlines()]
    done = {(row["series"], row["run"]) for row in rows}
    wanted = [(run, s) for s in chosen.only.split(",") for run in range(chosen.runs or RUNS[s])]
    for run, series in sorted(wanted, key=lambda each: each[0]):  # each series a little at a time
        if (series, run) in done:
            continue
        rows.append({"series": series, "run": run, **run_series(series)})
        if chosen.results:
            with chosen.results.open("a") as file:
                file.write(json.dumps(rows[-1]) + "\n")
    print(*table(rows), sep="\n")
    return conclude("dueling", {"rows": rows}, goals_of(rows), chosen)


if __name__ == "__main__":
    sys.exit(main())
