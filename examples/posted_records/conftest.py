"""Post each record as JSON to the URL in LATENCY_ENDPOINT; failing to post fails no test."""

from __future__ import annotations

import json
import os
from http.client import HTTPException
from urllib.request import Request, urlopen

import pytest

from pytest_hancock_latency import Record

PATIENCE_S = 2
TROUBLE = pytest.StashKey[str]()


@pytest.hookimpl(optionalhook=True)
def pytest_latency_recorded(item: pytest.Item, record: Record) -> None:
    endpoint = os.environ.get("LATENCY_ENDPOINT")
    if not endpoint or TROUBLE in item.config.stash:  # do not wait for it again
        return
    try:
        post(endpoint, record)
    except (OSError, HTTPException, ValueError) as error:
        item.config.stash[TROUBLE] = str(error)


def post(endpoint: str, record: Record) -> None:
    content = {
        "test": record.test,
        "sample": record.name,
        "outcome": record.outcome,
        "n": record.n,
        "quantiles_ns": dict(record.quantiles_ns),
    }
    body = json.dumps(content).encode()
    request = Request(endpoint, body, {"Content-Type": "application/json"})
    with urlopen(request, timeout=PATIENCE_S):
        pass


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if TROUBLE in config.stash:
        terminalreporter.write_line(f"records are no longer posted: {config.stash[TROUBLE]}")
