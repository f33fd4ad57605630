"""Redis stopped and started under load, a model frozen for 10 s, SIGTERM under load.

Every accepted request is answered, and nothing hangs beyond its timeout.
"""

from __future__ import annotations

import contextlib
import http.client
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from serving import Asker, free_port, gunicorn, start_redis, verdict

THREADS = 16
TIMEOUT_S = 2.0
# What a request may take beyond the timeouts on a machine whose two cores are busy.
SLACK_S = 3.0


class Load:
    """Threads that ask until they are told to stop; what they saw."""

    def __init__(self, port: int, threads: int = THREADS) -> None:
        self._port = port
        self._stop = threading.Event()
        self.statuses: list[int] = []
        self.seconds: list[float] = []
        self.lost: Counter[str] = Counter()
        self._running = [threading.Thread(target=self._ask) for _ in range(threads)]
        for thread in self._running:
            thread.start()

    def _ask(self) -> None:
        asker = Asker(self._port)
        while not self._stop.is_set():
            try:
                answer = asker.ask()
            except (OSError, http.client.HTTPException) as error:
                asker.close()
                self.lost[type(error).__name__] += 1
                time.sleep(0.05)
            else:
                self.statuses.append(answer.status)
                self.seconds.append(answer.seconds)
        asker.close()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._running:
            thread.join()

    def __str__(self) -> str:
        counted = dict(sorted(Counter(self.statuses).items()))
        return f"{counted}, lost {dict(self.lost)}, slowest {max(self.seconds):.2f} s"


class Freezing(ThreadingHTTPServer):
    """A model that answers at once, unless it is frozen."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), FreezingAnswer)
        self.thawed = threading.Event()
        self.thawed.set()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: those who gave up while it was frozen are gone."""


class FreezingAnswer(BaseHTTPRequestHandler):
    server: Freezing

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.thawed.wait()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"choices":[{"message":{"content":"Yes."}}]}')

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def redis_goes_and_comes(folder: Path) -> list[str]:
    port = free_port()
    storage = start_redis(port)
    environ = {
        "HANCOCK_RATE_LIMIT": "1000000",
        "HANCOCK_RATE_LIMIT_STORAGE": f"redis://127.0.0.1:{port}/0",
    }
    with gunicorn(folder, "-w", "2", **environ) as served:
        load = Load(served.port)
        time.sleep(3)
        storage.kill()
        storage.wait()
        during = len(load.statuses)
        time.sleep(3)
        during = len(load.statuses) - during
        storage = start_redis(port)
        time.sleep(3)
        load.stop()
        log = served.log.read_text()
    storage.kill()
    storage.wait()
    print(f"redis stopped for 3 s: {load}; {during} answered meanwhile")
    wrong = [] if set(load.statuses) == {200} and not load.lost and during else ["redis: not all"]
    back = log.count("shared storage available again")
    away = log.count("failing open")
    print(f"   logged as unavailable {away} times, as available again {back} times")
    return wrong + ([] if back else ["redis: never back"]) + _hung("redis", load, 0.25)


def model_freezes(folder: Path) -> list[str]:
    with Freezing() as model:
        threading.Thread(target=model.serve_forever, args=(0.05,)).start()
        environ = {
            "HANCOCK_RATE_LIMIT": "0",
            "HANCOCK_LLM_BACKEND": "openai_compatible",
            "HANCOCK_LLM_URL": f"http://127.0.0.1:{model.server_port}",
            "HANCOCK_LLM_MODEL": "freezing",
            "HANCOCK_LLM_TIMEOUT": f"{TIMEOUT_S}s",
        }
        with gunicorn(folder, "-w", "2", **environ) as served:
            load = Load(served.port)
            time.sleep(2)
            model.thawed.clear()
            time.sleep(10)
            healthy = Asker(served.port).get("/health")
            model.thawed.set()
            before = load.statuses.count(200)
            time.sleep(2)
            load.stop()
        model.shutdown()
    print(f"model frozen for 10 s: {load}; /health meanwhile {healthy.seconds * 1000:.0f} ms")
    wrong = (
        []
        if {200, 504} <= set(load.statuses) <= {200, 503, 504} and not load.lost
        else ["model: not all"]
    )
    if load.statuses.count(200) <= before:
        wrong.append("model: no answer after it thawed")
    if healthy.seconds > 1:
        wrong.append("model: the probes had to wait for it")
    return wrong + _hung("model", load, TIMEOUT_S)


def stops_under_load(folder: Path) -> list[str]:
    environ = {
        "HANCOCK_RATE_LIMIT": "0",
        "HANCOCK_CANNED_DELAY": "300ms",
        "HANCOCK_LOG_LEVEL": "info",
    }
    with gunicorn(folder, "-w", "2", "--threads", "16", **environ) as served:
        load = Load(served.port, threads=32)
        time.sleep(3)
        served.process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        code = served.process.wait(60)
        took = time.monotonic() - began
        load.stop()
        answered = served.log.read_text().count('"route":"/v1/ask"')
    received = len(load.statuses)
    print(f"SIGTERM under load: {load}; stopped with {code} after {took:.2f} s")
    print(f"   accepted {answered}, answers received {received}")
    wrong = [] if answered == received and set(load.statuses) == {200} else ["stop: answers lost"]
    return wrong + ([] if code == 0 else ["stop: exit code"])


def _hung(label: str, load: Load, timeout_s: float) -> list[str]:
    slowest = max(load.seconds)
    return [f"{label}: {slowest:.1f} s"] if slowest > timeout_s + SLACK_S else []


def main() -> int:
    shows: list[Callable[[Path], list[str]]]
    shows = [redis_goes_and_comes, model_freezes, stops_under_load]
    wrong: list[str] = []
    for show in shows:
        with tempfile.TemporaryDirectory() as folder, contextlib.suppress(ProcessLookupError):
            wrong += show(Path(folder))
    return verdict(wrong)


if __name__ == "__main__":
    sys.exit(main())
