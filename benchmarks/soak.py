"""Thirty minutes of load: Hancock on gunicorn with Redis, and gates next to it, again and again.

    python benchmarks/soak.py [--minutes 30] [--rows FILE] [--picture FILE] [--check] [--json FILE]

A mixed load asks, chats, delivers valid and invalid webhooks and bursts over the rate limit, at 32
requests per second plus the bursts. Meanwhile a pytest session with budgets and a gated Locust run
of some seconds run again and again against the same server. Every five seconds the memory, the open
descriptors and the threads of gunicorn's master and workers, of Redis and of the load are read, and
every verdict is recorded with its time; each row is appended to the rows file at once.

Goals: after a warm-up of eleven minutes no process grows, in memory or descriptors; no gate fails;
every burst is admitted exactly up to its limit; and each client's count of requests by outcome is
the server's. A run shorter than 21 minutes judges no growth. Needs redis-server, and /proc.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "hancock_app" / "shows"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from goals import Goal, at_most, conclude, parser
from serving import Asker, free_port, gunicorn, start_redis
from soaking.judging import (
    BYTES_PER_HOUR,
    DESCRIPTORS_PER_HOUR,
    LEAST_JUDGED_S,
    WARM_UP_S,
    differences,
    sent,
    served,
    slopes,
)
from soaking.load import LIMIT, SECRET
from soaking.processes import children, reading

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parent
WORKERS: Final = 2
EVERY_S: Final = 5.0
SCRAPE_EVERY: Final = 3
"""Readings between two scrapes of /metrics, so every 15 s, as Prometheus usually does."""
REST_S: Final = 5.0
"""Between two sessions of the same gate, which leaves the machine to the others."""
LOCUST_S: Final = 10
SOAKING: Final = HERE / "soaking"
ENVIRON: Final = {
    "HANCOCK_RATE_LIMIT": str(LIMIT),
    "HANCOCK_WEBHOOK_SECRET": SECRET,
    # The clients say which address they have, as a proxy would.
    "HANCOCK_TRUSTED_PROXIES": "1",
    "HANCOCK_CANNED_DELAY": "5ms",
    # Redis is the slowest to get a core on a busy machine; failing open would admit more.
    "HANCOCK_STORAGE_TIMEOUT": "5s",
}


class Journal:
    """Rows that are on disk as soon as they are known."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._begin = time.monotonic()
        self.rows: list[dict[str, Any]] = []
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("", encoding="utf-8")

    def add(self, kind: str, **figures: Any) -> None:
        """Append a row with the current time."""
        at_s = round(time.monotonic() - self._begin, 1)
        row = {"kind": kind, "at_s": at_s, **figures}
        with self._lock, self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
            self.rows.append(row)

    def of(self, kind: str) -> list[dict[str, Any]]:
        """All rows of a kind."""
        with self._lock:
            return [row for row in self.rows if row["kind"] == kind]


class Repeated(threading.Thread):
    """Runs a gate again and again, and records its verdicts and what it sent."""

    def __init__(self, gate: str, port: int, folder: Path, journal: Journal) -> None:
        super().__init__(name=gate)
        self._gate = gate
        self._port = port
        self._folder = folder
        self._journal = journal
        self._stop_now = threading.Event()
        self.error: BaseException | None = None

    def stop(self) -> None:
        """Start no further session, and wait for the last one."""
        self._stop_now.set()
        self.join()

    def run(self) -> None:
        """One session after the other."""
        session = 0
        while not self._stop_now.is_set():
            session += 1
            try:
                self._session(session)
            except Exception as error:  # reported by the main thread: a gate that cannot be read
                self.error = error
                return
            self._stop_now.wait(REST_S)

    def _session(self, session: int) -> None:
        artifacts, counts = self._folder / "artifacts", self._folder / "counts.json"
        for stale in (artifacts / "performance-latency.json", counts):
            stale.unlink(missing_ok=True)
        environ = {
            **_environment(),
            "PYTHONPATH": os.pathsep.join([str(HERE), str(ROOT)]),
            "SOAK_PORT": str(self._port),
            "SOAK_COUNTS": str(counts),
            "SOAK_SESSION": str(session),
        }
        done = subprocess.run(
            [sys.executable, "-m", *self._arguments(), "--latency-artifacts", str(artifacts)],
            cwd=self._folder,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
        samples = json.loads((artifacts / "performance-latency.json").read_text())["samples"]
        for sample in samples:
            self._journal.add(
                "verdict",
                gate=self._gate,
                session=session,
                test=sample["test"],
                outcome=sample["outcome"],
                n=sample["n"],
                p95_ns=sample["quantiles_ns"].get("p95"),
            )
        self._journal.add(
            "session",
            gate=self._gate,
            session=session,
            exit_code=done.returncode,
            said="" if done.returncode == 0 else done.stdout[-3000:] + done.stderr[-3000:],
            measured=sum(map(_requests, samples)),
            counts=json.loads(counts.read_text())["counts"],
        )

    def _arguments(self) -> Sequence[str]:
        if self._gate == "pytest":
            plugins = ("-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:asyncio")
            return ("pytest", "-q", *plugins, "-c", str(SOAKING / "pytest.ini"), _GATES)
        url = f"http://127.0.0.1:{self._port}"
        return (
            *("locust", "-f", str(SOAKING / "locustfile.py"), "--headless", "--only-summary"),
            *("--host", url, "-u", "6", "-r", "6", "-t", f"{LOCUST_S}s"),
            # Users finish their request, so that the client has counted what the server has.
            *("--stop-timeout", "60", "--latency-budgets", str(SOAKING / "budgets.toml")),
        )


_GATES: Final = str(SOAKING / "gates.py")


def _environment() -> dict[str, str]:
    """This environment without settings of the plugin, of pytest and of Hancock."""
    foreign = ("HANCOCK_", "PYTEST_", "LOCUST_", "NVIDIA_")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)}


def _requests(sample: Mapping[str, Any]) -> int:
    """The requests of a sample: measured, failed, and of the warm-up."""
    warm_up = (sample.get("measurement") or {}).get("warmup_ns") or []
    return int(sample["n"]) + sum(sample["failures"].values()) + len(warm_up)


@contextmanager
def running_redis() -> Iterator[tuple[int, str]]:
    """A Redis of our own: process id and URL."""
    port = free_port()
    process = start_redis(port)
    try:
        yield process.pid, f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait()


@contextmanager
def running_load(port: int, counts: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The mixed load; it writes its counts at the end."""
    command = [sys.executable, str(SOAKING / "load.py"), str(port), str(counts)]
    environ = {**_environment(), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=environ)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def soak(minutes: float, journal: Journal) -> None:
    """Run everything, and write it to the journal."""
    with (
        tempfile.TemporaryDirectory() as made,
        running_redis() as (redis_pid, redis_url),
        gunicorn(
            Path(made),
            *("-w", str(WORKERS)),
            **ENVIRON,
            HANCOCK_RATE_LIMIT_STORAGE=redis_url,
        ) as hancock,
    ):
        folder = Path(made)
        counts = folder / "load.json"
        gates = []
        for gate in ("pytest", "locust"):
            (folder / gate).mkdir()
            gates.append(Repeated(gate, hancock.port, folder / gate, journal))
        with running_load(hancock.port, counts) as load:
            pids = {"gunicorn master": hancock.process.pid, "redis": redis_pid, "load": load.pid}
            for gate_thread in gates:
                gate_thread.start()
            try:
                _watch(minutes * 60, pids, hancock.port, journal)
            finally:
                for gate_thread in gates:
                    gate_thread.stop()
        for gate_thread in gates:
            if gate_thread.error is not None:
                raise RuntimeError(f"{gate_thread.name} failed") from gate_thread.error
        journal.add("load", **json.loads(counts.read_text(encoding="utf-8")))
        metrics = Asker(hancock.port).get("/metrics").body.decode()
        journal.add("served", counts=served(metrics), storage_failures=_failures(metrics))
        lines = hancock.log.read_text(encoding="utf-8").splitlines()
        if troubles := [line for line in lines if '"level":"info"' not in line]:
            journal.add("log", lines=len(troubles), last=troubles[-20:])


def _failures(metrics: str) -> int:
    lines = metrics.splitlines()
    (value,) = (x.split()[1] for x in lines if x.startswith("hancock_storage_failures_total "))
    return int(float(value))


def _watch(seconds: float, pids: Mapping[str, int], port: int, journal: Journal) -> None:
    """Read the processes until the time is over."""
    master = pids["gunicorn master"]
    workers = children(master)
    named = {**pids, **{f"worker {n}": pid for n, pid in enumerate(workers, start=1)}}
    end = time.monotonic() + seconds
    scraper = Asker(port)
    for turn in range(int(seconds / EVERY_S) + 1):
        if children(master) != workers:
            journal.add("restart", before=workers, after=children(master))
            raise RuntimeError("gunicorn restarted a worker")
        for name, pid in named.items():
            journal.add("process", process=name, **asdict(reading(pid)))
        journal.add("machine", load=os.getloadavg()[0])
        if turn % SCRAPE_EVERY == 0:
            scraper.get("/metrics")
        time.sleep(max(0.0, min(EVERY_S, end - time.monotonic())))
    scraper.close()


def goals_of(journal: Journal) -> tuple[list[Goal], dict[str, Any]]:
    """The goals, and the figures of the run."""
    sessions, verdicts = journal.of("session"), journal.of("verdict")
    (load,), (server,) = journal.of("load"), journal.of("served")
    readings = journal.of("process")
    # serving.gunicorn asks once, until it knows that there is a worker.
    clients = sent([{"GET /health 200": 1}, load["counts"], *(row["counts"] for row in sessions)])
    different = differences(clients, Counter(server["counts"]))
    uncounted = [row for row in sessions if row["measured"] != sum(row["counts"].values())]
    lost = {outcome: count for outcome, count in clients.items() if " lost: " in outcome}
    failed = [row for row in sessions if row["exit_code"] != 0]
    outcomes = Counter(f"{row['gate']} {row['outcome']}" for row in verdicts)
    goals = [
        at_most("sessions of gates that failed", len(failed), 0),
        at_most("verdicts exceeded", sum(v["outcome"] == "exceeded" for v in verdicts), 0),
        at_most("outcomes counted differently by clients and server", len(different), 0),
        at_most("sessions whose artifact has another count", len(uncounted), 0),
        at_most("requests lost", sum(lost.values()), 0),
        at_most("unexpected answers", sum(load["unexpected"].values()), 0),
        at_most("bursts not admitted up to the limit", sum(n != LIMIT for n in load["bursts"]), 0),
        at_most("failures of the shared storage", server["storage_failures"], 0),
    ]
    measured = []
    if max(row["at_s"] for row in readings) >= WARM_UP_S + LEAST_JUDGED_S:
        measured = slopes(readings)
        growing = max(measured, key=lambda slope: slope.rss_bytes)
        opening = max(measured, key=lambda slope: slope.descriptors)
        threads = max(measured, key=lambda slope: slope.threads)
        goals += [
            at_most("bytes/hour", growing.rss_bytes, BYTES_PER_HOUR, growing.process),
            at_most("descriptors/hour", opening.descriptors, DESCRIPTORS_PER_HOUR, opening.process),
            at_most("threads/hour", threads.threads, DESCRIPTORS_PER_HOUR, threads.process),
        ]
    figures = {
        "requests": sum(clients.values()),
        "by outcome": dict(sorted(clients.items())),
        "different": different,
        "unexpected": load["unexpected"],
        "bursts": len(load["bursts"]),
        "quantiles_ns": load["quantiles_ns"],
        "sessions": Counter(row["gate"] for row in sessions),
        "verdicts": dict(sorted(outcomes.items())),
        "failed": [{k: row[k] for k in ("gate", "session", "said")} for row in failed],
        "uncounted": [{k: row[k] for k in ("gate", "session", "measured")} for row in uncounted],
        "slopes": [asdict(slope) for slope in measured],
        "load": [min(m := [r["load"] for r in journal.of("machine")]), max(m)],
        "log": journal.of("log"),
    }
    return goals, figures


def show(figures: Mapping[str, Any], readings: Sequence[Mapping[str, Any]]) -> None:
    """Print the figures."""
    print(f"{figures['requests']} requests, {figures['bursts']} bursts, by outcome:")
    for outcome, count in figures["by outcome"].items():
        print(f"  {outcome:<32}{count:>8}")
    print(f"\n{'latency of the load, ms':<26}{'p50':>8}{'p95':>8}{'p99':>8}")
    for name, quantiles in sorted(figures["quantiles_ns"].items()):
        print(f"{name:<26}" + "".join(f"{ns / 1e6:8.1f}" for ns in quantiles.values()))
    print(f"\nsessions {dict(figures['sessions'])}, verdicts {figures['verdicts']}")
    print(f"load average {figures['load'][0]:.1f} to {figures['load'][1]:.1f}\n")
    last = {row["process"]: row for row in readings}
    by_name = {slope["process"]: slope for slope in figures["slopes"]}
    print(f"{'at the end':<18}{'RSS MB':>8}{'kB/h':>8}{'descriptors':>13}{'threads':>9}")
    for name, row in last.items():
        growth = f"{by_name[name]['rss_bytes'] / 1000:8.0f}" if name in by_name else f"{'':8}"
        print(
            f"{name:<18}{row['rss_bytes'] / 1e6:8.1f}{growth}"
            f"{row['descriptors']:13}{row['threads']:9}"
        )
    for key in ("different", "unexpected", "failed", "uncounted", "log"):
        if figures[key]:
            print(f"\n{key}: {json.dumps(figures[key], indent=1)}")


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    made = parser(__doc__)
    made.add_argument("--minutes", type=float, default=30.0, help="how long (%(default)s)")
    made.add_argument("--rows", type=Path, default=Path("artifacts/soak/rows.jsonl"))
    made.add_argument("--picture", type=Path, default=Path("artifacts/soak/soak.svg"))
    return made.parse_args(arguments)


def main() -> int:
    """Soak, print, judge; the exit code."""
    chosen = options()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    journal = Journal(chosen.rows)
    soak(chosen.minutes, journal)
    goals, figures = goals_of(journal)
    show(figures, journal.of("process"))
    from soaking.picture import draw

    chosen.picture.parent.mkdir(parents=True, exist_ok=True)
    draw(journal.rows, chosen.picture)
    return conclude("soak", figures, goals, chosen)


if __name__ == "__main__":
    sys.exit(main())
