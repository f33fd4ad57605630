"""Live progress on a terminal, for samples that take longer than about a second."""

from __future__ import annotations

import os
from typing import Any, Final

import pytest

from ..core.advice import Advice
from ..core.sample import Progress
from ..reporting.advice import advice_text
from ..reporting.wording import progress_line

PATIENCE_NS: Final = 1_000_000_000


class Live:
    """Writes one line that is overwritten repeatedly and removed at the end.

    Output capture is suspended while writing, so that the line goes to the terminal and not into
    the captured output of the test.
    """

    def __init__(self, config: pytest.Config, test: str) -> None:
        self._terminal: Any = config.pluginmanager.get_plugin("terminalreporter")
        self._capture: Any = config.pluginmanager.get_plugin("capturemanager")
        self._test = test
        self._is_visible = False
        self._live = self._terminal is not None and _is_watched(self._terminal)

    def warn(self, advice: Advice) -> None:
        """Write advice on its own line, in logs as well."""
        if self._terminal is not None:
            self._write(f"\n{self._test}: {advice_text(advice)}\n")

    def show(self, progress: Progress) -> None:
        """Overwrite the line, if the output is a terminal and the sample takes long enough."""
        if not self._live or progress.elapsed_ns < PATIENCE_NS:
            return
        width = self._terminal._tw.fullwidth - 1
        text = progress_line(self._test, progress)[:width]
        self._is_visible = True
        self._write(f"\r{text.ljust(width)}")

    def done(self) -> None:
        """Erase the line."""
        if self._is_visible:
            self._write(f"\r{' ' * (self._terminal._tw.fullwidth - 1)}\r")
            self._is_visible = False

    def _write(self, text: str) -> None:
        if self._capture is None:
            self._terminal.write(text, flush=True)
            return
        with self._capture.global_and_fixture_disabled():
            self._terminal.write(text, flush=True)


def _is_watched(terminal: pytest.TerminalReporter) -> bool:
    in_ci = bool(os.environ.get("CI") or os.environ.get("BUILD_NUMBER"))
    return bool(terminal.isatty) and not in_ci and terminal.verbosity >= 0
