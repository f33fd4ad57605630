"""A loopback server with known latencies, in a separate process.

    python server.py [--stall-every 5 --stall-for 1]

`GET /wait/12.5` responds after 12.5 ms, `GET /compute/2` after 2 ms of CPU time, `GET /fail/503`
immediately with that status, `GET /counts` with the number of requests so far, and all other
requests immediately. With stalls, there are no responses in the last second of every five.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import time
from collections import Counter

COUNTS: Counter[str] = Counter()
NOTED = ("Authorization: Bearer a-key", "X-Hancock-Signature: sha256=")
"""Request headers that are counted as well."""


class Stalls:
    """Periods without responses: the last `length` seconds of every `every`."""

    def __init__(self, every: float, length: float) -> None:
        self._every, self._length, self._began = every, length, time.monotonic()

    def left(self) -> float:
        """Return the seconds until the stall ends; 0 outside a stall."""
        if not self._every:
            return 0.0
        at = (time.monotonic() - self._began) % self._every
        return self._every - at if at >= self._every - self._length else 0.0


async def answer(path: str, stalls: Stalls) -> tuple[int, bytes]:
    """Return status and body."""
    kind, _, value = path.lstrip("/").partition("/")
    if kind == "counts":
        return 200, json.dumps(COUNTS).encode()
    COUNTS[kind] += 1
    await asyncio.sleep(stalls.left())
    if kind == "fail":
        return int(value), b"{}"
    if kind == "wait":
        await asyncio.sleep(float(value) / 1000)
    if kind == "compute":
        end_s = time.thread_time() + float(value) / 1000
        while time.thread_time() < end_s:
            pass
    await asyncio.sleep(stalls.left())
    return 200, b"{}"


def length_of_body(head: str) -> int:
    """Return the Content-Length of a request."""
    found = re.search(r"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
    return int(found[1]) if found else 0


async def serve(arguments: argparse.Namespace) -> None:
    """Listen on a free port and print it."""
    stalls = Stalls(arguments.stall_every, arguments.stall_for)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                COUNTS.update(line for line in NOTED if f"\r\n{line}" in head)
                await reader.readexactly(length_of_body(head))
                status, body = await answer(head.split(" ", 2)[1], stalls)
                line = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n"
                writer.write(f"{line}Content-Length: {len(body)}\r\n\r\n".encode() + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, backlog=1000)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--stall-every", type=float, default=0.0)
    parser.add_argument("--stall-for", type=float, default=0.0)
    asyncio.run(serve(parser.parse_args()))
