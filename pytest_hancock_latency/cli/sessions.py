"""What is told of several artifacts at once: of their sessions, of their samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from ..core.record import Record
from ..reporting.json_artifact import Artifact

_SHOWN: Final = 12


def session_of(paths: Sequence[Path], artifacts: Sequence[Artifact]) -> Mapping[str, Any]:
    """What is the same everywhere, and of the rest who said what."""
    sessions = [dict(artifact.session) for artifact in artifacts]
    first = sessions[0]
    if len(sessions) == 1:
        return first
    same = {key: first[key] for key in first if all(s.get(key) == first[key] for s in sessions)}
    parts = [
        {"file": path.name, **{k: v for k, v in session.items() if k not in same}}
        for path, session in zip(paths, sessions, strict=True)
    ]
    started = [s["started_unix_s"] for s in sessions if s.get("started_unix_s") is not None]
    return {**same, **({"started_unix_s": min(started)} if started else {}), "merged_from": parts}


def titles(records: Sequence[Record]) -> str:
    """The titles of samples for an error message, which has no room for all of them."""
    told = list(dict.fromkeys(record.title for record in records))
    more = f" and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
    return (", ".join(told[:_SHOWN]) or "no sample") + more
