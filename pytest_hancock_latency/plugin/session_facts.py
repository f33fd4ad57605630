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
from ..reporting.wording import scale_lines
from .hooks import Hooks
from .settings import Settings


class SessionFacts:
    """The facts that a session's artifact begins with."""

    def __init__(self, config: pytest.Config, settings: Settings, hooks: Hooks) -> None:
        self._config = config
        self._hooks = hooks
        self._settings = settings
        self._started_unix_s = round(time.time(), 3)
        self._load = load()  # later it would be our own doing

    @cached_property
    def plain(self) -> dict[str, Any]:
        """All facts as plain data; hooks have had their say about the machine."""
        return {
            "tool": "pytest-hancock-latency",
            "started_unix_s": self._started_unix_s,
            "machine": self._hooks.machine_info(self._measured),
            "profile": self._profile(),
            "commit": commit_of(os.environ, self._config.rootpath),
            "ci": ci_of(os.environ),
            "settings": _plain_settings(self._settings),
        }

    def refusals(self) -> list[str]:
        """Why nothing may be measured on this machine."""
        profile = self._settings.profile
        return profile.refusals(self._measured) if profile else []

    def remarks(self) -> list[str]:
        """What the reader of the results should know of this machine."""
        profile, scale = self._settings.profile, self._settings.scale
        of_machine = profile.remarks(self._measured) if profile else []
        return [*scale_lines(float(scale)), *of_machine]

    @property
    def settings(self) -> Settings:
        """What options, ini and environment set."""
        return self._settings

    @property
    def machine(self) -> dict[str, Any]:
        """What is known of the machine, before hooks have their say."""
        return self._measured

    @cached_property
    def _measured(self) -> dict[str, Any]:
        return {**machine_info(self._config.rootpath), "load": self._load}

    def _profile(self) -> dict[str, Any] | None:
        profile = self._settings.profile
        return profile.plain(self._measured) if profile else None


def _plain_settings(settings: Settings) -> dict[str, Any]:
    plan = settings.plan
    return {
        "mode": settings.mode.value,
        "strict": settings.strict,
        "scale": float(settings.scale),
        "warmup": plan.warmup if isinstance(plan.warmup, int) else str(plan.warmup),
        "samples": plan.samples,
        "max_samples": plan.max_samples,
        "time_limit_ns": plan.time_limit_ns or None,  # auto
        "attribution": plan.attribution,
    }
