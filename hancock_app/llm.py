"""The model as the routes see it: measured, and its failures turned into answers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import BoundedSemaphore
from time import perf_counter

from hancock_app.backends import Backend, BackendFailure, Checkable, Streaming
from hancock_app.errors import Refusal
from hancock_app.modes import Mode
from hancock_app.observability.metrics import Metrics

_log = logging.getLogger("hancock")
_EVERYWHERE = nullcontext()


class LanguageModel:
    """A backend and the `name` of what answers there; `clock` gives seconds.

    At most `at_once` questions are asked at the same time, 0 for any number. The others are told
    so at once: if they waited, a model that hangs would soon have every thread, and the probes
    none.
    """

    def __init__(
        self,
        backend: Backend,
        name: str,
        metrics: Metrics,
        *,
        at_once: int = 0,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self._backend = backend
        self.name = name
        self._metrics = metrics
        self._free = BoundedSemaphore(at_once) if at_once else None
        self._clock = clock

    def answer(self, text: str, mode: Mode) -> str:
        """The answer to `text`; raises a 502, 503 or 504 `Refusal`."""
        with self._place(), self._measured():
            return self._backend.answer(text, mode)

    def stream(self, text: str, mode: Mode) -> Iterator[str]:
        """The answer in pieces, one piece where the backend gives only wholes.

        Raises a 502, 503 or 504 `Refusal`, at the first piece or later.
        """
        with self._place(), self._measured():
            if isinstance(self._backend, Streaming):
                yield from self._backend.stream(text, mode)
            else:
                yield self._backend.answer(text, mode)

    def check(self) -> None:
        """Raise a `BackendFailure` where the backend says that it would not answer."""
        if isinstance(self._backend, Checkable):
            self._backend.check()

    def _place(self) -> AbstractContextManager[object]:
        if self._free is None:
            return _EVERYWHERE
        if not self._free.acquire(blocking=False):
            raise Refusal(
                503,
                "as many questions as the model takes are being answered; try again later",
                (("Retry-After", "1"),),
            )
        # Entered already, and left by whoever gets it.
        return _Leaving(self._free)

    @contextmanager
    def _measured(self) -> Iterator[None]:
        began = self._clock()
        outcome = "failed"
        try:
            yield
            outcome = "answered"
        except BackendFailure as failure:
            _log.warning("the model failed: %s", failure, exc_info=failure.__cause__)
            raise _refusal(failure) from failure
        except GeneratorExit:
            outcome = "left"
            raise
        except Exception as error:
            # Whatever a model does wrong, it is not this service that is broken.
            _log.exception("the model failed unexpectedly")
            raise Refusal(502, "the model failed; try again later") from error
        finally:
            self._metrics.asked(outcome, self._clock() - began)


class _Leaving(AbstractContextManager[None]):
    """Gives a place back."""

    def __init__(self, free: BoundedSemaphore) -> None:
        self._free = free

    def __exit__(self, *exc_info: object) -> None:
        self._free.release()


def _refusal(failure: BackendFailure) -> Refusal:
    headers: tuple[tuple[str, str], ...] = ()
    if failure.retry_after_s is not None:
        headers = (("Retry-After", str(failure.retry_after_s)),)
    return Refusal(failure.status, f"{failure}; try again later", headers)
