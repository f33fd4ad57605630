"""What every target here shares: how many cases run, odd values, damage, and kept seeds.

    make fuzz                              20 000 cases of each surface, and a table at the end
    FUZZ_CASES=500 pytest tests/fuzz/test_importers.py

An ordinary run makes a few cases, always the same, after the kept ones: files in `seeds/SURFACE/`,
and examples next to the targets. Each of those failed once. Cases of a long run are random; what it
finds is shrunk, printed, and has to become a seed.
"""

from __future__ import annotations

import functools
import os
import re
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ..cli.damaging import ODD

SEEDS: Final = Path(__file__).resolve().parent / "seeds"
ORDINARY_CASES: Final = 25
CASES: Final = int(os.environ.get("FUZZ_CASES") or ORDINARY_CASES)
IS_LONG: Final = CASES > ORDINARY_CASES
LONGEST_S: Final = 10.0
"""Of CPU time for one case, which is far more than any takes."""
COUNTS: Counter[str] = Counter()
"""Cases made, by surface."""

Check = Callable[..., None]

ODD_WORDS: Final = (
    *("", " ", "-", "--", "-1", "0", "-0", "1", "1e308", "1e400", "-1e400", "1e-400", "nan", "inf"),
    *("-inf", "99999999999999999999", "1_000", "\u0661\u0662", "0x10", "null", "true", "x", "p50"),
    *('"', '""', "'", ",", "\t", "\x00", "\x1b[31m", "\x85", "\u2028", "\u202e", "é", "\ufffd"),
    *("\r", "\r\n", "{}", "[]", "{", "$", "${", "%s", "%(x)s", "<b>", "|", "#", "\\", "*", "a*b"),
    "0x" + "F" * 5000,
    *("9" * 400, "9" * 5000, "A" * 140_000, "[" * 3000, "2023-11-14T22:13:20Z", "0001-01-01T00:00"),
)
"""Texts that often break a reader: numbers that are none, quotes, ends of lines, length."""
_WORD: Final = re.compile(r'[^\s,:;={}\[\]()"]+')


def fuzzed(surface: str, *strategies: Any, slower: int = 1, **named: Any) -> Callable[[Check], Any]:
    """Make a test of a check that takes drawn values; counts its cases.

    slower: how many times fewer cases than of other surfaces, because each takes longer.
    """

    def decorate(check: Check) -> Any:
        @functools.wraps(check)
        def counted(*args: Any, **kwargs: Any) -> None:
            COUNTS[surface] += 1
            began = time.process_time()
            check(*args, **kwargs)
            took = time.process_time() - began
            assert took < LONGEST_S, f"{took:.1f} s of CPU time"

        return settings(
            max_examples=max(10, CASES // slower),
            derandomize=not IS_LONG,
            deadline=None,
            print_blob=IS_LONG,
            # Each case writes the file anew; large ones are the point.
            suppress_health_check=list(HealthCheck),
        )(given(*strategies, **named)(counted))

    return decorate


def seeds(surface: str) -> list[Path]:
    """Return the kept inputs of a surface."""
    return sorted((SEEDS / surface).iterdir())


odd_values = st.sampled_from(ODD) | st.floats() | st.integers() | st.text(max_size=12)
"""Values of JSON of any type."""
odd_words = st.sampled_from(ODD_WORDS) | st.text(max_size=8) | st.floats().map(repr)
json_values = st.recursive(
    odd_values,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)


@st.composite
def damaged_text(draw: st.DrawFn, whole: st.SearchStrategy[str]) -> str:
    """A valid text with one to four changes of words, lines or characters."""
    text = draw(whole)
    for _ in range(draw(st.sampled_from((1, 1, 1, 2, 4)))):
        text = _damage(draw, text)
    return text


def _damage(draw: st.DrawFn, text: str) -> str:
    if draw(st.booleans()):
        words = [match.span() for match in _WORD.finditer(text)] or [(0, 0)]
        begin, end = draw(st.sampled_from(words))
        other = draw(st.sampled_from(words))
        odd = draw(odd_words)
        changes = (odd, odd, odd + text[begin:end], text[slice(*other)], "")
        return text[:begin] + draw(st.sampled_from(changes)) + text[end:]
    lines = text.splitlines(keepends=True) or [""]
    at = draw(st.integers(0, len(lines) - 1))
    cut = lines[at][: draw(st.integers(0, len(lines[at])))]
    changes = ("", lines[at] * 2, draw(odd_words) + "\n" + lines[at], cut)
    return "".join([*lines[:at], draw(st.sampled_from(changes)), *lines[at + 1 :]])


@st.composite
def damaged_bytes(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """Valid bytes with one to three changes."""
    content = draw(whole)
    for _ in range(draw(st.sampled_from((1, 1, 3)))):
        at = draw(st.integers(0, len(content)))
        end = draw(st.integers(at, min(len(content), at + 40)))
        content = content[:at] + draw(st.binary(max_size=4)) + content[end:]
    return content


@st.composite
def damaged_value(draw: st.DrawFn, whole: st.SearchStrategy[Any]) -> Any:
    """A valid JSON value with one to three places replaced, removed or repeated."""
    value = draw(whole)
    for _ in range(draw(st.sampled_from((1, 1, 2, 3)))):
        value = _damage_value(draw, value)
    return value


def _damage_value(draw: st.DrawFn, value: Any) -> Any:
    inner = isinstance(value, dict | list) and len(value)
    if not inner or draw(st.integers(0, 5)) == 0:
        return draw(json_values)
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = draw(st.sampled_from(keys))
    kind = draw(st.integers(0, 9))
    if kind == 0:
        return _without(value, key)
    if kind == 1:
        return _with(value, draw(st.text(max_size=6)), value[key])
    return _replaced(value, key, _damage_value(draw, value[key]))


def _without(value: Any, key: Any) -> Any:
    if isinstance(value, dict):
        return {k: v for k, v in value.items() if k != key}
    return [v for k, v in enumerate(value) if k != key]


def _with(value: Any, key: str, added: Any) -> Any:
    return {**value, key: added} if isinstance(value, dict) else [*value, added]


def _replaced(value: Any, key: Any, new: Any) -> Any:
    if isinstance(value, dict):
        return {**value, key: new}
    return [new if k == key else v for k, v in enumerate(value)]
