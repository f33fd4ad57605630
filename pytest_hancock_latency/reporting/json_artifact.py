"""The JSON artifact: every record of a session, with the circumstances of the session.

Format 1. Adding a field is no breaking change; renaming, removing or reinterpreting one is, and
raises the number. Durations are integer nanoseconds and end in ``_ns``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ..core.record import Plain, Record, from_plain, to_plain
from ..errors import ArtifactError

FORMAT: Final = 1


def artifact_of(records: Sequence[Record], session: Mapping[str, Any]) -> Plain:
    """The artifact as plain data. session: machine, versions, settings, start."""
    counts = {
        outcome: sum(record.outcome == outcome for record in records)
        for outcome in ("within", "exceeded", "inconclusive", "not judged")
    }
    return {
        "format": FORMAT,
        **session,
        "counts": counts,
        "samples": [to_plain(record) for record in records],
    }


def records_in(text: str) -> list[Record]:
    """The records of an artifact's text.

    Raises:
        ArtifactError: it is no artifact, or of a format that this version does not know.
    """
    try:
        artifact = json.loads(text)
        if artifact["format"] != FORMAT:
            raise ArtifactError(f"has format {artifact['format']!r}; this version reads {FORMAT}")
        return [from_plain(sample) for sample in artifact["samples"]]
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError("is not a latency artifact (performance-latency.json)") from error


def artifact_text(artifact: Plain) -> str:
    """The artifact as JSON text, ending in a line break."""
    return json.dumps(artifact, indent=1, ensure_ascii=False) + "\n"
