"""How long a Locust run is that ends with its verdict, and what it says next to spinning loops.

    python benchmarks/until_decided.py [--runs N] [--servers NAMES] [--seconds N] [--check]
        [--json FILE]

A loopback server in a process of its own takes 20 ms for each answer: it waits for that time, or
computes for 4 ms of CPU time. Ten users ask it five times a second each, for at most 60 s, with
`--latency-until-decided` and limits for p50 and p99. Each limit is twice what the server
takes ("at half of its limit"), or two thirds of it ("1.5 times its limit"), by a quiet run of the
same load before. Then two loops spin on the same cores, and the unchanged server at half of its
limits is asked for at most 15 s: none of these runs may be exceeded, of a server that waits or
computes, and the same server at three times its limits must never be within.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "locust_gate"))

from driving import Ran, run, served
from goals import Goal, at_most, conclude, parser
from machine import spinning

LOAD: Final = ("-u", "10", "-r", "10")
PAUSE_S: Final = "0.18"
NAME: Final = "GET /usual"
SERVERS: Final = {"waiting": "wait/20", "computing": "compute/4"}
PLANNED_S, SHORT_S = 60, 15
LEARNING_S: Final = "20"
PERCENTILES: Final = ("p50", "p99")
SPINNERS: Final = 2
LONGEST_S: Final = 120.0


@dataclass(frozen=True)
class Case:
    """Runs of one server, with limits that are so many times what it takes."""

    server: str
    times: float
    """The limits, as multiples of the server's own percentiles."""
    spinners: int
    planned_s: int

    def __str__(self) -> str:
        beside = f"{self.spinners} spinners" if self.spinners else "quiet"
        return f"{self.server:<10} at {1 / self.times:<4.2g} of its limits, {beside}"


CASES: Final = (
    *(Case(server, times, 0, PLANNED_S) for server in SERVERS for times in (2.0, 1 / 1.5)),
    *(Case(server, times, SPINNERS, SHORT_S) for server in SERVERS for times in (2.0, 1 / 3)),
)


def loaded(server: str, folder: Path, *options: str) -> Ran:
    """One run against a new server."""
    with served() as host:
        kinds = f"/usual={SERVERS[server]}"
        return run(
            "waiting.py", *LOAD, *options, host=host, folder=folder, KINDS=kinds, PAUSE_S=PAUSE_S
        )


def learned(server: str) -> Mapping[str, float]:
    """The percentiles of a quiet run in milliseconds."""
    with tempfile.TemporaryDirectory() as folder:
        sample = loaded(server, Path(folder), "-t", LEARNING_S).sample(NAME)
    return {label: sample["quantiles_ns"][label] / 1e6 for label in PERCENTILES}


def judged(case: Case, usual_ms: Mapping[str, float]) -> dict[str, Any]:
    """The verdict of one run, and how long it took."""
    limits = {label: case.times * usual_ms[label] for label in usual_ms}
    lines = "".join(f"{label} = {limit_ms:.3f}\n" for label, limit_ms in limits.items())
    busy: AbstractContextManager[None] = nullcontext()
    if case.spinners:
        busy = spinning(case.spinners, set(), LONGEST_S)
    with tempfile.TemporaryDirectory() as made, busy:
        folder = Path(made)
        (folder / "budgets.toml").write_text(f'[budgets."{NAME}"]\n{lines}', encoding="utf-8")
        options = ("-t", str(case.planned_s), "--latency-budgets", "budgets.toml")
        ran = loaded(case.server, folder, *options, "--latency-until-decided")
    facts = ran.artifact["locust"]
    return {
        "outcome": ran.sample(NAME)["outcome"],
        "requests": ran.sample(NAME)["n"],
        **{name: facts[name] for name in ("lasted_s", "ended_when_decided", "server_starved_s")},
    }


def measured(runs: int, servers: list[str], most_s: int) -> Iterator[dict[str, Any]]:
    """All cases of these servers, each run as often."""
    usual_ms = {server: learned(server) for server in servers}
    for server, quantiles_ms in usual_ms.items():
        print(f"{server}: " + ", ".join(f"{k} {ms:.3g} ms" for k, ms in quantiles_ms.items()))
    for each in (case for case in CASES if case.server in servers):
        case = replace(each, planned_s=min(each.planned_s, most_s))
        results = [judged(case, usual_ms[case.server]) for _ in range(runs)]
        row = {
            **asdict(case),
            "outcomes": dict(Counter(result["outcome"] for result in results)),
            "seconds": median(result["lasted_s"] for result in results),
            "longest_s": max(result["lasted_s"] for result in results),
            "requests": median(result["requests"] for result in results),
            "server_starved_s": median(result["server_starved_s"] for result in results),
            "ended_when_decided": sum(result["ended_when_decided"] for result in results),
        }
        outcomes = ", ".join(f"{count} {outcome}" for outcome, count in row["outcomes"].items())
        print(
            f"{case!s:<48} {outcomes:<32} {row['seconds']:5.1f} s (longest {row['longest_s']:.1f}) "
            f"of {case.planned_s} s, {row['requests']:.0f} requests, "
            f"server starved {row['server_starved_s']:.3g} s",
            flush=True,
        )
        yield row


def goals(rows: list[dict[str, Any]]) -> list[Goal]:
    """No false alarm, no false pass, and a quiet run decides in a fraction of its time."""
    fast = [row for row in rows if row["times"] > 1]
    slow = [row for row in rows if row["times"] < 1]
    quiet = [row for row in rows if not row["spinners"]]
    return [
        at_most("exceeded, unchanged", sum(row["outcomes"].get("exceeded", 0) for row in fast), 0),
        at_most(
            "within, over its limits", sum(row["outcomes"].get("within", 0) for row in slow), 0
        ),
        at_most("seconds of 60 to a verdict, quiet", max(row["seconds"] for row in quiet), 30),
    ]


def main() -> int:
    """Measure, print, judge."""
    options = parser(__doc__)
    options.add_argument("--runs", type=int, default=3, help="of each case (%(default)s)")
    options.add_argument("--servers", default=",".join(SERVERS), help="which (%(default)s)")
    options.add_argument(
        "--seconds", type=int, default=PLANNED_S, help="run time at most (%(default)s)"
    )
    chosen = options.parse_args()
    print(f"{os.cpu_count()} cores; medians of {chosen.runs} runs")
    rows = list(measured(chosen.runs, chosen.servers.split(","), chosen.seconds))
    return conclude("until_decided", {"rows": rows}, goals(rows), chosen)


if __name__ == "__main__":
    sys.exit(main())
