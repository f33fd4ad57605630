"""A real HTTP server that speaks OpenAI's protocol, and everything that can be wrong with one."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from hancock_app import Settings, create_app
from hancock_app.backends import (
    MODES,
    BackendFailure,
    BackendTimeout,
    BackendUnavailable,
    Endpoint,
    openai_compatible,
)
from hancock_app.backends.openai_compatible import INSTRUCTIONS, OpenAICompatible, RetryPolicy

PATIENT_S = 60.0
HURRIED_S = 0.2

Reply = Callable[["ModelHandler"], None]


class ModelServer(ThreadingHTTPServer):
    """Answers every request with the next of `replies`, the last one again and again."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), ModelHandler)
        self.replies: list[Reply] = [says("Patch it.")]
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.released = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that has lost its patience is what some tests are about."""


class ModelHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ModelServer

    def do_POST(self) -> None:
        assert self.path == "/v1/chat/completions"
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append(json.loads(body))
        self.server.keys.append(self.headers["Authorization"])
        replies = self.server.replies
        (replies.pop(0) if len(replies) > 1 else replies[0])(self)

    def do_GET(self) -> None:
        assert self.path == "/v1/models"
        self.server.replies[0](self)

    def send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: what goes wrong here is meant to."""


def completion(text: str | None) -> bytes:
    return json.dumps({"id": "1", "choices": [{"message": {"content": text}}]}).encode()


def says(text: str | None) -> Reply:
    return lambda handler: handler.send(200, completion(text))


def refuses(status: int, **headers: str) -> Reply:
    return lambda handler: handler.send(status, b'{"error":{}}', **headers)


def sends(body: bytes) -> Reply:
    return lambda handler: handler.send(200, body)


def writes(text: bytes) -> Reply:
    """Just these bytes."""

    def reply(handler: ModelHandler) -> None:
        with suppress(OSError):
            handler.wfile.write(text)
        handler.close_connection = True

    return reply


def dribbles(first: bytes, then: bytes) -> Reply:
    """Something that goes on until the client leaves, a bit at a time."""

    def reply(handler: ModelHandler) -> None:
        handler.close_connection = True
        with suppress(OSError):
            handler.wfile.write(first)
            while not handler.server.released.wait(HURRIED_S / 10):
                handler.wfile.write(then)

    return reply


def hangs(handler: ModelHandler) -> None:
    """Say nothing until the test is over."""
    handler.server.released.wait(PATIENT_S)
    handler.close_connection = True


def hangs_up(handler: ModelHandler) -> None:
    handler.close_connection = True


def breaks_off(handler: ModelHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"choices"')
    handler.close_connection = True


def streams(*pieces: str, end: str = "data: [DONE]\n\n") -> Reply:
    """A stream of `pieces`, ended by the connection, as HTTP/1.0 did."""

    def reply(handler: ModelHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.wfile.write(b": a comment\n\n")
        for piece in pieces:
            chunk = {"choices": [{"delta": {"content": piece}, "finish_reason": None}]}
            handler.wfile.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
        handler.wfile.write(end.encode())

    return reply


@pytest.fixture
def server() -> Iterator[ModelServer]:
    model = ModelServer()
    serving = threading.Thread(target=model.serve_forever, args=(0.01,))
    serving.start()
    yield model
    model.released.set()
    model.shutdown()
    serving.join()
    model.server_close()


@pytest.fixture
def pauses() -> list[float]:
    """How long the backend has waited between its tries, without waiting."""
    return []


Connect = Callable[..., OpenAICompatible]


@pytest.fixture
def connect(server: ModelServer, pauses: list[float]) -> Iterator[Connect]:
    opened: list[OpenAICompatible] = []

    def build(timeout_s: float = PATIENT_S, retries: int = 2, key: str = "") -> OpenAICompatible:
        patience = RetryPolicy(timeout_s, retries, sleep=pauses.append)
        opened.append(OpenAICompatible(Endpoint(server.url, "tiny", key), patience))
        return opened[-1]

    yield build
    for backend in opened:
        backend.close()


def failure(ask: Callable[[], object]) -> tuple[type[BackendFailure], str]:
    with pytest.raises(BackendFailure) as caught:
        ask()
    return caught.type, str(caught.value)


def test_the_answer_of_the_model_is_returned(connect: Connect) -> None:
    assert connect().answer("What now?", "soc") == "Patch it."


def test_the_model_gets_the_instructions_and_the_question(
    connect: Connect, server: ModelServer
) -> None:
    connect().answer("What now?", "code")
    assert server.requests == [
        {
            "model": "tiny",
            "messages": [
                {
                    "role": "system",
                    "content": "You help a developer write safe code: the fix first, then the"
                    " reason for it.",
                },
                {"role": "user", "content": "What now?"},
            ],
            "stream": False,
        }
    ]


@pytest.mark.parametrize(("key", "sent"), [("secret", "Bearer secret"), ("", None)])
def test_a_key_is_sent_where_there_is_one(
    connect: Connect, server: ModelServer, key: str, sent: str | None
) -> None:
    connect(key=key).answer("What now?", "auto")
    assert server.keys == [sent]


@pytest.mark.parametrize("first", [refuses(429), refuses(500), refuses(503), hangs_up])
def test_temporary_errors_are_retried(
    connect: Connect, server: ModelServer, pauses: list[float], first: Reply
) -> None:
    server.replies.insert(0, first)
    assert connect().answer("What now?", "auto") == "Patch it."
    assert len(pauses) == 1
    assert 0.125 <= pauses[0] <= 0.25


def test_the_pauses_between_retries_grow(
    connect: Connect, server: ModelServer, pauses: list[float]
) -> None:
    server.replies = [refuses(503)]
    expected = BackendUnavailable, "the model server responded with status 503"
    assert failure(lambda: connect(retries=3).answer("What now?", "auto")) == expected
    assert [pause <= 0.25 * 2**n for n, pause in enumerate(pauses)] == [True] * 3
    assert [pause >= 0.125 * 2**n for n, pause in enumerate(pauses)] == [True] * 3


def test_a_busy_model_is_asked_again_when_it_says(
    connect: Connect, server: ModelServer, pauses: list[float]
) -> None:
    server.replies.insert(0, refuses(429, Retry_After="7"))
    connect().answer("What now?", "auto")
    assert pauses == [7.0]


def test_a_busy_model_is_not_waited_for_beyond_the_timeout(
    connect: Connect, server: ModelServer, pauses: list[float]
) -> None:
    server.replies = [refuses(429, Retry_After="3600")]
    with pytest.raises(BackendUnavailable) as caught:
        connect().answer("What now?", "auto")
    assert (str(caught.value), caught.value.retry_after_s, pauses) == (
        "the model server is overloaded",
        3600,
        [],
    )


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (refuses(401), "the model server responded with status 401"),
        (
            refuses(302, Location="http://127.0.0.1:1/"),
            "the model server responded with status 302",
        ),
        (refuses(500), "the model server responded with status 500"),
        (hangs_up, "the model's answer was cut off"),
        (breaks_off, "the model's answer was cut off"),
        (sends(b"<html>"), "the model's answer could not be parsed"),
        (sends(b"[" * 100_000), "the model's answer could not be parsed"),
        (sends(b'{"choices":"\xff"}'), "the model's answer could not be parsed"),
        (sends(b"[]"), "the model's answer could not be parsed"),
        (sends(b'{"choices":[]}'), "the model returned an empty answer"),
        (says(""), "the model returned an empty answer"),
        (says(None), "the model returned an empty answer"),
        (sends(completion("a" * 4_000_001)), "the model's answer is too long"),
        *(
            (
                partial(ModelHandler.send, status=200, body=b"\x1f", Content_Encoding=encoding),
                "the model's answer is compressed, which it was not asked for",
            )
            for encoding in ("gzip", "GZIP, gzip", "br", "identity, deflate")
        ),
        (writes(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 1_000_000), "the model's answer was cut off"),
        (writes(b"nonsense\r\n\r\n"), "the model's answer was cut off"),
        (refuses(429, Retry_After="9" * 400), "the model server is overloaded"),
        (refuses(429, Retry_After="99999999"), "the model server is overloaded"),
    ],
)
def test_a_broken_model_is_unavailable(
    connect: Connect, server: ModelServer, reply: Reply, message: str
) -> None:
    server.replies = [reply]
    backend = connect()
    assert failure(lambda: backend.answer("What now?", "auto")) == (BackendUnavailable, message)


NEVER_ENDS = {
    "a header": (b"HTTP/1.1 200 OK\r\nX: ", b"a"),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X: a\r\n"),
    "a status line": (b"HTTP/1.1 ", b"2"),
    "interim responses": (b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
}


@pytest.mark.parametrize(("first", "then"), NEVER_ENDS.values(), ids=NEVER_ENDS)
@pytest.mark.parametrize(
    "ask",
    [lambda backend: backend.answer("?", "auto"), lambda backend: [*backend.stream("?", "auto")]],
)
def test_a_model_that_never_gets_to_its_answer_is_abandoned(
    connect: Connect,
    server: ModelServer,
    first: bytes,
    then: bytes,
    ask: Callable[[OpenAICompatible], object],
) -> None:
    server.replies = [dribbles(first, then)]
    expected = BackendTimeout, "the model did not answer in time"
    assert failure(lambda: ask(connect(HURRIED_S))) == expected


@pytest.mark.parametrize(("first", "then"), NEVER_ENDS.values(), ids=NEVER_ENDS)
def test_a_check_that_never_gets_its_answer_is_abandoned(
    connect: Connect,
    server: ModelServer,
    monkeypatch: pytest.MonkeyPatch,
    first: bytes,
    then: bytes,
) -> None:
    monkeypatch.setattr(openai_compatible, "_CHECK_TIMEOUT_S", HURRIED_S)
    server.replies = [dribbles(first, then)]
    assert failure(connect().check) == (BackendTimeout, "the model did not answer in time")


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
def test_a_body_without_a_length_that_never_ends_is_abandoned(
    connect: Connect, server: ModelServer, head: bytes
) -> None:
    then = b"1\r\n \r\n" if b"chunked" in head else b" "
    server.replies = [dribbles(head, then)]
    expected = BackendTimeout, "the model did not finish in time"
    assert failure(lambda: connect(HURRIED_S).answer("?", "auto")) == expected


def test_a_line_of_a_stream_that_never_ends_is_too_long(
    connect: Connect, server: ModelServer
) -> None:
    server.replies = [writes(b"HTTP/1.1 200 OK\r\n\r\ndata: " + b"a" * 4_000_001)]
    expected = BackendUnavailable, "the model's answer is too long"
    assert failure(lambda: [*connect().stream("?", "auto")]) == expected


def test_refusals_leave_no_connection_behind(connect: Connect, server: ModelServer) -> None:
    server.replies = [refuses(429, Retry_After="9" * 400)]
    backend = connect(retries=0)
    for _ in range(120):  # more than httpx opens at the same time
        failure(lambda: backend.answer("?", "auto"))
    server.replies = [says("Patch it.")]
    assert backend.answer("?", "auto") == "Patch it."


def test_watching_leaves_neither_threads_nor_files_behind(
    connect: Connect, server: ModelServer
) -> None:
    backend = connect()
    backend.answer("?", "auto")
    files = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    for _ in range(20):
        backend.answer("?", "auto")
    if files:
        assert len(os.listdir("/proc/self/fd")) <= files + 2  # the server may close later
    assert not [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]


def test_a_model_that_hangs_times_out(connect: Connect, server: ModelServer) -> None:
    server.replies = [hangs]
    expected = BackendTimeout, "the model did not answer in time"
    assert failure(lambda: connect(HURRIED_S).answer("What now?", "auto")) == expected


def test_a_model_that_answers_too_slowly_is_abandoned(
    connect: Connect, server: ModelServer
) -> None:
    def dribbles(handler: ModelHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        while not handler.server.released.wait(HURRIED_S / 10):
            try:
                handler.wfile.write(b" ")
            except OSError:
                return

    server.replies = [dribbles]
    expected = BackendTimeout, "the model did not finish in time"
    assert failure(lambda: connect(HURRIED_S).answer("What now?", "auto")) == expected


def test_an_unreachable_model_is_unavailable() -> None:
    gone = OpenAICompatible(Endpoint("http://127.0.0.1:1/v1", "tiny"), RetryPolicy(retries=0))
    try:
        expected = BackendUnavailable, "the model cannot be reached"
        assert failure(lambda: gone.answer("What now?", "auto")) == expected
        assert failure(gone.check) == expected
    finally:
        gone.close()


def test_a_stream_comes_in_pieces(connect: Connect, server: ModelServer) -> None:
    server.replies = [streams("Patch", " it", ".")]
    assert list(connect().stream("What now?", "auto")) == ["Patch", " it", "."]
    assert server.requests[0]["stream"] is True


def test_a_stream_may_end_by_its_reason_alone(connect: Connect, server: ModelServer) -> None:
    last = '{"choices":[{"delta":{},"finish_reason":"stop"}]}'
    server.replies = [streams("Done", end=f'data:{last}\n\ndata: {{"choices":[]}}\n\n')]
    assert list(connect().stream("What now?", "auto")) == ["Done"]


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (streams("Patch", end=""), "the model's answer was cut off"),
        (streams("Patch", end="data: {{{\n\n"), "the model's answer could not be parsed"),
        (streams(), "the model returned an empty answer"),
    ],
)
def test_a_stream_that_breaks_off_says_so(
    connect: Connect, server: ModelServer, reply: Reply, message: str
) -> None:
    server.replies = [reply]
    pieces = connect().stream("What now?", "auto")
    assert failure(lambda: list(pieces)) == (BackendUnavailable, message)


def test_a_model_that_lists_its_models_is_healthy(connect: Connect, server: ModelServer) -> None:
    connect().check()


def test_a_model_that_refuses_to_list_its_models_is_not_healthy(
    connect: Connect, server: ModelServer
) -> None:
    server.replies = [refuses(500)]
    expected = BackendUnavailable, "the model server responded with status 500"
    assert failure(connect().check) == expected


@pytest.mark.parametrize(
    ("reply", "status", "error"),
    [
        (refuses(500), 502, "the model server responded with status 500; try again later"),
        (refuses(429, Retry_After="9"), 502, "the model server is overloaded; try again later"),
        (hangs, 504, "the model did not answer in time; try again later"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_client_is_told_what_is_wrong_with_the_model(
    server: ModelServer, reply: Reply, status: int, error: str, stream: bool
) -> None:
    server.replies = [reply]
    backend = OpenAICompatible(Endpoint(server.url, "tiny"), RetryPolicy(1.0, 0))
    client = create_app(Settings(), backend=backend).test_client()
    answer = client.post("/v1/chat", json={"message": "hi", "stream": stream})
    backend.close()
    assert answer.json is not None
    assert (answer.status_code, answer.json["error"]) == (status, error)
    assert answer.headers.get("Retry-After") == ("9" if "overloaded" in error else None)


def test_the_settings_choose_the_server(server: ModelServer) -> None:
    # Nobody closes the backend of an application, so that the server has to.
    server.replies = [lambda handler: handler.send(200, completion("Yes."), Connection="close")]
    settings = Settings(llm_backend="ollama", llm_url=server.url, llm_model="tiny")
    client = create_app(settings).test_client()
    answer = client.post("/v1/ask", json={"question": "hi"})
    assert answer.json == {"answer": "Yes.", "mode": "auto", "model": "tiny"}


def test_every_mode_has_instructions() -> None:
    assert tuple(INSTRUCTIONS) == MODES
