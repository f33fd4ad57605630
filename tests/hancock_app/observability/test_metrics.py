"""What Prometheus is told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from hancock_app import Settings, create_app
from hancock_app.observability.metrics import ResidentMemory, live_workers


def samples(client: FlaskClient) -> dict[str, float]:
    """Every sample of `/metrics`, by name and labels as they are written."""
    values = {}
    for family in text_string_to_metric_families(client.get("/metrics").text):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            values[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return values


def requests_by_labels(client: FlaskClient) -> dict[str, float]:
    name = "hancock_request_duration_seconds_count"
    values = samples(client)
    return {key.removeprefix(name): values[key] for key in values if key.startswith(name)}


def test_requests_are_counted_by_method_route_and_status(client: FlaskClient) -> None:
    client.get("/health")
    client.get("/health")
    client.post("/v1/ask", json={"question": "hi"})
    client.post("/v1/ask", json={})
    assert requests_by_labels(client) == {
        "{method=GET,route=/health,status=200}": 2.0,
        "{method=POST,route=/v1/ask,status=200}": 1.0,
        "{method=POST,route=/v1/ask,status=400}": 1.0,
    }


def test_no_path_or_method_of_a_client_becomes_a_label(client: FlaskClient) -> None:
    for number in range(20):
        client.open(f"/no/{number}", method=f"M{number}")
    assert requests_by_labels(client) == {"{method=other,route=unmatched,status=404}": 20.0}


def test_requests_being_answered_are_counted(client: FlaskClient) -> None:
    # The scrape itself is one.
    assert samples(client)["hancock_active_connections"] == 1.0


def test_the_memory_is_the_current_one(client: FlaskClient) -> None:
    resident_pages = int(Path("/proc/self/statm").read_text().split()[1])
    expected = resident_pages * os.sysconf("SC_PAGE_SIZE")
    assert samples(client)["hancock_memory_usage_bytes"] == pytest.approx(expected, rel=0.1)


def test_questions_to_the_model_are_timed(client: FlaskClient) -> None:
    client.post("/v1/ask", json={"question": "hi"})
    name = "hancock_backend_duration_seconds_count{backend=canned,outcome=answered}"
    assert samples(client)[name] == 1.0


def test_failed_questions_are_counted_separately() -> None:
    class Broken:
        def answer(self, text: str, mode: str) -> str:
            raise ValueError

    client = create_app(Settings(), backend=Broken()).test_client()
    client.post("/v1/ask", json={"question": "hi"})
    name = "hancock_backend_duration_seconds_count{backend=canned,outcome=failed}"
    assert samples(client)[name] == 1.0


def test_refused_requests_are_counted() -> None:
    client = create_app(Settings(rate_limit=1)).test_client()
    for _ in range(3):
        client.post("/v1/ask", json={"question": "hi"})
    assert samples(client)["hancock_rate_limited_total"] == 2.0


def test_applications_count_separately() -> None:
    first, second = (create_app(Settings()).test_client() for _ in range(2))
    first.get("/health")
    assert requests_by_labels(second) == {}


def test_the_memory_of_all_live_workers_is_summed(tmp_path: Path) -> None:
    for pid, pages in ((11, 100), (12, 50)):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "statm").write_text(f"999 {pages} 1 1 0 1 0\n")
    (family,) = ResidentMemory(lambda: [11, 12, 13], tmp_path).collect()
    assert family.samples[0].value == 150 * os.sysconf("SC_PAGE_SIZE")


def test_without_proc_there_is_no_memory_metric(tmp_path: Path) -> None:
    assert list(ResidentMemory(lambda: [11], tmp_path).collect()) == []


def test_live_workers_are_those_with_live_gauges(tmp_path: Path) -> None:
    for name in ("gauge_livesum_11.db", "gauge_livesum_12.db", "counter_13.db", "gauge_sum_14.db"):
        (tmp_path / name).touch()
    assert sorted(live_workers(str(tmp_path))) == [11, 12]
