"""Connects Locust's events with the gate at import, before there is an environment."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any, Final

from locust.argument_parser import parse_options
from locust.runners import WorkerRunner

from ..errors import LatencyError
from .coordinator import Coordinator
from .locust_table import guard
from .run_judge import rehearse
from .settings import Settings, add_options, read_settings
from .web import add_tab
from .worker import Worker

USAGE: Final = 2
DRAIN_S: Final = 2.0
"""Time for requests in progress at the end, unless --stop-timeout is longer. Without it, Locust
drops them, although the server handled them, and drops mostly slow ones."""


class Registration:
    """Listens to the events that occur once per process."""

    def __init__(self, events: Any) -> None:
        self._role: Worker | Coordinator | None = None
        events.init_command_line_parser.add_listener(add_options)
        events.init.add_listener(self._init)
        # Fired in reverse order, so this runs last: after Locust has stopped all users.
        events.quitting.add_listener(self._quitting)
        events.quit.add_listener(self._quit)

    def _init(self, environment: Any, runner: Any = None, **_: Any) -> None:
        guard(environment.stats)
        if isinstance(runner or environment.runner, WorkerRunner):
            if getattr(environment.parsed_options, "processes", None):
                # Forked with the master's options: if those are invalid, the master exits, and this
                # process would only end after minutes. Locust has removed the run time from them.
                _settings_or_exit(environment, parse_options(), prints_error=False)
            self._role = Worker(environment)
            return
        environment.stop_timeout = max(environment.stop_timeout, DRAIN_S)
        settings = _settings_or_exit(environment, environment.parsed_options)
        rehearse()
        self._role = coordinator = Coordinator(environment, settings)
        if environment.web_ui is not None:
            add_tab(environment.web_ui, coordinator)

    def _quitting(self, **_: Any) -> None:
        if self._role is not None:
            self._role.after_quitting()

    def _quit(self, **_: Any) -> None:
        if self._role is not None:
            self._role.report()


def _settings_or_exit(
    environment: Any, run_options: Namespace, *, prints_error: bool = True
) -> Settings:
    """Return the settings; exit before the first user starts if they are invalid."""
    try:
        settings = read_settings(environment.parsed_options, os.environ, Path.cwd())
        settings.check_run(run_options, environment.shape_class)
    except LatencyError as error:
        if prints_error:
            print(f"latency budgets: {error}", file=sys.stderr, flush=True)
        sys.exit(USAGE)
    return settings
