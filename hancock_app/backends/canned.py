"""A model that needs none: the same answer to the same question, at a pace that can be set."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from hancock_app.modes import Mode

_ANSWERS: dict[Mode, str] = {
    "auto": "Start with what you can see: the host, the account, the time, and what changed.",
    "soc": "Triage first: keep the evidence, scope the hosts concerned, then contain.",
    "ciso": "The risk is real and bounded; patch the exposed systems first and report weekly.",
    "code": "Validate at the boundary, use parameters instead of string building, and test both.",
}


class CannedBackend:
    """Answers from a table after `delay_s` seconds, offline."""

    def __init__(self, delay_s: float = 0.0, sleep: Callable[[float], None] = time.sleep) -> None:
        self._delay_s = delay_s
        self._sleep = sleep

    def answer(self, text: str, mode: Mode) -> str:
        """The canned answer of `mode`; how long `text` is shows that it arrived whole."""
        if self._delay_s:
            self._sleep(self._delay_s)
        return f"{_ANSWERS[mode]} (canned, {len(text)} characters asked)"

    def stream(self, text: str, mode: Mode) -> Iterator[str]:
        """The same answer, word by word."""
        first, *others = self.answer(text, mode).split(" ")
        yield first
        for word in others:
            yield f" {word}"
