"""Facts about a run: machine, commit, settings, load and participants."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import locust

from ..measuring.environment import load, machine_info
from ..measuring.origin import ci_of, commit_of
from .ending import Ending
from .participants import Participant
from .settings import Settings


class Facts:
    """The facts at the start of the artifact of a run."""

    def __init__(self, environment: Any, settings: Settings) -> None:
        self._environment, self._settings = environment, settings
        self._started_unix_s = round(time.time(), 3)
        self._load = load()  # before our own load raises it
        self.users = 0
        _ = self._fixed  # now, so that git does not run during the first request

    def begin(self) -> None:
        """Called when a test starts."""
        self._started_unix_s = round(time.time(), 3)

    def plain(self, participants: Iterable[Participant], ending: Ending) -> dict[str, Any]:
        """All facts as plain data."""
        return {
            "tool": "pytest-hancock-latency",
            "started_unix_s": self._started_unix_s,
            **self._fixed,
            "settings": {
                "strict": self._settings.strict,
                "abort": self._settings.abort,
                "until_decided": self._settings.until_decided,
                "scale": float(self._settings.scale),
            },
            "locust": {**self._locust(participants), **ending.to_plain()},
        }

    @cached_property
    def _fixed(self) -> dict[str, Any]:
        folder = Path.cwd()
        return {
            "machine": {**machine_info(folder), "load": self._load},
            "commit": commit_of(os.environ, folder),
            "ci": ci_of(os.environ),
        }

    def _locust(self, participants: Iterable[Participant]) -> dict[str, Any]:
        environment, options = self._environment, self._environment.parsed_options
        return {
            "version": locust.__version__,
            "host": environment.host,
            "user_classes": sorted(user_class.__name__ for user_class in environment.user_classes),
            "users": self.users,
            "spawn_rate": getattr(options, "spawn_rate", None),
            "run_time_s": getattr(options, "run_time", None),
            "participants": [participant.to_plain() for participant in participants],
        }
