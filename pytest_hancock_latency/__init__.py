"""Latency budgets for pytest, with verdicts that hold on a busy machine.

All public names are here. They are loaded on first use, so importing the package, which every
pytest session with this plugin does, costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .core.quantile import nearest_rank
    from .core.record import Record
    from .core.sample import GrowthSample, LoadSample, OpenLoopSample, Sample, StreamSample
    from .core.verdict import LimitVerdict, Outcome, Verdict
    from .errors import (
        BudgetError,
        DurationError,
        InconclusiveWarning,
        LatencyError,
        NothingMeasured,
        ProfileError,
        QuantileError,
        SettingError,
    )
    from .measuring.clock import ManualClock
    from .plugin.marker import latency_budget
    from .plugin.sampler import Sampler, Warmup
    from .standalone import judge, measure

__version__ = "0.1.0"


def pytest_addoption(pluginmanager: Any) -> None:
    """Load the plugin by its entry point, for ``-p pytest_hancock_latency``.

    `pytest_plugins` would do that, but only from pytest 9.2 on.
    """
    if not pluginmanager.has_plugin("hancock_latency"):
        pluginmanager.load_setuptools_entrypoints("pytest11", name="hancock_latency")


_HOMES = {
    "latency_budget": "plugin.marker",
    "measure": "standalone",
    "judge": "standalone",
    "Sampler": "plugin.sampler",
    "Warmup": "plugin.sampler",
    "ManualClock": "measuring.clock",
    "LimitVerdict": "core.verdict",
    "Outcome": "core.verdict",
    "Record": "core.record",
    "GrowthSample": "core.sample",
    "LoadSample": "core.sample",
    "OpenLoopSample": "core.sample",
    "Sample": "core.sample",
    "StreamSample": "core.sample",
    "Verdict": "core.verdict",
    "nearest_rank": "core.quantile",
    "BudgetError": "errors",
    "DurationError": "errors",
    "LatencyError": "errors",
    "NothingMeasured": "errors",
    "ProfileError": "errors",
    "QuantileError": "errors",
    "SettingError": "errors",
    "InconclusiveWarning": "errors",
}

__all__ = [
    "BudgetError",
    "DurationError",
    "GrowthSample",
    "InconclusiveWarning",
    "LatencyError",
    "LimitVerdict",
    "LoadSample",
    "ManualClock",
    "NothingMeasured",
    "OpenLoopSample",
    "Outcome",
    "ProfileError",
    "QuantileError",
    "Record",
    "Sample",
    "Sampler",
    "SettingError",
    "StreamSample",
    "Verdict",
    "Warmup",
    "judge",
    "latency_budget",
    "measure",
    "nearest_rank",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
