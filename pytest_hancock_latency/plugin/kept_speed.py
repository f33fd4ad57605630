"""The reference speed of this machine, kept in pytest's cache from session to session.

A session next to a neighbour that never leaves cannot know how fast the machine is without it. The
cache has the speed of the last sessions on each kind of machine; the second fastest of them is the
reference, so that neither a single wrong measurement nor an upgrade of the host stays for ever.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pytest

from ..core.machine_speed import MachineKind
from ..core.undisturbed import LEAST_PROBES, ReferenceSpeed
from ..measuring.clock import system_clock
from ..measuring.session_speed import SessionSpeed
from ..measuring.takers.probes import VERSION, Probes
from ..measuring.tracers import tracers

KEY: Final = "hancock_latency/reference_speed"
_KEPT: Final = 20
"""Sessions of one kind of machine: older ones may have run on another generation of hosts."""
_LEAST_SESSIONS: Final = 5
_KINDS: Final = 50
"""Kinds of machines, such as Python versions in one working folder."""
SPEED: Final = "latency_speed"
"""Key of a worker's output with the CPU time of both probes on this machine."""
SOURCE: Final = "earlier sessions"

Speeds = list[list[float]]
"""Arithmetic and memory probe in ns of each session, the oldest first."""


class KeptSpeed:
    """Reads and writes the speeds of earlier sessions on this kind of machine."""

    def __init__(self, config: pytest.Config, kind: MachineKind) -> None:
        # Missing with -p no:cacheprovider; a fresh checkout in CI has an empty one.
        self._cache: Any = getattr(config, "cache", None)
        self._kind = str(kind)

    @property
    def reference(self) -> ReferenceSpeed | None:
        """The second fastest speed of the last sessions; None if there are none."""
        return reference_of(self._read().get(self._kind, []))

    def keep(self, speed: ReferenceSpeed) -> None:
        """Add the speed of this session."""
        if self._cache is None:
            return
        kinds = self._read()
        speeds = [*kinds.pop(self._kind, []), [speed.arithmetic_ns, speed.memory_ns]]
        kinds[self._kind] = speeds[-_KEPT:]
        self._cache.set(KEY, dict([*kinds.items()][-_KINDS:]))

    def _read(self) -> dict[str, Speeds]:
        """Return all speeds by kind of machine; what is not as we write it is left out."""
        content = self._cache.get(KEY, None) if self._cache is not None else None
        if not isinstance(content, dict):
            return {}
        return {kind: _valid(speeds) for kind, speeds in content.items()}


def shown_speed(speed: SessionSpeed) -> ReferenceSpeed | None:
    """Return the speed that a session shows; None if it measured nothing.

    A session of a few samples runs what is missing of the probes now, which takes 50 ms. Under a
    tracer, the probes show the speed of the tracer.
    """
    if tracers():
        return None
    if speed.own is None and speed.has_measured:
        probes = Probes(system_clock)
        probes.run_several(LEAST_PROBES)
        speed.add(probes.times)
    return speed.own


def reference_of(speeds: Sequence[Sequence[float]]) -> ReferenceSpeed | None:
    """Return the second fastest time of each probe; None without any.

    Fewer than five sessions may all have had the same neighbour. The fastest of them is better than
    nothing, but not yet the speed of the undisturbed machine.
    """
    if not speeds:
        return None
    is_known = len(speeds) >= _LEAST_SESSIONS
    arithmetic, memory = (sorted(column)[is_known] for column in zip(*speeds, strict=True))
    return ReferenceSpeed(arithmetic, memory, SOURCE if is_known else "")


def machine_kind(machine: Mapping[str, Any]) -> MachineKind:
    """Return what two machines must share for their probes to be comparable."""
    build = " ".join(" ".join(platform.python_build()).split())  # the day has two columns in it
    return MachineKind(
        cpu=f"{machine['cpu']}, {machine['cores']} cores",
        python=f"{machine['implementation']} {machine['python']}, {build}, probes {VERSION}",
    )


def _valid(speeds: object) -> Speeds:
    if not isinstance(speeds, list):
        return []
    return [
        [float(part) for part in pair]
        for pair in speeds
        if isinstance(pair, list)
        and len(pair) == 2  # noqa: PLR2004 - one time for each probe
        and all(isinstance(part, int | float) and part > 0 for part in pair)
    ]
