"""Wakes the rest of the plugin up in a session that has something to measure."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

import pytest

from ..core.budget import Terms
from ..errors import BudgetError, SettingError
from .baseline import baseline_of
from .github import GitHub
from .hooks import Hooks
from .item_hooks import Tests
from .item_settings import GATE, gate_of
from .ledger import Ledger, Session
from .marker import NamedBudgets, terms_of
from .report_hooks import USAGE_ERRORS, Reports
from .sampler import Sampler
from .session_facts import SessionFacts
from .settings import Mode, Settings, read_settings

TESTS_PLUGIN: Final = "hancock_latency_tests"
REPORTS_PLUGIN: Final = "hancock_latency_reports"


class Activation:
    """Reads the settings and registers the hooks that this process needs."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._settings, self._named = _usable(config)
        hooks = Hooks(config)
        self._facts = SessionFacts(config, self._settings, hooks)
        baseline = baseline_of(self._settings, lambda: self._facts.machine)
        self._tests = Tests(config, self._settings, baseline)
        config.pluginmanager.register(self._tests, TESTS_PLUGIN)
        if not _is_worker(config):
            session = Session(
                facts=lambda: self._facts.plain,
                complete=hooks.artifact_text,
                baseline=baseline.artifact if baseline else None,
            )
            ledger = _ledger(self._settings, session)
            reports = Reports(ledger, self._facts, _github(config, self._settings), hooks)
            config.pluginmanager.register(reports, REPORTS_PLUGIN)

    def sampler(self, item: pytest.Item) -> Sampler:
        """The sampler of a test."""
        return self._tests.fixture(item)

    def prepare(self, items: list[pytest.Item], marked: Sequence[pytest.Item]) -> None:
        """Read the budgets of all marked tests; say everything that is wrong at once.

        Raises:
            pytest.UsageError: a budget cannot be meant, or the machine is not the one that is
                required (in a worker of xdist, where it would only be a crash, the tests are
                dropped and the controller tells).
        """
        wrong: dict[str, None] = {}
        for item in marked:
            try:
                terms = terms_of(item, self._named)
            except BudgetError as error:
                wrong[str(error)] = None
            else:
                self._give(item, terms, len(marked))
        wrong |= dict.fromkeys(self._facts.refusals())
        if wrong:
            self._refuse(wrong, items)
        elif self._settings.json and not _is_worker(self._config):
            _ = self._facts.plain  # now, so that git does not run beside the first sample

    def _refuse(self, wrong: dict[str, None], items: list[pytest.Item]) -> None:
        if not _is_worker(self._config):
            raise pytest.UsageError(*wrong)
        self._config.workeroutput[USAGE_ERRORS] = list(wrong)  # type: ignore[attr-defined]
        items.clear()

    def _give(self, item: pytest.Item, terms: Terms, gates: int) -> None:
        item.stash[GATE] = gate_of(item, terms, self._settings, gates)


def _usable(config: pytest.Config) -> tuple[Settings, NamedBudgets]:
    try:
        settings = read_settings(config)
        return settings, NamedBudgets(settings, config)
    except (SettingError, BudgetError) as error:
        raise pytest.UsageError(str(error)) from None


def _ledger(settings: Settings, session: Session) -> Ledger:
    ledger = Ledger(settings, session)
    try:
        ledger.check()
    except OSError as error:
        raise pytest.UsageError(
            f"cannot write the latency artifact {error.filename}: {error.strerror}"
        ) from None
    return ledger


def _github(config: pytest.Config, settings: Settings) -> GitHub:
    environ = os.environ if settings.github else {}
    return GitHub(environ, config.rootpath, gating=settings.mode is Mode.GATE)


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")
