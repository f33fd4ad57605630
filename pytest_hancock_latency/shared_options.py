"""Options that pytest and Locust share: one table, and the rules by which values are read.

    command line  >  environment  >  ini  >  default

Read while pytest starts, so this module imports next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from .artifact_kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ENVIRONMENT = "HANCOCK_LATENCY_"
"""Prefix of our environment variables."""
GUIDE_ARTIFACT = "HANCOCK_PERF_ARTIFACT"
"""The performance guide's variable for the JSON artifact; the text goes next to it."""


class Option(NamedTuple):
    """One setting and its names on the command line, in the ini file and in the environment."""

    name: str
    metavar: str
    """Empty for a flag."""
    help: str

    @property
    def switch(self) -> str:
        """Its spelling on the command line."""
        return "--latency" if self.name == "mode" else f"--latency-{self.name.replace('_', '-')}"

    @property
    def key(self) -> str:
        """Its name in the ini file and among parsed options."""
        return f"latency_{self.name}"

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return f"{ENVIRONMENT}{self.name.upper()}"

    @property
    def keywords(self) -> dict[str, Any]:
        """How a parser has to be told of it: pytest's and argparse's take the same words."""
        takes = {"metavar": self.metavar} if self.metavar else {"action": "store_true"}
        return {"dest": self.key, "default": None, "help": self.help, **takes}


SHARED = (
    Option("artifacts", "DIR", "write all artifacts to this folder"),
    *(
        Option(kind.name, "FILE", f"write {kind.file_name} here instead")
        for kind in KINDS.values()
        if kind.file_name and kind.of_pytest
    ),
    Option("budgets", "FILE", "TOML file of named budgets (default: pyproject.toml)"),
    Option("scale", "N", "multiply latency limits by this factor, such as 2 on a slower machine"),
    Option("strict", "", "fail the test or the Locust run if a budget is inconclusive"),
)


def artifact_paths(
    files: Mapping[str, Path | None], folder: Path | None, guide: Path | None, *, of_pytest: bool
) -> dict[str, Path]:
    """The path of each kind of artifact that is wanted.

    files: what the option of a kind says. folder: of all artifacts that have no path of their own.
    guide: where the performance guide wants the JSON artifact, unless an option says otherwise.
    """
    paths = {name: path for name, path in files.items() if path is not None}
    for kind in KINDS.values():
        if folder and kind.file_name and (kind.of_pytest or not of_pytest):
            paths.setdefault(kind.name, folder / kind.file_name)
    if guide:
        paths.setdefault("json", guide)
        paths.setdefault("text", guide.with_name(KINDS["text"].file_name))
    return paths


def parse_switch(value: object) -> bool:
    """Whether ``on``, ``yes``, ``true`` or ``1`` is meant, or one of their opposites.

    Raises:
        SettingError: neither.
    """
    from .errors import SettingError

    word = str(value).strip().lower()
    if word in ("on", "true", "yes", "1"):
        return True
    if word in ("off", "false", "no", "0"):
        return False
    raise SettingError(f"{value!r} must be on or off")
