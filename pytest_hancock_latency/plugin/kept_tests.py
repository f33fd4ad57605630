"""What the probes showed of each test, kept in pytest's cache from session to session.

The cache has the last sessions of each test on each kind of machine, but only those that had a
probing phase: a test on a calm machine adds nothing. The present session is never among them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Final

import pytest

from ..core.sensitivity import ProbedSession, known_test
from ..core.undisturbed import UNKNOWN_TEST, KnownTest
from ..measuring.session_speed import SessionSpeed
from ..measuring.tracers import tracers
from .kept_speed import machine_kind

KEY: Final = "hancock_latency/tests"
TESTS: Final = "latency_tests"
"""Key of a worker's output with what `shown_tests` returned, as JSON: xdist cannot send lone
surrogates, which names may contain."""
_SESSIONS: Final = 8
"""Of each test: enough for different surroundings, and the code of older ones was another."""
_TESTS: Final = 500
"""Each takes up to 4 KB, and few tests ever have a probing phase."""


class KeptTests:
    """Reads and writes the earlier sessions of tests on this kind of machine."""

    def __init__(self, config: pytest.Config, machine: Callable[[], Mapping[str, Any]]) -> None:
        """machine: returns the facts about the machine; called when they are first needed."""
        # Missing with -p no:cacheprovider; a fresh checkout in CI has an empty one.
        self._cache: Any = getattr(config, "cache", None)
        self._machine = machine

    def read(self) -> None:
        """Read all earlier sessions now, before a test replaces what opens files."""
        _ = self._earlier, self._kind

    def known(self, title: str) -> KnownTest:
        """Return what earlier sessions know about the test with this title.

        Under a tracer that is nothing: it slows down all code, and only the larger of the two
        probes excuses that.
        """
        if tracers():
            return UNKNOWN_TEST
        texts = self._earlier.get(self._key(title), [])
        return known_test([each for each in map(_session, texts) if each is not None])

    def keep(self, sessions: Mapping[str, str]) -> None:
        """Add what `shown_tests` returned of this session."""
        if self._cache is None or not sessions:
            return
        tests = self._read()
        for title, text in sessions.items():
            texts = tests.pop(self._key(title), [])
            tests[self._key(title)] = [*texts, text][-_SESSIONS:]
        self._cache.set(KEY, dict([*tests.items()][-_TESTS:]))

    @cached_property
    def _earlier(self) -> dict[str, list[str]]:
        return self._read()

    @cached_property
    def _kind(self) -> str:
        return str(machine_kind(self._machine()))

    def _key(self, title: str) -> str:
        return ascii(f"{self._kind} / {title}")  # pytest's cache cannot write lone surrogates

    def _read(self) -> dict[str, list[str]]:
        """Return all sessions by test; what is not as we write it is left out."""
        content = self._cache.get(KEY, None) if self._cache is not None else None
        if not isinstance(content, dict):
            return {}
        return {
            key: [text for text in texts if isinstance(text, str)]
            for key, texts in content.items()
            if isinstance(texts, list)
        }


def shown_tests(speed: SessionSpeed) -> dict[str, str]:
    """Return what a session shows of each test, as text; nothing under a tracer.

    One text a session, as pytest's cache would write each number on a line of its own.
    """
    if tracers():
        return {}
    return {
        title: json.dumps([session.memory_ns, session.points])
        for title, session in speed.probed.items()
    }


def _session(text: str) -> ProbedSession | None:
    """Return the session that was written as this text; None if it is damaged."""
    try:
        memory_ns, points = json.loads(text)
        return ProbedSession(
            points=tuple((float(p), float(m), float(cpu)) for p, m, cpu in points),
            memory_ns=None if memory_ns is None else float(memory_ns),
        )
    except (ValueError, TypeError, OverflowError, RecursionError):
        return None
