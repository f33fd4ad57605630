"""Formats of access logs, in the notation of nginx, of Apache, or with names in braces.

A visitor decides what is in a request line, so no line may take long. Each value ends where the
text that follows it in the format first occurs; no choice is tried twice. If the line does not
match in this way, one value may contain the text that follows it, such as a path with spaces: for
each value in turn, those before it are found from the left and those after it from the right.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from ..errors import ImportedFileError

_NGINX: Final = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_BRACES: Final = re.compile(r"\{(\w*)\}()")
_APACHE: Final = re.compile(r"%[<>!,\d]*(?:\{([^}]*)\})?([a-zA-Z%])")
_APACHE_NAMES: Final = {
    "D": "request_time_us",
    "T": "request_time",
    "Tms": "request_time_ms",
    "Tus": "request_time_us",
    "Ts": "request_time",
    "m": "request_method",
    "r": "request",
    "s": "status",
    "t": "time_local",
    "U": "uri",
}
"""Names of nginx for what Apache writes; all others are not read. Times are in seconds, or as the
name says."""
_STATEMENT: Final = re.compile(
    r"""\s*(?:log_format\s+\S+|LogFormat)\s+(?:escape=\w+\s+)?(?P<texts>.*?)(?:\s+\w+)?\s*;?\s*""",
    re.DOTALL,
)
_QUOTED: Final = re.compile(r"""'((?:[^'\\]|\\.)*+)'|"((?:[^"\\]|\\.)*+)\"""", re.DOTALL)
_ALL_QUOTED: Final = re.compile(r"""\s*(?:'(?:[^'\\]|\\.)*+'\s*)+;?\s*""", re.DOTALL)
"""As in nginx.conf. Double quotes may be part of a format."""
_ESCAPES: Final = {r"\t": "\t", r"\"": '"', r"\'": "'", r"\\": "\\"}
_NUMBER: Final = r"[-+]?[\d.,]+\w*|-?"
_TIME_LOCAL: Final = re.compile(r"\[?\d+/\w{3}/\d{4}:[\d:.]+ [-+]\d{4}\]?")
"""The only value with a space in it whose end is known."""
_VALUES: Final = {
    "status": r"\d{3}|-",
    "request_time": _NUMBER,
    "request_time_ms": _NUMBER,
    "request_time_us": _NUMBER,
    "latency": _NUMBER,
    "msec": r"[\d.]+",
    "time_iso8601": r"\S+",
    "remote_addr": r"\S+",
    "request_method": r"\S+",
    "host": r"\S*",
    "scheme": r"\S*",
    "body_bytes_sent": r"\d+|-",
    "bytes_sent": r"\d+|-",
    "request_length": r"\d+|-",
}
"""What the values of some variables look like: by these it is known whether a line was split at the
right places."""


class LogFormat:
    """Splits the lines of a log."""

    def __init__(self, text: str) -> None:
        """Understand a format.

        Args:
            text: as it stands in nginx's or Apache's configuration, with or without its statement.
        """
        literals, variables = _parts(_without_statement(text))
        self._literals = literals
        self._variables = variables
        self.names = tuple(dict.fromkeys(name for name in variables if name))
        """Of the variables that are read."""
        self._at = [variables.index(name) for name in self.names]
        self._checks = [
            (variables.index(name), re.compile(pattern))
            for name, pattern in _VALUES.items()
            if name in variables
        ]

        checked = {at for at, _ in self._checks}
        self._free = [at + 1 for at in range(len(variables) - 1) if at not in checked]
        """Numbers of the values that may contain what follows them."""

    def values(self, line: str) -> Sequence[str] | None:
        """Return the values of a line, in the order of the names; None if it does not match."""
        count = len(self._variables)
        from_left = self._from_left(line)
        for pivot in (count, *self._free):
            values = self._split(line, from_left, pivot)
            if values is not None:
                return [values[at] for at in self._at]
        return None

    def _from_left(self, line: str) -> list[tuple[int, int]]:
        """Return where each value begins and ends, as far as the line matches."""
        spans: list[tuple[int, int]] = []
        if not line.startswith(self._literals[0]):
            return spans
        begin = len(self._literals[0])
        for name, literal in zip(self._variables, self._literals[1:-1], strict=False):
            local = _TIME_LOCAL.match(line, begin) if name == "time_local" else None
            end = line.find(literal, begin if local is None else local.end())
            if end < 0:
                return spans
            spans.append((begin, end))
            begin = end + len(literal)
        end = len(line) - len(self._literals[-1])
        if end >= begin and line.endswith(self._literals[-1]):
            spans.append((begin, end))
        return spans

    def _split(
        self, line: str, from_left: Sequence[tuple[int, int]], pivot: int
    ) -> list[str] | None:
        """Return all values, those behind the number `pivot` found from the right."""
        if len(from_left) < min(pivot, len(self._variables) - 1) or not line.endswith(
            self._literals[-1]
        ):
            return None
        spans = list(from_left[: pivot - 1])
        begin = spans[-1][1] + len(self._literals[pivot - 1]) if spans else len(self._literals[0])
        behind: list[tuple[int, int]] = []
        end = len(line) - len(self._literals[-1])
        for literal in reversed(self._literals[pivot:-1]):
            at = line.rfind(literal, begin, end)
            if at < 0:
                return None
            behind.append((at + len(literal), end))
            end = at
        if end < begin:
            return None
        values = [line[a:b] for a, b in (*spans, (begin, end), *reversed(behind))]
        if all(pattern.fullmatch(values[at]) for at, pattern in self._checks):
            return values
        return None


def _without_statement(text: str) -> str:
    """Return a format without the statement and the quotes around it, and with its tabs."""
    statement = _STATEMENT.fullmatch(text)
    quoted = _QUOTED.findall(statement["texts"]) if statement else []
    if not quoted and _ALL_QUOTED.fullmatch(text):
        quoted = _QUOTED.findall(text)
    if quoted:
        text = "".join(single or double for single, double in quoted)
    return re.sub(r"\\[t\"'\\]", lambda match: _ESCAPES[match[0]], text)


def _parts(text: str) -> tuple[list[str], list[str]]:
    """Return the literal texts, one more than variables, and the names of the variables.

    Raises:
        ImportedFileError: it has no variables.
    """
    literals, variables, end = [], [], 0
    for begin, stop, name in _variables(text):
        literals.append(text[end:begin])
        variables.append(name)
        end = stop
    literals.append(text[end:])
    if not variables:
        raise ImportedFileError(
            f"--log-format {text!r:.40} has no variables, such as $request_time of nginx, %D of "
            "Apache, or {latency}"
        )
    # A variable used twice is read once, and captures ($1) never.
    earlier: set[str] = set()
    for at, name in enumerate(variables):
        variables[at] = name if name.isidentifier() and name not in earlier else ""
        earlier.add(name)
    return literals, variables


def _variables(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield begin, end and name of each variable of a format."""
    if "$" in text:
        for match in _NGINX.finditer(text):
            yield match.start(), match.end(), match[1] or match[2]
    elif "%" in text:
        for match in _APACHE.finditer(text):
            begin, end, letter = match.start(), match.end(), match[2]
            if letter == "t":  # its brackets are not in the format
                yield begin, end, "time_local"
                continue
            name = letter + (match[1] or "" if letter == "T" else "")
            is_plain = letter == "T" or not match[1]
            yield begin, end, _APACHE_NAMES.get(name, "") if is_plain else ""
    else:
        for match in _BRACES.finditer(text):
            yield match.start(), match.end(), match[1]
