"""Real servers on loopback, for the scripts in this folder, which pytest does not collect.

python tests/hancock_app/shows/bursts.py        prints its figures; exits with 1 if one is wrong
"""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[3]
PATIENT_S = 120.0
CONFIGURED = ("-c", "python:hancock_app.gunicorn_config")


def program(name: str, package: str) -> str:
    path = shutil.which(name)
    if path is None:
        sys.exit(f"{name} is missing: apt-get install {package}")
    return path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(condition: Callable[[], object], name: str) -> None:
    deadline = time.monotonic() + PATIENT_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(name)
        time.sleep(0.02)


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def start_redis(port: int) -> subprocess.Popen[bytes]:
    """A Redis that keeps nothing, listening."""
    server = subprocess.Popen(
        [
            *(program("redis-server", "redis-server"), "--port", str(port)),
            *("--bind", "127.0.0.1", "--save", "", "--appendonly", "no"),
        ],
        stdout=subprocess.DEVNULL,
    )
    wait_for(lambda: is_open(port), "redis-server")
    return server


@contextmanager
def redis() -> Iterator[str]:
    """The address of a Redis of our own."""
    port = free_port()
    server = start_redis(port)
    try:
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.kill()
        server.wait()


class Served(NamedTuple):
    """A running gunicorn, where it listens, and where it writes."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path


@contextmanager
def gunicorn(folder: Path, *arguments: str, **environ: str) -> Iterator[Served]:
    """Hancock under gunicorn with its own configuration."""
    log = folder / "gunicorn.log"
    command = [sys.executable, "-m", "gunicorn", "-b", "127.0.0.1:0", *CONFIGURED, *arguments]
    inherited = {name: value for name, value in os.environ.items() if "HANCOCK" not in name}
    paths = {"PYTHONPATH": str(ROOT)}
    with log.open("wb") as written:
        process = subprocess.Popen(
            [*command, "hancock_app:create_app()"],
            env={**inherited, **paths, **environ},
            stderr=written,
        )
    try:
        pattern = re.compile(r"Listening at: http://127\.0\.0\.1:(\d+)")
        wait_for(lambda: pattern.search(log.read_text()), "gunicorn")
        match = pattern.search(log.read_text())
        assert match
        served = Served(process, int(match[1]), log)
        wait_for(lambda: Asker(served.port).get("/health"), "the first worker")
        yield served
    finally:
        process.terminate()
        process.wait()


class Answer(NamedTuple):
    """One answered request."""

    status: int
    body: bytes
    seconds: float


class Asker:
    """Keeps a connection, and opens another where the server has closed it."""

    def __init__(self, port: int) -> None:
        self._http = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENT_S)

    def get(self, path: str) -> Answer:
        return self._ask("GET", path, None, {})

    def ask(self, question: str = "what now?", **headers: str) -> Answer:
        """`/v1/ask`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        body = json.dumps({"question": question}).encode()
        return self._ask("POST", "/v1/ask", body, {"Content-Type": "application/json", **named})

    def _ask(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        began = time.perf_counter()
        self._http.request(method, path, body, headers)
        with self._http.getresponse() as response:
            return Answer(response.status, response.read(), time.perf_counter() - began)

    def close(self) -> None:
        self._http.close()


def together(threads: int, work: Callable[[int], Any]) -> None:
    """Run `work` in so many threads, let go at once, and wait for all."""
    barrier = threading.Barrier(threads)

    def run(number: int) -> None:
        barrier.wait()
        work(number)

    running = [threading.Thread(target=run, args=(number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()


def verdict(wrong: list[str]) -> int:
    """Print what is wrong; the exit code."""
    for line in wrong:
        print(f"WRONG: {line}")
    print("wrong" if wrong else "as promised")
    return 1 if wrong else 0
