"""The examples of the artifact hooks do what their READMEs say, with real files and servers."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jsonschema
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
ALONE = ("-p", "hancock_latency", "-p", "no:cacheprovider", "--latency=report")
SORTING = "{}/test_sorting.py::test_sorting_a_thousand_numbers"


def run(pytester: pytest.Pytester, name: str, *arguments: str) -> pytest.RunResult:
    shutil.copytree(
        EXAMPLES / name, pytester.path / name, ignore=shutil.ignore_patterns("__pycache__")
    )
    result = pytester.runpytest_subprocess(*ALONE, *arguments, name)
    result.assert_outcomes(passed=1)
    return result


@pytest.fixture(autouse=True)
def no_other_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


class Collector(ThreadingHTTPServer):
    """Keeps what is posted to it; answers with one status."""

    def __init__(self, status: int) -> None:
        super().__init__(("127.0.0.1", 0), Collecting)
        self.status = status
        self.posted: list[tuple[str, str | None, Any]] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/records"


class Collecting(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.posted.append((self.path, self.headers["Content-Type"], body))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """A test has nobody to tell."""


@contextmanager
def collector(status: int = 204) -> Iterator[Collector]:
    with Collector(status) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def test_a_project_adds_its_own_fields(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNNER_NAME", "runner-3")
    run(pytester, "artifact_fields", "--latency-json=latency.json")
    artifact = json.loads((pytester.path / "latency.json").read_text(encoding="utf-8"))
    assert artifact["machine"]["runner"] == "runner-3"
    assert artifact["service"] == {"name": "search", "version": "1.4.2"}


def test_each_record_is_posted(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    with collector() as server:
        monkeypatch.setenv("LATENCY_ENDPOINT", server.address)
        result = run(pytester, "posted_records")
    ((path, kind, record),) = server.posted
    assert (path, kind) == ("/records", "application/json")
    assert SORTING.format("posted_records") == record["test"]
    assert record["outcome"] in ("within", "exceeded", "inconclusive")
    assert {"p50", "p95", "p99", "max"} == set(record["quantiles_ns"])
    result.stdout.no_fnmatch_line("records are no longer posted*")


def test_a_collector_that_is_away_fails_no_test(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    with collector() as server:
        monkeypatch.setenv("LATENCY_ENDPOINT", server.address)
    result = run(pytester, "posted_records")
    result.stdout.fnmatch_lines("records are no longer posted: *Connection refused*")


def test_a_collector_that_fails_fails_no_test(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    with collector(status=500) as server:
        monkeypatch.setenv("LATENCY_ENDPOINT", server.address)
        result = run(pytester, "posted_records")
    result.stdout.fnmatch_lines("records are no longer posted: HTTP Error 500: *")


def test_an_invalid_address_fails_no_test(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LATENCY_ENDPOINT", "collector")
    result = run(pytester, "posted_records")
    result.stdout.fnmatch_lines("records are no longer posted: unknown url type: 'collector'")


@pytest.mark.parametrize("workers", [(), ("-p", "xdist", "-n", "2")], ids=["alone", "xdist"])
def test_the_metrics_are_ones_that_prometheus_reads(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, workers: tuple[str, ...]
) -> None:
    parser = pytest.importorskip("prometheus_client.openmetrics.parser")
    if workers:
        pytest.importorskip("xdist")
    monkeypatch.setenv("LATENCY_METRICS", "latency.prom")
    run(pytester, "openmetrics", "--latency-json=latency.json", *workers)
    text = (pytester.path / "latency.prom").read_text(encoding="utf-8")
    families = {family.name: family for family in parser.text_string_to_metric_families(text)}
    sample = {"test": SORTING.format("openmetrics"), "sample": ""}
    limits = {s.labels["quantile"]: s.value for s in families["latency_limit_seconds"].samples}
    latencies = {s.labels["quantile"]: s for s in families["latency_seconds"].samples}
    assert limits == {"p50": 0.005, "p95": 0.02, "p99": 0.05}
    assert {"p50", "p95", "p99", "max"} == set(latencies)
    assert sample | {"quantile": "p50"} == latencies["p50"].labels
    assert latencies["p50"].value > 0
    assert sum(s.value for s in families["latency_verdict"].samples) == 1


# As published by Bencher: https://bencher.dev/bmf.json
METRIC = {
    "type": "object",
    "properties": {name: {"type": "number"} for name in ("value", "lower_value", "upper_value")},
    "required": ["value"],
    "additionalProperties": False,
}
BENCHMARK = {"type": "object", "patternProperties": {".+": METRIC}}
BMF = {"type": "object", "patternProperties": {".+": BENCHMARK}}


def test_the_results_are_ones_that_bencher_reads(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCHER_RESULTS", "bmf.json")
    run(pytester, "bencher", "--latency-json=latency.json")
    results = json.loads((pytester.path / "bmf.json").read_text(encoding="utf-8"))
    jsonschema.validate(results, BMF)
    (measures,) = results.values()
    assert list(results) == [SORTING.format("bencher")]
    assert set(measures) == {"latency", "p95-latency", "p99-latency", "max-latency"}
    median = measures["latency"]
    assert 0 < median["lower_value"] <= median["value"] <= median["upper_value"]
