"""The interface between Hancock and a language model.

`canned` answers offline, `openai_compatible` asks a server, and `create_app(backend=...)` takes
any other object with the methods of `Backend`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, Protocol, get_args, runtime_checkable

# The audience of the answer: general, an analyst, a security officer, a developer.
Mode = Literal["auto", "soc", "ciso", "code"]
MODES: tuple[Mode, ...] = get_args(Mode)
# Assumes nothing about the audience.
DEFAULT_MODE: Mode = "auto"


class Backend(Protocol):
    """A language model. Its methods are called from many threads at the same time."""

    def answer(self, text: str, mode: Mode) -> str:
        """Return the answer to `text`.

        Raises:
            BackendFailure: there is none.
        """
        ...


@runtime_checkable
class Streaming(Protocol):
    """A backend that can also return its answer piece by piece."""

    def stream(self, text: str, mode: Mode) -> Iterator[str]:
        """Yield the answer in pieces as they arrive.

        Raises:
            BackendFailure: the answer failed, at the first piece or a later one.
        """
        ...


@runtime_checkable
class Checkable(Protocol):
    """A backend that can check whether it would answer, without the cost of a question."""

    def check(self) -> None:
        """Raise a `BackendFailure` unless a question would be answered."""
        ...


@dataclass(frozen=True)
class Endpoint:
    """A model server, the model to request from it, and its API key (not sent when empty)."""

    url: str
    model: str
    key: str = field(default="", repr=False)


class BackendFailure(Exception):
    """The model did not answer. The message is shown to clients.

    BackendFailure
    ├── BackendUnavailable   not reachable, or its response is invalid: 502
    └── BackendTimeout       no complete answer in time: 504
    """

    # Bad Gateway: the fault is in the server behind this service.
    status = 502

    def __init__(self, message: str, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class BackendUnavailable(BackendFailure):
    """The model cannot be reached, or its response is invalid."""


class BackendTimeout(BackendFailure):
    """The model did not answer in time."""

    # Gateway Timeout.
    status = 504
