"""Participants: the processes that generate the load, and their state."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from ..core.histogram import Histogram
from ..core.quantile import P99
from .generator import WINDOWS_PER_S, Strain

LATE_S: Final = 1.0
LOCAL: Final = "local"
"""The only participant of a run that is not distributed."""


class State(StrEnum):
    """The state of a worker."""

    RUNNING = "running"
    FINISHED = "finished"
    LOST = "lost"
    """It died or never sent its last counts; earlier reports are in the artifact."""
    WITHOUT_GATE = "without gate"
    """It reports to Locust, but its locustfile does not import the gate, so it is not counted."""


@dataclass(frozen=True, slots=True)
class Added:
    """Totals of an increment."""

    requests: int
    displaced: int
    """Requests outside the time of the run, counted at its start or end: a clock is wrong."""


@dataclass(slots=True)
class Participant:
    """A process that generates load."""

    id: str
    joined_s: float = 0.0
    """Seconds after the start of the test."""
    state: State = State.RUNNING
    reports: int = 0
    requests: int = 0
    last_report_s: float = 0.0
    strain: Strain = field(default_factory=Strain)
    displaced: int = 0
    """Requests that its clock places outside the run."""
    invalid_reports: int = 0
    why_invalid: str = ""
    unfinished: dict[int, int] = field(default_factory=dict)
    """How long its users had been at what they had not finished, when it last reported."""

    @property
    def greenlet_lag_ns(self) -> int:
        """p99 of the wake-up delay of its greenlets."""
        lags = Histogram(self.strain.greenlet_lags)
        return lags.quantile_ns(P99) if lags.n else 0

    @property
    def starved_s(self) -> float:
        """Seconds in which it waited for a CPU, counted by window."""
        return len(self.strain.starved) / WINDOWS_PER_S

    @property
    def busy_share(self) -> float:
        """Share of the seconds in which its core was fully used."""
        return self.strain.busy_seconds / self.strain.seconds if self.strain.seconds else 0.0

    def to_plain(self) -> dict[str, Any]:
        """Return the entry in the artifact."""
        return {
            "id": self.id,
            "state": self.state.value,
            "joined_s": round(self.joined_s, 1),
            "late": self.joined_s > LATE_S,
            "reports": self.reports,
            "requests": self.requests,
            "last_report_s": round(self.last_report_s, 1),
            "busy_share": round(self.busy_share, 3),
            "greenlet_lag_p99_ns": self.greenlet_lag_ns,
            "starved_s": self.starved_s,
            "server_starved_s": len(self.strain.server_starved) / WINDOWS_PER_S,
        }


class Participants:
    """All processes of a run."""

    def __init__(self) -> None:
        self.began_s = 0.0
        """Start of the test by the wall clock."""
        self._by_id: dict[str, Participant] = {}

    def begin(self, now_s: float, present: list[str]) -> None:
        """Called when a test starts with these participants."""
        self.began_s = now_s
        self._by_id = {worker_id: Participant(worker_id) for worker_id in present}

    def __iter__(self) -> Any:
        return iter(self._by_id.values())

    def joined(self, id_: str, now_s: float) -> Participant:
        """Return the participant with this id, added if new."""
        if id_ not in self._by_id:
            self._by_id[id_] = Participant(id_, joined_s=max(0.0, now_s - self.began_s))
        return self._by_id[id_]

    def sent_invalid(self, id_: str, why: str, now_s: float) -> None:
        """Record an unreadable report."""
        participant = self.joined(id_, now_s)
        participant.invalid_reports += 1
        participant.why_invalid = why

    def reported(
        self,
        id_: str,
        added: Added,
        strain: Strain,
        now_s: float,
        unfinished: dict[int, int] | None = None,
    ) -> None:
        """Record the counts of a participant."""
        participant = self.joined(id_, now_s)
        participant.state = (
            State.RUNNING if participant.state is State.WITHOUT_GATE else participant.state
        )
        participant.reports += 1
        participant.requests += added.requests
        participant.displaced += added.displaced
        participant.last_report_s = max(0.0, now_s - self.began_s)
        participant.strain.add(strain)
        participant.unfinished = unfinished or {}

    @property
    def starved(self) -> frozenset[int]:
        """Windows in which one of them waited for a CPU."""
        return frozenset[int]().union(*(p.strain.starved for p in self._by_id.values()))

    @property
    def server_starved(self) -> frozenset[int]:
        """Windows in which others kept the server on the machine of one of them from a CPU."""
        return frozenset[int]().union(*(p.strain.server_starved for p in self._by_id.values()))

    @property
    def unfinished(self) -> Histogram:
        """How long the users of all of them had been at what they had not finished."""
        running = [p for p in self._by_id.values() if p.state is State.RUNNING]
        return Histogram.sum(Histogram(participant.unfinished) for participant in running)

    def without_gate(self, id_: str, now_s: float) -> None:
        """Record a report without counts."""
        participant = self.joined(id_, now_s)
        if not participant.reports:
            participant.state = State.WITHOUT_GATE

    def lose(self, id_: str) -> bool:
        """Mark a participant as lost; return whether that is new."""
        participant = self._by_id.get(id_)
        if participant is None or participant.state is not State.RUNNING:
            return False
        participant.state = State.LOST
        return True

    def found(self, id_: str) -> bool:
        """Mark a lost participant as running again; return whether that is new."""
        participant = self._by_id.get(id_)
        if participant is None or participant.state is not State.LOST:
            return False
        participant.state = State.RUNNING
        return True

    def finish(self, id_: str) -> None:
        """Mark a participant as finished: it has sent its last counts."""
        participant = self._by_id.get(id_)
        if participant is not None and participant.state is not State.WITHOUT_GATE:
            participant.state = State.FINISHED

    def end(self) -> None:
        """End the test: participants that have not finished are lost."""
        for participant in self._by_id.values():
            if participant.state is State.RUNNING:
                participant.state = State.LOST
