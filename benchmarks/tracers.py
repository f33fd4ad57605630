"""How many times slower coverage and profilers make Python code, at worst.

    python benchmarks/tracers.py [--rounds 7] [--check] [--json FILE]

Each tool that has a known factor in `pytest_hancock_latency/measuring/tracers.py` runs the same
kinds of code as no tool, in turns in one run; each time in a process of its own, which reports the
fastest of several repetitions. The ratio of a kind is the median over the rounds. Code that calls
little of C is slowed down most: short lines, short functions, generators.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Final

from goals import at_most, conclude, parser

from pytest_hancock_latency.measuring.tracers import FACTORS

KINDS: Final = {
    "short lines": """
def call():
    total = 0
    for number in range(3000):
        total += 1
        total -= 1
        total ^= 1
        total |= 0
""",
    "branches": """
def call():
    odd = 0
    for number in range(3000):
        if number & 1:
            odd += 1
        elif number & 2:
            odd -= 1
        else:
            odd += 0
""",
    "short functions": """
def one(): pass
def call():
    for number in range(3000): one(); one(); one()
""",
    "generators": """
def numbers():
    for number in range(9000):
        yield number
def call():
    for number in numbers(): pass
""",
    "methods": """
class Counter:
    def __init__(self): self.value = 0
    @property
    def next(self): return self.value + 1
    def add(self):
        self.value = self.next
def call():
    counter = Counter()
    for number in range(2000):
        counter.add()
""",
    "calls of C": """
def call():
    for number in range(3000): len(""), abs(1), min(1, 2)
""",
    "recursion": """
def fib(n):
    if n < 2:
        return n
    return fib(n - 1) + fib(n - 2)
def call(): fib(15)
""",
}
TIMING: Final = """
import sys, time
def fastest():
    taken = []
    for _ in range(15):
        begin = time.thread_time_ns()
        call()
        taken.append(time.thread_time_ns() - begin)
    return min(taken)
print(fastest())
"""
COVERAGE: Final = ("-m", "coverage", "run", "--data-file=coverage", "--branch")
TOOLS: Final = {
    "coverage.py, C tracer": (COVERAGE, {"COVERAGE_CORE": "ctrace"}),
    "coverage.py, sys.monitoring": (COVERAGE, {"COVERAGE_CORE": "sysmon"}),
    "cProfile": (("-m", "cProfile", "-o", "profile"), {}),
}
"""How each tool is started, and its environment."""


def measure(tool: tuple[tuple[str, ...], dict[str, str]], file: Path) -> int:
    """CPU time of one call in ns."""
    options, environ = tool
    done = subprocess.run(
        [sys.executable, *options, str(file)],
        cwd=file.parent,
        env={"PATH": "", **environ},
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout.split()[0])


def main() -> int:
    """Measure, print, check."""
    options = parser(__doc__)
    options.add_argument("--rounds", type=int, default=7)
    asked = options.parse_args()
    tools = {name: tool for name, tool in TOOLS.items() if is_there(name)}
    rows, worst = [], dict.fromkeys(tools, 0.0)
    with tempfile.TemporaryDirectory() as folder:
        for kind, code in KINDS.items():
            file = Path(folder, "code.py")
            file.write_text(code + TIMING)
            ratios: dict[str, list[float]] = {name: [] for name in tools}
            for _ in range(asked.rounds):
                plain = measure(((), {}), file)
                for name, tool in tools.items():
                    ratios[name].append(measure(tool, file) / plain)
            row = {name: round(median(of_tool), 2) for name, of_tool in ratios.items()}
            print(f"{kind:16}", "  ".join(f"{name} {ratio}" for name, ratio in row.items()))
            rows.append({"kind": kind, **row})
            worst = {name: max(worst[name], row[name]) for name in tools}
    goals = [at_most(f"{name}, worst", worst[name], FACTORS[name]) for name in tools]
    return conclude("tracers.py", {"rows": rows}, goals, asked)


def is_there(name: str) -> bool:
    """Whether this Python has what a tool needs."""
    return "monitoring" not in name or hasattr(sys, "monitoring")


if __name__ == "__main__":
    sys.exit(main())
