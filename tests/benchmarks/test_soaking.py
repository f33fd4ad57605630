"""What a soak concludes from its rows, and a short one with everything that it runs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"

with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(BENCHMARKS)
    from soaking.judging import WARM_UP_S, differences, sent, served, slopes
    from soaking.processes import reading

METRICS = """\
# HELP hancock_request_duration_seconds Time to answer a request, by route and status
hancock_request_duration_seconds_count{method="GET",route="/health",status="200"} 12.0
hancock_request_duration_seconds_count{method="GET",route="unmatched",status="404"} 3.0
hancock_request_duration_seconds_count{method="GET",route="/metrics",status="200"} 5.0
hancock_request_duration_seconds_sum{method="GET",route="/health",status="200"} 0.5
"""


def rows(bytes_per_hour: float, *, minutes: int = 30, spike: int = 0) -> list[dict[str, object]]:
    """Readings of one process, one every five seconds, with noise of 0.1 MB."""
    return [
        {
            "at_s": at_s,
            "process": "worker 1",
            "rss_bytes": 60e6
            + at_s / 3600 * bytes_per_hour
            + at_s % 2 * 1e5
            + spike * (at_s > 1750),
            "descriptors": 20 + at_s % 3,
            "threads": 9,
        }
        for at_s in range(0, minutes * 60, 5)
    ]


def test_a_leak_is_the_slope() -> None:
    (slope,) = slopes(rows(6e6))
    assert slope.rss_bytes == pytest.approx(6e6, rel=0.05)
    assert (slope.descriptors, slope.threads) == (pytest.approx(0, abs=0.1), 0)


def test_growth_during_the_warm_up_does_not_count() -> None:
    start = [{**row, "rss_bytes": 1e6} for row in rows(0) if row["at_s"] < WARM_UP_S]
    (slope,) = slopes([*start, *(row for row in rows(0) if row["at_s"] >= WARM_UP_S)])
    assert slope.rss_bytes == pytest.approx(0, abs=1e4)


def test_a_short_spike_is_no_growth() -> None:
    (slope,) = slopes(rows(0, spike=50_000_000))
    assert slope.rss_bytes == pytest.approx(0, abs=2e5)


def test_requests_are_counted_from_the_metrics_without_their_own_route() -> None:
    assert served(METRICS) == {"GET /health 200": 12, "GET unmatched 404": 3}


def test_a_request_that_only_one_side_counted_is_shown_with_both_counts() -> None:
    clients = sent([{"GET /health 200": 10}, {"GET /health 200": 1, "GET /search 404": 3}])
    assert differences(clients, served(METRICS)) == {"GET /health 200": (11, 12)}
    assert differences(Counter(served(METRICS)), served(METRICS)) == {}


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs /proc of Linux")
def test_this_process_can_be_read() -> None:
    here = reading(os.getpid())
    assert 0 < here.pss_bytes <= here.rss_bytes
    assert here.descriptors >= 3
    assert here.threads >= 1


@pytest.mark.long
@pytest.mark.skipif(shutil.which("redis-server") is None, reason="needs redis-server")
@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs /proc of Linux")
def test_a_short_soak_holds_all_goals_but_those_of_growth(tmp_path: Path) -> None:
    figures, picture = tmp_path / "figures.json", tmp_path / "soak.svg"
    command = [sys.executable, BENCHMARKS / "soak.py", "--minutes", "0.3", "--check"]
    files = ["--rows", tmp_path / "rows.jsonl", "--picture", picture, "--json", figures]
    done = subprocess.run(
        [*command, *files], capture_output=True, text=True, timeout=170, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    plain = json.loads(figures.read_text(encoding="utf-8"))
    assert len(plain["goals"]) == 8
    assert {"pytest", "locust"} == set(plain["figures"]["sessions"])
    assert plain["figures"]["requests"] > 100
    assert picture.read_text(encoding="utf-8").lstrip().startswith("<?xml")
