"""Virtual environments of the sides, for versions whose requirements differ.

By default both sides run with the packages that are installed where the duel was started. A side
gets an environment of its own if the requirements of the two differ, or if that is asked for. It is
made by uv, which is much faster, if uv is installed, and otherwise by venv and pip.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Literal

from ..errors import DuelError, LatencyError
from ..files.budget import read_toml

Choice = Literal["auto", "shared", "separate"]

PINNED: Final = re.compile(r"[A-Za-z0-9][\w.-]*(\[[\w,.-]*\])?==[\w.!+*-]+")
"""A released version, such as ``package==1.4`` or ``package[extra]==1.4``."""
_LOCKS: Final = ("uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock", "setup.py", "setup.cfg")
_OF_TESTS: Final = ("dev", "test", "tests", "testing")
"""Usual names of the extras and groups with what tests need."""
_NEEDED: Final = ("pytest", "numpy")
"""What this package needs in order to measure there."""
_LONGEST_S: Final = 1800.0
"""An installation that takes longer is considered to hang."""


@dataclass(frozen=True, slots=True)
class Environments:
    """How the sides get their packages."""

    choice: Choice = "auto"

    def are_separate(self, roots: Sequence[Path]) -> bool:
        """Return whether each side gets an environment of its own.

        Args:
            roots: folders of the sides, before tests are copied.
        """
        if self.choice == "auto":
            return len({repr(declared(root)) for root in roots}) > 1
        return self.choice == "separate"

    def make(self, folder: Path, root: Path) -> Path:
        """Make a virtual environment and return its interpreter.

        Args:
            folder: where to make it.
            root: folder of the project whose requirements it gets.

        Raises:
            DuelError: it cannot be made, or a package cannot be installed.
        """
        python = folder / "bin" / "python"
        uv = shutil.which("uv")
        creating = (
            [uv, "venv", "--python", sys.executable] if uv else [sys.executable, "-m", "venv"]
        )
        _run([*creating, str(folder)], root)
        if arguments := _declared_arguments(root, uv is not None):
            _run([*_installer(uv, python), *arguments], root)
        missing = [
            f"{name}=={version(name)}" for name in _NEEDED if not is_importable(python, name)
        ]
        if missing:
            _run([*_installer(uv, python), *missing], root)
        return python


def install_version(requirement: str, folder: Path) -> None:
    """Install a version of a package and its requirements into a folder.

    Args:
        requirement: such as ``package==1.4``.
        folder: a folder that does not exist yet.

    Raises:
        DuelError: it cannot be installed.
    """
    folder.mkdir(parents=True)
    command = _installer(shutil.which("uv"), Path(sys.executable))
    _run([*command, "--target", str(folder), requirement], folder)


def declared(root: Path) -> dict[str, Any]:
    """Return everything in a folder that says which packages its code needs."""
    names = [*_LOCKS, *(path.name for path in root.glob("*requirements*"))]
    found: dict[str, Any] = {
        name: (root / name).read_bytes() for name in sorted(names) if (root / name).is_file()
    }
    project = _pyproject(root)
    tables = {
        "build": project.get("build-system"),
        "groups": project.get("dependency-groups"),
        **{
            key: project.get("project", {}).get(key)
            for key in ("dependencies", "optional-dependencies")
        },
    }
    return found | {name: table for name, table in tables.items() if table}


def _declared_arguments(root: Path, has_uv: bool) -> list[str]:
    """Return arguments of the installer for the declared requirements, those of tests included."""
    arguments = []
    project = _pyproject(root)
    if project.get("project") or (root / "setup.py").is_file():
        extras = project.get("project", {}).get("optional-dependencies", {})
        names = ",".join(name for name in _OF_TESTS if name in extras)
        arguments += ["-e", f".[{names}]" if names else "."]
    if has_uv:  # pip installs groups only since 25.1
        groups = project.get("dependency-groups", {})
        arguments += [part for name in _OF_TESTS if name in groups for part in ("--group", name)]
    for path in sorted(root.glob("*requirements*.txt")):
        arguments += ["-r", path.name]
    return arguments


def _pyproject(root: Path) -> Mapping[str, Any]:
    try:
        return read_toml(root / "pyproject.toml", LatencyError)
    except LatencyError:
        return {}


def _installer(uv: str | None, python: Path) -> list[str]:
    if uv:
        return [uv, "pip", "install", "--quiet", "--python", str(python)]
    return [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]


def is_importable(python: Path, name: str) -> bool:
    """Return whether an interpreter has this package."""
    done = subprocess.run([str(python), "-c", f"import {name}"], capture_output=True, check=False)
    return done.returncode == 0


def _run(command: Sequence[str], cwd: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_LONGEST_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise DuelError(f"{_shown(command)}: took longer than {_LONGEST_S:.0f} s") from None
    if done.returncode:
        lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        errors = [line for line in lines if line.lower().startswith("error")]
        why = (errors or lines or ["no output"])[-1].strip()
        raise DuelError(f"{_shown(command)}: exit code {done.returncode}: {why}")


def _shown(command: Sequence[str]) -> str:
    """Return the command without the long paths of a temporary folder."""
    words = [Path(command[0]).name, *command[1:]]
    return " ".join(Path(word).name if word.startswith("/") else word for word in words)
