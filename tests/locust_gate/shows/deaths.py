"""A worker killed during a run, one that joins late, the master killed: over real sockets.

python tests/locust_gate/shows/deaths.py
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from driving import (
    LOCUSTFILES,
    Ran,
    artifact_in,
    begin,
    counted_by,
    free_port,
    locust,
    requests_of,
    served,
    wait_for,
)

USERS = ("-u", "6", "-r", "6")


def begin_both(host: str, folder: Path, seconds: int) -> list:
    """A master and two workers on a port of their own."""
    port = str(free_port())
    master = begin(
        "waiting.py",
        *("--master", "--expect-workers", "2", "--master-bind-port", port),
        *("--master-bind-host", "127.0.0.1", *USERS, "-t", f"{seconds}s"),
        host=host,
        folder=folder,
    )
    return [master, *(begin_worker(folder, port) for _ in range(2)), port]


def begin_worker(folder: Path, port: str):
    """One worker."""
    path = str(LOCUSTFILES / "waiting.py")
    return locust("-f", path, "--worker", "--master-port", port, folder=folder)


def counted(folder: Path) -> int:
    """Requests in the artifact so far."""
    return sum(requests_of(sample) for sample in artifact_in(folder).get("samples", []))


def show_worker() -> list[str]:
    """One of two workers dies after reports, a third comes, the run goes on."""
    with tempfile.TemporaryDirectory() as made, served() as host:
        folder = Path(made)
        master, doomed, survivor, port = begin_both(host, folder, 20)
        wait_for(lambda: counted(folder) > 0, "the first reports")
        time.sleep(3)
        doomed.kill()
        late = begin_worker(folder, port)
        ran = Ran(master, folder)
        for worker in (doomed, survivor, late):
            worker.communicate(timeout=30)
        by_server, by_gate = counted_by(host)["wait"], counted(folder)
    print(f"== a worker killed\nrequests: server {by_server}, gate {by_gate}")
    print(json.dumps(ran.artifact["locust"]["participants"], indent=1))
    print(ran.out)
    states = sorted(each["state"] for each in ran.artifact["locust"]["participants"])
    reported = sum(each["requests"] for each in ran.artifact["locust"]["participants"])
    wrong = [] if states == ["finished", "finished", "lost"] else [f"states {states}"]
    wrong += [] if reported == by_gate else [f"{reported} reported, {by_gate} in the artifact"]
    wrong += [] if by_server * 0.8 < by_gate <= by_server else ["more than 3 s were lost"]
    return wrong


def show_master() -> list[str]:
    """The master dies; the artifact has what was reported until then."""
    with tempfile.TemporaryDirectory() as made, served() as host:
        folder = Path(made)
        master, *workers, _ = begin_both(host, folder, 60)
        wait_for(lambda: counted(folder) > 0, "the first reports")
        time.sleep(6)
        by_server = counted_by(host)["wait"]
        master.kill()
        master.communicate()
        for worker in workers:
            worker.kill()
            worker.communicate()
        by_gate = counted(folder)
        files = sorted(path.name for path in (folder / "artifacts").iterdir())
    print(f"== the master killed\nrequests: server {by_server}, artifact {by_gate}\n{files}")
    return [] if by_server * 0.3 < by_gate <= by_server else ["what was reported is not there"]


def main() -> int:
    wrong = [*show_worker(), *show_master()]
    print(f"WRONG: {wrong}" if wrong else "as promised")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
