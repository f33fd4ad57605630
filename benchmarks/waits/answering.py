"""Processes that answer the calls of a test, and how they are started.

    python - WAY PLACE COST child|detached < answering.py

Such a process gets this file as its standard input, because another user may not be allowed to read
the folder. So the file imports nothing but the standard library, or what only one way needs.
"""

from __future__ import annotations

import ctypes
import json
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final, NamedTuple

LONGEST_S: Final = 3_600
"""Such a process ends by itself after that time."""
LOCALHOST: Final = "127.0.0.1"
PROGRAM: Final = """
import time
x = 1
for _ in range({steps}):
    x = (x * 5 + 1) & 0xFFFF
time.sleep({sleep_s})
"""


def work(steps: int) -> int:
    """Fixed work: it takes the longer the slower the host is just now, as real code does."""
    x = 1
    for _ in range(steps):
        x = (x * 5 + 1) & 0xFFFF
    return x


@dataclass(frozen=True)
class Cost:
    """What a call costs where it is answered."""

    steps: int = 0
    computing_steps: int = 0
    sleeping_s: float = 0.0
    every: int = 1
    """Only every so many calls, on average, sleep."""
    programs: int = 0
    """So many programs are started, and each of them does it; without any the process itself."""
    timeout_s: float | None = None
    """How long the caller waits for the answer."""

    @property
    def all_steps(self) -> int:
        """What is computed in a call."""
        return self.steps + self.computing_steps

    def next_sleep_s(self) -> float:
        """Choose how long the next call sleeps."""
        return self.sleeping_s if self.every == 1 or random.randrange(self.every) == 0 else 0.0

    def spend(self) -> None:
        """Spend it."""
        sleep_s = self.next_sleep_s()
        if self.programs:
            code = PROGRAM.format(steps=self.all_steps, sleep_s=sleep_s)
            run_programs([sys.executable, "-I", "-S", "-c", code], self.programs)
            return
        work(self.all_steps)
        if sleep_s:
            time.sleep(sleep_s)


def run_programs(command: Sequence[str], count: int) -> None:
    """Run a program `count` times at the same time.

    Raises:
        RuntimeError: one of them failed.
    """
    programs = [subprocess.Popen(command) for _ in range(count)]
    codes = [program.wait() for program in programs]
    if any(codes):
        raise RuntimeError(f"exit codes of programs: {codes}")


class Peer(NamedTuple):
    """A process that answers."""

    pid: int
    port: int
    """Where it listens; 0 if the way has no ports."""


@contextmanager
def answering(
    way: str,
    cost: Cost,
    place: str = LOCALHOST,
    *,
    child: bool = False,
    prefix: Sequence[str] = (),
    python: str = sys.executable,
) -> Iterator[Peer]:
    """A process that answers in one of the `WAYS`.

    Args:
        way: how it is called.
        cost: what each answer costs.
        place: address, folder or number at which it is called, as the way needs it.
        child: whether it is a child of this process, or one that was started outside of the test.
        prefix: command that starts it, such as one that changes the user.
        python: interpreter that runs it.

    Raises:
        RuntimeError: it ended before it could be called.
    """
    origin = "child" if child else "detached"
    command = [*prefix, python, "-I", "-", way, place, json.dumps(asdict(cost)), origin]
    with (
        Path(__file__).open(encoding="utf-8") as program,
        subprocess.Popen(
            command, stdin=program, stdout=subprocess.PIPE, text=True, cwd="/"
        ) as starter,
    ):
        assert starter.stdout is not None
        line = starter.stdout.readline()
        if not line:
            raise RuntimeError(f"the process that answers by {way} ended before it could be called")
        peer = Peer(*map(int, line.split()))
        if not child:
            starter.wait()
        try:
            yield peer
        finally:
            os.kill(peer.pid, signal.SIGKILL)


class Semaphores:
    """Two System V semaphores, by the calls of the C library."""

    def __init__(self, number: int | None = None) -> None:
        self._c = ctypes.CDLL(None, use_errno=True)
        self.number = self._c.semget(0, 2, 0o1600) if number is None else number

    def change(self, which: int, by: int) -> None:
        """Raise or lower one of them; a lowering waits until that is possible."""
        operation = struct.pack("=Hhh", which, by, 0)
        if self._c.semop(self.number, operation, 1) != 0:
            raise OSError(ctypes.get_errno(), "semop")

    def remove(self) -> None:
        """Remove both."""
        self._c.semctl(self.number, 0, 0)


def ready(port: int = 0) -> None:
    """Say that calls may begin, and where.

    Standard output leads nowhere from then on. If it were closed, the next connection would get its
    number, and connections with the numbers 0 to 2 are not followed.
    """
    print(os.getpid(), port, flush=True)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def answer_http(address: str, spend: Callable[[], None]) -> None:
    """HTTP, with a thread for each connection."""

    class Handling(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # an answer is one packet, else the client's delayed acknowledgement shows

        def do_GET(self) -> None:
            spend()
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            """Nothing."""

    serving = ThreadingHTTPServer((address, 0), Handling)
    ready(serving.server_address[1])
    serving.serve_forever()


def answer_grpc(address: str, spend: Callable[[], None]) -> None:
    """A unary method of gRPC."""
    from concurrent.futures import ThreadPoolExecutor

    import grpc

    def answer(request: bytes, _: object) -> bytes:
        spend()
        return request

    methods = {"answer": grpc.unary_unary_rpc_method_handler(answer)}
    serving = grpc.server(ThreadPoolExecutor(2))
    serving.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("waits", methods)])
    port = serving.add_insecure_port(f"{address}:0")
    serving.start()
    ready(port)
    serving.wait_for_termination()


def answer_udp(address: str, spend: Callable[[], None]) -> None:
    """Datagrams."""
    with socket.socket(type=socket.SOCK_DGRAM) as ours:
        ours.bind((address, 0))
        ready(ours.getsockname()[1])
        while True:
            _, sender = ours.recvfrom(1)
            spend()
            ours.sendto(b"!", sender)


def answer_unix(folder: str, spend: Callable[[], None]) -> None:
    """A Unix socket, one connection after another."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"{folder}/socket")
        listening.listen()
        ready()
        while True:
            with listening.accept()[0] as client:
                while client.recv(1):
                    spend()
                    client.send(b"!")


def answer_pipes(folder: str, spend: Callable[[], None]) -> None:
    """A named pipe there and one back."""
    ready()
    there, back = os.open(f"{folder}/there", os.O_RDONLY), os.open(f"{folder}/back", os.O_WRONLY)
    while os.read(there, 1):
        spend()
        os.write(back, b"!")


def answer_semaphores(number: str, spend: Callable[[], None]) -> None:
    """Two semaphores."""
    both = Semaphores(int(number))
    ready()
    while True:
        both.change(0, -1)
        spend()
        both.change(1, 1)


def answer_worker(port: str, spend: Callable[[], None]) -> None:
    """A connection to the test, which gives orders."""
    with socket.create_connection((LOCALHOST, int(port))) as ours:
        ready()
        while ours.recv(1):
            spend()
            ours.send(b"!")


WAYS: Final[dict[str, Callable[[str, Callable[[], None]], None]]] = {
    "http": answer_http,
    "grpc": answer_grpc,
    "udp": answer_udp,
    "unix": answer_unix,
    "pipes": answer_pipes,
    "semaphores": answer_semaphores,
    "worker": answer_worker,
}


def main() -> int:
    """Answer until this process is killed."""
    way, place, cost, origin = sys.argv[1:]
    if origin == "detached" and os.fork():
        os._exit(0)  # nobody here is the parent of what goes on
    signal.alarm(LONGEST_S)
    WAYS[way](place, Cost(**json.loads(cost)).spend)
    return 0


if __name__ == "__main__":
    sys.exit(main())
