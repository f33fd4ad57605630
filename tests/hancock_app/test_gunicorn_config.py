"""Several workers under the real gunicorn."""

from __future__ import annotations

import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

PATIENT_S = 60.0
APPLICATION = "hancock_app:create_app()"
ASKED = ("/v1/ask", {"question": "hi"})
CONFIG = ("-c", "python:hancock_app.gunicorn_config")


class Gunicorn:
    """A running gunicorn; its lines go to a file, since a full pipe would stop it."""

    def __init__(self, arguments: tuple[str, ...], environ: dict[str, str], folder: Path) -> None:
        self.address = folder / "socket-address"
        self._log = folder / "log"
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("HANCOCK_", "PROMETHEUS_", "GUNICORN_", "WEB_"))
        }
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "-b", "127.0.0.1:0", *arguments, APPLICATION],
                env={**inherited, **environ},
                stderr=log,
            )

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def url(self) -> str:
        return "http://" + self.log.partition("Listening at: http://")[2].partition(" ")[0]

    def listens(self) -> bool:
        assert self.process.poll() is None, self.log
        return "Listening at: http://" in self.log

    def ask(self, path: str, body: object = None) -> tuple[int, bytes]:
        """Status and body of one request, over a connection of its own."""
        encoded = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, encoded, headers)
        try:
            with urllib.request.urlopen(request, timeout=PATIENT_S) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, refused.read()


Serve = Callable[..., Gunicorn]


@pytest.fixture
def serve(tmp_path: Path, eventually: Any) -> Iterator[Serve]:
    running: list[Gunicorn] = []

    def start(*arguments: str, **environ: str) -> Gunicorn:
        running.append(Gunicorn(arguments, environ, tmp_path))
        eventually(running[-1].listens)
        return running[-1]

    yield start
    for server in running:
        server.process.kill()
        server.process.wait()


def many(server: Gunicorn, times: int, path: str, body: object) -> Counter[int]:
    """The statuses of `times` requests by 16 threads."""
    statuses: list[int] = []

    def ask() -> None:
        for _ in range(times // 16):
            statuses.append(server.ask(path, body)[0])

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Counter(statuses)


def test_workers_that_share_a_redis_admit_the_limit_once(serve: Serve, redis_server: Any) -> None:
    server = serve(
        *CONFIG,
        *("-w", "4", "--threads", "8"),
        HANCOCK_RATE_LIMIT="40",
        HANCOCK_RATE_LIMIT_STORAGE=redis_server.uri,
        HANCOCK_STORAGE_TIMEOUT="30s",
    )
    assert many(server, 160, *ASKED) == {200: 40, 429: 120}
    assert "no shared storage" not in server.log


def test_workers_are_counted_together(serve: Serve, eventually: Any) -> None:
    server = serve(*CONFIG, "-w", "2", HANCOCK_RATE_LIMIT="0")
    assert many(server, 160, *ASKED) == {200: 160}
    counted = (
        'hancock_request_duration_seconds_count{method="POST",route="/v1/ask",status="200"} 160.0\n'
    )
    # A worker counts a request after its answer has gone out to us.
    eventually(lambda: counted in server.ask("/metrics")[1].decode())
    text = server.ask("/metrics")[1].decode()
    assert "\nhancock_active_connections 1.0\n" in text
    assert "\nhancock_memory_usage_bytes " in text


def test_a_worker_that_was_killed_is_not_counted_as_busy(serve: Serve, eventually: Any) -> None:
    server = serve(*CONFIG, "-w", "1", HANCOCK_CANNED_DELAY="60s")

    def ask_in_vain() -> None:
        with suppress(OSError):
            server.ask(*ASKED)

    asking = threading.Thread(target=ask_in_vain)
    asking.start()
    busy = "\nhancock_active_connections 2.0\n"
    eventually(lambda: busy in server.ask("/metrics")[1].decode())
    children = f"/proc/{server.process.pid}/task/{server.process.pid}/children"
    os.kill(int(Path(children).read_text().split()[0]), signal.SIGKILL)
    asking.join()
    alone = "\nhancock_active_connections 1.0\n"
    eventually(lambda: alone in server.ask("/metrics")[1].decode())


class HeldModel(ThreadingHTTPServer):
    """An OpenAI-compatible server that answers nobody until it is told to."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), HeldAnswer)
        self.requests: list[str] = []
        self.go_on = threading.Event()


class HeldAnswer(BaseHTTPRequestHandler):
    server: HeldModel

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append(self.path)
        self.server.go_on.wait(PATIENT_S)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"choices":[{"message":{"content":"Yes."}}]}')

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def held_model() -> Iterator[HeldModel]:
    with HeldModel() as model:
        serving = threading.Thread(target=model.serve_forever, args=(0.01,))
        serving.start()
        yield model
        model.go_on.set()
        model.shutdown()
        serving.join()


def test_a_stop_waits_for_what_was_accepted(
    serve: Serve, eventually: Any, held_model: HeldModel
) -> None:
    server = serve(
        *(*CONFIG, "-w", "2"),
        HANCOCK_LLM_BACKEND="openai_compatible",
        HANCOCK_LLM_URL=f"http://127.0.0.1:{held_model.server_port}",
        HANCOCK_LLM_MODEL="held",
        HANCOCK_LLM_TIMEOUT="1min",
        HANCOCK_LLM_CONCURRENCY="8",
    )
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda: statuses.append(server.ask(*ASKED)[0])) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    eventually(lambda: len(held_model.requests) == 8)
    server.process.send_signal(signal.SIGTERM)
    eventually(lambda: "Handling signal: term" in server.log)
    held_model.go_on.set()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 8
    assert server.process.wait(PATIENT_S) == 0


def test_a_model_that_hangs_leaves_threads_for_the_probes(
    serve: Serve, eventually: Any, held_model: HeldModel
) -> None:
    server = serve(
        *(*CONFIG, "-w", "1"),
        HANCOCK_LLM_BACKEND="openai_compatible",
        HANCOCK_LLM_URL=f"http://127.0.0.1:{held_model.server_port}",
        HANCOCK_LLM_MODEL="held",
        HANCOCK_LLM_TIMEOUT="1min",
    )
    waiting = [threading.Thread(target=server.ask, args=ASKED) for _ in range(6)]
    for thread in waiting:
        thread.start()
    eventually(lambda: len(held_model.requests) == 6)
    status, body = server.ask(*ASKED)
    assert (status, json.loads(body)["error"]) == (
        503,
        "the model is at its concurrency limit; try again later",
    )
    assert server.ask("/health") == (200, b'{"status":"ok"}')
    held_model.go_on.set()
    for thread in waiting:
        thread.join()
    assert server.ask(*ASKED)[0] == 200


def test_workers_without_shared_storage_are_warned_about_once(
    serve: Serve, eventually: Any
) -> None:
    server = serve(*CONFIG, "-w", "2")
    warning = "2 workers have no shared storage: each allows 60 requests per minute, 120 in total"
    eventually(lambda: warning in server.log)
    for _ in range(20):
        server.ask("/health")
    assert server.log.count("no shared storage") == 1


@pytest.fixture
def when_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Runs the configuration's hook in this process, for so many workers and some settings."""

    def call(workers: int, **environ: str) -> None:
        for name in os.environ:
            if name.startswith("HANCOCK_"):
                monkeypatch.delenv(name)
        # Given a folder, the configuration creates none of its own.
        for name, value in {**environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}.items():
            monkeypatch.setenv(name, value)
        configuration = runpy.run_module("hancock_app.gunicorn_config")
        configuration["when_ready"](SimpleNamespace(cfg=SimpleNamespace(workers=workers)))

    return call


def test_the_warning_says_how_many_requests_are_allowed_and_what_to_set(
    when_ready: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    when_ready(4)
    assert caplog.messages == [
        "4 workers have no shared storage: each allows 60 requests per minute, 240 in total, and"
        " each accepts a replayed webhook once. Set HANCOCK_RATE_LIMIT_STORAGE=redis://host:port/0"
    ]


@pytest.mark.parametrize(
    ("workers", "environ"),
    [
        (1, {}),
        (4, {"HANCOCK_RATE_LIMIT": "0"}),
        (4, {"HANCOCK_RATE_LIMIT_STORAGE": "redis://127.0.0.1:6379/0"}),
    ],
)
def test_there_is_no_warning_without_a_reason(
    when_ready: Callable[..., None],
    caplog: pytest.LogCaptureFixture,
    workers: int,
    environ: dict[str, str],
) -> None:
    when_ready(workers, **environ)
    assert caplog.messages == []


def test_a_server_without_a_home_directory_logs_no_errors(serve: Serve) -> None:
    server = serve(*CONFIG, "-w", "1", HOME="/nowhere")
    server.ask("/health")
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(PATIENT_S)
    assert {json.loads(line)["level"] for line in server.log.splitlines()} == {"info"}


@pytest.mark.parametrize(
    ("variable", "text", "message"),
    [
        ("HANCOCK_RATE_LIMIT", "lots", "expected a whole number, 0 or more, got 'lots'"),
        ("HANCOCK_PORT", "http", "expected a whole number from 0 to 65535"),
        ("HANCOCK_PORT", "65536", "expected a whole number from 0 to 65535"),
        ("WEB_CONCURRENCY", "0", "expected a whole number from 1 to 1000"),
        (
            "HANCOCK_RATE_LIMIT_STORAGE",
            "redis://:pass/word@host",
            "is not a usable Redis URL: in passwords, / is %2F and ? is %3F; check its options",
        ),
    ],
)
def test_a_bad_environment_is_one_line_and_no_traceback(
    variable: str, text: str, message: str
) -> None:
    failed = subprocess.run(
        [sys.executable, "-m", "gunicorn", *CONFIG, APPLICATION],
        env={**os.environ, variable: text},
        capture_output=True,
        text=True,
        timeout=PATIENT_S,
        check=False,
    )
    assert failed.returncode == 1
    assert failed.stderr == f"hancock: {variable}: {message}\n"


def test_the_folder_of_the_metrics_is_gone_afterwards(serve: Serve, tmp_path: Path) -> None:
    server = serve(*CONFIG, "-w", "1", TMPDIR=str(tmp_path))
    server.ask("/health")
    assert list(tmp_path.glob("hancock-metrics-*/*.db"))
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(PATIENT_S)
    assert not list(tmp_path.glob("hancock-metrics-*"))


def test_its_lines_are_json(serve: Serve, eventually: Any) -> None:
    server = serve(*CONFIG, "-w", "1", HANCOCK_LOG_LEVEL="info")
    server.ask("/health")
    eventually(lambda: '"hancock.access"' in server.log)
    assert {type(json.loads(line)) for line in server.log.splitlines()} == {dict}


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b'11\r\n{"question":"hi"}\r\n0\r\n\r\n', 200),
        (b'ZZ\r\n{"question":"hi"}\r\n0\r\n\r\n', 400),
        (b'11\r\n{"quest', 400),
    ],
)
def test_a_body_in_chunks_is_read_or_refused(serve: Serve, sent: bytes, status: int) -> None:
    server = serve(*CONFIG, "-w", "1")
    head = (
        b"POST /v1/ask HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )
    port = int(server.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), PATIENT_S) as connection:
        connection.sendall(head + sent)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(12).decode() == f"HTTP/1.1 {status}"
