"""Facts about a session, which hooks may have replaced with any value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any


def moment(unix_s: object) -> str | None:
    """``2026-11-25 12:00:00 UTC``; None for anything that is not a time."""
    if not isinstance(unix_s, int | float):
        return None
    try:
        return f"{datetime.fromtimestamp(unix_s, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):  # a value from a hook
        return None


def commit_text(session: Mapping[str, Any]) -> str | None:
    """``0123456789ab on main with uncommitted changes``; None if unknown."""
    commit = session.get("commit")
    if not isinstance(commit, Mapping) or not commit.get("id"):
        return None
    return " ".join(_commit(commit))


def _commit(commit: Mapping[str, Any]) -> Iterator[str]:
    yield str(commit["id"])[:12]
    if commit.get("branch"):
        yield f"on {commit['branch']}"
    if commit.get("dirty"):
        yield "with uncommitted changes"


def when_and_what(session: Mapping[str, Any]) -> str:
    """Return time and commit, as far as known."""
    return ", ".join(filter(None, (moment(session.get("started_unix_s")), commit_text(session))))


def slowed_by(session: Mapping[str, Any]) -> float:
    """Return the share by which all calls were slowed down on purpose; usually 0."""
    settings = session.get("settings")
    share = settings.get("slowdown") if isinstance(settings, Mapping) else None
    return share if isinstance(share, int | float) else 0
