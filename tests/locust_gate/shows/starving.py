"""A generator short of CPU time never makes a budget exceeded; a slow server does.

python tests/locust_gate/shows/starving.py

The server answers after 20 ms, and its budget is p95 = 40 ms. Four spinners share two cores with
the generator and the server; then the machine is quiet; then the server takes 60 ms.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "benchmarks"))

from driving import run, served
from machine import spinning

BUDGETS = '[budgets."GET /usual"]\np95 = 40\n'
CASES = (
    ("quiet, 20 ms", "20", 0, {"within"}),
    ("four spinners, 20 ms", "20", 4, {"within", "inconclusive"}),
    ("quiet, 60 ms", "60", 0, {"exceeded"}),
    ("four spinners, 60 ms", "60", 4, {"exceeded", "inconclusive"}),
)


def main() -> int:
    wrong = []
    for name, ms, spinners, expected in CASES:
        busy = spinning(spinners, set(), 60) if spinners else nullcontext()
        with tempfile.TemporaryDirectory() as made, served() as host, busy:
            folder = Path(made)
            (folder / "budgets.toml").write_text(BUDGETS, encoding="utf-8")
            options = ("-u", "10", "-r", "10", "-t", "10s", "--latency-budgets", "budgets.toml")
            kinds = {"KINDS": f"/usual={ms}|10"}
            ran = run("waiting.py", *options, host=host, folder=folder, **kinds)
        print(f"== {name}\n{ran.out}\nexit {ran.exit_code}\n")
        outcome = ran.sample("GET /usual")["outcome"]
        wrong += [] if outcome in expected else [f"{name}: {outcome}"]
    print(f"WRONG: {wrong}" if wrong else "as promised")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
