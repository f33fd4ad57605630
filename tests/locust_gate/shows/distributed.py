"""Two workers, known latencies: our quantiles against the raw log and Locust's table.

python tests/locust_gate/shows/distributed.py [--seconds 60]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import defaultdict
from fractions import Fraction
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from driving import counted_by, requests_of, run, served

from pytest_hancock_latency import nearest_rank
from pytest_hancock_latency.core.histogram import RELATIVE_ERROR

KINDS = "/quick=2|3|4|5,/usual=20|20|20|20|20|20|20|20|20|80,/slow=30.5|41.7|52.9|60.1"
USERS = 20
QUANTILES = {"p50": Fraction(1, 2), "p95": Fraction(95, 100), "p99": Fraction(99, 100)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as made, served() as host:
        folder = Path(made)
        load = ("-u", str(USERS), "-r", str(USERS), "-t", f"{seconds}s", "--processes", "2")
        ran = run("waiting.py", *load, host=host, folder=folder, KINDS=KINDS, RAW_LOG=made)
        raw: dict[str, list[int]] = defaultdict(list)
        for log in folder.glob("*.log"):
            for line in log.read_text(encoding="utf-8").splitlines():
                name, ms = line.split()
                raw[f"GET {name}"].append(int(float(ms) * 1e6))
        counted = sum(requests_of(sample) for sample in ran.artifact["samples"])
        by_server = counted_by(host)["wait"]
    print(f"requests: server {by_server}, gate {counted}, raw log {sum(map(len, raw.values()))}")
    wrong = [] if by_server == counted else ["requests were lost"]
    print(f"{'name':12} {'':4} {'raw log ms':>12} {'gate ms':>12} {'off by':>10}")
    for name, latencies in sorted(raw.items()):
        ascending = sorted(latencies)
        for label, quantile in QUANTILES.items():
            exact, ours = nearest_rank(ascending, quantile), ran.sample(name)["quantiles_ns"][label]
            off = abs(ours - exact) / exact
            print(f"{name:12} {label:4} {exact / 1e6:12.4f} {ours / 1e6:12.4f} {off:10.5%}")
            wrong += [f"{name} {label}"] if off > RELATIVE_ERROR else []
    print("\nLocust's own table:")
    print(*[line for line in ran.err.splitlines() if "/" in line and "GET" in line], sep="\n")
    said = f"WRONG: {', '.join(wrong)}" if wrong else "as promised"
    print(f"\nstated error {float(RELATIVE_ERROR):.5%}; {said}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
