"""Hancock: a small HTTP service in front of a language model.

`create_app` builds the Flask application, `Settings` configures it, and `Backend` is the interface
of a language model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hancock_app.backends import Backend
from hancock_app.settings import Settings, SettingsError

if TYPE_CHECKING:
    from flask import Flask

__all__ = ["Backend", "Settings", "SettingsError", "create_app"]


def create_app(settings: Settings | None = None, *, backend: Backend | None = None) -> Flask:
    """Build the application.

    Args:
        settings: read from the environment by default.
        backend: replaces the configured one.

    Raises:
        SettingsError: the environment is invalid.

    >>> client = create_app(Settings(rate_limit=0)).test_client()
    >>> client.get("/health").json
    {'status': 'ok'}
    """
    # Not at the top: gunicorn_config imports this package before it sets PROMETHEUS_MULTIPROC_DIR,
    # which prometheus-client reads when it is imported.
    from hancock_app.assembly import assemble

    return assemble(settings or Settings.from_env(), backend=backend)
