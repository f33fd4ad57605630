"""Fixtures that the suites of all tools share; not counted as their lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import subject


@pytest.fixture
def flask_client() -> Any:
    return subject.flask_app("flask").test_client()


@pytest.fixture
def slow_client() -> Any:
    return subject.flask_app("slow").test_client()


@pytest.fixture
def burst_app() -> Any:
    return subject.flask_app("burst")


@pytest.fixture
def fastapi_client() -> Iterator[Any]:
    from fastapi.testclient import TestClient

    with TestClient(subject.fastapi_app()) as client:  # type: ignore[arg-type]
        yield client
