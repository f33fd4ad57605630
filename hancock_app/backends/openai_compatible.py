"""A backend for OpenAI-compatible servers: Ollama, NVIDIA NIM and many others."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import httpx
import msgspec

from hancock_app.backends import BackendFailure, BackendTimeout, BackendUnavailable, Endpoint, Mode

# The system prompt of each mode.
INSTRUCTIONS: dict[Mode, str] = {
    "auto": "You help defenders of computer systems. Answer plainly, and say what you do not know.",
    "soc": "You help an analyst in a security operations centre: triage, evidence, next step.",
    "ciso": "You help a chief information security officer: risk, cost and decision, in few words.",
    "code": "You help a developer write safe code: the fix first, then the reason for it.",
}

# Too many requests, or a server error that may be temporary.
_RETRIED_STATUSES = frozenset({429, 500, 502, 503, 504})
# Too short to be noticed; doubled at every retry.
_FIRST_PAUSE_S = 0.25
# Listing models is cheap, so a server that takes longer is in trouble.
_CHECK_TIMEOUT_S = 2.0
# Forty times the longest accepted question: no model writes this much, and it fits into memory.
_MAX_ANSWER_BYTES = 4_000_000
# A stream may take longer than a whole answer, but not forever.
_STREAM_TIMEOUT_FACTOR = 10
# httpx rejects a timeout of zero; a request sent this late fails at once, as it should.
_MIN_TIMEOUT_S = 0.001

_UNPARSABLE = "the model's answer could not be parsed"
_EMPTY = "the model returned an empty answer"
_CUT_OFF = "the model's answer was cut off"
_UNREACHABLE = "the model cannot be reached"

_Part = TypeVar("_Part", str, bytes)


# The part of the chat completions API used here, as types.


class _Message(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    message: _Message


class _Completion(msgspec.Struct):
    choices: list[_Choice]


class _Delta(msgspec.Struct):
    delta: _Message
    finish_reason: str | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Delta] = []


_completion_decoder = msgspec.json.Decoder(_Completion)
_chunk_decoder = msgspec.json.Decoder(_Chunk)


@dataclass(frozen=True)
class RetryPolicy:
    """How long a question may take in total, in seconds, and how often it is retried."""

    timeout_s: float = 30.0
    retries: int = 2
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


class OpenAICompatible:
    """Ask the server at `endpoint`. The timeout includes retries and the pauses between them.

    A server that sends its response very slowly is abandoned after at most twice the timeout, a
    stream after ten times the timeout.
    """

    def __init__(self, endpoint: Endpoint, policy: RetryPolicy = RetryPolicy()) -> None:
        headers = {"Content-Type": "application/json"}
        if endpoint.key:
            headers["Authorization"] = f"Bearer {endpoint.key}"
        self._endpoint = endpoint
        self._policy = policy
        self._http = httpx.Client(base_url=endpoint.url, headers=headers)

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def answer(self, text: str, mode: Mode) -> str:
        """Return the complete answer.

        Raises:
            BackendFailure: there is none.
        """
        deadline = self._policy.clock() + self._policy.timeout_s
        question = _encode_question(self._endpoint, text, mode, stream=False)
        with self._open(question, deadline) as response:
            body = b"".join(self._bounded(response.iter_bytes(), deadline))
        return _parse_answer(body)

    def stream(self, text: str, mode: Mode) -> Iterator[str]:
        """Yield the answer as it arrives.

        Raises:
            BackendFailure: there is none, or it is cut off.
        """
        start = self._policy.clock()
        question = _encode_question(self._endpoint, text, mode, stream=True)
        with self._open(question, start + self._policy.timeout_s) as response:
            deadline = start + _STREAM_TIMEOUT_FACTOR * self._policy.timeout_s
            yield from _parse_stream(self._bounded(response.iter_lines(), deadline))

    def check(self) -> None:
        """Request the list of models, which costs the server next to nothing."""
        try:
            response = self._http.get("models", timeout=_CHECK_TIMEOUT_S)
        except httpx.HTTPError as error:
            raise _failure_of(error) from error
        if response.is_error:
            raise BackendUnavailable(_status_message(response))

    @contextmanager
    def _open(self, question: bytes, deadline: float) -> Iterator[httpx.Response]:
        try:
            response = self._send_with_retries(question, deadline)
            try:
                yield response
            finally:
                response.close()
        except httpx.HTTPError as error:
            raise _failure_of(error) from error

    def _send_with_retries(self, question: bytes, deadline: float) -> httpx.Response:
        for attempt in range(self._policy.retries + 1):
            response, failure = self._send(question, deadline)
            if response is not None and response.status_code not in _RETRIED_STATUSES:
                break
            pause_s = _pause_s(attempt, response)
            is_last = attempt == self._policy.retries
            if is_last or self._policy.clock() + pause_s >= deadline:
                break
            if response is not None:
                response.close()
            self._policy.sleep(pause_s)
        if response is None:
            raise failure or BackendUnavailable(_UNREACHABLE)
        if not response.is_success:
            response.close()
            raise _failure_of_status(response)
        return response

    def _send(
        self, question: bytes, deadline: float
    ) -> tuple[httpx.Response | None, BackendFailure | None]:
        timeout_s = max(_MIN_TIMEOUT_S, deadline - self._policy.clock())
        request = self._http.build_request(
            "POST", "chat/completions", content=question, timeout=timeout_s
        )
        try:
            return self._http.send(request, stream=True), None
        except (httpx.ConnectError, httpx.RemoteProtocolError) as error:
            # Connection refused, or the server closed a kept-alive connection: retry.
            return None, _failure_of(error)

    def _bounded(self, parts: Iterator[_Part], deadline: float) -> Iterator[_Part]:
        """Yield `parts`.

        Raises:
            BackendFailure: they are too large or too late.
        """
        size = 0
        for part in parts:
            size += len(part)
            if size > _MAX_ANSWER_BYTES:
                raise BackendUnavailable("the model's answer is too long")
            if self._policy.clock() > deadline:
                raise BackendTimeout("the model did not finish in time")
            yield part


def _encode_question(endpoint: Endpoint, text: str, mode: Mode, *, stream: bool) -> bytes:
    messages = [
        {"role": "system", "content": INSTRUCTIONS[mode]},
        {"role": "user", "content": text},
    ]
    return msgspec.json.encode({"model": endpoint.model, "messages": messages, "stream": stream})


def _parse_answer(body: bytes) -> str:
    try:
        completion = _completion_decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BackendUnavailable(_UNPARSABLE) from error
    if not completion.choices or not completion.choices[0].message.content:
        raise BackendUnavailable(_EMPTY)
    return completion.choices[0].message.content


def _parse_stream(lines: Iterator[str]) -> Iterator[str]:
    has_text = is_complete = False
    for line in lines:
        event = line.removeprefix("data:").strip()
        if event == "[DONE]":
            is_complete = True
            break
        if event and line.startswith("data:"):
            text, is_last = _parse_event(event)
            is_complete = is_complete or is_last
            if text:
                has_text = True
                yield text
    if not is_complete:
        raise BackendUnavailable(_CUT_OFF)
    if not has_text:
        raise BackendUnavailable(_EMPTY)


def _parse_event(event: str) -> tuple[str, bool]:
    """The text in one event of a stream, and whether the model ends its answer there."""
    try:
        choices = _chunk_decoder.decode(event).choices
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BackendUnavailable(_UNPARSABLE) from error
    if not choices:
        return "", False
    return choices[0].delta.content or "", choices[0].finish_reason is not None


def _failure_of(error: httpx.HTTPError) -> BackendFailure:
    if isinstance(error, httpx.TimeoutException):
        return BackendTimeout("the model did not answer in time")
    if isinstance(error, httpx.ConnectError):
        return BackendUnavailable(_UNREACHABLE)
    if isinstance(error, httpx.RemoteProtocolError | httpx.ReadError):
        return BackendUnavailable(_CUT_OFF)
    return BackendUnavailable(_UNPARSABLE)


def _failure_of_status(response: httpx.Response) -> BackendFailure:
    if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
        return BackendUnavailable("the model server is overloaded", _retry_after_s(response))
    return BackendUnavailable(_status_message(response))


def _status_message(response: httpx.Response) -> str:
    return f"the model server responded with status {response.status_code}"


def _pause_s(attempt: int, response: httpx.Response | None) -> float:
    retry_after_s = _retry_after_s(response) if response is not None else None
    if retry_after_s is not None:
        return float(retry_after_s)
    # Jitter, so that requests refused at the same moment are not all retried at the same moment.
    return _FIRST_PAUSE_S * 2.0**attempt * random.uniform(0.5, 1.0)


def _retry_after_s(response: httpx.Response) -> int | None:
    # Seconds only: no model server is known to send the other form, a date.
    header = response.headers.get("Retry-After", "")
    return int(header) if header.isascii() and header.isdecimal() else None
