"""A mixed load on Hancock at a fixed rate, in one process that lives as long as the soak.

    python benchmarks/soaking/load.py PORT COUNTS.json

Ends on SIGTERM and then writes what it sent by outcome, what was answered with another status than
expected, and the quantiles of its latencies. Its own memory has to stay flat as well, so it counts
in histograms of a fixed size: those that add a bucket when they need it grow for hours.
"""

from __future__ import annotations

import itertools
import json
import signal
import sys
import threading
import time
import uuid
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hancock_app.webhooks.signatures import SIGNATURE_HEADER, sign
from hancock_app.webhooks.standard_webhooks import Delivery
from pytest_hancock_latency.core.histogram import Histogram, index_of
from soaking.counting import FORWARDED, JSON, PATIENT_S, Addresses, Answer, Client, Counts

SECRET: Final = "the-secret-of-the-soak"
LIMIT: Final = 300
"""The rate limit of the served Hancock, per minute and client."""
THREADS: Final = 4
PER_SECOND_AND_THREAD: Final = 8.0
BURST_EVERY_S: Final = 60.0
BURST: Final = LIMIT + 60
BUCKETS: Final = index_of(int(2 * PATIENT_S * 1e9))
"""No request takes longer than twice the time after which it is lost."""
QUANTILES: Final = {"p50": Fraction(1, 2), "p95": Fraction(95, 100), "p99": Fraction(99, 100)}

Send = Callable[[], Answer]


class Mix:
    """What one thread sends in turns, each with the status that it has to get."""

    def __init__(self, client: Client, addresses: Addresses) -> None:
        self._client = client
        self._addresses = addresses
        self._delivered = ""

    def kinds(self) -> Iterator[tuple[str, int, Send]]:
        """Endlessly yield name, expected status, and the call."""
        usual = (
            ("health", 200, self._get("/health")),
            ("ask", 200, self._post("/v1/ask", b'{"question": "is this address known?"}')),
            ("webhook", 200, self._webhook),
            ("models", 200, self._get("/models")),
            ("chat", 200, self._post("/v1/chat", b'{"message": "what changed?"}')),
            ("mode", 200, self._get("/mode")),
            ("stream", 200, self._post("/v1/chat", b'{"message": "go on", "stream": true}')),
            ("health", 200, self._get("/health")),
        )
        unusual = (
            ("search", 404, self._get("/search")),
            ("wrong signature", 401, lambda: self._signed(b"{}", "another-secret-of-the-soak")),
            ("standard webhook", 200, self._standard),
            ("replayed webhook", 409, self._replay),
            ("signed nonsense", 400, lambda: self._signed(b"{nonsense")),
            ("no signature", 401, self._post("/v1/webhook", b"{}")),
            ("stale webhook", 401, lambda: self._standard(age_s=3600)),
            ("unknown field", 400, self._post("/v1/ask", b'{"query": "?"}')),
            ("not JSON", 415, self._post("/v1/ask", b"?", {"Content-Type": "text/plain"})),
            ("wrong method", 405, self._get("/v1/ask")),
            ("deep health", 200, self._get("/health/deep")),
            ("empty question", 400, self._post("/v1/ask", b'{"question": ""}')),
        )
        for odd in itertools.cycle(unusual):
            yield from (*usual, odd)

    def _get(self, path: str) -> Send:
        return lambda: self._client.send("GET", path, headers=self._addresses.header())

    def _post(self, path: str, body: bytes, headers: dict[str, str] = JSON) -> Send:
        return lambda: self._client.send(
            "POST", path, body, {**headers, **self._addresses.header()}
        )

    def _signed(self, body: bytes, secret: str = SECRET) -> Answer:
        signature = {SIGNATURE_HEADER: sign(secret, body)}
        return self._post("/v1/webhook", body, {**JSON, **signature})()

    def _webhook(self) -> Answer:
        return self._signed(json.dumps({"alert": uuid.uuid4().hex}).encode())

    def _standard(self, age_s: int = 0) -> Answer:
        self._delivered = uuid.uuid4().hex
        return self._deliver(int(time.time()) - age_s)

    def _replay(self) -> Answer:
        return self._deliver(int(time.time()))

    def _deliver(self, sent_at: int) -> Answer:
        signature = Delivery(self._delivered, sent_at, ()).signature(SECRET.encode(), b"{}")
        headers = {
            "webhook-id": self._delivered,
            "webhook-timestamp": str(sent_at),
            "webhook-signature": signature.decode(),
        }
        return self._post("/v1/webhook", b"{}", {**JSON, **headers})()


class Load:
    """Threads that send until they are stopped."""

    def __init__(self, port: int) -> None:
        self.counts = Counts()
        self.unexpected: Counter[str] = Counter()
        self.buckets: dict[str, array[int]] = defaultdict(lambda: array("q", [0]) * BUCKETS)
        self.bursts: list[int] = []
        self._client = Client(port, self.counts)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [
            *(threading.Thread(target=self._mix, args=(n,)) for n in range(THREADS)),
            threading.Thread(target=self._burst),
        ]

    def run(self) -> None:
        """Send until SIGTERM or SIGINT."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stop.set())
        for thread in self._threads:
            thread.start()
        for thread in self._threads:
            thread.join()

    def _mix(self, number: int) -> None:
        mix = Mix(self._client, Addresses(f"10.{number}"))
        intended = time.monotonic() + number / THREADS / PER_SECOND_AND_THREAD
        for name, expected, send in mix.kinds():
            if self._stop.wait(max(0.0, intended - time.monotonic())):
                return
            self._one(name, expected, send)
            # After a stall it does not catch up: that would be a burst that nobody asked for.
            intended = max(intended + 1 / PER_SECOND_AND_THREAD, time.monotonic())

    def _one(self, name: str, expected: int, send: Send) -> None:
        begin = time.perf_counter_ns()
        try:
            status: object = send().status
        except Exception as error:
            status = type(error).__name__
        bucket = index_of(time.perf_counter_ns() - begin)
        with self._lock:
            self.buckets[name][bucket] += 1
            if status != expected:
                self.unexpected[f"{name}: {status} instead of {expected}"] += 1

    def _burst(self) -> None:
        body = b'{"question": "again?"}'
        for number in itertools.count():
            if self._stop.wait(BURST_EVERY_S):
                return
            headers = {**JSON, FORWARDED: f"203.0.{number // 250}.{number % 250}"}
            statuses = Counter(
                self._client.send("POST", "/v1/ask", body, headers).status for _ in range(BURST)
            )
            self.bursts.append(statuses[200])
            if statuses != Counter({200: LIMIT, 429: BURST - LIMIT}):
                with self._lock:
                    self.unexpected[f"burst: {dict(statuses)}"] += 1

    def write(self, path: Path) -> None:
        """Write everything that was counted as JSON."""
        histograms = {name: Histogram(dict(enumerate(n))) for name, n in self.buckets.items()}
        quantiles = {
            name: {label: each.quantile_ns(q) for label, q in QUANTILES.items()}
            for name, each in histograms.items()
        }
        self.counts.write(
            path, unexpected=dict(self.unexpected), bursts=self.bursts, quantiles_ns=quantiles
        )


def main() -> None:
    """Send the load and write the counts."""
    load = Load(int(sys.argv[1]))
    load.run()
    load.write(Path(sys.argv[2]))


if __name__ == "__main__":
    main()
