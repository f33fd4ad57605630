"""What stands in `deploy/` fits the application, and the tools that read it."""

from __future__ import annotations

import http.client
import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from hancock_app import Settings, create_app

from ..programs import needs
from .conftest import Eventually, free_port

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
SHOWS = Path(__file__).resolve().parent / "shows"
SERVER_VARIABLES = {"HANCOCK_HOST", "HANCOCK_PORT", "WEB_CONCURRENCY"}
KNOWN_VARIABLES = {setting.metadata["variable"] for setting in fields(Settings)} | SERVER_VARIABLES


def kubernetes_objects() -> Iterator[dict[str, Any]]:
    yaml = pytest.importorskip("yaml")
    for path in sorted((DEPLOY / "k8s").glob("*.yaml")):
        yield from yaml.safe_load_all(path.read_text())


def the(kind: str, name: str = "hancock") -> dict[str, Any]:
    (found_object,) = (
        manifest
        for manifest in kubernetes_objects()
        if (manifest["kind"], manifest["metadata"]["name"]) == (kind, name)
    )
    return found_object


def test_every_kubernetes_object_fits_its_schema() -> None:
    validator = pytest.importorskip("kubernetes_validate")
    for manifest in kubernetes_objects():
        validator.validate(manifest, validator.latest_version(), strict=True)


def test_the_autoscaler_aims_at_70_percent_cpu_and_80_percent_memory() -> None:
    aims = {
        metric["resource"]["name"]: metric["resource"]["target"]["averageUtilization"]
        for metric in the("HorizontalPodAutoscaler")["spec"]["metrics"]
    }
    assert aims == {"cpu": 70, "memory": 80}


def test_probes_never_ask_the_model() -> None:
    containers = the("Deployment")["spec"]["template"]["spec"]["containers"]
    names = ("startupProbe", "livenessProbe", "readinessProbe")
    probes = [container[name] for container in containers for name in names if name in container]
    assert len(probes) == 4
    assert {probe["httpGet"]["path"] for probe in probes} == {"/health"}


def test_kubernetes_sets_only_existing_variables() -> None:
    assert set(the("ConfigMap")["data"]) <= KNOWN_VARIABLES
    assert set(the("Secret")["stringData"]) <= KNOWN_VARIABLES


def test_the_settings_in_kubernetes_are_valid() -> None:
    environ = the("ConfigMap")["data"] | the("Secret")["stringData"]
    assert Settings.from_env(environ).shares_storage


def test_kubernetes_has_the_proxy_that_compose_has() -> None:
    text = (DEPLOY / "nginx" / "nginx.conf").read_text(encoding="utf-8")
    assert the("ConfigMap", "hancock-proxy")["data"] == {"nginx.conf": text}


def test_requests_reach_hancock_through_the_proxy_alone() -> None:
    (port,) = the("Service")["spec"]["ports"]
    assert port["targetPort"] == "proxy"
    yaml = pytest.importorskip("yaml")
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    assert services["hancock"]["ports"] == ["127.0.0.1:5000:8080"]
    assert services["proxy"]["network_mode"] == "service:hancock"


HOST = b"Host: a\r\nConnection: close\r\n"
GET = b"GET / HTTP/1.1\r\n" + HOST
POST = b"POST / HTTP/1.1\r\n" + HOST
MALFORMED = (400, "the request is malformed")


@pytest.fixture
def proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The port of nginx as it is configured, in front of nobody."""
    needs("nginx", "nginx")
    monkeypatch.syspath_prepend(SHOWS)
    with import_module("silence").nginx(tmp_path, free_port()) as port:
        yield port


def answer_of(port: int, request: bytes) -> tuple[int, Any]:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(request)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert answer.getheader("Content-Type") == "application/json"
        content = json.loads(answer.read())
    assert content.pop("request_id")
    return answer.status, content


@pytest.mark.parametrize(
    ("request_", "status", "error"),
    [
        (b"GET /metrics HTTP/1.1\r\n" + HOST, 404, "not found"),
        (b"GET //%6detrics?a HTTP/1.1\r\n" + HOST, 404, "not found"),
        (b"GET /health/deep HTTP/1.1\r\n" + HOST, 404, "not found"),
        (b"TRACE / HTTP/1.1\r\n" + HOST, 405, "the method is not allowed"),
        (POST + b"Content-Length: 1000001\r\n", 413, "the body is larger than 1 MB"),
        (b"GET /" + 9000 * b"a" + b" HTTP/1.1\r\n" + HOST, 414, "the URL is too long"),
        (GET + b"X: " + 9000 * b"a" + b"\r\n", 431, "the headers are too large"),
        (GET + 6 * (b"X: " + 7000 * b"a" + b"\r\n"), 431, "the headers are too large"),
        (
            POST + b"Transfer-Encoding: gzip\r\n",
            501,
            "the transfer encoding is not supported",
        ),
        (b"GET / HTTP/3.0\r\n" + HOST, 505, "the version of HTTP is not supported"),
        (GET, 502, "the service cannot be reached; try again later"),
        (b"GET / HTTP/1.1\r\nConnection: close\r\n", *MALFORMED),
        (b"CONNECT a:1 HTTP/1.1\r\n" + HOST, *MALFORMED),
        (b"GET /.. HTTP/1.1\r\n" + HOST, *MALFORMED),
        (POST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", *MALFORMED),
        (b"\x16\x03\x01 TLS\r\n", *MALFORMED),
    ],
    ids=lambda value: value if isinstance(value, int) else "",
)
def test_what_the_proxy_itself_answers_is_json(
    proxy: int, request_: bytes, status: int, error: str
) -> None:
    assert answer_of(proxy, request_ + b"\r\n") == (status, {"error": error})


def test_an_address_may_have_only_so_many_connections(proxy: int, eventually: Eventually) -> None:
    with ExitStack() as stack:
        for _ in range(200):
            held = stack.enter_context(socket.create_connection(("127.0.0.1", proxy)))
            # Connections count once their headers are complete.
            held.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n")
        refused = (429, {"error": "too many connections"})
        eventually(lambda: answer_of(proxy, GET + b"\r\n") == refused)


@pytest.mark.long
def test_sixteen_silent_connections_delay_no_request_behind_the_proxy() -> None:
    """And what else `deploy/nginx/nginx.conf` promises; without the proxy: see the script."""
    needs("nginx", "nginx")
    show = SHOWS / "silence.py"
    done = subprocess.run(
        [sys.executable, show, "--proxy-only"],
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_compose_and_the_image_set_only_existing_variables() -> None:
    for name in ("compose.yaml", "Dockerfile"):
        text = (DEPLOY / name).read_text()
        used = set(re.findall(r"\b((?:HANCOCK|NVIDIA|WEB)_[A-Z_]+)\b", text))
        assert used <= KNOWN_VARIABLES, name


def test_the_image_runs_as_an_unprivileged_user() -> None:
    final_stage = (DEPLOY / "Dockerfile").read_text().rpartition("\nFROM ")[2]
    assert "\nUSER 10001:10001\n" in final_stage


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "config", "prometheus.yml"),
        ("check", "rules", "alerts.yml"),
        ("test", "rules", "alerts_test.yml"),
    ],
)
def test_promtool_accepts_the_files(promtool: str, arguments: tuple[str, ...]) -> None:
    done = subprocess.run(
        [promtool, *arguments],
        cwd=DEPLOY / "prometheus",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def metric_names() -> set[str]:
    """The names of all series that the application exposes."""
    client = create_app(Settings()).test_client()
    client.get("/health")
    text = client.get("/metrics").text
    return {
        sample.name for family in text_string_to_metric_families(text) for sample in family.samples
    }


@pytest.mark.parametrize(
    "path",
    ["prometheus/alerts.yml", "prometheus/alerts_test.yml", "grafana/dashboards/hancock.json"],
)
def test_dashboards_and_alerts_use_only_existing_metrics(path: str) -> None:
    metrics_in_use = set(re.findall(r"\bhancock_[a-z_]+\b", (DEPLOY / path).read_text()))
    assert metrics_in_use - {"hancock_app"} <= metric_names()


def test_the_dashboard_shows_what_the_guide_watches() -> None:
    board = json.loads((DEPLOY / "grafana/dashboards/hancock.json").read_text())
    shown = json.dumps([panel["targets"] for panel in board["panels"]])
    for name in ("hancock_memory_usage_bytes", "hancock_active_connections"):
        assert name in shown


def test_the_dashboard_finds_the_source_that_is_provisioned() -> None:
    board = json.loads((DEPLOY / "grafana/dashboards/hancock.json").read_text())
    provisioned = (DEPLOY / "grafana/provisioning/datasources/prometheus.yaml").read_text()
    for panel in board["panels"]:
        assert f"uid: {panel['datasource']['uid']}\n" in provisioned
