"""What artifacts cost: bytes of a sample by its number of observations, and seconds of a session.

    python benchmarks/artifact_cost.py [--check] [--json FILE] [--gates N]

Latencies are lognormal around 3 ms (σ 0.3), a fifth of them excused in part, so that each sample
has two histograms that differ; with a budget of three limits, a timeline and the five slowest. The
numbers of observations are those of a clear pass by p99, of one by p99.9, and the most there are.

The session has a gate of 354 observations each, and writes every artifact: the journal after each
test, the artifacts at intervals and at the end. Its seconds are those that the ledger takes.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from goals import at_most, conclude, parser

from pytest_hancock_latency.core.budget import LatencyBudget, parse_terms
from pytest_hancock_latency.core.record import Record, TestRun, record_of
from pytest_hancock_latency.core.record_json import to_plain
from pytest_hancock_latency.core.sample import Measurement, Observations, Sample, Slow
from pytest_hancock_latency.files import artifact as artifact_file
from pytest_hancock_latency.files.options import artifact_paths
from pytest_hancock_latency.judging.sequential import Policy, SequentialJudge
from pytest_hancock_latency.plugin.ledger import Ledger, Session
from pytest_hancock_latency.reporting.json_artifact import json_text

OBSERVATIONS: Final = (354, 3_550, 20_000)
SAMPLES: Final = 200
GATES: Final = 1000
MOST_BYTES: Final = 1_000_000
MOST_MS_A_TEST: Final = 3
MOST_WRITTEN: Final = 3
"""Bytes written for the JSON artifact, in multiples of its final size."""
BUDGET: Final[LatencyBudget] = parse_terms({"p50": 10, "p95": 25, "p99": 50}).budget()
PARTS: Final = ("histogram", "attributed_histogram", "timeline", "verdict", "measurement")
WARMUP: Final = 5
SLOWEST: Final = 5


def record(n: int, seed: int) -> Record:
    """A record with so many observations."""
    random = np.random.default_rng(seed)
    wall = random.lognormal(15, 0.3, n).astype(np.int64)
    attributed = np.where(random.random(n) < 0.2, wall * 3 // 4, wall)
    observations = Observations(wall, attributed, np.cumsum(wall))
    slowest = [
        Slow(
            int(i), int(observations.start_ns[i]), int(wall[i]), int(attributed[i]), ("preempted",)
        )
        for i in np.argsort(wall)[-SLOWEST:]
    ]
    elapsed_ns = int(wall.sum())
    measurement = Measurement(
        elapsed_ns=elapsed_ns,
        warmup_ns=tuple(wall[:WARMUP].tolist()),
        slowest=tuple(slowest),
    )
    verdict = SequentialJudge(BUDGET, Policy()).verdict(observations, elapsed_ns=elapsed_ns)
    sample = Sample("", observations, verdict=verdict, measurement=measurement)
    return record_of(sample, TestRun(f"tests/test_some_service.py::test_an_endpoint[{seed}]"))


def size(plain: Any) -> int:
    """Bytes of a part in the artifact."""
    return len(json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode())


def total(n: int) -> int:
    """Bytes of an artifact of `SAMPLES` samples."""
    return len(json_text([record(n, seed) for seed in range(SAMPLES)], {}).encode())


def session(gates: int) -> dict[str, float]:
    """Milliseconds a test, and bytes written for the JSON artifact over its final size."""
    records = [record(OBSERVATIONS[0], seed) for seed in range(gates)]
    written = {"json": 0}
    write_whole, append = artifact_file.write_whole, artifact_file.append

    def counting_write(path: Path, text: str) -> None:
        if ".json" in path.name:
            written["json"] += len(text.encode())
        write_whole(path, text)

    def counting_append(path: Path, text: str) -> int:
        written["json"] += len(text.encode())
        return append(path, text)

    artifact_file.write_whole, artifact_file.append = counting_write, counting_append
    try:
        with tempfile.TemporaryDirectory() as folder:
            paths = artifact_paths({}, Path(folder), None, history=None, of_pytest=True)
            ledger = Ledger(paths, Session(facts=dict, complete=lambda artifact: None))
            begin = time.perf_counter()
            for each in records:
                ledger.add([each])
            ledger.write()
            seconds = time.perf_counter() - begin
            final = paths["json"].stat().st_size
    finally:
        artifact_file.write_whole, artifact_file.append = write_whole, append
    return {
        "gates": gates,
        "seconds": round(seconds, 2),
        "ms_a_test": round(1000 * seconds / gates, 2),
        "written": round(written["json"] / final, 2),
    }


def main() -> int:
    """Measure, print, judge; the exit code."""
    options = parser(__doc__)
    options.add_argument("--gates", type=int, default=GATES, help="default: %(default)s")
    chosen = options.parse_args()
    rows = []
    for n in OBSERVATIONS:
        plain = to_plain(record(n, 1))
        parts = {part: size(plain[part]) for part in PARTS}
        rows.append({"observations": n, "bytes": size(plain), "total": total(n), **parts})
    print(f"{'observations':>12}{'bytes':>9}{f'of {SAMPLES}':>12}   of which")
    for row in rows:
        shares = ", ".join(f"{part} {row[part]}" for part in PARTS)
        print(f"{row['observations']:>12}{row['bytes']:>9}{row['total']:>12}   {shares}")
    cost = session(chosen.gates)
    print(
        f"\na session of {cost['gates']} gates: {cost['seconds']} s for all artifacts, "
        f"{cost['ms_a_test']} ms a test; JSON written {cost['written']} times its final size"
    )
    goals = [
        at_most(f"bytes of {SAMPLES} samples of {OBSERVATIONS[0]}", rows[0]["total"], MOST_BYTES),
        at_most(f"bytes of a sample of {OBSERVATIONS[-1]}", rows[-1]["bytes"], 10_000),
        at_most("ms a test for all artifacts", cost["ms_a_test"], MOST_MS_A_TEST),
        at_most("JSON bytes written over final", cost["written"], MOST_WRITTEN),
    ]
    return conclude("artifact_cost", {"rows": rows, "session": cost}, goals, chosen)


if __name__ == "__main__":
    sys.exit(main())
