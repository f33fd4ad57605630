"""How a run ended: decided, or how long it would have to be for that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Sized
from dataclasses import dataclass, field
from typing import Any, Final

from ..core.duration import NS_PER_S
from ..core.record import Record
from ..core.verdict import Reason
from ..judging.deciding import Undecided, undecided
from ..reporting.wording import printable
from .generator import WINDOWS_PER_S

_MOST_NAMES: Final = 5
_NEVER: Final = {
    Reason.NEAR: "too near the limit",
    Reason.BETWEEN: "between acceptable and exceeded",
    Reason.LOAD: "the users' wait times are too long",
}
"""Why a longer run would not decide it."""
_UNKNOWN: Final = {
    Reason.MACHINE: "the machine was busy",
    Reason.STALL: "it could be a single stall",
}
"""Why it is unknown how long a run would decide it."""


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of a run, or the state of one that is running."""

    lasted_s: float
    """In tenths of a second, so that the terminal, the artifact and the report round one number."""
    planned_s: float | None = None
    """The run time, if it is limited."""
    is_early: bool = False
    """Whether it ended because every budget was decided."""
    undecided: tuple[tuple[str, Undecided], ...] = ()
    """The inconclusive parts, by the name of the requests."""
    held_back: Sequence[str] = ()
    """What kept a run that should have ended with its verdict from ending earlier."""
    starved: frozenset[int] = field(default_factory=frozenset)
    """Windows in which a load generator waited for a CPU."""
    server_starved: frozenset[int] = field(default_factory=frozenset)
    """Windows in which the server on its machine did."""

    @property
    def needed_s(self) -> float | None:
        """How long the run would have to be at this pace; None if that is unknown."""
        more_ns = [part.more_ns for _, part in self.undecided]
        if not more_ns or None in more_ns:
            return None
        return self._with(max(ns for ns in more_ns if ns is not None))

    def lines(self) -> list[str]:
        """Return the lines at the end of the summary."""
        return [*self._about_verdict(), *self._about_windows()]

    def to_plain(self) -> dict[str, Any]:
        """Return the fields of the artifact."""
        return {
            "lasted_s": self.lasted_s,
            "ended_when_decided": self.is_early,
            "needs_s": self.needed_s,
            "starved_s": len(self.starved) / WINDOWS_PER_S,
            "server_starved_s": len(self.server_starved) / WINDOWS_PER_S,
        }

    def _with(self, more_ns: float) -> float:
        return round(self.lasted_s + more_ns / NS_PER_S, 1)

    @property
    def _span(self) -> str:
        """``12 s of 60 s``, or only how long it lasted if that was all of its time."""
        lasted = _seconds(self.lasted_s)
        return f"{lasted} of {_seconds(self.planned_s or 0)}" if self._is_cut else lasted

    @property
    def _is_cut(self) -> bool:
        return self.planned_s is not None and self.lasted_s < self.planned_s - 1

    def _about_verdict(self) -> Iterator[str]:
        if self.is_early and not self.undecided:
            yield f"decided after {self._span}"
        elif self.is_early:
            yield (
                f"ended after {self._span}, when every budget was decided; the requests that were "
                "still in progress changed that"
            )
        elif self.undecided:
            yield f"not decided after {self._span}: {'; '.join(self._about_undecided())}"
        elif self.held_back:
            listed = ", ".join(map(printable, self.held_back[:_MOST_NAMES]))
            more = len(self.held_back) - _MOST_NAMES
            names = f"{listed} and {more} more" if more > 0 else listed
            if self._is_cut:
                yield f"ended after {self._span}, not decided by then: {names}"
            else:
                yield f"needed all of its {self._span} for {names}"

    def _about_undecided(self) -> Iterator[str]:
        """Yield how long the run would have to be, and what no time would decide."""
        timed = [(part.more_ns, name, part) for name, part in self.undecided if part.more_ns]
        if timed:
            more_ns, name, part = max(timed, key=lambda entry: entry[0])
            run = f"a run of about {_seconds(self._with(more_ns))}"
            count = part.more_requests
            requests = f"about {count} more requests, {run} at this pace" if count else run
            yield f"{printable(name)} {part.part} needs {requests}"
        for name, part in self.undecided:
            if part.more_ns is None:
                yield _without_time(f"{printable(name)} {part.part}", part.reason)

    def _about_windows(self) -> Iterator[str]:
        """Yield how much of the run decides nothing."""
        windows = len(self.starved | self.server_starved)
        if windows < WINDOWS_PER_S:
            return
        who = [
            f"{name} waited for a CPU in {_of_windows(at)}"
            for name, at in (
                ("the load generator", self.starved),
                ("the server", self.server_starved),
            )
            if at
        ]
        share = f"{windows / WINDOWS_PER_S:g} of {_seconds(self.lasted_s)}"
        yield f"{share} decide nothing: {', '.join(who)}"


def undecided_of(records: Sequence[Record]) -> tuple[tuple[str, Undecided], ...]:
    """Return the inconclusive parts of all records, each with the name of its requests."""
    return tuple(
        (record.title, part)
        for record in records
        if record.verdict is not None
        for part in undecided(record.verdict)
    )


def _without_time(name: str, reason: Reason) -> str:
    if reason in _NEVER:
        return f"a longer run would not decide {name} ({_NEVER[reason]})"
    why = f" ({_UNKNOWN[reason]})" if reason in _UNKNOWN else ""
    return f"how long a run would decide {name} is unknown{why}"


def _seconds(seconds: float) -> str:
    return f"{round(seconds)} s"


def _of_windows(windows: Sized) -> str:
    return f"{len(windows) / WINDOWS_PER_S:g} s"
