"""Hardware profiles: the kind of machine that latency limits are meant for.

A machine is described by the facts from `measuring.environment`. Unknown facts do not match.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from ..errors import ProfileError, did_you_mean

_GB: Final = 10**9
_GIB: Final = 2**30
_RESERVED: Final = 0.05
"""Share of the nominal memory that firmware and kernel may reserve."""
_RANGE: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(?:-\s*(\d+(?:\.\d+)?)\s*)?")
_MAXIMUM: Final = 1e300
"""No amount is larger; larger integers do not fit into a float."""
_VERSION: Final = re.compile(r"\d+(\.\d+)*")
_SAME_ARCHITECTURE: Final = {"amd64": "x86_64", "x64": "x86_64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True)
class Range:
    """A range from `low` to `high`, both included."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ProfileError(f"{self.low:g} is more than {self.high:g}")

    def __str__(self) -> str:
        return f"{self.low:g}" if self.low == self.high else f"{self.low:g}-{self.high:g}"


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A fact about the machine that does not match the profile."""

    what: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.what}: expected {self.expected}, found {self.found}"


@dataclass(frozen=True, slots=True)
class Profile:
    """The requirements on a machine; None means no requirement."""

    cores: Range | None = None
    memory_gb: Range | None = None
    """Nominal memory: from 95 % of low × 10⁹ to high × 2³⁰ bytes."""
    free_disk_gb: float | None = None
    """Minimum free disk space, in 10⁹ bytes."""
    python: str | None = None
    architecture: str | None = None


CI: Final = Profile(
    cores=Range(2, 4), memory_gb=Range(7, 16), free_disk_gb=10, python="3.12", architecture="x86_64"
)
BUILT_IN: Final = {"ci": CI}


def parse_profile(entry: Mapping[str, object]) -> Profile:
    """Read a profile from its TOML table.

    Raises:
        ProfileError: a key is unknown or a value is invalid.
    """
    keys = [field.name for field in fields(Profile)]
    for key in entry:
        if key not in keys:
            near = did_you_mean(key, keys)
            raise ProfileError(f"unknown key {key!r}{near}: valid keys are {', '.join(keys)}")
    return Profile(
        cores=_range(entry, "cores"),
        memory_gb=_range(entry, "memory_gb"),
        free_disk_gb=_least(entry, "free_disk_gb"),
        python=_version(entry, "python"),
        architecture=_text(entry, "architecture"),
    )


def mismatches(profile: Profile, machine: Mapping[str, Any]) -> tuple[Mismatch, ...]:
    """Return all facts about the machine that do not match the profile."""
    differences = (*_about_size(profile, machine), *_about_kind(profile, machine))
    return tuple(mismatch for mismatch in differences if mismatch is not None)


def _about_size(profile: Profile, machine: Mapping[str, Any]) -> Iterator[Mismatch | None]:
    cores = _least_known(machine, "cores", "cpu_quota")
    if profile.cores and not (cores and profile.cores.low <= cores <= profile.cores.high):
        yield Mismatch("cores", str(profile.cores), "unknown" if cores is None else f"{cores:g}")
    memory = _least_known(machine, "memory_bytes", "container_memory_bytes")
    if profile.memory_gb and not (memory and _is_sold_as(memory, profile.memory_gb)):
        yield Mismatch("memory", f"{profile.memory_gb} GB", _gigabytes(memory))
    disk = _least_known(machine, "free_disk_bytes")
    if profile.free_disk_gb and not (disk and disk >= profile.free_disk_gb * _GB):
        yield Mismatch("free disk", f"at least {profile.free_disk_gb:g} GB", _gigabytes(disk))


def _about_kind(profile: Profile, machine: Mapping[str, Any]) -> Iterator[Mismatch | None]:
    python = str(machine.get("python") or "unknown")
    if profile.python and not f"{python}.".startswith(f"{profile.python}."):
        yield Mismatch("python", profile.python, python)
    architecture = str(machine.get("architecture") or "unknown")
    if profile.architecture and _kind(profile.architecture) != _kind(architecture):
        yield Mismatch("architecture", profile.architecture, architecture)


def _least_known(machine: Mapping[str, Any], *names: str) -> float | None:
    """Return the smallest of several amounts: a container may have less than its host."""
    bounds = [machine[name] for name in names if isinstance(machine.get(name), int | float)]
    return min(bounds, default=None)


def _is_sold_as(memory: float, gb: Range) -> bool:
    return gb.low * _GB * (1 - _RESERVED) <= memory <= gb.high * _GIB


def _gigabytes(amount: float | None) -> str:
    return "unknown" if amount is None else f"{amount / _GB:.1f} GB"


def _kind(architecture: str) -> str:
    name = architecture.lower()
    return _SAME_ARCHITECTURE.get(name, name)


def _range(entry: Mapping[str, object], key: str) -> Range | None:
    if key not in entry:
        return None
    value = entry[key]
    match = _RANGE.fullmatch(str(value)) if _is_number(value) or isinstance(value, str) else None
    if match is None:
        raise ProfileError(f'{key} = {value!r} must be a number or a range such as "2-4"')
    try:
        return Range(float(match[1]), float(match[2] or match[1]))
    except ProfileError as error:
        raise ProfileError(f"{key} = {value!r}: {error}") from None


def _least(entry: Mapping[str, object], key: str) -> float | None:
    if key not in entry:
        return None
    value = entry[key]
    if not (_is_number(value) and isinstance(value, int | float) and 0 < value < _MAXIMUM):
        raise ProfileError(f"{key} = {value!r} is not a number greater than zero")
    return float(value)


def _version(entry: Mapping[str, object], key: str) -> str | None:
    text = _text(entry, key)
    if text is not None and not _VERSION.fullmatch(text):
        raise ProfileError(f'{key} = {text!r} is not a version such as "3.12"')
    return text


def _text(entry: Mapping[str, object], key: str) -> str | None:
    value = entry.get(key)
    if value is not None and not (isinstance(value, str) and value.strip()):
        raise ProfileError(f"{key} = {value!r} must be a non-empty string")
    return None if value is None else str(value).strip()


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
