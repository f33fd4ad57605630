"""How large the JSON artifact is: bytes of a sample by its number of observations, and in all.

    python benchmarks/artifact_size.py [--check] [--json FILE]

Latencies are lognormal around 3 ms (σ 0.3), a fifth of them excused in part, so that each sample
has two histograms that differ; with a budget of three limits, a timeline and the five slowest. The
numbers of observations are those of a clear pass by p99, of one by p99.9, and the most there are.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from goals import at_most, conclude, parser

from pytest_hancock_latency.core.budget import LatencyBudget, parse_terms
from pytest_hancock_latency.core.judging.sequential import Policy, SequentialJudge
from pytest_hancock_latency.core.record import record_of
from pytest_hancock_latency.core.record_json import Plain, to_plain
from pytest_hancock_latency.core.sample import Measurement, Observations, Sample, Slow
from pytest_hancock_latency.reporting.json_artifact import artifact_of_plain, artifact_text

OBSERVATIONS: Final = (354, 3_550, 20_000)
SAMPLES: Final = 200
MOST_BYTES: Final = 1_000_000
BUDGET: Final[LatencyBudget] = parse_terms({"p50": 10, "p95": 25, "p99": 50}).budget()
PARTS: Final = ("histogram", "attributed_histogram", "timeline", "verdict", "measurement")
WARMUP: Final = 5
SLOWEST: Final = 5


def sample(n: int, seed: int) -> Plain:
    """The plain form of a sample with so many observations."""
    random = np.random.default_rng(seed)
    wall = random.lognormal(15, 0.3, n).astype(np.int64)
    taken = np.where(random.random(n) < 0.2, wall * 3 // 4, wall)
    seen = Observations(wall, taken, np.cumsum(wall))
    judge = SequentialJudge(BUDGET, Policy())
    judge.look(seen)
    slowest = [
        Slow(int(i), int(seen.start_ns[i]), int(wall[i]), int(taken[i]), ("preempted",))
        for i in np.argsort(wall)[-SLOWEST:]
    ]
    measurement = Measurement(
        elapsed_ns=int(wall.sum()),
        warmup_ns=tuple(wall[:WARMUP].tolist()),
        slowest=tuple(slowest),
    )
    verdict = judge.verdict(seen, elapsed_ns=int(wall.sum()))
    measured = Sample("", seen, verdict=verdict, measurement=measurement)
    return to_plain(record_of(measured, f"tests/test_some_service.py::test_an_endpoint[{seed}]"))


def size(plain: Any) -> int:
    """Bytes of a part as it stands in the artifact."""
    return len(json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode())


def total(n: int) -> int:
    """Bytes of an artifact of `SAMPLES` samples."""
    samples = [sample(n, seed) for seed in range(SAMPLES)]
    return len(artifact_text(artifact_of_plain(samples, {})).encode())


def main() -> int:
    """Measure, print, judge; the exit code."""
    chosen = parser(__doc__).parse_args()
    rows = []
    for n in OBSERVATIONS:
        plain = sample(n, 1)
        parts = {part: size(plain[part]) for part in PARTS}
        rows.append({"observations": n, "bytes": size(plain), "total": total(n), **parts})
    print(f"{'observations':>12}{'bytes':>9}{f'of {SAMPLES}':>12}   of which")
    for row in rows:
        told = ", ".join(f"{part} {row[part]}" for part in PARTS)
        print(f"{row['observations']:>12}{row['bytes']:>9}{row['total']:>12}   {told}")
    goals = [
        at_most(f"bytes of {SAMPLES} samples of {OBSERVATIONS[0]}", rows[0]["total"], MOST_BYTES),
        at_most(f"bytes of a sample of {OBSERVATIONS[-1]}", rows[-1]["bytes"], 10_000),
    ]
    return conclude("artifact_size", {"rows": rows}, goals, chosen)


if __name__ == "__main__":
    sys.exit(main())
