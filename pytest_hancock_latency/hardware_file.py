"""Hardware profiles from a TOML file, beside those that are built in.

[tool.hancock-latency.profiles.runner]     # in pyproject.toml
cores = "2-4"          # or 4
memory_gb = "7-16"
free_disk_gb = 10      # at least
python = "3.12"
architecture = "x86_64"
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

from .core.hardware import BUILT_IN, Profile, parse_profile
from .errors import ProfileError


def read_profile(name: str, path: Path) -> Profile:
    """The profile of this name: of the file if it has one, else a built-in one.

    Raises:
        ProfileError: there is none, or the file or the profile cannot be read; the text starts
            with the path.
    """
    table = _profiles(path) if path.exists() else {}
    if name not in table:
        if name in BUILT_IN:
            return BUILT_IN[name]
        known = ", ".join(f'"{one}"' for one in sorted({*table, *BUILT_IN}))
        raise ProfileError(f'{path}: unknown profile "{name}": known are {known}')
    entry = table[name]
    if not isinstance(entry, dict):
        raise ProfileError(f'{path}: profile "{name}" must be a table such as cores = 4')
    try:
        return parse_profile(entry)
    except ProfileError as error:
        raise ProfileError(f'{path}: profile "{name}": {error}') from None


def _profiles(path: Path) -> Mapping[str, object]:
    try:
        table: object = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ProfileError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProfileError(f"{path}: not a TOML file: {error}") from None
    for key in ("tool", "hancock-latency", "profiles"):
        table = table.get(key, {}) if isinstance(table, dict) else {}
    if not isinstance(table, dict):
        raise ProfileError(f"{path}: 'profiles' must be a table of profiles by name")
    return table
