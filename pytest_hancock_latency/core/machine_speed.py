"""The speed of the machine on which limits were measured, and what it says of this one.

`suggest` writes it beside the limits:

    [tool.hancock-latency.machine]
    cpu = "Intel(R) Xeon(R) Processor, 2 cores"
    python = "cpython 3.12.1, main, Jan 12 2026 10:00:00, probes 1"
    arithmetic = "66.1us"
    memory = "44.7us"

On the same kind of machine it is the reference speed of a session that has no other. A machine of
another kind has another memory, whose probe says nothing of this one; but how fast it computes is
compared, since limits are promises of the code *on the machine that they were measured on*.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Self

from ..errors import BudgetError, DurationError, did_you_mean
from .duration import format_exactly, parse_duration
from .undisturbed import FULL_ARITHMETIC, FULL_MEMORY, ReferenceSpeed

SOURCE: Final = "the file with the limits"
_FIELDS: Final = ("cpu", "python", "arithmetic", "memory")
_SLOWER: Final = 0.8
"""Share of the speed of the limits' machine from which on a slower machine needs no advice:
suggested limits leave room for a quarter more."""
_WRONG_ARITHMETIC: Final = 3.0
"""Next to a busy hyperthread, the probe takes up to 1.9 times as long; a neighbour that makes 95 %
of the probes three times slower has not been seen."""
_WRONG_MEMORY: Final = 10.0
"""Next to neighbours that copy memory all the time, the probe takes up to 8 times as long."""


@dataclass(frozen=True, slots=True)
class MachineKind:
    """What two machines must share for their probes to be comparable."""

    cpu: str
    """Model and number of cores."""
    python: str
    """Implementation, version and build of Python, and version of the probes."""

    def __str__(self) -> str:
        return f"{self.cpu} / {self.python}"


@dataclass(frozen=True, slots=True)
class MachineSpeed:
    """The reference speed of a kind of machine."""

    kind: MachineKind
    speed: ReferenceSpeed

    def plain(self) -> dict[str, Any]:
        """Return the form that artifacts have."""
        return {
            "cpu": self.kind.cpu,
            "python": self.kind.python,
            "arithmetic_ns": round(self.speed.arithmetic_ns),
            "memory_ns": round(self.speed.memory_ns),
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """Return the speed in an artifact that its schema accepts."""
        speed = ReferenceSpeed(plain["arithmetic_ns"], plain["memory_ns"])
        return cls(MachineKind(plain["cpu"], plain["python"]), speed)

    def toml(self) -> dict[str, str]:
        """Return the entries of its table in the file with the limits."""
        return {
            "cpu": self.kind.cpu,
            "python": self.kind.python,
            "arithmetic": _written(self.speed.arithmetic_ns),
            "memory": _written(self.speed.memory_ns),
        }


def parse_machine_speed(table: object) -> MachineSpeed:
    """Read the table in the file with the limits.

    Raises:
        BudgetError: it is not as `suggest` writes it.
    """
    how = "must be a table of cpu, python, arithmetic and memory, as hancock-latency suggest writes"
    if not isinstance(table, dict):
        raise BudgetError(how)
    for key in table:
        if key not in _FIELDS:
            raise BudgetError(f"unknown key {key!r}{did_you_mean(key, _FIELDS)}: {how}")
    for key in _FIELDS:
        if not isinstance(table.get(key), str):
            problem = f"{table[key]!r} must be a string" if key in table else "is missing"
            raise BudgetError(f"{key} {problem}: {how}")
    times = []
    for key in _FIELDS[2:]:
        try:
            times.append(float(parse_duration(table[key])))
        except DurationError as error:
            raise BudgetError(f"{key}: {error}") from None
    return MachineSpeed(
        MachineKind(table["cpu"], table["python"]), ReferenceSpeed(times[0], times[1])
    )


def _written(ns: float) -> str:
    return format_exactly(100 * round(ns / 100)).replace(" ", "").replace("µ", "u")


def fastest(speeds: Sequence[MachineSpeed]) -> MachineSpeed | None:
    """Return the fastest of the speeds; None without any, or if they are of several kinds."""
    if len({each.kind for each in speeds}) != 1:
        return None
    return replace(
        speeds[0],
        speed=ReferenceSpeed(
            min(each.speed.arithmetic_ns for each in speeds),
            min(each.speed.memory_ns for each in speeds),
        ),
    )


@dataclass(frozen=True, slots=True)
class KnownSpeed:
    """What is known of the machine's speed from outside of a session."""

    earlier: ReferenceSpeed | None = None
    """Of earlier sessions on this machine."""
    of_limits: MachineSpeed | None = None
    """Of the machine on which the limits were measured."""
    kind: MachineKind | None = None
    """Of this machine."""

    def shown(self, own: ReferenceSpeed | None) -> ReferenceSpeed | None:
        """Return the speed that the sessions on this machine show; None if there is none."""
        return self.earlier.or_faster(own) if self.earlier is not None else own

    def reference(self, own: ReferenceSpeed | None) -> ReferenceSpeed | None:
        """Return the speed to compare probes with; None if it is not known.

        Args:
            own: what the present session shows so far.
        """
        shown = self.shown(own)
        if self.of_limits is None or self.is_wrong(own):
            return shown
        of_limits = self.of_limits.speed
        if self._is_same_kind:
            return replace(of_limits, source=SOURCE).or_faster(shown)
        if shown is None:
            return None
        return replace(shown, arithmetic_ns=min(shown.arithmetic_ns, of_limits.arithmetic_ns))

    @property
    def _is_same_kind(self) -> bool:
        return self.of_limits is not None and self.of_limits.kind == self.kind

    def is_wrong(self, own: ReferenceSpeed | None) -> bool:
        """Whether the speed beside the limits cannot be that of an undisturbed machine.

        If it were believed, every call would seem to be disturbed, and every gate would be silent.
        On the same kind of machine, five sessions know better.
        """
        shown = self.shown(own)
        if self.of_limits is None or shown is None:
            return False
        of_limits = self.of_limits.speed
        p, m = shown.arithmetic_ns / of_limits.arithmetic_ns, shown.memory_ns / of_limits.memory_ns
        if not self._is_same_kind:
            return p > _WRONG_ARITHMETIC
        if self.earlier is not None and self.earlier.source:
            return p >= FULL_ARITHMETIC or m >= FULL_MEMORY
        return p > _WRONG_ARITHMETIC or m > _WRONG_MEMORY

    def share_of_limits(self, own: ReferenceSpeed | None) -> float | None:
        """Return this machine's speed as a share of that of the limits' machine.

        None if it is not known, or high enough.
        """
        shown = self.shown(own)
        if self.of_limits is None or shown is None or self.is_wrong(own):
            return None
        share = self.of_limits.speed.arithmetic_ns / shown.arithmetic_ns
        return share if share < _SLOWER else None
