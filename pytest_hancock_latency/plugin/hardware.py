"""The hardware profile that a session asks for, and what is said about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from ..core.hardware import Mismatch, Profile, mismatches
from ..hardware_file import read_profile

_REQUIRED: Final = "require:"


@dataclass(frozen=True, slots=True)
class AskedProfile:
    """A profile by its name."""

    name: str
    profile: Profile
    required: bool = False
    """Whether nothing may be measured on another machine."""

    def plain(self, machine: Mapping[str, Any]) -> dict[str, Any]:
        """What the artifact has of it."""
        found = mismatches(self.profile, machine)
        return {
            "name": self.name,
            "met": not found,
            "mismatches": [asdict(mismatch) for mismatch in found],
        }

    def remarks(self, machine: Mapping[str, Any]) -> list[str]:
        """One line where the machine is another, else none."""
        found = mismatches(self.profile, machine)
        return [f'hardware profile "{self.name}" is not met: {_listed(found)}'] if found else []

    def refusals(self, machine: Mapping[str, Any]) -> list[str]:
        """Why nothing may be measured on this machine: one line, or none."""
        found = mismatches(self.profile, machine) if self.required else ()
        if not found:
            return []
        return [
            f'this machine is not the one that hardware profile "{self.name}" requires: '
            f"{_listed(found)}"
        ]


def asked_profile(text: str, file: Path) -> AskedProfile:
    """Read ``NAME`` or ``require:NAME``.

    Raises:
        ProfileError: there is no such profile, or it cannot be meant.
    """
    name = text.strip().removeprefix(_REQUIRED)
    return AskedProfile(name, read_profile(name, file), text.strip().startswith(_REQUIRED))


def _listed(found: tuple[Mismatch, ...]) -> str:
    return "; ".join(map(str, found))
