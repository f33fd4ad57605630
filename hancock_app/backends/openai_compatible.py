"""A model behind an OpenAI-compatible server: Ollama, NVIDIA NIM and many others."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import httpx

from hancock_app.backends.endpoints import Endpoint
from hancock_app.backends.protocol import BackendAway, BackendFailure, BackendTooSlow
from hancock_app.backends.wire import answer_in, piece_in, question
from hancock_app.modes import Mode

_Part = TypeVar("_Part", str, bytes)

_TRY_AGAIN = frozenset({429, 500, 502, 503, 504})
_FIRST_PAUSE_S = 0.25
_CHECK_TIMEOUT_S = 2.0
_LARGEST_ANSWER = 4_000_000
# A stream goes on for longer than one answer may take, but not for ever.
_STREAM_TIMES = 10


@dataclass(frozen=True)
class Patience:
    """How long a question may take in all, in seconds, and how often it is asked again."""

    timeout_s: float = 30.0
    retries: int = 2
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


class OpenAICompatible:
    """Asks the server at `endpoint`; its retries and their pauses are part of the timeout.

    A server that sends a little now and then is given up after at most twice the timeout, a
    stream after ten times.
    """

    def __init__(self, endpoint: Endpoint, patience: Patience = Patience()) -> None:
        headers = {"Content-Type": "application/json"}
        if endpoint.key:
            headers["Authorization"] = f"Bearer {endpoint.key}"
        self._endpoint = endpoint
        self._patience = patience
        self._http = httpx.Client(base_url=endpoint.url, headers=headers)

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def answer(self, text: str, mode: Mode) -> str:
        """The whole answer; raises a `BackendFailure`."""
        deadline = self._patience.clock() + self._patience.timeout_s
        asked = question(self._endpoint, text, mode, stream=False)
        with self._opened(asked, deadline) as response:
            body = b"".join(self._within(response.iter_bytes(), deadline))
        return answer_in(body)

    def stream(self, text: str, mode: Mode) -> Iterator[str]:
        """The answer as it comes; raises a `BackendFailure` where it is cut off."""
        started = self._patience.clock()
        asked = question(self._endpoint, text, mode, stream=True)
        with self._opened(asked, started + self._patience.timeout_s) as response:
            last = started + _STREAM_TIMES * self._patience.timeout_s
            yield from _pieces(self._within(response.iter_lines(), last))

    def check(self) -> None:
        """Ask for the list of models, which costs the server nothing."""
        try:
            response = self._http.get("models", timeout=_CHECK_TIMEOUT_S)
        except httpx.HTTPError as error:
            raise _failure(error) from error
        if response.is_error:
            raise BackendAway(f"the model server answers with status {response.status_code}")

    @contextmanager
    def _opened(self, asked: bytes, deadline: float) -> Iterator[httpx.Response]:
        try:
            response = self._sent_until_good(asked, deadline)
            try:
                yield response
            finally:
                response.close()
        except httpx.HTTPError as error:
            raise _failure(error) from error

    def _sent_until_good(self, asked: bytes, deadline: float) -> httpx.Response:
        for attempt in range(self._patience.retries + 1):
            response, refused = self._sent(asked, deadline)
            if response is not None and response.status_code not in _TRY_AGAIN:
                break
            pause = _pause_s(attempt, response)
            is_last = attempt == self._patience.retries
            if is_last or self._patience.clock() + pause >= deadline:
                break
            if response is not None:
                response.close()
            self._patience.sleep(pause)
        if response is None:
            raise refused or BackendAway("the model cannot be reached")
        if not response.is_success:
            response.close()
            raise _bad_status(response)
        return response

    def _sent(
        self, asked: bytes, deadline: float
    ) -> tuple[httpx.Response | None, BackendFailure | None]:
        left = max(0.001, deadline - self._patience.clock())
        request = self._http.build_request("POST", "chat/completions", content=asked, timeout=left)
        try:
            return self._http.send(request, stream=True), None
        except (httpx.ConnectError, httpx.RemoteProtocolError) as error:
            # Refused, or a kept connection that the server had closed: worth another try.
            return None, _failure(error)

    def _within(self, parts: Iterator[_Part], deadline: float) -> Iterator[_Part]:
        size = 0
        for part in parts:
            size += len(part)
            if size > _LARGEST_ANSWER:
                raise BackendAway("the model's answer is too long")
            if self._patience.clock() > deadline:
                raise BackendTooSlow("the model did not finish in time")
            yield part


def _pieces(lines: Iterator[str]) -> Iterator[str]:
    said = ended = False
    for line in lines:
        chunk = line.removeprefix("data:").strip()
        if chunk == "[DONE]":
            ended = True
            break
        if chunk and line.startswith("data:"):
            piece, ends = piece_in(chunk)
            ended = ended or ends
            if piece:
                said = True
                yield piece
    if not ended:
        raise BackendAway("the model's answer was cut off")
    if not said:
        raise BackendAway("the model gave an empty answer")


def _failure(error: httpx.HTTPError) -> BackendFailure:
    if isinstance(error, httpx.TimeoutException):
        return BackendTooSlow("the model did not answer in time")
    if isinstance(error, httpx.ConnectError):
        return BackendAway("the model cannot be reached")
    if isinstance(error, httpx.RemoteProtocolError | httpx.ReadError):
        return BackendAway("the model's answer was cut off")
    return BackendAway("the model's answer could not be understood")


def _bad_status(response: httpx.Response) -> BackendFailure:
    if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
        return BackendAway("the model has too much to do", _retry_after_s(response))
    return BackendAway(f"the model server answers with status {response.status_code}")


def _pause_s(attempt: int, response: httpx.Response | None) -> float:
    asked = _retry_after_s(response) if response is not None else None
    if asked is not None:
        return float(asked)
    # Spread, so that all who were refused together do not come back together.
    return _FIRST_PAUSE_S * 2.0**attempt * random.uniform(0.5, 1.0)


def _retry_after_s(response: httpx.Response) -> int | None:
    # Only as seconds: the other form, a date, is used by nobody who serves models.
    written = response.headers.get("Retry-After", "")
    return int(written) if written.isascii() and written.isdecimal() else None
