"""What is true of a whole session: machine, commit, CI run, settings. Looked up when first needed.

Not while pytest starts, and not at all in a session that neither measures nor writes anything.
"""

from __future__ import annotations

import os
import time
from functools import cached_property
from typing import Any

import pytest

from ..measuring.environment import load, machine_info
from ..measuring.origin import ci_of, commit_of
from .settings import Settings


class SessionFacts:
    """The facts that a session's artifact begins with."""

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self._config = config
        self._settings = settings
        self._started_unix_s = round(time.time(), 3)
        self._load = load()  # later it would be our own doing

    @cached_property
    def plain(self) -> dict[str, Any]:
        """All facts as plain data; hooks have had their say about the machine."""
        return {
            "tool": "pytest-hancock-latency",
            "started_unix_s": self._started_unix_s,
            "machine": self._machine(),
            "commit": commit_of(os.environ, self._config.rootpath),
            "ci": ci_of(os.environ),
            "settings": _plain_settings(self._settings),
        }

    def _machine(self) -> dict[str, Any]:
        machine = {**machine_info(self._config.rootpath), "load": self._load}
        self._config.hook.pytest_latency_machine_info(config=self._config, machine=machine)
        return machine


def _plain_settings(settings: Settings) -> dict[str, Any]:
    plan = settings.plan
    return {
        "mode": settings.mode.value,
        "strict": settings.strict,
        "warmup": plan.warmup,
        "samples": plan.samples,
        "max_samples": plan.max_samples,
        "time_limit_ns": plan.time_limit_ns,
        "attribution": plan.attribution,
    }
