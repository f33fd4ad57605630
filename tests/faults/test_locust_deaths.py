"""Processes that die in mid-run: what they had reported is in the artifact."""

from __future__ import annotations

from pathlib import Path

import pytest
from driving import (
    LOCUSTFILES,
    NOWHERE,
    ONE,
    Ran,
    all_requests,
    artifact_in,
    begin,
    counted_by,
    free_port,
    locust,
    wait_for,
)

pytestmark = pytest.mark.long


def reporting(folder: Path) -> int:
    """How many workers have requests in the artifact."""
    session = artifact_in(folder).get("locust", {"participants": []})
    return sum(each["requests"] > 0 for each in session["participants"])


def test_a_worker_that_dies_or_comes_late_loses_nothing_that_it_reported(tmp_path: Path) -> None:
    """And the master writes what is reported while the run goes on."""
    port, path = str(free_port()), str(LOCUSTFILES / "reported.py")
    ports = ("--master-bind-host", "127.0.0.1", "--master-bind-port", port)
    load = ("-u", "4", "-r", "4", "-t", "11s", "--master", "--expect-workers", "2", *ports)
    master = begin("reported.py", *load, "Reporter", host=NOWHERE, folder=tmp_path)
    worker = ("-f", path, "--worker", "--master-port", port, "Reporter")
    doomed, kept = (locust(*worker, folder=tmp_path) for _ in range(2))
    wait_for(lambda: reporting(tmp_path) == 2, "reports of both")
    doomed.kill()
    late = locust(*worker, folder=tmp_path)
    ran = Ran(master, tmp_path)
    for process in (doomed, kept, late):
        process.communicate(timeout=30)
    workers = ran.artifact["locust"]["participants"]
    assert sorted(each["state"] for each in workers) == ["finished", "finished", "lost"], str(ran)
    assert sorted(each["late"] for each in workers) == [False, False, True]
    assert all(each["requests"] for each in workers)
    assert sum(each["requests"] for each in workers) == all_requests(ran.artifact)
    assert "3 workers: 2 finished, 1 lost, 1 joined late\n" in ran.out


def test_a_killed_master_leaves_what_was_reported(tmp_path: Path, host: str) -> None:
    port, path = str(free_port()), str(LOCUSTFILES / "waiting.py")
    ports = ("--master-bind-host", "127.0.0.1", "--master-bind-port", port)
    load = (*ONE, "-t", "60s", "--master", "--expect-workers", "1", *ports)
    master = begin("waiting.py", *load, host=host, folder=tmp_path)
    worker = locust("-f", path, "--worker", "--master-port", port, folder=tmp_path)
    wait_for(lambda: reporting(tmp_path), "the first reports")
    for process in (master, worker):
        process.kill()
        process.communicate()
    assert 0 < all_requests(artifact_in(tmp_path)) <= counted_by(host)["wait"]


def test_a_killed_run_of_one_process_leaves_what_it_had_written_down(
    tmp_path: Path, host: str
) -> None:
    process = begin("waiting.py", *ONE, "-t", "60s", host=host, folder=tmp_path)
    wait_for(lambda: all_requests(artifact_in(tmp_path)), "the first counts")
    process.kill()
    process.communicate()
    assert 0 < all_requests(artifact_in(tmp_path)) <= counted_by(host)["wait"]
