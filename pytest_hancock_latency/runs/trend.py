"""The trend of each sample over the runs of a history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..core.quantile import P50
from ..core.record import Artifact, Bounds, Record
from ..core.verdict import Outcome
from .baseline import kind_of_machine
from .change_points import ChangePoint, change_points

LABELS: Final = ("p50", "p95", "p99")


@dataclass(frozen=True, slots=True)
class TrendPoint:
    """One run of a sample."""

    run: int
    """Position of the run in the history, from 0."""
    started_unix_s: float | None
    commit: str
    """Short hash; empty if unknown."""
    machine: str
    """Kind of machine; empty if unknown."""
    n: int
    outcome: Outcome
    quantiles_ns: Mapping[str, int]
    """Raw latency by `LABELS`, as far as known."""
    bounds_ns: Mapping[str, Bounds]
    median_ns: int
    """Median of attributed latency, in which changes are looked for; 0 if unknown."""
    limits_ns: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class TrendChange:
    """A change of the median between two runs on one kind of machine."""

    before: TrendPoint
    """The last run before it."""
    after: TrendPoint
    """The first run after it."""
    point: ChangePoint
    """With the medians of the runs on either side, in ns."""

    @property
    def ratio(self) -> float:
        """The median after it divided by the one before it."""
        return self.point.ratio

    @property
    def commits(self) -> str:
        """``0123abc..4567def``; empty if unknown."""
        if not self.before.commit or not self.after.commit:
            return ""
        return f"{self.before.commit}..{self.after.commit}"


@dataclass(frozen=True, slots=True)
class SampleTrend:
    """All runs of one sample, in order."""

    title: str
    label: str
    points: Sequence[TrendPoint]
    changes: Sequence[TrendChange]

    @property
    def latest(self) -> TrendPoint:
        """The last run."""
        return self.points[-1]

    def changes_since(self, run: int) -> list[TrendChange]:
        """Return the changes whose first run is this one or a later one."""
        return [change for change in self.changes if change.after.run >= run]


@dataclass(frozen=True, slots=True)
class Trend:
    """A whole history."""

    runs: int
    samples: Sequence[SampleTrend]
    sessions: Sequence[Mapping[str, Any]]
    """The facts of each run."""
    notes: Sequence[str] = ()
    """What a reader has to know: damaged files."""

    def changed_since(self, run: int) -> list[tuple[SampleTrend, TrendChange]]:
        """Return the changes from this run on; those that became slowest come first."""
        changes = [(s, change) for s in self.samples for change in s.changes_since(run)]
        return sorted(changes, key=lambda pair: -pair[1].ratio)


def trend_of(artifacts: Sequence[Artifact], notes: Sequence[str] = ()) -> Trend:
    """Return the trend of each sample, but for growth; artifacts are in order of their start."""
    points: dict[str, list[TrendPoint]] = {}
    labels: dict[str, str] = {}
    for run, artifact in enumerate(artifacts):
        for record in artifact.records:
            if record.is_of_growth:
                continue
            points.setdefault(record.title, []).append(_point(run, artifact.session, record))
            labels[record.title] = record.label
    return Trend(
        runs=len(artifacts),
        samples=[
            SampleTrend(title, labels[title], own, _changes(own)) for title, own in points.items()
        ],
        sessions=[artifact.session for artifact in artifacts],
        notes=notes,
    )


def _changes(points: Sequence[TrendPoint]) -> list[TrendChange]:
    """Look for changes on each kind of machine by itself."""
    changes = []
    for machine in dict.fromkeys(point.machine for point in points):
        same = [point for point in points if point.machine == machine and point.median_ns]
        changes += [
            TrendChange(same[change.at - 1], same[change.at], change)
            for change in change_points([point.median_ns for point in same])
        ]
    return sorted(changes, key=lambda change: change.after.run)


def _point(run: int, session: Mapping[str, Any], record: Record) -> TrendPoint:
    started, commit = session.get("started_unix_s"), session.get("commit")
    commit_id = commit.get("id") if isinstance(commit, Mapping) else None
    attributed = record.attributed_histogram or record.histogram
    return TrendPoint(
        run=run,
        started_unix_s=float(started) if isinstance(started, int | float) else None,
        commit=str(commit_id)[:9] if commit_id else "",
        machine=", ".join(kind_of_machine(session)),
        n=record.n,
        outcome=record.outcome,
        quantiles_ns={
            label: record.quantiles_ns[label] for label in LABELS if label in record.quantiles_ns
        },
        bounds_ns={label: record.bounds_ns[label] for label in LABELS if label in record.bounds_ns},
        median_ns=attributed.quantile_ns(P50) if attributed and attributed.n else 0,
        limits_ns={part.limit.label: part.limit.limit_ns for part in record.verdict.limits}
        if record.verdict
        else {},
    )
