"""Applications for tests: built in one line, asked in one line."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from hancock_app import Settings, create_app

Build = Callable[..., FlaskClient]


@pytest.fixture
def client() -> FlaskClient:
    """A client of an application with every setting at its default, but for the limit."""
    return create_app(Settings(rate_limit=0, webhook_secret="whsec")).test_client()


@pytest.fixture
def build() -> Build:
    """A client of an application with the given settings."""
    return lambda **settings: create_app(Settings(**settings)).test_client()
