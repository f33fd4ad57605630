"""The language model as used by the routes: limited, timed, with failures as API errors."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore
from time import perf_counter
from typing import cast

from hancock_app.backends import (
    Backend,
    BackendFailure,
    BackendUnavailable,
    Checkable,
    Mode,
    Streaming,
)
from hancock_app.errors import ApiError
from hancock_app.observability.metrics import Metrics

_log = logging.getLogger("hancock")


class LanguageModel:
    """A backend and the `name` of its model; `clock` is in seconds.

    At most `max_concurrent` questions run at the same time; 0 means no limit. Further ones are
    refused at once: if they waited, a hanging model would soon occupy every thread and leave none
    for health probes.
    """

    def __init__(
        self,
        backend: Backend,
        name: str,
        metrics: Metrics,
        *,
        max_concurrent: int = 0,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self._backend = backend
        self.name = name
        self._metrics = metrics
        self._slots = BoundedSemaphore(max_concurrent) if max_concurrent else None
        self._clock = clock

    def answer(self, text: str, mode: Mode) -> str:
        """Return the answer to `text`.

        Raises:
            ApiError: the backend failed; status 502, 503 or 504.
        """
        return "".join(self._pieces(text, mode, streamed=False))

    def stream(self, text: str, mode: Mode) -> Iterator[str]:
        """Yield the answer in pieces, or in one piece if the backend cannot stream.

        Raises:
            ApiError: the backend failed, at the first piece or a later one; status 502, 503 or 504.
        """
        return self._pieces(text, mode, streamed=isinstance(self._backend, Streaming))

    def _pieces(self, text: str, mode: Mode, *, streamed: bool) -> Iterator[str]:
        with self._call():
            if streamed:
                pieces = cast(Streaming, self._backend).stream(text, mode)
            else:
                pieces = iter((self._backend.answer(text, mode),))
            is_empty = True
            for piece in pieces:
                if not _is_sendable(piece):
                    raise BackendUnavailable("the model returned something other than text")
                if piece:
                    is_empty = False
                    yield str(piece)
            if is_empty:
                raise BackendUnavailable("the model returned an empty answer")

    def check(self) -> None:
        """Raise a `BackendFailure` if the backend knows that it would not answer."""
        if isinstance(self._backend, Checkable):
            self._backend.check()

    @contextmanager
    def _call(self) -> Iterator[None]:
        """Hold a slot, time the call, and translate its exceptions."""
        if self._slots is not None and not self._slots.acquire(blocking=False):
            raise ApiError(
                503,
                "the model is at its concurrency limit; try again later",
                # The shortest time that the header can express: a slot may be free at any moment.
                (("Retry-After", "1"),),
            )
        start = self._clock()
        outcome = "failed"
        try:
            yield
            outcome = "answered"
        except BackendFailure as failure:
            _log.warning("the model failed: %s", failure, exc_info=failure.__cause__)
            raise _error_of(failure) from failure
        except GeneratorExit:
            outcome = "left"
            raise
        except Exception as error:
            # Whatever a backend raises, this service itself works: 502, not 500.
            _log.exception("the model failed unexpectedly")
            raise ApiError(502, "the model failed; try again later") from error
        finally:
            if self._slots is not None:
                self._slots.release()
            self._metrics.model_call_finished(outcome, self._clock() - start)


def _is_sendable(piece: object) -> bool:
    """Whether `piece` can be sent as JSON: a string without lone surrogates."""
    if not isinstance(piece, str):
        return False
    try:
        piece.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _error_of(failure: BackendFailure) -> ApiError:
    headers: tuple[tuple[str, str], ...] = ()
    if failure.retry_after_s is not None:
        headers = (("Retry-After", str(failure.retry_after_s)),)
    return ApiError(failure.status, f"{failure}; try again later", headers)
