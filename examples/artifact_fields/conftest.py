"""Add the name of the runner and the version of the service to the JSON artifact."""

from __future__ import annotations

import os
from typing import Any

import pytest

SERVICE = {"name": "search", "version": "1.4.2"}


@pytest.hookimpl(optionalhook=True)
def pytest_latency_machine_info(config: pytest.Config, machine: dict[str, Any]) -> None:
    machine["runner"] = os.environ.get("RUNNER_NAME", "unnamed")


@pytest.hookimpl(optionalhook=True)
def pytest_latency_artifact(config: pytest.Config, artifact: dict[str, Any]) -> None:
    artifact["service"] = SERVICE
