"""What the application asks of a language model."""

from __future__ import annotations

from typing import Protocol

from hancock_app.modes import Mode


class Backend(Protocol):
    """A language model, seen from here."""

    def answer(self, text: str, mode: Mode) -> str:
        """Answer `text` in `mode`; may be called from many threads at once."""
        ...
