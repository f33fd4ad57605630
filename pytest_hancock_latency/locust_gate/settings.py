"""Options of the gate, from Locust's command line or the same environment variables as pytest."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from ..core.budget import Terms, parse_scale
from ..errors import SettingError, read_as
from ..files.artifact import check_artifacts
from ..files.budget import read_budgets
from ..files.history import EarlierRuns, earlier_runs
from ..files.kinds import KINDS
from ..files.options import (
    GUIDE_ARTIFACT,
    KEPT_RUNS,
    SHARED,
    Option,
    artifact_paths,
    parse_kept,
    parse_switch,
)

OPTIONS: Final = (
    *SHARED,
    Option("abort", "", "stop the run as soon as a budget is clearly exceeded"),
    Option("until_decided", "", "stop the run as soon as every budget is decided"),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, with defaults."""

    budgets: Mapping[str, Terms] = field(default_factory=dict)
    artifacts: Mapping[str, Path] = field(default_factory=dict)
    """Path of each kind of artifact to write."""
    history_keep: int = KEPT_RUNS
    """Number of runs to keep in the history."""
    earlier_runs: EarlierRuns | None = None
    """The runs of the history that may decide what this run leaves inconclusive."""
    strict: bool = False
    scale: Fraction = Fraction(1)
    """Factor by which the latency limits of the budgets have been multiplied."""
    abort: bool = False
    until_decided: bool = False

    def check_run(self, options: Namespace, shape_class: object) -> None:
        """Check that a run with these options can end when it is decided.

        Raises:
            SettingError: it cannot.
        """
        if not self.until_decided:
            return
        if shape_class is not None:
            raise SettingError(
                "--latency-until-decided: a LoadTestShape plans the load of the whole run, so the "
                "run cannot end earlier; --latency-abort ends it once a budget is exceeded"
            )
        is_automatic = options.headless or options.autostart
        if is_automatic and not options.run_time:
            raise SettingError(
                "--latency-until-decided needs --run-time, when the run ends if it is not decided"
            )


def add_options(parser: Any, **_: Any) -> None:
    """Register all options with Locust's parser."""
    group = parser.add_argument_group("Latency budgets")
    for option in OPTIONS:
        group.add_argument(option.switch, **option.keywords)


def read_settings(options: Namespace, environ: Mapping[str, str], folder: Path) -> Settings:
    """Read all options and the budget file, and check that the artifacts can be written.

    Args:
        folder: base of relative paths.

    Raises:
        LatencyError: something is invalid, or cannot be read or written; the text names its source.
    """
    texts = {option.name: _text(option, options, environ) for option in OPTIONS}
    paths = {name: folder / text for name, text in texts.items() if text}
    guide = environ.get(GUIDE_ARTIFACT)
    scale = read_as("--latency-scale", SettingError, parse_scale, texts["scale"] or 1)
    budgets = _budgets(texts["budgets"], folder)
    artifacts = artifact_paths(
        {kind: paths.get(kind) for kind in KINDS},
        paths.get("artifacts"),
        folder / guide if guide else None,
        history=paths.get("history"),
        of_pytest=False,
    )
    pools = _switch("pool-history", texts["pool_history"])
    settings = Settings(
        budgets={name: terms.scaled(scale) for name, terms in budgets.items()},
        scale=scale,
        artifacts=artifacts,
        earlier_runs=earlier_runs(artifacts) if pools else None,
        history_keep=read_as(
            "--latency-history-keep", SettingError, parse_kept, texts["history_keep"] or KEPT_RUNS
        ),
        strict=_switch("strict", texts["strict"]),
        abort=_switch("abort", texts["abort"]),
        until_decided=_switch("until-decided", texts["until_decided"]),
    )
    check_artifacts(settings.artifacts)
    return settings


def _text(option: Option, options: Namespace, environ: Mapping[str, str]) -> str:
    value = getattr(options, option.key, None)
    return str(value) if value is not None else environ.get(option.variable, "")


def _switch(name: str, text: str) -> bool:
    return bool(text.strip()) and read_as(f"--latency-{name}", SettingError, parse_switch, text)


def _budgets(text: str, folder: Path) -> Mapping[str, Terms]:
    if text:
        return read_budgets(folder / text)
    default = folder / "pyproject.toml"
    return read_budgets(default, required=False) if default.exists() else {}
