"""Activates the rest of the plugin in sessions with something to measure."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from importlib.util import find_spec
from typing import Final

import pytest

from ..core.budget import Terms
from ..core.machine_speed import KnownSpeed, MachineSpeed
from ..core.record import Record
from ..core.undisturbed import ReferenceSpeed
from ..duel.connection import connect_to_coordinator
from ..errors import BudgetError, LatencyError, SettingError
from ..files.artifact import check_artifacts
from ..files.budget import read_machine
from ..files.history import earlier_runs
from ..measuring.warming import import_early
from ..runs.baseline import kind_of_machine
from .again import Again
from .baseline import baseline_of
from .duel_side import DuelSide
from .exclusive import prepare_nodes
from .github import GitHub
from .hooks import Hooks
from .item_hooks import ItemHooks
from .item_settings import ITEM_SETTINGS, item_settings_of
from .kept_speed import KeptSpeed, machine_kind
from .kept_tests import KeptTests
from .ledger import JSON, Ledger, Session
from .marker import NamedBudgets, terms_of
from .options import is_whole_run, is_worker, project_file
from .report_hooks import REMARKS, USAGE_ERRORS, ReportHooks
from .sampler import Sampler
from .session_facts import SessionFacts
from .settings import Mode, Settings, read_settings

_OTHERS: Final = {"locust_run", "benchmark"}
"""Fixtures that measure by themselves: loads have budgets of their own, and those of
pytest-benchmark and CodSpeed may be used once in a test."""
_MARKERS_OF_BENCHMARKS: Final = ("benchmark", "codspeed_benchmark")
"""With them, CodSpeed calls the body of a test repeatedly."""
ITEM_HOOKS: Final = "hancock_latency_item_hooks"
AGAIN_HOOKS: Final = "hancock_latency_again"
DUEL_SIDE: Final = "hancock_latency_duel_side"
REPORT_HOOKS: Final = "hancock_latency_report_hooks"


class Activation:
    """Reads the settings and registers the hooks that this process needs."""

    def __init__(self, config: pytest.Config) -> None:
        if find_spec("numpy") is None:
            raise pytest.UsageError(
                "pytest-hancock-latency measures with numpy, which is not installed: "
                "pip install numpy"
            )
        self._config = config
        self.settings, self._budgets = _usable(config)
        hooks = Hooks(config)
        self._report_hooks: ReportHooks | None = None
        self._facts = SessionFacts(config, self.settings, hooks)
        self._speed_of_limits = _speed_of_limits(self.settings, config)
        self.settings.plan.speed.read_known = self._known_speed
        self._is_ready = False
        self._kept_tests = KeptTests(config, lambda: self._facts.machine)
        self.settings.plan.speed.read_test = self._kept_tests.known
        baseline = baseline_of(self.settings, lambda: self._facts.machine)
        connection = connect_to_coordinator()
        duel = DuelSide(connection) if connection else None
        if duel is not None:
            self.settings = replace(self.settings, artifacts={}, github=False, pool_history=False)
            config.pluginmanager.register(duel, DUEL_SIDE)
        self._item_hooks = ItemHooks(
            config, self.settings, baseline, duel, self._evidence_of_earlier_runs()
        )
        config.pluginmanager.register(self._item_hooks, ITEM_HOOKS)
        if self.settings.again and duel is None:
            again = Again(config, self._item_hooks.shared_time, lambda: self._report_hooks)
            self._item_hooks.will_run_again = again.add
            config.pluginmanager.register(again, AGAIN_HOOKS)
        if not is_worker(config):
            session = Session(
                facts=lambda: self._facts.plain,
                complete=hooks.artifact_text,
                baseline=baseline.artifact if baseline else None,
            )
            self._report_hooks = ReportHooks(
                _ledger(self.settings, session),
                self._facts,
                _github(config, self.settings),
                hooks,
                self._item_hooks.take_records,
                self._keep_speed,
                self._keep_tests,
            )
            config.pluginmanager.register(self._report_hooks, REPORT_HOOKS)
            prepare_nodes(config, self.settings)

    def _keep_tests(self, shown: Mapping[str, str]) -> None:
        if not self.settings.slowdown:
            self._kept_tests.keep(shown)

    def _keep_speed(self, speed: ReferenceSpeed) -> None:
        kind = machine_kind(self._facts.machine)
        known = self.settings.plan.speed.known
        self._facts.speed = MachineSpeed(kind, known.shown(speed) or speed)
        if not self.settings.slowdown:
            KeptSpeed(self._config, kind).keep(speed)

    def _known_speed(self) -> KnownSpeed:
        kind = machine_kind(self._facts.machine)
        return KnownSpeed(KeptSpeed(self._config, kind).reference, self._speed_of_limits, kind)

    def _evidence_of_earlier_runs(self) -> Callable[[Record], Record] | None:
        """Return what adds the evidence of earlier runs to a record, if it was asked for."""
        if not self.settings.pool_history:
            return None
        try:
            earlier = earlier_runs(self.settings.artifacts)
        except SettingError as error:
            raise pytest.UsageError(str(error)) from None
        return lambda record: earlier.added_to(record, lambda: kind_of_machine(self._facts.plain))

    def sampler(self, item: pytest.Item) -> Sampler:
        """Return the sampler of a test."""
        self._get_ready()
        return self._item_hooks.fixture(item)

    def prepare(self, items: list[pytest.Item], marked: Sequence[pytest.Item]) -> None:
        """Read the budgets of all marked tests, and report all errors at once.

        Raises:
            pytest.UsageError: a budget is invalid, or the machine does not match the required
                profile. (In an xdist worker this would look like a crash, so tests are dropped and
                the controller reports the error.)
        """
        errors: dict[str, None] = {}
        budgets: list[tuple[pytest.Item, Terms]] = []
        with_marker = set(marked)
        for item in items:
            try:
                terms = (
                    terms_of(item, self._budgets) if item in with_marker else self._by_tests(item)
                )
            except BudgetError as error:
                errors[str(error)] = None
            else:
                if terms is not None:
                    budgets.append((item, terms))
        if not budgets and not errors:
            return
        for item, terms in budgets:
            self._give(item, terms, len(budgets))
        self._note_unused(items)
        errors |= dict.fromkeys(self._facts.refusals())
        if errors:
            self._refuse(errors, items)
        elif not self._config.option.collectonly:
            self._get_ready()

    def _get_ready(self) -> None:
        """Import and read now what samples need: tests replace modules, and git takes long."""
        if self._is_ready:
            return
        self._is_ready = True
        if self.settings.mode is not Mode.OFF:
            with suppress(Exception):  # the sample itself will fail
                import_early()
            _ = self.settings.plan.speed.known
            self._kept_tests.read()
        if JSON in self.settings.artifacts and not is_worker(self._config):
            _ = self._facts.plain

    def _by_tests(self, item: pytest.Item) -> Terms | None:
        """Return the budget of a test without a marker: from the budget file, else the default."""
        if not isinstance(item, pytest.Function) or not _OTHERS.isdisjoint(item.fixturenames):
            return None
        if any(item.get_closest_marker(name) for name in _MARKERS_OF_BENCHMARKS):
            return None
        return self._budgets.for_test(item) or self.settings.default

    def _note_unused(self, items: Sequence[pytest.Item]) -> None:
        """Report budgets and patterns that no test uses, if the whole suite runs."""
        if not is_whole_run(self._config):
            return
        unused = list(self._budgets.unused(items))
        if self._report_hooks is None:
            self._config.workeroutput[REMARKS] = unused  # type: ignore[attr-defined]
        else:
            self._report_hooks.remarks |= dict.fromkeys(unused)

    def _refuse(self, errors: dict[str, None], items: list[pytest.Item]) -> None:
        if not is_worker(self._config):
            raise pytest.UsageError(*errors)
        self._config.workeroutput[USAGE_ERRORS] = list(errors)  # type: ignore[attr-defined]
        items.clear()

    def _give(self, item: pytest.Item, terms: Terms, gates: int) -> None:
        item.stash[ITEM_SETTINGS] = item_settings_of(item, terms, self.settings, gates)


def _usable(config: pytest.Config) -> tuple[Settings, NamedBudgets]:
    try:
        settings = read_settings(config)
        return settings, NamedBudgets(settings, config)
    except (SettingError, BudgetError) as error:
        raise pytest.UsageError(str(error)) from None


def _speed_of_limits(settings: Settings, config: pytest.Config) -> MachineSpeed | None:
    try:
        return read_machine(settings.budgets or project_file(config))
    except BudgetError as error:
        raise pytest.UsageError(str(error)) from None


def _ledger(settings: Settings, session: Session) -> Ledger:
    try:
        check_artifacts(settings.artifacts)
    except LatencyError as error:
        raise pytest.UsageError(str(error)) from None
    return Ledger(settings.artifacts, session, settings.history_keep)


def _github(config: pytest.Config, settings: Settings) -> GitHub:
    environ = os.environ if settings.github else {}
    return GitHub(environ, config.rootpath, gating=settings.mode is Mode.GATE)
