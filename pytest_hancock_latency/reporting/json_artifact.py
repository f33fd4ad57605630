"""The JSON artifact: every record of a session, with the circumstances of the session.

Format 1. Adding a field is no breaking change; renaming, removing or reinterpreting one is, and
raises the number. Durations are integer nanoseconds and end in ``_ns``. The schema is in the
package, `schema_text`; the history of formats is in docs/artifacts.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..core.histogram import LAYOUT, RELATIVE_ERROR
from ..core.record import Record
from ..core.record_json import Plain, from_plain, to_plain
from ..errors import ArtifactError
from .packaged import packaged

FORMAT: Final = 1
_HISTOGRAMS: Final = {
    "layout": LAYOUT,
    "unit": "ns",
    "relative_error": float(RELATIVE_ERROR),
    "encoding": "base64 of zlib of LEB128: gaps from bucket to bucket, then as many counts",
}


@dataclass(frozen=True, slots=True)
class Artifact:
    """What an artifact says."""

    session: Mapping[str, Any]
    """Machine, versions, settings, commit and so on: everything but the samples."""
    records: Sequence[Record]


def artifact_of(records: Sequence[Record], session: Mapping[str, Any]) -> Plain:
    """The artifact as plain data. session: machine, versions, settings, start."""
    return artifact_of_plain([to_plain(record) for record in records], session)


def artifact_of_plain(samples: list[Plain], session: Mapping[str, Any]) -> Plain:
    """The artifact of records that have their plain form already."""
    counts = {
        outcome: sum(sample["outcome"] == outcome for sample in samples)
        for outcome in ("within", "exceeded", "inconclusive", "not judged")
    }
    return {
        "format": FORMAT,
        **session,
        "counts": counts,
        "histograms": _HISTOGRAMS,
        "samples": samples,
    }


def artifact_in(text: str) -> Artifact:
    """What the text of an artifact says.

    Raises:
        ArtifactError: it is no artifact, or of a format that this version does not know.
    """
    try:
        plain = json.loads(text)
        if plain["format"] != FORMAT:
            raise ArtifactError(f"has format {plain['format']!r}; this version reads {FORMAT}")
        records = [from_plain(sample) for sample in plain["samples"]]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArtifactError("is not a latency artifact (performance-latency.json)") from error
    made = ("format", "counts", "histograms", "samples")
    return Artifact({k: v for k, v in plain.items() if k not in made}, records)


def artifact_text(artifact: Plain) -> str:
    """The artifact as JSON text: a line for each field and each sample, ending in a line break."""
    samples = artifact.get("samples", [])
    fields = [f"{_json(k)}: {_json(v)}" for k, v in artifact.items() if k != "samples"]
    lines = ",\n  ".join(_json(sample, (",", ":")) for sample in samples)
    fields.append(f'"samples": [\n  {lines}\n ]' if samples else '"samples": []')
    return "{\n " + ",\n ".join(fields) + "\n}\n"


def schema_text() -> str:
    """The JSON Schema of the artifact, as it is published."""
    return packaged("artifact.schema.json")


def _json(value: object, separators: tuple[str, str] = (", ", ": ")) -> str:
    # A hook may have put anything in: its text is better than no artifact.
    return json.dumps(value, ensure_ascii=False, default=str, separators=separators)
