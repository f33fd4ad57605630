"""Options shared by pytest and Locust: one table, and the rules for reading values.

    command line  >  environment  >  ini  >  default

Imported while pytest starts, so this module imports next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from .kinds import KINDS, RUN

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ENVIRONMENT = "HANCOCK_LATENCY_"
"""Prefix of our environment variables."""
GUIDE_ARTIFACT = "HANCOCK_PERF_ARTIFACT"
"""The performance guide's variable for the JSON artifact; the text summary goes next to it."""

KEPT_RUNS = 500
"""Runs in a history by default: two per working day for a year, about 10 MB with 20 samples."""
_MOST_DIGITS = 18


class Option(NamedTuple):
    """One setting and its names on the command line, in the ini file and in the environment."""

    name: str
    metavar: str
    """Empty for a flag."""
    help: str

    @property
    def switch(self) -> str:
        """Its name on the command line."""
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
        """Arguments to register it; the same for the parsers of pytest and argparse."""
        takes = {"metavar": self.metavar} if self.metavar else {"action": "store_true"}
        return {"dest": self.key, "default": None, "help": self.help, **takes}


SHARED = (
    Option("artifacts", "DIR", "write all artifacts to this folder"),
    *(
        Option(kind.name, "FILE", f"write {kind.file_name} here instead")
        for kind in KINDS.values()
        if kind.file_name and kind.of_pytest
    ),
    Option("history", "DIR", "add this run to a history, which hancock-latency trend shows"),
    Option("history_keep", "N", f"number of runs to keep in the history (default: {KEPT_RUNS})"),
    Option(
        "pool_history",
        "on|off",
        "let the last runs of the history together show a limit to be within (default: off)",
    ),
    Option("budgets", "FILE", "TOML file of named budgets (default: pyproject.toml)"),
    Option("scale", "N", "multiply latency limits by this factor, such as 2 on a slower machine"),
    Option("strict", "", "fail the test or the Locust run if a budget is inconclusive"),
)


def artifact_paths(
    files: Mapping[str, Path | None],
    folder: Path | None,
    guide: Path | None,
    *,
    history: Path | None,
    of_pytest: bool,
) -> dict[str, Path]:
    """Return the path of each kind of artifact to write.

    Args:
        files: paths from the option of each kind.
        folder: folder for all artifacts without their own path.
        guide: where the performance guide wants the JSON artifact, unless an option says otherwise.
        history: folder in which this run gets a file.
    """
    paths = {name: path for name, path in files.items() if path is not None}
    for kind in KINDS.values():
        if folder and kind.file_name and (kind.of_pytest or not of_pytest):
            paths.setdefault(kind.name, folder / kind.file_name)
    if guide:
        paths.setdefault("json", guide)
        paths.setdefault("text", guide.with_name(KINDS["text"].file_name))
    if history:
        import time

        from .history import run_path

        paths[RUN] = run_path(history, time.time())
    return paths


def parse_kept(value: object) -> int:
    """Return a number of runs to keep.

    Raises:
        SettingError: it is not a whole number of at least 1.
    """
    from ..errors import SettingError

    text = str(value).strip()
    # Python reads no number of more than 4300 digits, and no folder has as many files as this.
    is_number = text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS
    if not (is_number and int(text) >= 1):
        raise SettingError(f"{value!r} must be a whole number of at least 1")
    return int(text)


def parse_switch(value: object) -> bool:
    """Return True for ``on``, ``yes``, ``true`` or ``1``, and False for their opposites.

    Raises:
        SettingError: it is neither.
    """
    from ..errors import SettingError

    word = str(value).strip().lower()
    if word in ("on", "true", "yes", "1"):
        return True
    if word in ("off", "false", "no", "0"):
        return False
    raise SettingError(f"{value!r} must be on or off")
