"""Artifact hooks, with which other plugins can extend our artifacts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ..core.record import Record


def pytest_latency_machine_info(config: pytest.Config, machine: dict[str, Any]) -> None:
    """Change or add facts about the machine, in place, before anything is written.

    Called once, and only in sessions that write the JSON artifact.

    .. code-block:: python

        def pytest_latency_machine_info(config, machine):
            machine["runner"] = os.environ.get("RUNNER_NAME")
    """


def pytest_latency_recorded(item: pytest.Item, record: Record) -> None:
    """Called with the record of each sample, judged or not, in the process that ran the test.

    .. code-block:: python

        def pytest_latency_recorded(item, record):
            print(item.nodeid, record.outcome, record.quantiles_ns["p99"])
    """


def pytest_latency_artifact(config: pytest.Config, artifact: dict[str, Any]) -> None:
    """Change or add fields of the JSON artifact, in place, each time before it is written.

    .. code-block:: python

        def pytest_latency_artifact(config, artifact):
            artifact["service_version"] = "1.4.2"
    """
