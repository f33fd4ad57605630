"""What the application asks of a language model, and how one says that it cannot."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from hancock_app.modes import Mode


class Backend(Protocol):
    """A language model, seen from here; called from many threads at once."""

    def answer(self, text: str, mode: Mode) -> str:
        """Answer `text` in `mode`; raise a `BackendFailure` where that cannot be done."""
        ...


@runtime_checkable
class Streaming(Protocol):
    """A backend that can also answer bit by bit."""

    def stream(self, text: str, mode: Mode) -> Iterator[str]:
        """The answer in pieces, as they come; raises a `BackendFailure` at any point."""
        ...


@runtime_checkable
class Checkable(Protocol):
    """A backend that can tell whether it would answer, at little cost."""

    def check(self) -> None:
        """Raise a `BackendFailure` unless a question would be answered."""
        ...


class BackendFailure(Exception):
    """The model cannot answer; the text is fit to be shown to a client.

    BackendFailure
    ├── BackendAway      refused, broken, or incomprehensible: 502
    └── BackendTooSlow   not in time: 504
    """

    status = 502

    def __init__(self, message: str, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class BackendAway(BackendFailure):
    """The model is not there, or what it says is no answer."""


class BackendTooSlow(BackendFailure):
    """The model did not answer in time."""

    status = 504
