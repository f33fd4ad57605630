"""Facts about a session: machine, commit, CI run and settings. Determined on first use.

They are not determined while pytest starts, or in sessions that neither measure nor write
artifacts.
"""

from __future__ import annotations

import os
from functools import cached_property
from typing import Any

import pytest

from ..core.machine_speed import MachineSpeed
from ..measuring.clock import wall_clock
from ..measuring.environment import load, machine_info
from ..measuring.origin import ci_of, commit_of
from ..reporting.wording import scale_lines
from .exclusive import Waited
from .hooks import Hooks
from .settings import Settings


class SessionFacts:
    """The facts at the start of a session's artifact."""

    def __init__(self, config: pytest.Config, settings: Settings, hooks: Hooks) -> None:
        self._config = config
        self._hooks = hooks
        self._settings = settings
        self._started_unix_s = round(wall_clock(), 3)
        self._load = load()  # before our own measuring raises it
        self.speed: MachineSpeed | None = None
        """The reference speed of this machine, once the session has measured."""
        self.waited: Waited | None = None
        """How long tests waited for each other, once the workers of xdist have ended."""

    @property
    def plain(self) -> dict[str, Any]:
        """All facts as plain data, with the machine as changed by hooks."""
        speed = {"speed": self.speed.plain()} if self.speed is not None else {}
        waited = {"exclusive": self.waited.plain()} if self.waited is not None else {}
        return {**self._plain, **speed, **waited}

    @cached_property
    def _plain(self) -> dict[str, Any]:
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
        """Return why measuring on this machine is an error."""
        profile = self._settings.profile
        return profile.refusals(self._measured) if profile else []

    def remarks(self) -> list[str]:
        """Return remarks about this machine for the reader of the results."""
        profile, scale = self._settings.profile, self._settings.scale
        of_machine = profile.remarks(self._measured) if profile else []
        return [*scale_lines(float(scale)), *of_machine]

    @property
    def settings(self) -> Settings:
        """The settings from options, ini file and environment."""
        return self._settings

    @property
    def machine(self) -> dict[str, Any]:
        """The known facts about the machine, before hooks change them."""
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
        **({"slowdown": float(settings.slowdown)} if settings.slowdown else {}),
        "warmup": plan.warmup if isinstance(plan.warmup, int) else str(plan.warmup),
        "samples": plan.samples,
        "max_samples": plan.max_samples,
        "time_limit_ns": plan.time_limit_ns or None,  # auto
        "attribution": plan.attribution,
        "exclusive": settings.exclusive.value,
    }
