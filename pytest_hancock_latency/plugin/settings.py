"""What was set, read once into a frozen value; every error names the place that it came from."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, TypeVar

import pytest

from ..core.budget import check_counts
from ..core.duration import parse_duration
from ..errors import BudgetError, DurationError, ProfileError, SettingError
from ..hardware_file import AskedProfile, asked_profile
from ..measuring.plan import Plan
from .options import GUIDE_ARTIFACT, OPTIONS, Option

T = TypeVar("T")

JSON_NAME: Final = "performance-latency.json"
TEXT_NAME: Final = "benchmark-summary.txt"
MARKDOWN_NAME: Final = "benchmark-summary.md"
HTML_NAME: Final = "latency-report.html"
_NAMES: Final = {"json": JSON_NAME, "text": TEXT_NAME, "markdown": MARKDOWN_NAME, "html": HTML_NAME}


class Mode(StrEnum):
    """What to do with budgets."""

    GATE = "gate"
    REPORT = "report"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that options, ini and environment say, with defaults for what they do not."""

    mode: Mode = Mode.GATE
    plan: Plan = field(default_factory=Plan)
    strict: bool = False
    junit: bool = True
    github: bool = True
    budgets: Path | None = None
    profile: AskedProfile | None = None
    json: Path | None = None
    text: Path | None = None
    markdown: Path | None = None
    html: Path | None = None
    baseline: Path | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        """All artifacts to be written."""
        return tuple(p for p in (self.json, self.text, self.markdown, self.html) if p)


@dataclass(frozen=True, slots=True)
class _Said:
    """One value, the place that said it, and the folder that its paths start from."""

    value: Any
    where: str
    base: Path


def read_settings(config: pytest.Config, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read every setting from the strongest place that says it.

    Raises:
        SettingError: a value that cannot be meant; the text starts with the place it came from.
    """
    said = {option.name: _strongest(option, config, environ) for option in OPTIONS}
    plan = Plan()
    counts = {
        name: _read(said[name], _count(0 if name == "warmup" else 1), getattr(plan, name))
        for name in ("warmup", "samples", "max_samples")
    }
    _check_counts(said, counts)
    return Settings(
        mode=_read(said["mode"], _mode, Mode.GATE),
        plan=Plan(
            **counts,
            time_limit_ns=_read(said["time_limit"], parse_duration, plan.time_limit_ns),
            attribution=_read(said["attribution"], _switch, True),
        ),
        strict=_read(said["strict"], _switch, False),
        junit=_read(said["junit"], _switch, True),
        github=_read(said["github"], _switch, True),
        budgets=_path(said["budgets"]),
        baseline=_path(said["baseline"]),
        profile=_read(said["profile"], _profile_in(config.rootpath / "pyproject.toml"), None),
        **_artifacts(said, environ, config),
    )


def _strongest(option: Option, config: pytest.Config, environ: Mapping[str, str]) -> _Said | None:
    invoked_in = config.invocation_params.dir
    given = getattr(config.option, option.ini, None)
    if given is not None:
        return _Said(given, f"command line option {option.switch}", invoked_in)
    if environ.get(option.variable):
        where = f"environment variable {option.variable}"
        return _Said(environ[option.variable], where, invoked_in)
    written = config.getini(option.ini)
    if written:
        file = config.inipath or config.rootpath
        return _Said(written, f"{file.name}: {option.ini}", config.rootpath)
    return None


def _read(said: _Said | None, read: Callable[[Any], T], default: T) -> T:
    if said is None:
        return default
    try:
        return read(said.value)
    except (SettingError, DurationError, ProfileError) as error:
        raise SettingError(f"{said.where}: {error}") from None


def _check_counts(said: Mapping[str, _Said | None], counts: Mapping[str, int]) -> None:
    try:
        check_counts(counts["samples"], counts["max_samples"])
    except BudgetError as error:
        culprit = said["max_samples"] or said["samples"]
        raise SettingError(f"{culprit.where if culprit else 'latency settings'}: {error}") from None


def _mode(text: str) -> Mode:
    try:
        return Mode(text)
    except ValueError:
        raise SettingError(f"unknown mode {text!r}: valid are gate, report and off") from None


def _switch(value: object) -> bool:
    if isinstance(value, bool):
        return value
    known = {"on": True, "true": True, "yes": True, "1": True}
    known |= {"off": False, "false": False, "no": False, "0": False}
    word = str(value).strip().lower()
    if word not in known:
        raise SettingError(f"{value!r} is neither on nor off")
    return known[word]


def _count(least: int) -> Callable[[Any], int]:
    def read(value: object) -> int:
        try:
            number = int(str(value))
        except ValueError:
            number = least - 1
        if number < least:
            raise SettingError(f"{value!r} is not a whole number from {least} up")
        return number

    return read


def _profile_in(file: Path) -> Callable[[Any], AskedProfile | None]:
    return lambda text: asked_profile(str(text), file)


def _path(said: _Said | None) -> Path | None:
    return said.base / str(said.value) if said else None


def _artifacts(
    said: Mapping[str, _Said | None], environ: Mapping[str, str], config: pytest.Config
) -> dict[str, Path | None]:
    """Where each artifact goes: its own option, else the folder; else what the guide asks for."""
    folder = _path(said["artifacts"])
    paths = {
        name: _path(said[name]) or (folder / file if folder else None)
        for name, file in _NAMES.items()
    }
    guide = environ.get(GUIDE_ARTIFACT)
    if guide:
        base = config.invocation_params.dir / guide
        paths["json"] = paths["json"] or base
        paths["text"] = paths["text"] or base.with_name(TEXT_NAME)
    return paths
