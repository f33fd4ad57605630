"""The published JSON Schema of the artifact, and the validation of files against it.

The validation supports the keywords that our schema uses (draft 2020-12), and is stricter where
JSON is not: an integer has no fraction, and no number is NaN or infinite. Fields that the schema
does not describe may have any value, up to a depth of `DEEPEST`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Final

from ..errors import ArtifactError

DEEPEST: Final = 64
"""Maximum nesting of arrays and objects: ours have 8 levels, hooks may add more. Python's limit is
1000 calls, some of which the caller has used."""
_LONGEST_VALUE: Final = 40
"""Maximum characters of an invalid value in a message."""
_LONGEST_KEY: Final = 80
"""Maximum characters of a name in the path of a message."""
_PLAIN_KEY: Final = re.compile(r"\w{1,40}", re.ASCII)
_KINDS: Final[Mapping[str, tuple[tuple[type, ...], str]]] = {
    "object": ((dict,), "an object"),
    "array": ((list,), "an array"),
    "string": ((str,), "a string"),
    "integer": ((int,), "an integer"),
    "number": ((int, float), "a number"),
    "boolean": ((bool,), "true or false"),
    "null": ((type(None),), "null"),
}
_ANY_VALUE: Final[Mapping[str, Any]] = {}

Schema = Mapping[str, Any]
Step = str | int


class _Wrong(Exception):
    """A value that violates the schema. The steps to it are collected from the inside out."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.steps: list[Step] = []


def schema_text() -> str:
    """Return the published JSON Schema of the artifact."""
    text: str = files(__package__).joinpath("artifact.schema.json").read_text(encoding="utf-8")
    return text


def check_artifact(plain: object) -> None:
    """Check the parsed JSON of an artifact.

    Raises:
        ArtifactError: it is damaged; the text contains the path to the first invalid value.
    """
    _check(plain, _schema(), "")


def check_session(plain: object, place: str) -> None:
    """Check the first line of a journal: an artifact without its samples.

    Args:
        place: place in the file, for messages.
    """
    samples = ("counts", "samples")
    required = [name for name in _schema()["required"] if name not in samples]
    _check(plain, {**_schema(), "required": required}, place)


def check_sample(plain: object, place: str) -> None:
    """Check one sample from a line of a journal.

    Args:
        place: place in the file, for messages.
    """
    _check(plain, _schema()["$defs"]["sample"], place)


def damaged(path: str, problem: object) -> ArtifactError:
    """Return the error for an artifact with an invalid value at this path."""
    return ArtifactError(f"is damaged at {path}: {problem}" if path else f"is damaged: {problem}")


@cache
def _schema() -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(schema_text())
    return schema


def _check(plain: object, schema: Schema, place: str) -> None:
    try:
        _check_value(plain, schema, 0)
    except _Wrong as wrong:
        path = _path(reversed(wrong.steps))
        raise damaged(", ".join(filter(None, (place, path))), wrong) from None


def _check_value(value: object, schema: Schema, depth: int) -> None:
    if "$ref" in schema:
        schema = _schema()["$defs"][schema["$ref"].rpartition("/")[2]]
    if "const" in schema or "enum" in schema:
        _check_choice(value, schema.get("enum", [schema.get("const")]))
        return
    kinds = schema.get("type", ())
    kinds = (kinds,) if isinstance(kinds, str) else kinds
    if kinds and not any(type(value) in _KINDS[kind][0] for kind in kinds):
        raise _Wrong(f"{_shown(value)} is not {_expected(kinds, schema)}")
    if isinstance(value, dict):
        _check_object(value, schema, depth)
    elif isinstance(value, list):
        _check_array(value, schema, depth)
    elif isinstance(value, str):
        _check_pattern(value, schema)
    elif type(value) in (int, float) and not _in_range(value, schema):
        raise _Wrong(f"{_shown(value)} is not {_expected(kinds or ('number',), schema)}")


def _check_choice(value: object, choices: Sequence[object]) -> None:
    if any(type(value) is type(choice) and value == choice for choice in choices):
        return
    names = ", ".join(json.dumps(choice, ensure_ascii=False) for choice in choices)
    one_of = "one of " if len(choices) > 1 else ""
    raise _Wrong(f"{_shown(value)} is not {one_of}{names}")


def _check_object(value: dict[str, object], schema: Schema, depth: int) -> None:
    _check_depth(depth)
    for name in schema.get("required", ()):
        if name not in value:
            raise _at(_Wrong("missing"), name)
    properties = schema.get("properties", _ANY_VALUE)
    other_schema = schema.get("additionalProperties", _ANY_VALUE)
    names = schema.get("propertyNames", _ANY_VALUE)
    for name, part in value.items():
        try:
            _check_pattern(name, names)
            _check_value(part, properties.get(name, other_schema), depth + 1)
        except _Wrong as wrong:
            raise _at(wrong, name) from None


def _check_array(value: list[object], schema: Schema, depth: int) -> None:
    _check_depth(depth)
    minimum, maximum = schema.get("minItems", 0), schema.get("maxItems", len(value))
    if not minimum <= len(value) <= maximum:
        raise _Wrong(f"it has {len(value)} items, not {minimum}")
    items = schema.get("items", _ANY_VALUE)
    prefix = schema.get("prefixItems", ())
    if not prefix and _are_integers(value, items):
        return
    for index, part in enumerate(value):
        try:
            _check_value(part, prefix[index] if index < len(prefix) else items, depth + 1)
        except _Wrong as wrong:
            raise _at(wrong, index) from None


def _are_integers(values: Sequence[object], schema: Schema) -> bool:
    """Whether all are integers in the range of their schema.

    Most values of an artifact are in its long arrays, and this looks at them without a call each.
    """
    if schema.get("type") != "integer" or {*map(type, values)} != {int}:
        return False
    least, most = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
    return bool(least <= min(values) and max(values) <= most)  # type: ignore[type-var]


def _check_depth(depth: int) -> None:
    if depth >= DEEPEST:
        raise _Wrong(f"nested deeper than {DEEPEST} levels")


def _check_pattern(text: str, schema: Schema) -> None:
    pattern = schema.get("pattern")
    # A pattern that ends in $ also matches before a final line break, which ours must not.
    if pattern and not re.fullmatch(pattern, text):
        raise _Wrong(f"{_shown(text)} does not match {pattern}")


def _in_range(value: Any, schema: Schema) -> bool:
    if isinstance(value, float) and not math.isfinite(value):
        return False
    minimum, maximum = schema.get("minimum", value), schema.get("maximum", value)
    return bool(minimum <= value <= maximum)


def _expected(kinds: Sequence[str], schema: Schema) -> str:
    """Describe the expected value: ``an integer from 0 to 100 or null``."""
    words = []
    for kind in kinds:
        bounded = kind in ("integer", "number") and "maximum" in schema
        limits = f" from {schema['minimum']} to {schema['maximum']}" if bounded else ""
        words.append(("a finite number" if kind == "number" else _KINDS[kind][1]) + limits)
    return " or ".join(words)


def _shown(value: object) -> str:
    """Format an invalid value for a message: only its kind if it is large."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "an array"
    if isinstance(value, str):
        value = value[: _LONGEST_VALUE + 1]
    text = json.dumps(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"


def _at(wrong: _Wrong, step: Step) -> _Wrong:
    wrong.steps.append(step)
    return wrong


def _path(steps: Any) -> str:
    """Format a path into a file: ``samples[0].failures["status 503"]``."""
    text = ""
    for step in steps:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN_KEY.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += f"[{json.dumps(step[:_LONGEST_KEY])}]"
    return text
