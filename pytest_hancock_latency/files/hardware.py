"""Hardware profiles from a TOML file, in addition to the built-in ones.

[tool.hancock-latency.profiles.runner]     # in pyproject.toml
cores = "2-4"          # or 4
memory_gb = "7-16"
free_disk_gb = 10      # at least
python = "3.12"
architecture = "x86_64"
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from ..core.hardware import BUILT_IN, Mismatch, Profile, mismatches, parse_profile
from ..errors import ProfileError, did_you_mean
from .budget import read_toml

_REQUIRED: Final = "require:"


def read_profile(name: str, path: Path) -> Profile:
    """Return the profile with this name, from the file if it has one, else a built-in one.

    Raises:
        ProfileError: there is none, or the file or the profile cannot be read; the text starts
            with the path.
    """
    table = _profiles(path) if path.exists() else {}
    if name not in table:
        if name in BUILT_IN:
            return BUILT_IN[name]
        names = ", ".join(f'"{profile}"' for profile in sorted({*table, *BUILT_IN}))
        near = did_you_mean(name, {*table, *BUILT_IN})
        raise ProfileError(f'{path}: unknown profile "{name}"{near}: known profiles are {names}')
    entry = table[name]
    if not isinstance(entry, dict):
        raise ProfileError(f'{path}: profile "{name}" must be a table such as cores = 4')
    try:
        return parse_profile(entry)
    except ValueError as error:  # ProfileError, or 0x… that is too long for its message
        raise ProfileError(f'{path}: profile "{name}": {error}') from None


def _profiles(path: Path) -> Mapping[str, object]:
    table: object = read_toml(path, ProfileError)
    for key in ("tool", "hancock-latency", "profiles"):
        table = table.get(key, {}) if isinstance(table, dict) else {}
    if not isinstance(table, dict):
        raise ProfileError(f"{path}: 'profiles' must be a table of profiles by name")
    return table


@dataclass(frozen=True, slots=True)
class RequestedProfile:
    """A profile and its name."""

    name: str
    profile: Profile
    required: bool = False
    """Whether measuring on a machine that does not match is an error."""

    def plain(self, machine: Mapping[str, Any]) -> dict[str, Any]:
        """Return the profile's entry in the artifact."""
        differences = mismatches(self.profile, machine)
        return {
            "name": self.name,
            "met": not differences,
            "mismatches": [asdict(mismatch) for mismatch in differences],
        }

    def remarks(self, machine: Mapping[str, Any]) -> list[str]:
        """Return one line if the machine does not match, else none."""
        differences = mismatches(self.profile, machine)
        return (
            [f'this machine does not match hardware profile "{self.name}": {_listed(differences)}']
            if differences
            else []
        )

    def refusals(self, machine: Mapping[str, Any]) -> list[str]:
        """Return why measuring on this machine is an error: one line, or none."""
        differences = mismatches(self.profile, machine) if self.required else ()
        if not differences:
            return []
        return [
            f'this machine does not match the required hardware profile "{self.name}": '
            f"{_listed(differences)}"
        ]


def requested_profile(text: str, file: Path) -> RequestedProfile:
    """Read ``NAME`` or ``require:NAME``.

    Raises:
        ProfileError: there is no such profile, or it is invalid.
    """
    name = text.strip().removeprefix(_REQUIRED)
    return RequestedProfile(name, read_profile(name, file), text.strip().startswith(_REQUIRED))


def _listed(differences: tuple[Mismatch, ...]) -> str:
    return "; ".join(map(str, differences))
