"""A p95 limit of 145 ms, latencies of 144 and 146 ms: our verdicts, and Locust's table.

python tests/locust_gate/shows/near_the_limit.py
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from driving import run

BUDGETS = '[budgets."GET /it"]\np95 = 145\n'


def main() -> int:
    wrong = []
    for ms, expected in (("144", "within"), ("146", "exceeded")):
        with tempfile.TemporaryDirectory() as made:
            folder = Path(made)
            (folder / "budgets.toml").write_text(BUDGETS, encoding="utf-8")
            options = ("-u", "1", "-t", "4s", "--latency-budgets", "budgets.toml", "Reporter")
            ran = run("reported.py", *options, host="http://unused", folder=folder, MS=ms)
        table = [line for line in ran.err.splitlines() if line.startswith("GET")]
        print(f"== {ms} ms\n{ran.out}\nLocust's percentiles: {table[-1]}\nexit {ran.exit_code}\n")
        outcome = ran.sample("GET /it")["outcome"]
        wrong += [] if outcome == expected else [f"{ms} ms is {outcome}"]
    print(f"WRONG: {wrong}" if wrong else "as promised")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
