"""The JSON artifact: every record of a session, with the circumstances of the session.

Format 1. Adding a field is not a breaking change; renaming, removing or reinterpreting one is, and
raises the number. Durations are integer nanoseconds and end in ``_ns``. Every file is checked
against the schema, `artifact_schema`, before it is used; the history of formats is in
docs/artifacts.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from ..core.histogram import RELATIVE_ERROR, SIGNIFICANT_DIGITS
from ..core.record import Artifact, Record
from ..core.record_json import InvalidRecord, Plain, from_plain, to_plain, unpacked_size
from ..core.verdict import Outcome
from ..errors import ArtifactError
from .advice import advice_words
from .artifact_schema import DEEPEST, check_artifact, check_sample, check_session, damaged

FORMAT: Final = 1
_OF_RECORDS: Final = ("format", "counts", "histograms", "samples")
"""Fields derived from the records; all others are facts about the session."""
_NO_ARTIFACT: Final = "is not a latency artifact (performance-latency.json)"
_LEAST_UNPACKED: Final = 1024 * 1024
"""Bytes that the histograms of any file may decompress to, in addition to the size of the file.
Ours need half of that: a byte takes up to 80 bytes of memory."""
_DENSE: Final = (",", ":")
"""Compact separators, because samples are most of a large artifact."""
_HISTOGRAMS: Final = {
    "encoding": "HdrHistogram V2, compressed, base64",
    "unit": "ns",
    "significant_digits": SIGNIFICANT_DIGITS,
    "relative_error": float(RELATIVE_ERROR),
}


def json_text(records: Sequence[Record], session: Mapping[str, Any], *_: object) -> str:
    """Return the JSON artifact as text."""
    return artifact_text(artifact_of(records, session))


def run_text(records: Sequence[Record], session: Mapping[str, Any], *_: object) -> str:
    """Render a run for a history: an artifact without details."""
    return json_text([_without_details(record) for record in records], session)


def _without_details(record: Record) -> Record:
    measurement = replace(record.measurement, slowest=(), advice=())
    return replace(record, measurement=measurement, timeline=None)


def artifact_of(records: Sequence[Record], session: Mapping[str, Any]) -> Plain:
    """Return the artifact as plain data.

    Args:
        session: machine, versions, settings, start.
    """
    samples = [_sample(record) for record in records]
    return {**_fields(records, session), "samples": samples}


def _fields(records: Sequence[Record], session: Mapping[str, Any]) -> Plain:
    """Return all fields except the samples."""
    outcomes = [record.outcome for record in records]
    counts = {outcome.value: outcomes.count(outcome) for outcome in Outcome}
    return {"format": FORMAT, **session, "counts": counts, "histograms": _HISTOGRAMS}


def _sample(record: Record) -> Plain:
    """Return a record as plain data; advice includes its text for readers of the file."""
    plain = to_plain(record)
    for entry, advice in zip(
        plain["measurement"]["advice"], record.measurement.advice, strict=True
    ):
        entry["text"] = advice_words(advice)
    return plain


def artifact_in(data: bytes) -> Artifact:
    """Parse a JSON artifact, in UTF-8, UTF-16 or UTF-32, with or without a BOM.

    Raises:
        ArtifactError: it is not an artifact, is damaged, or has an unknown format.
    """
    plain = _parsed(data)
    _check_format(plain)
    check_artifact(plain)
    places = {f"samples[{index}]": sample for index, sample in enumerate(plain["samples"])}
    session = {k: v for k, v in plain.items() if k not in _OF_RECORDS}
    return Artifact(session, _records(places, "{}.{}", len(data)))


def journal_header(session: Mapping[str, Any]) -> str:
    """Return the first line of the journal of a running session."""
    return _line({"format": FORMAT, **session})


def journal_line(record: Record) -> str:
    """Return a finished record as a line of the journal."""
    return _line(_sample(record))


def journal_in(data: bytes) -> Artifact:
    """Parse the journal of a session that was killed.

    An incomplete last line is ignored. If a record occurs several times because of reruns, its last
    line counts.

    Raises:
        ArtifactError: it is not a journal, is damaged, or has an unknown format.
    """
    lines = data.split(b"\n")[:-1]  # the text after the last line break is incomplete
    if not lines:
        raise ArtifactError(_NO_ARTIFACT)
    session, *samples = (_parsed(line, f"line {number}") for number, line in enumerate(lines, 1))
    _check_format(session)
    check_session(session, "line 1")
    places = {f"line {number}": sample for number, sample in enumerate(samples, 2)}
    for place, sample in places.items():
        check_sample(sample, place)
    records = _records(places, "{}, {}", len(data))
    del session["format"]
    return Artifact(session, list({record.title: record for record in records}.values()))


def _parsed(data: bytes, place: str = "") -> Any:
    """Parse a JSON text.

    Args:
        place: place in the file, for messages; empty for a whole file.
    """
    if not data.strip():
        raise ArtifactError(_NO_ARTIFACT)
    try:
        return json.loads(data)
    except UnicodeDecodeError as error:
        raise damaged(place or f"byte {error.start}", f"it is not {error.encoding}") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        where = f"{place}, column {error.colno}" if place else where
        raise ArtifactError(f"is not JSON: {error.msg} ({where})") from None
    except (RecursionError, ValueError) as error:  # or a number of more than 4300 digits
        deep = isinstance(error, RecursionError)
        problem = f"nested deeper than {DEEPEST} levels" if deep else "a number is too long"
        raise damaged(place, problem) from None


def _check_format(plain: object) -> None:
    if not isinstance(plain, dict) or "format" not in plain:
        raise ArtifactError(_NO_ARTIFACT)
    if plain["format"] != FORMAT:
        raise ArtifactError(f"has format {plain['format']!r:.40}; this version reads {FORMAT}")


def _records(places: Mapping[str, Plain], path: str, size: int) -> list[Record]:
    """Make records from samples by place in a file of this size.

    Histograms that would use too much memory are refused before they are decoded.

    Args:
        path: format of place and field.
        size: size of the file in bytes.
    """
    records, unpacked, limit = [], 0, _LEAST_UNPACKED + size
    for place, sample in places.items():
        try:
            unpacked += unpacked_size(sample)
            if unpacked > limit:
                raise ArtifactError(f"has histograms that decompress to more than {limit} bytes")
            records.append(from_plain(sample))
        except InvalidRecord as error:
            raise damaged(path.format(place, error.field), error) from None
    return records


def artifact_text(artifact: Plain) -> str:
    """Render the artifact as JSON text, with a line for each field and each sample."""
    fields = {k: v for k, v in artifact.items() if k != "samples"}
    return _text(fields, [_json(sample, _DENSE) for sample in artifact.get("samples", [])])


def text_of_lines(
    records: Sequence[Record], lines: Iterable[str], session: Mapping[str, Any]
) -> str:
    """Render the artifact from records that are already lines of a journal."""
    return _text(_fields(records, session), [line.rstrip("\n") for line in lines])


def _text(fields: Plain, samples: Sequence[str]) -> str:
    texts = [f"{_json(name)}: {_json(value)}" for name, value in fields.items()]
    lines = ",\n  ".join(samples)
    texts.append(f'"samples": [\n  {lines}\n ]' if samples else '"samples": []')
    return "{\n " + ",\n ".join(texts) + "\n}\n"


def _line(plain: Plain) -> str:
    return _json(plain, _DENSE) + "\n"


def _json(value: object, separators: tuple[str, str] = (", ", ": ")) -> str:
    # Hooks may add any object: its string form is better than no artifact.
    return json.dumps(value, ensure_ascii=False, default=str, separators=separators)
