"""A backend for OpenAI-compatible servers: Ollama, NVIDIA NIM and many others."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Lock, Timer
from typing import Any, Self

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
# A day has 86 400 seconds. Python does not even convert a text of more than 4300 digits.
_MAX_RETRY_AFTER_DIGITS = 5

_UNPARSABLE = "the model's answer could not be parsed"
_EMPTY = "the model returned an empty answer"
_CUT_OFF = "the model's answer was cut off"
_UNREACHABLE = "the model cannot be reached"
_TOO_LATE = "the model did not answer in time"
_UNFINISHED = "the model did not finish in time"


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


class _Watch:
    """Shuts the present connection down after some seconds, whatever the server does until then.

    The timeouts of httpx are for single operations: each byte of a header, an interim response or a
    body that never ends begins them anew.
    """

    def __init__(self, seconds: float) -> None:
        self.is_over = False
        self._lock = Lock()
        # A duplicate: TLS takes the original over.
        self._connection: socket.socket | None = None
        self._start(seconds)

    def extend(self, seconds: float) -> None:
        """Begin anew, unless it is over."""
        self._timer.cancel()
        self._start(seconds)

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Called by httpx, as the request's extension `trace`, at each step."""
        if event != "connection.connect_tcp.complete":
            return
        connection = info["return_value"].get_extra_info("socket").dup()
        with self._lock:
            self._replace(connection)
            if self.is_over:
                self._shut_down()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        with self._lock:
            self._replace(None)

    def _start(self, seconds: float) -> None:
        self._timer = Timer(max(0.0, seconds), self._end)
        self._timer.daemon = True
        self._timer.start()

    def _end(self) -> None:
        with self._lock:
            self.is_over = True
            self._shut_down()

    def _shut_down(self) -> None:
        if self._connection is not None:
            with suppress(OSError):  # the server has closed it
                self._connection.shutdown(socket.SHUT_RDWR)

    def _replace(self, connection: socket.socket | None) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = connection


class OpenAICompatible:
    """Ask the server at `endpoint`. The timeout includes retries and the pauses between them.

    It ends the whole exchange, whatever the server sends; that of a stream ends after ten times the
    timeout.
    """

    def __init__(self, endpoint: Endpoint, policy: RetryPolicy = RetryPolicy()) -> None:
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        if endpoint.key:
            headers["Authorization"] = f"Bearer {endpoint.key}"
        self._endpoint = endpoint
        self._policy = policy
        # Each connection serves one request: only a new one can be watched.
        limits = httpx.Limits(max_keepalive_connections=0)
        self._http = httpx.Client(base_url=endpoint.url, headers=headers, limits=limits)

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
        with self._open(question, deadline) as (response, watch):
            body = b"".join(_bounded(response, watch))
        return _parse_answer(body)

    def stream(self, text: str, mode: Mode) -> Iterator[str]:
        """Yield the answer as it arrives.

        Raises:
            BackendFailure: there is none, or it is cut off.
        """
        start = self._policy.clock()
        question = _encode_question(self._endpoint, text, mode, stream=True)
        with self._open(question, start + self._policy.timeout_s) as (response, watch):
            deadline = start + _STREAM_TIMEOUT_FACTOR * self._policy.timeout_s
            watch.extend(deadline - self._policy.clock())
            yield from _parse_stream(_lines(_bounded(response, watch)))

    def check(self) -> None:
        """Request the list of models, which costs the server next to nothing."""
        with _Watch(_CHECK_TIMEOUT_S) as watch:
            request = self._http.build_request(
                "GET", "models", timeout=_CHECK_TIMEOUT_S, extensions={"trace": watch.trace}
            )
            try:
                response = self._http.send(request, stream=True)
            except httpx.HTTPError as error:
                raise _failure_of(error, watch) from error
            response.close()  # the list itself is not needed
        if response.is_error:
            raise BackendUnavailable(_status_message(response))

    @contextmanager
    def _open(self, question: bytes, deadline: float) -> Iterator[tuple[httpx.Response, _Watch]]:
        with _Watch(deadline - self._policy.clock()) as watch:
            try:
                response = self._send_with_retries(question, deadline, watch)
                try:
                    _require_success(response)
                    yield response, watch
                finally:
                    response.close()
            except httpx.HTTPError as error:
                raise _failure_of(error, watch) from error

    def _send_with_retries(self, question: bytes, deadline: float, watch: _Watch) -> httpx.Response:
        """Return the last response, whatever its status."""
        for attempt in range(self._policy.retries + 1):
            response, failure = self._send(question, deadline, watch)
            if response is not None and response.status_code not in _RETRIED_STATUSES:
                return response
            pause_s = _pause_s(attempt, response)
            is_last = attempt == self._policy.retries
            if is_last or self._policy.clock() + pause_s >= deadline:
                break
            if response is not None:
                response.close()
            self._policy.sleep(pause_s)
        if response is None:
            raise failure or BackendUnavailable(_UNREACHABLE)
        return response

    def _send(
        self, question: bytes, deadline: float, watch: _Watch
    ) -> tuple[httpx.Response | None, BackendFailure | None]:
        timeout_s = max(_MIN_TIMEOUT_S, deadline - self._policy.clock())
        request = self._http.build_request(
            "POST",
            "chat/completions",
            content=question,
            timeout=timeout_s,
            extensions={"trace": watch.trace},
        )
        try:
            return self._http.send(request, stream=True), None
        except (httpx.ConnectError, httpx.RemoteProtocolError) as error:
            # Connection refused, or the server closed the connection: retry.
            return None, _failure_of(error, watch)


def _bounded(response: httpx.Response, watch: _Watch) -> Iterator[bytes]:
    """Yield the body.

    Raises:
        BackendFailure: it is too large or too late.
    """
    size = 0
    try:
        for part in response.iter_raw():
            size += len(part)
            if size > _MAX_ANSWER_BYTES:
                raise BackendUnavailable("the model's answer is too long")
            yield part
    except httpx.HTTPError as error:
        if watch.is_over:
            raise BackendTimeout(_UNFINISHED) from error
        raise
    if watch.is_over:  # the end of a body without a length
        raise BackendTimeout(_UNFINISHED)


def _lines(parts: Iterator[bytes]) -> Iterator[str]:
    """Yield the lines of a stream; what follows the last one is not complete."""
    rest = b""
    for part in parts:
        *lines, rest = (rest + part).split(b"\n")
        yield from (line.decode(errors="replace").rstrip("\r") for line in lines)
    if rest:
        yield rest.decode(errors="replace")


def _require_success(response: httpx.Response) -> None:
    """Raise `BackendFailure` unless the body of a response can be an answer."""
    if not response.is_success:
        raise _failure_of_status(response)
    # Nobody asked for it, and a kilobyte may become a gigabyte.
    if response.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise BackendUnavailable("the model's answer is compressed, which it was not asked for")


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


def _failure_of(error: httpx.HTTPError, watch: _Watch) -> BackendFailure:
    if watch.is_over or isinstance(error, httpx.TimeoutException):
        return BackendTimeout(_TOO_LATE)
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
    is_number = header.isascii() and header.isdecimal()
    return int(header) if is_number and len(header) <= _MAX_RETRY_AFTER_DIGITS else None
