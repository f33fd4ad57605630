"""Hancock's load profiles, by the commands of the performance guide, and the load on Kubernetes."""

from __future__ import annotations

import re
import shlex
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import pytest
from driving import ROOT, Ran, counted_by, locust, served

from pytest_hancock_latency.files.budget import read_budgets

PROFILES = ROOT / "tests" / "load_test_locust.py"
LOAD = ROOT / "deploy" / "load"


def command(line: str, host: str, folder: Path, **environment: str) -> Ran:
    """A command of the guide, cut to one second."""
    line = re.sub(r"-t \S+|--run-time \S+", "", line.removeprefix("locust "))
    arguments = shlex.split(line.replace("tests/load_test_locust.py", str(PROFILES)))
    bounded = ("-t", "1s", "--host", host, "--latency-artifacts", "artifacts")
    return Ran(locust(*arguments, *bounded, folder=folder, **environment), folder)


@pytest.mark.parametrize(
    ("line", "paths"),
    [
        (
            "locust -f tests/load_test_locust.py --class-picker HealthOnlyUser --headless "
            "-u 10 -r 2 --run-time 1m",
            {"health"},
        ),
        (
            "locust -f tests/load_test_locust.py --headless -u 10 -r 2 -t 1m HealthOnlyUser",
            {"health"},
        ),
        (
            "locust -f tests/load_test_locust.py --headless -u 50 -r 50 -t 5m ReadOnlyUser",
            {"health", "models", "mode"},
        ),
        (
            "locust -f tests/load_test_locust.py --headless -u 50 -r 50 -t 5m",
            {"health", "models", "mode"},
        ),
    ],
    ids=["with --class-picker", "plain", "read only", "no class named"],
)
def test_every_command_of_the_guide_works(line: str, paths: set[str], tmp_path: Path) -> None:
    with served() as host:
        ran = command(line, host, tmp_path)
        assert paths == set(counted_by(host)), str(ran)
    assert {f"GET /{path}" for path in paths} == {s["test"] for s in ran.artifact["samples"]}
    assert ran.exit_code == 0


def test_key_and_secret_of_the_environment_are_used(tmp_path: Path) -> None:
    line = "locust -f tests/load_test_locust.py --headless -u 50 -r 50 MixedUser"
    secrets = {"HANCOCK_API_KEY": "a-key", "HANCOCK_WEBHOOK_SECRET": "a-secret-of-the-profiles"}
    with served() as host:
        ran = command(line, host, tmp_path, **secrets)
        counted = counted_by(host)
    webhooks = ran.sample("POST /v1/webhook")["n"]
    assert {"v1", "health", "models", "mode"} < set(counted), str(ran)
    assert webhooks == counted["X-Hancock-Signature: sha256="]
    requests = sum(counted[path] for path in ("v1", "health", "models", "mode"))
    assert requests == counted["Authorization: Bearer a-key"]


def test_without_a_secret_there_are_no_webhooks(tmp_path: Path) -> None:
    line = "locust -f tests/load_test_locust.py --headless -u 50 -r 50 MixedUser"
    with served() as host:
        ran = command(line, host, tmp_path)
    assert "POST /v1/webhook" not in {sample["test"] for sample in ran.artifact["samples"]}


# --- Kubernetes ---------------------------------------------------------------------------------


def kubernetes_objects() -> list[dict[str, Any]]:
    yaml = pytest.importorskip("yaml")
    return [
        one
        for path in sorted(LOAD.glob("*.yaml"))
        for one in yaml.safe_load_all(path.read_text(encoding="utf-8"))
    ]


def arguments_of(job: str) -> list[str]:
    (found,) = (
        one
        for one in kubernetes_objects()
        if one["metadata"]["name"] == job and "template" in one["spec"]
    )
    (container,) = found["spec"]["template"]["spec"]["containers"]
    return [str(argument) for argument in container["args"]]


def test_every_kubernetes_object_of_the_load_fits_its_schema() -> None:
    validator = pytest.importorskip("kubernetes_validate")
    for one in kubernetes_objects():
        validator.validate(one, validator.latest_version(), strict=True)


def test_the_budgets_of_kubernetes_are_those_of_the_project(tmp_path: Path) -> None:
    (map_,) = (one for one in kubernetes_objects() if one["kind"] == "ConfigMap")
    path = tmp_path / "budgets.toml"
    path.write_text(map_["data"]["budgets.toml"], encoding="utf-8")
    project, here = read_budgets(ROOT / "pyproject.toml"), read_budgets(path)
    assert here == {name: project[name] for name in here}
    assert {"GET /health", "GET /models", "GET /mode"} == set(here)


@pytest.mark.parametrize("job", ["hancock-load-master", "hancock-load-worker"])
def test_locust_knows_every_option_that_kubernetes_gives_it(job: str, tmp_path: Path) -> None:
    help_ = Ran(locust("-f", str(PROFILES), "--help", folder=tmp_path), tmp_path).out
    known = ArgumentParser(add_help=False)
    ours = {"--latency-budgets", "--latency-artifacts"}  # Locust's help comes before locustfiles
    for option in sorted({*re.findall(r"--[a-z][a-z-]+", help_), *ours}):
        known.add_argument(option, action="store_true")
    switches = [argument.partition("=")[0] for argument in arguments_of(job)]
    _, unknown = known.parse_known_args(switches)
    assert unknown == ["ReadOnlyUser"]


def test_master_and_workers_expect_each_other() -> None:
    (job,) = (o for o in kubernetes_objects() if o["metadata"]["name"] == "hancock-load-worker")
    assert f"--expect-workers={job['spec']['parallelism']}" in arguments_of("hancock-load-master")
    assert "--master-host=hancock-load-master" in arguments_of("hancock-load-worker")
