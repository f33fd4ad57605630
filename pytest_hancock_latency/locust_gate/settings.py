"""Options of the gate: on Locust's command line, else from the environment as pytest has them."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from ..budget_file import read_budgets
from ..core.budget import Terms
from ..errors import LatencyError, SettingError
from ..reporting.writer import check_writable

ENVIRONMENT: Final = "HANCOCK_LATENCY_"
GUIDE_ARTIFACT: Final = "HANCOCK_PERF_ARTIFACT"
FILES: Final = {
    "json": "performance-latency.json",
    "text": "benchmark-summary.txt",
    "markdown": "benchmark-summary.md",
    "html": "latency-report.html",
    "junit": "benchmark-junit.xml",
}
"""Artifacts, and how they are called in the folder of all artifacts."""
_ON: Final = frozenset({"on", "true", "yes", "1"})
_OFF: Final = frozenset({"off", "false", "no", "0"})


class Option(NamedTuple):
    """One option of the gate."""

    name: str
    help: str
    metavar: str = ""

    @property
    def switch(self) -> str:
        """Its spelling on the command line."""
        return f"--latency-{self.name}"

    @property
    def attribute(self) -> str:
        """Its name among the parsed options."""
        return f"latency_{self.name}"

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return f"{ENVIRONMENT}{self.name.upper()}"


OPTIONS: Final = (
    Option("budgets", "TOML file of budgets by 'METHOD name' (default: ./pyproject.toml)", "FILE"),
    Option("artifacts", "write every artifact into this folder", "DIR"),
    Option("json", "write performance-latency.json here instead", "FILE"),
    Option("text", "write benchmark-summary.txt here instead", "FILE"),
    Option("markdown", "write benchmark-summary.md here instead", "FILE"),
    Option("html", "write latency-report.html here instead", "FILE"),
    Option("strict", "exit with 3 where a budget is inconclusive"),
    Option("abort", "stop the run as soon as a budget is certainly exceeded"),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """What is set, with defaults for what is not."""

    budgets: Mapping[str, Terms] = field(default_factory=dict)
    artifacts: Mapping[str, Path] = field(default_factory=dict)
    """Kind of artifact (a key of `FILES`) and where it goes."""
    strict: bool = False
    abort: bool = False


def add_options(parser: Any, **_: Any) -> None:
    """Register all options with Locust's parser."""
    group = parser.add_argument_group("Latency budgets")
    for option in OPTIONS:
        keywords: dict[str, Any] = {"dest": option.attribute, "default": None, "help": option.help}
        if option.metavar:
            group.add_argument(option.switch, metavar=option.metavar, **keywords)
        else:
            group.add_argument(option.switch, action="store_true", **keywords)


def read_settings(options: Namespace, environ: Mapping[str, str], folder: Path) -> Settings:
    """Read every option, the budget file too, and prove that the artifacts can be written.

    folder: that relative paths start from.

    Raises:
        LatencyError: something cannot be meant, read or written; the text says where it came from.
    """
    said = {option.name: _said(option, options, environ) for option in OPTIONS}
    settings = Settings(
        budgets=_budgets(said["budgets"], folder),
        artifacts=_artifacts(said, environ.get(GUIDE_ARTIFACT), folder),
        strict=_switch("strict", said["strict"]),
        abort=_switch("abort", said["abort"]),
    )
    for path in settings.artifacts.values():
        _check(path)
    return settings


def _said(option: Option, options: Namespace, environ: Mapping[str, str]) -> str:
    given = getattr(options, option.attribute, None)
    return str(given) if given is not None else environ.get(option.variable, "")


def _switch(name: str, said: str) -> bool:
    word = said.strip().lower()
    if word in _ON | _OFF | {""}:
        return word in _ON
    raise SettingError(f"--latency-{name}: {said!r} is neither on nor off")


def _budgets(said: str, folder: Path) -> Mapping[str, Terms]:
    if said:
        return read_budgets(folder / said)
    usual = folder / "pyproject.toml"
    return read_budgets(usual, required=False) if usual.exists() else {}


def _artifacts(said: Mapping[str, str], guide: str | None, folder: Path) -> dict[str, Path]:
    """Each by its own option, else in the folder of all; else what the guide asks for."""
    paths = {kind: folder / said[kind] for kind in FILES if said.get(kind)}
    if said["artifacts"]:
        for kind, name in FILES.items():
            paths.setdefault(kind, folder / said["artifacts"] / name)
    if guide:
        paths.setdefault("json", folder / guide)
        paths.setdefault("text", (folder / guide).with_name(FILES["text"]))
    return paths


def _check(path: Path) -> None:
    try:
        check_writable(path)
    except OSError as error:
        raise LatencyError(f"cannot write the artifact {path}: {error.strerror}") from None
