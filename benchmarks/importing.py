"""Reading raw results of other tools: time next to `csv.reader` alone, memory, and quantiles.

    python benchmarks/importing.py [--lines 1000000] [--full] [--check] [--json FILE]

A file of that many requests with log-normal latencies, 20 URLs and a start each, as CSV and as k6's
JSON; --full has 10 million. Each is read in a process of its own, whose CPU time and greatest
memory are measured. CSV is read three times, in turn with `csv.reader` alone, and the median ratio
counts: the speed of a shared machine changes by half within seconds. The quantiles are compared
with those of the raw numbers by nearest rank.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from math import ceil
from pathlib import Path
from statistics import median
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
from goals import at_most, conclude, parser

USUAL: Final = 1_000_000
FULL: Final = 10_000_000
AT_ONCE: Final = 1_000_000
"""Lines written at once, so that this process stays small."""
TURNS: Final = 3
URLS: Final = 20
PER_S: Final = 1000
START_S: Final = 1_700_000_000
MB: Final = 1e6
_CSV_ALONE: Final = """
import csv, sys, time
begin = time.process_time()
with open(sys.argv[1], newline="") as file:
    for row in csv.reader(file):
        pass
print(time.process_time() - begin)
"""
_GATE: Final = r"""
import re, sys, time
from pathlib import Path
from pytest_hancock_latency.core.budget import parse_limits
from pytest_hancock_latency.importing.reading import Columns, ImportSettings, imported_records
columns = Columns()
if sys.argv[2] == "csv":
    columns = Columns("duration", "ms", ("url",), ("ts",), ok="status<400")
begin = time.process_time()
records = imported_records(
    Path(sys.argv[1]), ImportSettings(sys.argv[2], columns), {}, parse_limits("p50=20ms,p99=1s")
)
seconds = time.process_time() - begin
quantiles = {r.test: [r.quantiles_ns[q] for q in ("p50", "p95", "p99")] for r in records}
# Not ru_maxrss, which a process inherits from the one that started it.
memory_kb = int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1])
print(repr((seconds, memory_kb, quantiles)))
"""


def write_files(folder: Path, lines: int) -> tuple[Path, Path, dict[str, list[float]]]:
    """Write both files; the quantiles of the raw numbers in ns, by URL."""
    draw = np.random.default_rng(1)
    latencies = np.round(draw.lognormal(np.log(10), 0.6, lines), 4)
    urls = draw.integers(0, URLS, lines)
    csv_path, k6_path = folder / "requests.csv", folder / "requests.json"
    with csv_path.open("w") as csv_file, k6_path.open("w") as k6_file:
        csv_file.write("ts,url,status,duration,bytes\n")
        for start in range(0, lines, AT_ONCE):
            part = slice(start, start + AT_ONCE)
            pairs = zip(latencies[part].tolist(), urls[part].tolist(), strict=True)
            for number, (latency, url) in enumerate(pairs, start):
                at = START_S + number / PER_S
                csv_file.write(f"{at:.3f},/items/{url},200,{latency},512\n")
                k6_file.write(
                    f'{{"metric":"http_req_duration","type":"Point","data":{{'
                    f'"time":"{datetime.fromtimestamp(at, UTC).isoformat()}","value":{latency},'
                    f'"tags":{{"expected_response":"true","group":"","method":"GET",'
                    f'"name":"/items/{url}","proto":"HTTP/1.1","scenario":"default",'
                    f'"status":"200","url":"/items/{url}"}}}}}}\n'
                )
    quantiles = {}
    for url in range(URLS):
        ascending = np.sort(latencies[urls == url])
        ranks = [ceil(share * len(ascending)) - 1 for share in (0.5, 0.95, 0.99)]
        quantiles[f"/items/{url}"] = [float(ascending[rank]) * 1e6 for rank in ranks]
    return csv_path, k6_path, quantiles


def run(code: str, *arguments: str) -> str:
    """What a fresh process prints."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def measured(path: Path, kind: str, raw: dict[str, list[float]]) -> dict[str, Any]:
    """Seconds, memory, and the greatest difference of a quantile as a share."""
    seconds, memory_kb, quantiles = eval(run(_GATE, str(path), kind))
    errors = [
        abs(ours / theirs - 1)
        for name, expected in raw.items()
        for ours, theirs in zip(
            quantiles.get(name) or quantiles[f"GET {name}"], expected, strict=True
        )
    ]
    return {"seconds": seconds, "memory_mb": memory_kb * 1024 / MB, "error": max(errors)}


def main() -> int:
    """Write, read, print, check the goals."""
    options = parser(__doc__)
    options.add_argument("--lines", type=int, default=USUAL)
    options.add_argument("--full", action="store_true", help=f"{FULL} lines")
    chosen = options.parse_args()
    lines = FULL if chosen.full else chosen.lines
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        csv_path, k6_path, raw = write_files(Path(folder), lines)
        print(f"wrote {lines} requests twice in {time.perf_counter() - begin:.0f} s")
        alone, turns = [], []
        for _ in range(TURNS):
            alone.append(float(run(_CSV_ALONE, str(csv_path))))
            turns.append(measured(csv_path, "csv", raw))
        k6 = measured(k6_path, "k6", raw)
    ratios = [turn["seconds"] / seconds for turn, seconds in zip(turns, alone, strict=True)]
    for seconds, turn, ratio in zip(alone, turns, ratios, strict=True):
        print(f"csv.reader alone {seconds:.2f} s, gate {turn['seconds']:.2f} s: {ratio:.2f} times")
    rows = {"csv": turns[0], "k6": k6}
    for kind, row in rows.items():
        print(
            f"{kind}: {row['seconds'] / lines * 1e6:.2f} µs a line, "
            f"{row['memory_mb']:.0f} MB, quantiles within {row['error']:.4%}"
        )
    goals = [
        at_most("CSV, times csv.reader alone", median(ratios), 4),
        at_most("MB", max(row["memory_mb"] for row in rows.values()), 200),
        at_most("error of a quantile", max(row["error"] for row in rows.values()), 0.0005),
    ]
    return conclude("importing", {"alone": alone, "ratios": ratios, **rows}, goals, chosen)


if __name__ == "__main__":
    sys.exit(main())
