"""A model's server that lies, between honest answers: does a worker keep its threads and memory?

    python tests/hancock_app/shows/lies.py [--seconds 60]

The server runs in a process of its own and tells twelve lies in turn, every other answer being
honest. gunicorn with 2 workers of 8 threads asks it, for 4 clients that ask without a pause, every
other time for a stream. Every question must end within twice the timeout, and afterwards memory,
threads and connections must be as before, and an honest answer right.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from itertools import cycle
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Final

from serving import Asker, gunicorn, verdict

TIMEOUT_S: Final = 2.0
STREAM_FACTOR: Final = 10
CLIENTS: Final = 4
MEMORY_MB: Final = 30
MOST_THREADS: Final = 9
"""The main thread of a worker, and those of gunicorn."""
PATIENCE_S: Final = 60.0

OK: Final = b"HTTP/1.1 200 OK\r\n"
ANSWER: Final = json.dumps({"choices": [{"message": {"content": "Patch it."}}]}).encode()
EVENT: Final = b'data: {"choices":[{"delta":{"content":"Patch it."},"finish_reason":null}]}\n\n'
BOMB: Final = gzip.compress(gzip.compress(bytes(200_000_000)))


def whole(body: bytes, head: bytes = OK) -> bytes:
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


HONEST: Final = (whole(ANSWER), OK + b"\r\n" + EVENT + b"data: [DONE]\n\n")
"""For a question, and for a stream."""
LIES: Final[dict[str, tuple[bytes, bytes]]] = {
    "retry after a year of 400 digits": (
        whole(b"", b"HTTP/1.1 429 No\r\nRetry-After: " + b"9" * 400 + b"\r\n"),
        b"",
    ),
    "a header that never ends": (OK + b"X: ", b"a"),
    "interim responses without end": (b"", b"HTTP/1.1 102 Wait\r\n\r\n"),
    "gzip twice": (whole(BOMB, OK + b"Content-Encoding: gzip, gzip\r\n"), b""),
    "a line that never ends": (OK + b"\r\ndata: ", b"a" * 65_536),
    "a redirection elsewhere": (
        whole(b"", b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n"),
        b"",
    ),
    "bad JSON": (whole(b'{"choices": [{"mess'), b""),
    "a page": (whole(b"<html></html>", OK + b"Content-Type: text/html\r\n"), b""),
    "a header of 1 MB": (OK + b"X: " + b"a" * 1_000_000 + b"\r\n\r\n", b""),
    "half a stream": (OK + b"\r\n" + EVENT[:40], b""),
    "an empty stream": (OK + b"\r\n", b""),
    "an answer before the question": (whole(ANSWER), b""),
}
"""What is written, and what is repeated from then on until the client leaves."""


class Liar(StreamRequestHandler):
    turns = cycle([each for lie in LIES for each in ("", lie)])
    lock = threading.Lock()

    def handle(self) -> None:
        with self.lock:
            lie = next(self.turns)
        self.connection.settimeout(PATIENCE_S)
        with suppress(OSError):
            if lie == "an answer before the question":
                self.wfile.write(LIES[lie][0])
                return
            is_stream = self._read_question()
            if not lie:
                self.wfile.write(HONEST[is_stream])
                return
            first, then = LIES[lie]
            self.wfile.write(first)
            while then:
                self.wfile.write(then)
                time.sleep(0.001)

    def _read_question(self) -> bool:
        length = 0
        while (line := self.rfile.readline()).strip():
            name, _, text = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(text)
        return b'"stream":true' in self.rfile.read(length)


class Server(ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 128


def serve() -> None:
    with Server(("127.0.0.1", 0), Liar) as server:
        print(server.server_address[1], flush=True)
        server.serve_forever()


def workers_of(master: int) -> list[int]:
    text = Path(f"/proc/{master}/task/{master}/children").read_text()
    return [int(process) for process in text.split()]


def memory_mb(process: int) -> float:
    fields = Path(f"/proc/{process}/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def threads(process: int) -> int:
    return len(os.listdir(f"/proc/{process}/task"))


def connections_to(port: int) -> int:
    """TCP connections of this machine to a port that have not been closed by both sides."""
    wanted = f"{port:04X}"
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return sum(
        fields[2].endswith(f":{wanted}") and fields[3] in ("01", "08")  # established, close wait
        for fields in map(str.split, lines)
    )


class Client(threading.Thread):
    """Asks without a pause until it is told to stop."""

    def __init__(self, port: int, until: float) -> None:
        super().__init__()
        self._port, self._until = port, until
        self.statuses: Counter[str] = Counter()
        self.slowest = {"question": 0.0, "stream": 0.0}

    def run(self) -> None:
        for kind in cycle(("question", "stream")):
            if time.monotonic() > self._until:
                return
            began = time.monotonic()
            status = ask(self._port, stream=kind == "stream")
            self.slowest[kind] = max(self.slowest[kind], time.monotonic() - began)
            self.statuses[f"{kind} {status}"] += 1


def ask(port: int, *, stream: bool) -> int:
    question = json.dumps({"message": "hi", "stream": stream}).encode()
    head = (
        b"POST /v1/chat HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(question)
    )
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as connection:
        connection.sendall(head + question)
        answer = b""
        while part := connection.recv(65_536):
            answer += part
    return int(answer.split(b" ", 2)[1])


def changes(before: dict[int, tuple[float, int]]) -> Iterator[str]:
    """What has grown in the workers. before: memory in MB and number of threads, by process."""
    for worker, (mb, count) in before.items():
        now_mb, now = memory_mb(worker), threads(worker)
        print(f"worker: {mb:.0f} → {now_mb:.0f} MB, {count} → {now} threads")
        if abs(now_mb - mb) > MEMORY_MB:
            yield f"memory {mb:.0f} → {now_mb:.0f} MB"
        if now > MOST_THREADS:
            yield f"{now} threads"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve()
        return 0
    wrong = []
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        command = [sys.executable, __file__, "--serve"]
        liar = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        stack.callback(liar.kill)
        assert liar.stdout
        model = int(liar.stdout.readline())
        served = stack.enter_context(
            gunicorn(
                Path(name),
                *("-w", "2", "--threads", "8"),
                HANCOCK_RATE_LIMIT="0",
                HANCOCK_LLM_BACKEND="openai_compatible",
                HANCOCK_LLM_URL=f"http://127.0.0.1:{model}/v1",
                HANCOCK_LLM_MODEL="tiny",
                HANCOCK_LLM_TIMEOUT=f"{TIMEOUT_S:g}s",
            )
        )
        for _ in range(2 * len(LIES)):  # every lie once, so that what is kept is there
            ask(served.port, stream=False)
        workers = workers_of(served.process.pid)
        before = {each: (memory_mb(each), threads(each)) for each in workers}
        until = time.monotonic() + options.seconds
        clients = [Client(served.port, until) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        statuses = sum((client.statuses for client in clients), Counter())
        print(f"statuses in {options.seconds:g} s: {dict(sorted(statuses.items()))}")
        for kind, longest_s in (("question", TIMEOUT_S), ("stream", STREAM_FACTOR * TIMEOUT_S)):
            slowest = max(client.slowest[kind] for client in clients)
            print(f"slowest {kind}: {slowest:.1f} s")
            if slowest > 2 * longest_s:
                wrong.append(f"a {kind} took {slowest:.1f} s")
        time.sleep(1)  # connections that are being closed
        if workers_of(served.process.pid) != workers:
            wrong.append("a worker was replaced")
        wrong += changes(before)
        print(f"connections to the model: {connections_to(model)}")
        if connections_to(model):
            wrong.append("connections to the model are left")
        if not any(ask(served.port, stream=False) == 200 for _ in range(4)):
            wrong.append("no honest answer at the end")
        if Asker(served.port).get("/health").status != 200:
            wrong.append("/health")
    return verdict(wrong)


if __name__ == "__main__":
    sys.exit(main())
