"""How often `sample.scaling` is wrong, and how long it takes.

    python benchmarks/growth.py [--runs N] [--kinds NAMES] [--machines NAMES] [--check]
        [--json FILE]

Ten functions that grow like n or n log n must never be exceeded, on a quiet machine, next to two
processes that spin, or next to two that compile Python code. Five that grow faster must be exceeded
within five seconds in 95 % of runs with nothing else on the machine. Each run is a process of its
own, as a test is.
"""

from __future__ import annotations

import json
import random
import re
import sqlite3
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from statistics import median
from typing import Any, Final, NamedTuple

import numpy as np
from goals import Goal, at_most, conclude, parser
from machine import compiling, spinning

from pytest_hancock_latency import Sampler
from pytest_hancock_latency.measuring.plan import Plan
from pytest_hancock_latency.plugin.item_settings import ItemSettings
from pytest_hancock_latency.plugin.settings import Mode

NEIGHBOURS: Final = 2
LONGEST_S: Final = 120
MOST_MISSED_PERCENT: Final = 5.0
MOST_S: Final = 5.0
GATES: Final = 20
"""Gates of the build that share the false-alarm probability."""
MACHINES: Final[dict[str, Callable[[], AbstractContextManager[None]]]] = {
    "quiet": nullcontext,
    "two spinners": partial(spinning, NEIGHBOURS, set(), LONGEST_S),
    "compiling": partial(compiling, NEIGHBOURS, LONGEST_S),
}


class Kind(NamedTuple):
    """A function, how its inputs are made, and the growth that it is allowed."""

    function: Callable[[Any], object]
    make: Callable[[int], Any]
    at_most: str


def append(n: int) -> int:
    """A list that grows item by item."""
    items = []
    for number in range(n):
        items.append(number)
    return len(items)


def search(graph: list[list[int]]) -> int:
    """A breadth-first search, whose graph outgrows every cache."""
    seen, queue = {0}, deque([0])
    while queue:
        for node in graph[queue.popleft()]:
            if node not in seen:
                seen.add(node)
                queue.append(node)
    return len(seen)


def graph_of(n: int) -> list[list[int]]:
    """A graph with three random edges from each node."""
    draw = random.Random(1)
    return [[draw.randrange(n) for _ in range(3)] for _ in range(n)]


def insert_rows(rows: list[tuple[int, str]]) -> int:
    """Rows inserted into a table in memory."""
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE orders (id INTEGER, name TEXT)")
    database.executemany("INSERT INTO orders VALUES (?, ?)", rows)
    database.close()
    return len(rows)


def pairs(n: int) -> int:
    """All pairs of n items."""
    return sum(1 for _ in range(n) for _ in range(n))


def with_roots(n: int) -> int:
    """For each of n items, as many steps as the root of n."""
    root = range(int(n**0.5))
    return sum(1 for _ in range(n) for _ in root)


def backtracks(text: str) -> bool:
    """A regular expression that tries every way to split the text."""
    return re.match(r"(a+)+$", text) is None


def insert_first(n: int) -> int:
    """Every item moves all others."""
    items: list[int] = []
    for number in range(n):
        items.insert(0, number)
    return len(items)


def concatenate(n: int) -> int:
    """A string with a second reference, so that += copies it each time."""
    text, other = "", ""
    for _ in range(n):
        text += "0123456789"
        other = text
    return len(other)


LINEAR: Final = {
    "list append": Kind(append, int, "n"),
    "dict build": Kind(lambda n: len({i: str(i) for i in range(n)}), int, "n"),
    "sort": Kind(sorted, lambda n: [random.Random(i).random() for i in range(n)], "n log n"),
    "json": Kind(
        json.loads, lambda n: json.dumps([{"id": i, "name": str(i)} for i in range(n)]), "n"
    ),
    "regex match": Kind(partial(re.findall, r"\w+@\w+"), lambda n: "ab@cd ef " * n, "n"),
    "str join": Kind(",".join, lambda n: [str(i) for i in range(n)], "n"),
    "graph search": Kind(search, graph_of, "n"),
    "set union": Kind(
        lambda both: both[0] | both[1],
        lambda n: (set(range(n)), set(range(n // 2, n + n // 2))),
        "n",
    ),
    "sqlite insert": Kind(insert_rows, lambda n: [(i, str(i)) for i in range(n)], "n log n"),
    "numpy sum": Kind(np.sum, np.ones, "n"),
}
STEEPER: Final = {
    "n^2": Kind(pairs, int, "n"),
    "n^1.5": Kind(with_roots, int, "n log n"),
    "exponential regex": Kind(backtracks, lambda n: "a" * n + "b", "n"),
    "list.insert(0)": Kind(insert_first, int, "n"),
    "string +=": Kind(concatenate, int, "n"),
}
KINDS: Final = {**LINEAR, **STEEPER}


def measure(name: str) -> None:
    """Measure one kind in this process, and print the verdict."""
    kind = KINDS[name]
    settings = ItemSettings(name, Mode.GATE, Plan(), None, strict=False, gates=GATES)
    begin = time.perf_counter()
    sample = Sampler(settings).scaling(kind.function, make=kind.make, at_most=kind.at_most)
    took_s = time.perf_counter() - begin
    assert sample.verdict is not None
    growth = sample.verdict.growth
    assert growth is not None
    print(
        json.dumps(
            {
                "outcome": growth.outcome,
                "reason": growth.reason,
                "growth": growth.growth,
                "steps": [round(step.growth, 2) for step in growth.steps],
                "seconds": round(took_s, 2),
            }
        )
    )


def one_run(name: str) -> dict[str, Any]:
    """The verdict of one run in a process of its own."""
    ran = subprocess.run(
        [sys.executable, __file__, "--measure", name],
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
        check=True,
    )
    result: dict[str, Any] = json.loads(ran.stdout)
    return result


def rows(kinds: Sequence[str], machines: Sequence[str], runs: int) -> Iterator[dict[str, Any]]:
    """All kinds on all machines."""
    for machine in machines:
        for name in kinds:
            with MACHINES[machine]():
                results = [one_run(name) for _ in range(runs)]
            outcomes = Counter(result["outcome"] for result in results)
            row = {
                "kind": name,
                "machine": machine,
                **{
                    outcome: outcomes[outcome] for outcome in ("within", "inconclusive", "exceeded")
                },
                "growth": round(median(result["growth"] or 0 for result in results), 2),
                "seconds": median(result["seconds"] for result in results),
                "longest_s": max(result["seconds"] for result in results),
                "results": results,
            }
            print(
                f"{name:<18} {machine:<13} n^{row['growth']:<5.2f} within {row['within']:>2}, "
                f"inconclusive {row['inconclusive']:>2}, exceeded {row['exceeded']:>2}; "
                f"{row['seconds']:.1f} s, at most {row['longest_s']:.1f} s",
                flush=True,
            )
            yield row


def goals(found: Sequence[dict[str, Any]]) -> list[Goal]:
    """What the rows have to reach."""
    linear = [row for row in found if row["kind"] in LINEAR]
    steeper = [row for row in found if row["kind"] in STEEPER]
    held: list[Goal] = []
    if linear:
        held.append(at_most("linear code exceeded", sum(row["exceeded"] for row in linear), 0))
    quiet = [result for row in steeper if row["machine"] == "quiet" for result in row["results"]]
    if quiet:
        late = [each for each in quiet if each["outcome"] != "exceeded" or each["seconds"] > MOST_S]
        missed = 100 * len(late) / len(quiet)
        held.append(
            at_most("steeper code not exceeded in 5 s, percent", missed, MOST_MISSED_PERCENT)
        )
    return held


def main() -> int:
    """Measure, print, judge."""
    made = parser(__doc__)
    made.add_argument("--runs", type=int, default=10, help="of each kind and machine (%(default)s)")
    made.add_argument("--kinds", default=",".join(KINDS), help="with commas")
    made.add_argument("--machines", default=",".join(MACHINES), help="with commas")
    made.add_argument("--measure", metavar="KIND", help="one run in this process")
    chosen = made.parse_args()
    if chosen.measure:
        measure(chosen.measure)
        return 0
    kinds, machines = chosen.kinds.split(","), chosen.machines.split(",")
    found = list(rows(kinds, machines, chosen.runs))
    return conclude("growth", {"rows": found}, goals(found), chosen)


if __name__ == "__main__":
    raise SystemExit(main())
