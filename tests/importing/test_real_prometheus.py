"""A real Prometheus collects known latencies, and its counts are judged."""

from __future__ import annotations

import http.client
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from pytest_hancock_latency.core.budget import parse_limits
from pytest_hancock_latency.core.record import Record
from pytest_hancock_latency.core.verdict import Outcome
from pytest_hancock_latency.errors import ImportedFileError
from pytest_hancock_latency.importing.prometheus import PrometheusQuery, prometheus_records

from ..programs import needs
from .native_scrape import TYPE, bucket_of, edge_of, native_family

pytestmark = pytest.mark.long

SCHEMA = 3
COUNT = 3000
EDGES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5)
ROUTES = {"/fast": 0.01, "/slow": 0.04}
PATIENCE_S = 60.0
CONFIGURATION = """
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: classic
    static_configs: [{{targets: ["{classic}"]}}]
  - job_name: native
    static_configs: [{{targets: ["{native}"]}}]
"""


def latencies(route: str) -> list[float]:
    """Log-normal latencies in seconds, the same for each call."""
    draw = np.random.default_rng(7)
    return [float(value) for value in ROUTES[route] * draw.lognormal(0, 0.6, COUNT)]


class Collected(NamedTuple):
    """A Prometheus that has collected all latencies."""

    url: str
    folder: Path

    def records(self, query: str, limits: str) -> dict[str, Record]:
        records = prometheus_records(PrometheusQuery(self.url, query), {}, parse_limits(limits))
        return {record.test: record for record in records}


def serve(body: bytes, content_type: str) -> HTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def classic_page() -> bytes:
    registry = CollectorRegistry()
    histogram = Histogram("http_seconds", "Latency.", ["route"], registry=registry, buckets=EDGES)
    for route in ROUTES:
        for value in latencies(route):
            histogram.labels(route).observe(value)
    return generate_latest(registry)


def native_page() -> bytes:
    return native_family(
        "http_native_seconds", {route: latencies(route) for route in ROUTES}, SCHEMA
    )


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collected]:
    program = needs("prometheus", "prometheus")
    folder = tmp_path_factory.mktemp("prometheus")
    targets = [serve(classic_page(), "text/plain; version=0.0.4"), serve(native_page(), TYPE)]
    classic, native = (f"127.0.0.1:{target.server_port}" for target in targets)
    configuration = folder / "prometheus.yml"
    configuration.write_text(CONFIGURATION.format(classic=classic, native=native))
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                *(program, f"--config.file={configuration}", "--log.level=warn"),
                *(f"--storage.tsdb.path={folder / 'data'}", "--enable-feature=native-histograms"),
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stderr=log,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        for name in ("http_seconds_bucket", "http_native_seconds"):
            wait_for(url, name, folder / "log")
        yield Collected(url, folder)
    finally:
        process.terminate()
        process.wait()
        for target in targets:
            target.shutdown()
            target.server_close()


def wait_for(url: str, name: str, log: Path) -> None:
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            prometheus_records(PrometheusQuery(url, name), {}, None)
            return
        except (ImportedFileError, http.client.HTTPException) as error:
            if time.monotonic() > until:
                pytest.fail(f"{name}: {error}\n{log.read_text()}")
            time.sleep(0.2)


def test_native_histograms_have_the_counts_at_any_limit(collected: Collected) -> None:
    query = "sum by (route) (http_native_seconds)"
    records = collected.records(query, "p50=30ms,p99=150ms")
    assert [record.outcome for record in records.values()] == [Outcome.WITHIN, Outcome.EXCEEDED]
    for route, record in records.items():
        assert record.n == COUNT
        assert record.verdict
        for judged in record.verdict.limits:
            bucket = bucket_of(judged.limit.limit_ns / 1e9, SCHEMA)
            surely = sum(value > edge_of(bucket, SCHEMA) for value in latencies(route))
            maybe = sum(value > edge_of(bucket - 1, SCHEMA) for value in latencies(route))
            expected = surely if judged.outcome is Outcome.EXCEEDED else maybe
            assert (expected, expected) == (judged.over, judged.over_attributed)


def test_a_quantile_of_a_native_histogram_is_in_its_bucket(collected: Collected) -> None:
    for route, record in collected.records("http_native_seconds", "p50=30ms").items():
        name = route.split()[-1]
        ascending = sorted(latencies(name))
        for label, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
            exact = ascending[int(np.ceil(share * COUNT)) - 1]
            expected = edge_of(bucket_of(exact, SCHEMA), SCHEMA)
            assert record.quantiles_ns[label] == pytest.approx(expected * 1e9, rel=1e-6)


def test_classic_buckets_are_judged_at_their_edges(collected: Collected) -> None:
    query = "sum by (route, le) (http_seconds_bucket)"
    records = collected.records(query, "p50=25ms,p99=100ms")
    assert [record.outcome for record in records.values()] == [Outcome.WITHIN, Outcome.EXCEEDED]
    for route, record in records.items():
        assert record.verdict
        for judged in record.verdict.limits:
            limit_s = judged.limit.limit_ns / 1e9
            expected = sum(value > limit_s for value in latencies(route))
            assert (COUNT, expected, expected) == (record.n, judged.over, judged.over_attributed)


def test_classic_buckets_are_not_judged_between_edges(collected: Collected) -> None:
    with pytest.raises(ImportedFileError) as refused:
        collected.records("sum by (route, le) (http_seconds_bucket)", "p50=30ms")
    assert str(refused.value) == (
        f"{collected.url}: /fast: no verdict on p50 can be based on classic buckets, because 30 ms "
        "is not an edge: choose one of 5 ms, 10 ms, 25 ms, 50 ms, 100 ms, 250 ms, 500 ms, or "
        "collect a native histogram"
    )


def test_counts_without_a_request_are_not_a_pass(collected: Collected) -> None:
    query = "http_seconds_bucket - http_seconds_bucket"
    records = collected.records(query, "p50=25ms").values()
    assert [(record.n, record.fails) for record in records] == [(0, True), (0, True)]


def test_a_wrong_query_is_told_in_the_words_of_prometheus(collected: Collected) -> None:
    with pytest.raises(ImportedFileError) as refused:
        collected.records("http_seconds_bucket{", "p50=25ms")
    assert str(refused.value).startswith(
        f'{collected.url}: bad_data: invalid parameter "query": 1:21: parse error'
    )
