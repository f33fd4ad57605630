"""The JSON artifact: every record of a session, with the circumstances of the session.

Format 1. Adding a field is not a breaking change; renaming, removing or reinterpreting one is, and
raises the number. Durations are integer nanoseconds and end in ``_ns``. Every file is checked
against the schema, `artifact_schema`, before anything is made of it; the history of formats is in
docs/artifacts.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from ..core.histogram import RELATIVE_ERROR, SIGNIFICANT_DIGITS
from ..core.judging.verdict import Outcome
from ..core.record import Artifact, Record
from ..core.record_json import InvalidRecord, Plain, from_plain, to_plain, unpacked_size
from ..errors import ArtifactError
from .advice import advice_text
from .artifact_schema import DEEPEST, check_artifact, check_sample, check_session, damaged

FORMAT: Final = 1
_OF_RECORDS: Final = ("format", "counts", "histograms", "samples")
"""Fields that are made of the records; all others are facts about the session."""
_NO_ARTIFACT: Final = "is not a latency artifact (performance-latency.json)"
_LEAST_UNPACKED: Final = 1024 * 1024
"""Bytes that the histograms of a file may decompress to, however small it is; larger files as many
more as they have bytes themselves. Ours have half as many: a byte is up to 80 bytes of memory."""
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


def artifact_in(data: bytes) -> Artifact:
    """What an artifact in JSON says, in UTF-8, UTF-16 or UTF-32, with or without a BOM.

    Raises:
        ArtifactError: it is not an artifact, it is damaged, or of a format that this version does
            not know.
    """
    plain = _parsed(data)
    _check_format(plain)
    check_artifact(plain)
    places = {f"samples[{index}]": sample for index, sample in enumerate(plain["samples"])}
    session = {k: v for k, v in plain.items() if k not in _OF_RECORDS}
    return Artifact(session, _records(places, "{}.{}", len(data)))


def journal_header(session: Mapping[str, Any]) -> str:
    """The first line of the journal of a session that still runs."""
    return _line({"format": FORMAT, **session})


def journal_line(record: Record) -> str:
    """A finished record as a line of the journal."""
    return _line(_sample(record))


def journal_in(data: bytes) -> Artifact:
    """What the journal of a session that was killed says.

    A line that was being written then is left out. A record that came again, from a rerun, counts
    by its last line.

    Raises:
        ArtifactError: it is not a journal, it is damaged, or of a format that this version does not
            know.
    """
    lines = data.split(b"\n")[:-1]  # what follows the last line break was not finished
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
    """What a JSON text says. place: for messages, where it is not a whole file."""
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
        what = f"nested deeper than {DEEPEST} levels" if deep else "a number is too long"
        raise damaged(place, what) from None


def _check_format(plain: object) -> None:
    if not isinstance(plain, dict) or "format" not in plain:
        raise ArtifactError(_NO_ARTIFACT)
    if plain["format"] != FORMAT:
        raise ArtifactError(f"has format {plain['format']!r:.40}; this version reads {FORMAT}")


def _records(places: Mapping[str, Plain], path: str, size: int) -> list[Record]:
    """The records of samples by their places in a file of this size. path: place, then field.

    Histograms that would fill the memory are refused before they are made.
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


def _line(plain: Plain) -> str:
    return _json(plain, _DENSE) + "\n"


def _json(value: object, separators: tuple[str, str] = (", ", ": ")) -> str:
    # A hook may have put anything in: its text is better than no artifact.
    return json.dumps(value, ensure_ascii=False, default=str, separators=separators)
