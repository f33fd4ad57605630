"""An offline backend: fixed answers, after a configurable delay."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from hancock_app.backends import Mode

# Long enough to be streamed word by word, short enough not to matter in a latency measurement.
_ANSWERS: dict[Mode, str] = {
    "auto": "Start with what you can see: the host, the account, the time, and what changed.",
    "soc": "Triage first: keep the evidence, scope the hosts concerned, then contain.",
    "ciso": "The risk is real and bounded; patch the exposed systems first and report weekly.",
    "code": "Validate at the boundary, use parameters instead of string building, and test both.",
}


class CannedBackend:
    """Return a fixed answer per mode after `delay_s` seconds, without a model."""

    def __init__(self, delay_s: float = 0.0, sleep: Callable[[float], None] = time.sleep) -> None:
        self._delay_s = delay_s
        self._sleep = sleep

    def answer(self, text: str, mode: Mode) -> str:
        """Return the answer for `mode`; it includes the length of `text`, as proof of receipt."""
        if self._delay_s:
            self._sleep(self._delay_s)
        return f"{_ANSWERS[mode]} (canned, {len(text)} characters asked)"

    def stream(self, text: str, mode: Mode) -> Iterator[str]:
        """Yield the same answer word by word."""
        first_word, *more_words = self.answer(text, mode).split(" ")
        yield first_word
        for word in more_words:
            yield f" {word}"
