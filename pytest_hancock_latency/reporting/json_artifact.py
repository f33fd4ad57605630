"""The JSON artifact: every record of a session, with the circumstances of the session.

Format 1. Adding a field is no breaking change; renaming, removing or reinterpreting one is, and
raises the number. Durations are integer nanoseconds and end in ``_ns``. The schema is in the
package, `schema_text`; the history of formats is in docs/artifacts.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from ..core.histogram import RELATIVE_ERROR, SIGNIFICANT_DIGITS
from ..core.judging.verdict import Outcome
from ..core.record import Artifact, Record
from ..core.record_json import Plain, from_plain, to_plain
from ..errors import ArtifactError
from .advice import advice_text

FORMAT: Final = 1
_OF_RECORDS: Final = ("format", "counts", "histograms", "samples")
"""Fields that are made of the records; all others are facts about the session."""
_NOT_PLAIN: Final = (KeyError, TypeError, ValueError, AttributeError)
"""What reading a plain form raises for something else."""
_NO_ARTIFACT: Final = "is not a latency artifact (performance-latency.json)"
_DENSE: Final = (",", ":")
"""Separators that leave no room: the samples are nearly all of a large artifact."""
_HISTOGRAMS: Final = {
    "encoding": "HdrHistogram V2, compressed, base64",
    "unit": "ns",
    "significant_digits": SIGNIFICANT_DIGITS,
    "relative_error": float(RELATIVE_ERROR),
}


def json_text(records: Sequence[Record], session: Mapping[str, Any], *_: object) -> str:
    """The JSON artifact as text."""
    return artifact_text(artifact_of(records, session))


def artifact_of(records: Sequence[Record], session: Mapping[str, Any]) -> Plain:
    """The artifact as plain data. session: machine, versions, settings, start."""
    samples = [_sample(record) for record in records]
    return {**_fields(records, session), "samples": samples}


def _fields(records: Sequence[Record], session: Mapping[str, Any]) -> Plain:
    """All but the samples."""
    outcomes = [record.outcome for record in records]
    counts = {outcome.value: outcomes.count(outcome) for outcome in Outcome}
    return {"format": FORMAT, **session, "counts": counts, "histograms": _HISTOGRAMS}


def _sample(record: Record) -> Plain:
    """A record as plain data; its advice has its words too, for people who read the file."""
    plain = to_plain(record)
    for entry, advice in zip(
        plain["measurement"]["advice"], record.measurement.advice, strict=True
    ):
        entry["text"] = advice_text(advice)
    return plain


def artifact_in(text: str) -> Artifact:
    """What the text of an artifact says.

    Raises:
        ArtifactError: it is not an artifact, or of a format that this version does not know.
    """
    try:
        plain = json.loads(text)
        _check_format(plain)
        records = [from_plain(sample) for sample in plain["samples"]]
    except _NOT_PLAIN as error:
        raise ArtifactError(_NO_ARTIFACT) from error
    return Artifact({k: v for k, v in plain.items() if k not in _OF_RECORDS}, records)


def journal_header(session: Mapping[str, Any]) -> str:
    """The first line of the journal of a session that still runs."""
    return _line({"format": FORMAT, **session})


def journal_line(record: Record) -> str:
    """A finished record as a line of the journal."""
    return _line(_sample(record))


def journal_in(text: str) -> Artifact:
    """What the journal of a session that was killed says.

    A line that was being written then is left out. A record that came again, from a rerun, counts
    by its last line.

    Raises:
        ArtifactError: it is not a journal, or of a format that this version does not know.
    """
    lines = text.split("\n")[:-1]  # what follows the last line break was not finished
    try:
        session = json.loads(lines[0])
        _check_format(session)
        records = [from_plain(json.loads(line)) for line in lines[1:]]
    except (*_NOT_PLAIN, IndexError) as error:
        raise ArtifactError(_NO_ARTIFACT) from error
    del session["format"]
    return Artifact(session, list({record.title: record for record in records}.values()))


def _check_format(plain: Mapping[str, Any]) -> None:
    if plain["format"] != FORMAT:
        raise ArtifactError(f"has format {plain['format']!r}; this version reads {FORMAT}")


def artifact_text(artifact: Plain) -> str:
    """The artifact as JSON text: a line for each field and each sample, ending in a line break."""
    fields = {k: v for k, v in artifact.items() if k != "samples"}
    return _text(fields, [_json(sample, _DENSE) for sample in artifact.get("samples", [])])


def text_of_lines(
    records: Sequence[Record], lines: Iterable[str], session: Mapping[str, Any]
) -> str:
    """The same text for records that are lines of a journal already."""
    return _text(_fields(records, session), [line.rstrip("\n") for line in lines])


def _text(fields: Plain, samples: Sequence[str]) -> str:
    texts = [f"{_json(name)}: {_json(value)}" for name, value in fields.items()]
    lines = ",\n  ".join(samples)
    texts.append(f'"samples": [\n  {lines}\n ]' if samples else '"samples": []')
    return "{\n " + ",\n ".join(texts) + "\n}\n"


def schema_text() -> str:
    """The JSON Schema of the artifact, as it is published."""
    from importlib.resources import files

    text: str = files(__package__).joinpath("artifact.schema.json").read_text(encoding="utf-8")
    return text


def _line(plain: Plain) -> str:
    return _json(plain, _DENSE) + "\n"


def _json(value: object, separators: tuple[str, str] = (", ", ": ")) -> str:
    # A hook may have put anything in: its text is better than no artifact.
    return json.dumps(value, ensure_ascii=False, default=str, separators=separators)
