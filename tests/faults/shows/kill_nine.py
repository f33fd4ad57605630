"""kill -9 at random moments of a run with forty gates: no finished test is ever lost.

python tests/faults/shows/kill_nine.py [--moments 50] [--seed 1] [--kind alone|writing|xdist|worker]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from killing import GATES, Remains, killed, killed_while_writing, length_s, moments, worker_killed

KINDS: dict[str, tuple[Callable[[Path, float], Remains], int]] = {
    "alone": (killed, 0),
    "writing": (killed_while_writing, 0),
    "xdist": (lambda folder, after_s: killed(folder, after_s, workers=2), 2),
    "worker": (worker_killed, 2),
}


def main() -> int:
    """Kill, count, print; the exit code is 1 where anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--moments", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kind", choices=tuple(KINDS), action="append")
    asked = parser.parse_args()
    return max([_series(kind, asked.moments, asked.seed) for kind in asked.kind or KINDS])


def _series(kind: str, count: int, seed: int) -> int:
    kill, workers = KINDS[kind]
    with tempfile.TemporaryDirectory() as made:
        longest_s = length_s(Path(made, "whole"), workers)
        series = [
            kill(Path(made, str(number)), after_s)
            for number, after_s in enumerate(moments(count, longest_s, seed))
        ]
    lost = sum(len(remains.lost) for remains in series)
    had = sorted(len(remains.finished) for remains in series)
    print(
        f"{kind}: {count} kills within {longest_s:.2f} s; from {had[0]} to {had[-1]} of {GATES} "
        f"tests had finished, fewer than all {sum(n < GATES for n in had)} times; every artifact "
        f"whole, {lost} finished tests lost; a write was cut off "
        f"{sum(remains.unfinished_files > 0 for remains in series)} times, "
        f"a worker crashed {sum('crashed' in remains.output for remains in series)} times"
    )
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
