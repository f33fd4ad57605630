"""The pytest plugin. Every session loads this module, so it imports next to nothing.

Everything else is imported only if a session has a budget, uses a fixture or sets an option.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pytest

from .options import add_options, anything_set, is_worker, may_name_tests, project_file

if TYPE_CHECKING:
    from .activation import Activation
    from .locust_run import LocustRunner
    from .sampler import Sampler, Warmup

_ACTIVE = pytest.StashKey["Activation"]()
_MARKER = "latency_budget"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register options and ini values."""
    add_options(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Register the artifact hooks."""
    from . import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker; read settings only if there are any."""
    config.addinivalue_line("markers", _marker_line(config))
    if anything_set(config) or _controls_workers(config):
        _activation(config)


def _marker_line(config: pytest.Config) -> str:
    """Return the marker for ``--strict-markers`` and, with its signature, for ``--markers``."""
    if not config.option.markers:
        return f"{_MARKER}: latency budget of a test"
    from .marker import signature

    return (
        f"{signature()}: latency budget of a test; limits are milliseconds or strings with a unit, "
        "or one budget name"
    )


def _controls_workers(config: pytest.Config) -> bool:
    """Whether tests run in xdist workers, so that this process only receives reports."""
    return getattr(config.option, "dist", "no") != "no" and not is_worker(config)


def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Compare two versions instead of running the tests once, if asked to."""
    base: str | None = config.option.latency_duel
    if base is None:
        return None
    from .duel_command import duel_instead

    return duel_instead(config, base)


@pytest.hookimpl(trylast=True)  # deselected tests may have invalid budgets
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Read the budgets of all collected tests before anything is measured."""
    marked = _marked(items)
    if marked or _ACTIVE in config.stash or may_name_tests(project_file(config)):
        _activation(config).prepare(items, marked)


def _marked(items: list[pytest.Item]) -> list[pytest.Item]:
    """Return the tests with the marker, on themselves or on any of their parents.

    This runs for every test of every suite, so siblings share the lookup of their parents, and a
    test without marks costs no call.
    """
    marked, parent, inherited = [], None, False
    for item in items:
        if item.parent is not parent:
            parent = item.parent
            inherited = parent is not None and _has_mark(parent.iter_markers())
        if inherited or (item.own_markers and _has_mark(item.own_markers)):
            marked.append(item)
    return marked


def _has_mark(marks: Iterable[pytest.Mark]) -> bool:
    return any(mark.name == _MARKER for mark in marks)


def _activation(config: pytest.Config) -> Activation:
    if _ACTIVE not in config.stash:
        from .activation import Activation

        config.stash[_ACTIVE] = Activation(config)
    return config.stash[_ACTIVE]


@pytest.fixture
def sample(latency_sample: Sampler) -> Sampler:
    """Measure a request until its latency budget is decided: ``sample(client.get, "/health")``."""
    return latency_sample


@pytest.fixture
def warmup(latency_warmup: Warmup) -> Warmup:
    """Warm up manually, so that `sample` adds no warm-up: ``warmup(fn, times=5)``."""
    return latency_warmup


@pytest.fixture
def latency_sample(request: pytest.FixtureRequest) -> Sampler:
    """The same as `sample`, for suites with their own fixture of that name."""
    return _activation(request.config).sampler(request.node)


@pytest.fixture
def latency_warmup(latency_sample: Sampler) -> Warmup:
    """The same as `warmup`, for suites with their own fixture of that name."""
    from .sampler import Warmup

    return Warmup(latency_sample)


@pytest.fixture
def locust_run(request: pytest.FixtureRequest) -> LocustRunner:
    """Run a Locust profile in a separate process for a limited time, and judge it."""
    from .locust_run import LocustRunner

    return LocustRunner(request.node, _activation(request.config).settings)
