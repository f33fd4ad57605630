"""The settings of a session, read once into a frozen value; errors name the source of a value."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

import pytest

from ..core.budget import (
    Terms,
    check_counts,
    parse_limits,
    parse_scale,
    parse_slowdown,
    parse_time_limit,
)
from ..core.duration import parse_duration
from ..core.quantile import MAXIMUM
from ..core.warmup import parse_warmup
from ..errors import BudgetError, SettingError, did_you_mean, read_as
from ..files.hardware import RequestedProfile, requested_profile
from ..files.kinds import KINDS
from ..files.options import (
    GUIDE_ARTIFACT,
    KEPT_RUNS,
    Option,
    artifact_paths,
    parse_kept,
    parse_switch,
)
from ..measuring.plan import SHARED_NS, Plan
from ..reporting.columns import Column, parse_columns
from ..reporting.groups import GroupBy, parse_group_by
from .options import OPTIONS, ini_text, project_file

T = TypeVar("T")


class Mode(StrEnum):
    """What to do with budgets."""

    GATE = "gate"
    REPORT = "report"
    OFF = "off"


class Exclusive(StrEnum):
    """Whether gates run alone under pytest-xdist."""

    AUTO = "auto"
    """Tests with a budget of their own do, if there are several workers on this machine."""
    ON = "on"
    """So do those with the default budget; without record locks, it is an error."""
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings from options, ini file and environment, with defaults."""

    mode: Mode = Mode.GATE
    plan: Plan = field(default_factory=Plan)
    shared_time_ns: int = SHARED_NS
    """Time shared by all samples of a process, beyond the time of each sample."""
    strict: bool = False
    scale: Fraction = Fraction(1)
    """Factor for latency limits."""
    slowdown: Fraction = Fraction(0)
    """Share by which calls are slowed down, and gates have to notice; 0 in ordinary runs."""
    default: Terms | None = None
    """Budget of tests without their own."""
    repeat: bool = False
    """Whether tests with the default budget are called again and again."""
    exclusive: Exclusive = Exclusive.AUTO
    again: bool = True
    """Whether gates are measured again that the machine kept from a verdict."""
    junit: bool = True
    github: bool = True
    budgets: Path | None = None
    profile: RequestedProfile | None = None
    baseline: Path | None = None
    columns: tuple[Column, ...] = ()
    """Additional columns."""
    group_by: GroupBy | None = None
    artifacts: Mapping[str, Path] = field(default_factory=dict)
    """Path of each kind of artifact to write."""
    history_keep: int = KEPT_RUNS
    """Number of runs to keep in the history."""
    pool_history: bool = False
    """Whether the last runs of the history may decide what this run leaves inconclusive."""


@dataclass(frozen=True, slots=True)
class _Setting:
    """A value, its source, and the folder that relative paths start from."""

    value: Any
    where: str
    base: Path


def read_settings(config: pytest.Config, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read all settings, each from the source with the highest precedence.

    Raises:
        SettingError: a value is invalid; the text starts with its source.
    """
    values = {option.name: _strongest(option, config, environ) for option in OPTIONS}
    plan = Plan()
    counts = {
        name: _read(values[name], _count, getattr(plan, name))
        for name in ("samples", "max_samples")
    }
    _check_counts(values, counts)
    guide = environ.get(GUIDE_ARTIFACT)
    slowdown = _read(values["slowdown"], parse_slowdown, Fraction(0))
    return Settings(
        mode=_read(values["mode"], _mode, Mode.GATE),
        plan=Plan(
            **counts,
            warmup=_read(values["warmup"], parse_warmup, plan.warmup),
            time_limit_ns=_read(values["time_limit"], parse_time_limit, plan.time_limit_ns),
            attribution=_read(values["attribution"], parse_switch, True),
            slowdown=float(slowdown),
        ),
        shared_time_ns=_read(values["time"], parse_duration, SHARED_NS),
        strict=_read(values["strict"], parse_switch, False),
        scale=_read(values["scale"], parse_scale, Fraction(1)),
        slowdown=slowdown,
        default=_read(values["default"], _default_terms, None),
        repeat=_read(values["repeat"], parse_switch, False),
        exclusive=_read(values["exclusive"], _exclusive, Exclusive.AUTO),
        again=_read(values["again"], parse_switch, True) and not slowdown,
        junit=_read(values["junit"], parse_switch, True),
        github=_read(values["github"], parse_switch, True) and not slowdown,
        columns=_read(values["columns"], parse_columns, ()),
        group_by=_read(values["group_by"], parse_group_by, None),
        budgets=_path(values["budgets"]),
        baseline=None if slowdown else _path(values["baseline"]),
        profile=_read(values["profile"], _profile_in(project_file(config)), None),
        history_keep=_read(values["history_keep"], parse_kept, KEPT_RUNS),
        pool_history=_read(values["pool_history"], parse_switch, False) and not slowdown,
        artifacts=artifact_paths(
            {kind: _path(values[kind]) for kind in KINDS if kind in values},
            _path(values["artifacts"]),
            config.invocation_params.dir / guide if guide else None,
            history=None if slowdown else _path(values["history"]),
            of_pytest=True,
        ),
    )


def _strongest(
    option: Option, config: pytest.Config, environ: Mapping[str, str]
) -> _Setting | None:
    invoked_in = config.invocation_params.dir
    value = getattr(config.option, option.key, None)
    if value is not None:
        return _Setting(value, f"command line option {option.switch}", invoked_in)
    if environ.get(option.variable):
        where = f"environment variable {option.variable}"
        return _Setting(environ[option.variable], where, invoked_in)
    value = ini_text(config, option.key)
    if value is not None:
        file = config.inipath or config.rootpath
        return _Setting(value, f"{file.name}: {option.key}", config.rootpath)
    return None


def _read(setting: _Setting | None, read: Callable[[Any], T], default: T) -> T:
    if setting is None:
        return default
    return read_as(setting.where, SettingError, read, setting.value)


def _check_counts(values: Mapping[str, _Setting | None], counts: Mapping[str, int]) -> None:
    try:
        check_counts(counts["samples"], counts["max_samples"])
    except BudgetError as error:
        culprit = values["max_samples"] or values["samples"]
        raise SettingError(f"{culprit.where if culprit else 'latency settings'}: {error}") from None


def _mode(text: str) -> Mode:
    try:
        return Mode(text)
    except ValueError:
        near = did_you_mean(str(text), list(Mode))
        raise SettingError(f"unknown mode {text!r}{near}: must be gate, report or off") from None


def _exclusive(value: object) -> Exclusive:
    text = str(value).strip().lower()
    try:
        return Exclusive(text)
    except ValueError:
        raise SettingError(f"{value!r} must be auto, on or off") from None


def _default_terms(text: object) -> Terms:
    """Read the default budget; one with only ``max`` judges a single run of each test."""
    terms = parse_limits(str(text))
    if set(terms.limits) == {MAXIMUM}:
        return replace(terms, warmup=0, samples=1, max_samples=1)
    return terms


def _count(value: object) -> int:
    try:
        number = int(str(value))
    except ValueError:
        number = 0
    if number < 1:
        raise SettingError(f"{value!r} must be a whole number of at least 1")
    return number


def _profile_in(file: Path) -> Callable[[Any], RequestedProfile | None]:
    return lambda text: requested_profile(str(text), file)


def _path(setting: _Setting | None) -> Path | None:
    return setting.base / str(setting.value) if setting else None
