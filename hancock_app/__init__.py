"""Hancock: a small, plain service in front of a language model.

`create_app` builds it, `Settings` says how, `Backend` is what a model has to look like.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hancock_app.backends import Backend
from hancock_app.settings import Settings, SettingsError

if TYPE_CHECKING:
    from flask import Flask

__all__ = ["Backend", "Settings", "SettingsError", "create_app"]


def create_app(settings: Settings | None = None, *, backend: Backend | None = None) -> Flask:
    """Build the application; the environment decides where `settings` is not given.

    `backend` stands in for the one that the settings name. Raises `SettingsError` where the
    environment cannot be understood.
    """
    # Not at the top: gunicorn's configuration has to be able to choose the multiprocess mode of
    # prometheus-client, which reads its choice at import, after this package has been imported.
    from hancock_app.assembly import assemble

    return assemble(settings or Settings.from_env(), backend=backend)
