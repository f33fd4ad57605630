"""A real Prometheus scrapes two workers for a minute; its sums are the requests sent."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

from serving import Asker, free_port, gunicorn, is_open, program, verdict, wait_for

SECONDS = 60
COUNT = "hancock_request_duration_seconds_count"


def query(port: int, expression: str) -> list[dict[str, Any]]:
    parameters = urllib.parse.urlencode({"query": expression})
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/query?{parameters}") as answer:
        rows: list[dict[str, Any]] = json.load(answer)["data"]["result"]
    return rows


def load(port: int, stop: float, sent: Counter[str], lock: threading.Lock) -> None:
    """Ask for everything in turns until `stop`, and count by path and status."""
    asker, mine = Asker(port), Counter[str]()
    while time.monotonic() < stop:
        for path in ("/health", "/models", "/mode", "/nothing"):
            mine[f"{path} {asker.get(path).status}"] += 1
        mine[f"/v1/ask {asker.ask().status}"] += 1
        time.sleep(0.02)
    asker.close()
    with lock:
        sent.update(mine)


def main() -> int:
    port = free_port()
    with (
        tempfile.TemporaryDirectory() as name,
        gunicorn(Path(name), "-w", "2", HANCOCK_RATE_LIMIT="600") as served,
    ):
        folder = Path(name)
        target = {"targets": [f"127.0.0.1:{served.port}"]}
        job = {"job_name": "hancock", "static_configs": [target]}
        config = {"global": {"scrape_interval": "2s"}, "scrape_configs": [job]}
        # JSON is YAML, too.
        (folder / "prometheus.yml").write_text(json.dumps(config))
        prometheus = subprocess.Popen(
            [
                program("prometheus", "prometheus"),
                f"--config.file={folder}/prometheus.yml",
                f"--storage.tsdb.path={folder}/series",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_for(lambda: is_open(port), "prometheus")
            return compare(port, served.port)
        finally:
            prometheus.terminate()
            prometheus.wait()


def compare(prometheus: int, hancock: int) -> int:
    sent: Counter[str] = Counter()
    lock, stop = threading.Lock(), time.monotonic() + SECONDS
    askers = [threading.Thread(target=load, args=(hancock, stop, sent, lock)) for _ in range(4)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    # The wait for the first worker asked for /health as well.
    sent["/health 200"] += 1
    expected = {key.replace("/nothing", "unmatched"): count for key, count in sent.items()}

    def counted() -> dict[str, int]:
        rows = query(prometheus, f'sum by (route, status) ({COUNT}{{route!="/metrics"}})')
        return {
            f"{row['metric']['route']} {row['metric']['status']}": int(float(row["value"][1]))
            for row in rows
        }

    wait_for(lambda: sum(counted().values()) >= sum(expected.values()), "the last scrape")
    counts = counted()
    for key in sorted(expected):
        print(f"{key:<16} sent {expected[key]:>7}  counted {counts.get(key, 0):>7}")
    ups = query(prometheus, 'count_over_time(up{job="hancock"}[2m])')[0]["value"][1]
    downs = query(prometheus, 'sum_over_time((up{job="hancock"} == bool 0)[2m:2s])')[0]["value"][1]
    memory = query(prometheus, "hancock_memory_usage_bytes")[0]["value"][1]
    print(f"{ups} scrapes, {downs} failed; memory {int(memory) / 1e6:.0f} MB")
    wrong = [] if counts == expected else [f"counted {counts}, sent {expected}"]
    return verdict(wrong + ([] if downs == "0" else ["scrapes failed"]))


if __name__ == "__main__":
    sys.exit(main())
