"""Sixteen idle connections against sixteen threads: without nginx and behind it.

    python tests/hancock_app/shows/silence.py [--proxy-only]

gunicorn has 2 workers with 8 threads each. The connections are idle from the start, within a header
or within a body, while another client requests /health. Then the script checks what else the nginx
configuration in `deploy/` promises: errors as JSON, streams piece by piece, the client's address.
"""

from __future__ import annotations

import argparse
import http.client
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from serving import ROOT, Asker, free_port, gunicorn, is_open, program, verdict, wait_for

CONNECTIONS = 16
PATIENCE_S = 30.0
QUICK_S = 2.0
"""Far more than /health takes, far less than gunicorn waits for a silent connection."""
SILENCES = {
    "from the start": b"",
    "within a header": b"GET /health HTTP/1.1\r\nHost:",
    "within a body": (
        b"POST /v1/ask HTTP/1.1\r\nHost: a\r\n"
        b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    ),
}
CONFIGURATION = ROOT / "deploy" / "nginx" / "nginx.conf"


@contextmanager
def nginx(folder: Path, upstream: int) -> Iterator[int]:
    """Nginx with our configuration, but for its ports and its folder; its port."""
    port = free_port()
    text = CONFIGURATION.read_text(encoding="utf-8")
    for ours, here in (
        ("listen 8080;", f"listen 127.0.0.1:{port};"),
        ("server 127.0.0.1:5000;", f"server 127.0.0.1:{upstream};"),
        ("/tmp/", f"{folder}/"),
        ("/dev/stderr", f"{folder}/error.log"),
    ):
        assert ours in text
        text = text.replace(ours, here)
    # Started by root, nginx drops to a user who may not write to the folder.
    folder.chmod(0o755)
    configuration = folder / "nginx.conf"
    configuration.write_text(text)
    process = subprocess.Popen([program("nginx", "nginx"), "-c", str(configuration)])
    try:
        wait_for(lambda: is_open(port), "nginx")
        yield port
    finally:
        process.terminate()
        process.wait()


@contextmanager
def silent(port: int, said: bytes) -> Iterator[None]:
    """Connections that hold what they get."""
    with ExitStack() as stack:
        for _ in range(CONNECTIONS):
            connection = socket.create_connection(("127.0.0.1", port))
            stack.enter_context(connection)
            connection.sendall(said)
        time.sleep(0.2)  # until they are accepted
        yield


def seconds_of_health(port: int) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    began = time.perf_counter()
    with suppress(TimeoutError):
        connection.request("GET", "/health")
        assert connection.getresponse().status == 200
    connection.close()
    return time.perf_counter() - began


def slowest_health(name: str, port: int) -> float:
    """How long /health takes meanwhile, whatever the connections are silent within."""
    slowest = 0.0
    for when, said in SILENCES.items():
        with silent(port, said):
            seconds = seconds_of_health(port)
        said_so = "nothing in" if seconds >= PATIENCE_S else "answered after"
        print(f"{name}, silent {when}: /health {said_so} {seconds:.3f} s")
        slowest = max(slowest, seconds)
    return slowest


def wrong_answers(port: int) -> Iterator[str]:
    """What the proxy does not pass on as it should."""
    asker = Asker(port)
    headers = {"Content-Type": "application/json"}
    for size, status, error in (
        (1_000_000, 400, "the body is not valid JSON"),
        (1_000_001, 413, "the body is larger than 1 MB"),
    ):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("POST", "/v1/ask", b"x" * size, headers)
        answer = connection.getresponse()
        body = json.loads(answer.read())
        print(f"{size} bytes: {answer.status} {body}")
        if answer.status != status or not body["error"].startswith(error) or not body["request_id"]:
            yield f"a body of {size} bytes: {answer.status} {body}"
        connection.close()
    # The request of 1 MB counted as well.
    statuses = [asker.ask(X_Forwarded_For=f"192.0.2.{n}").status for n in range(4)]
    print(f"statuses of one client who writes X-Forwarded-For, with a limit of 3: {statuses}")
    if statuses != [200, 200, 429, 429]:
        yield f"a client that writes its own X-Forwarded-For: {statuses}"


def wrong_stream(port: int) -> Iterator[str]:
    """Whether a stream is passed on piece by piece."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(
        "POST",
        "/v1/chat",
        json.dumps({"message": "hi", "stream": True}),
        {"Content-Type": "application/json"},
    )
    answer = connection.getresponse()
    if answer.getheader("Content-Type") != "text/event-stream":
        yield f"a stream came as {answer.getheader('Content-Type')}"
    first, rest = answer.readline(), answer.read()
    print(f"a stream: {first!r} and {len(rest)} bytes more")
    if not first.startswith(b'data: {"delta":') or b'"done":true' not in rest:
        yield f"a stream: {first!r} {rest!r}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--proxy-only", action="store_true", help="not without nginx")
    options = parser.parse_args()
    wrong = []
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        environ = {"HANCOCK_RATE_LIMIT": "0", "HANCOCK_TRUSTED_PROXIES": "1"}
        threads = ("-w", "2", "--threads", "8")
        served = stack.enter_context(gunicorn(folder, *threads, **environ))
        if not options.proxy_only:
            slowest_health("without nginx", served.port)
        port = stack.enter_context(nginx(folder, served.port))
        behind = slowest_health("behind nginx", port)
        if behind > QUICK_S:
            wrong.append(f"/health took {behind:.1f} s behind nginx")
        wrong += wrong_stream(port)
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        limited = environ | {"HANCOCK_RATE_LIMIT": "3", "WEB_CONCURRENCY": "1"}
        served = stack.enter_context(gunicorn(Path(name), **limited))
        port = stack.enter_context(nginx(Path(name), served.port))
        wrong += wrong_answers(port)
        served.process.terminate()
        served.process.wait()
        gone = Asker(port).get("/health")
        print(f"without gunicorn: {gone.status} {gone.body.decode()}")
        if gone.status != 502 or json.loads(gone.body)["error"] != (
            "the service cannot be reached; try again later"
        ):
            wrong.append(f"without gunicorn: {gone.status} {gone.body!r}")
    return verdict(wrong)


if __name__ == "__main__":
    sys.exit(main())
