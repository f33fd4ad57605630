"""`/v1/chat` with `stream`: server-sent events."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from hancock_app import Settings, create_app
from hancock_app.backends import Backend, BackendUnavailable

ASKED = {"message": "hi", "stream": True}


class Pieces:
    """A backend that says two things and then fails, if told to."""

    def __init__(self, failure: Exception | None = None) -> None:
        self._failure = failure
        self.left = False

    def answer(self, text: str, mode: str) -> str:
        raise AssertionError("asked for a whole")

    def stream(self, text: str, mode: str) -> Iterator[str]:
        try:
            yield "Patch"
            yield " it."
        except GeneratorExit:
            self.left = True
            raise
        if self._failure:
            raise self._failure


def served(backend: Backend) -> FlaskClient:
    return create_app(Settings(), backend=backend).test_client()


def test_the_pieces_are_sent_one_by_one() -> None:
    answer = served(Pieces()).post("/v1/chat", json=ASKED)
    assert answer.content_type == "text/event-stream"
    assert answer.text == (
        'data: {"delta":"Patch"}\n\n'
        'data: {"delta":" it."}\n\n'
        'data: {"done":true,"mode":"auto","model":"canned"}\n\n'
    )


def test_a_model_that_breaks_off_ends_the_stream_with_an_error() -> None:
    backend = Pieces(BackendUnavailable("the model's answer was cut off"))
    answer = served(backend).post("/v1/chat", json=ASKED, headers={"X-Request-ID": "r-1"})
    assert answer.status_code == 200
    assert answer.text.endswith(
        'data: {"delta":" it."}\n\n'
        'event: error\ndata: {"error":"the model\'s answer was cut off; try again later",'
        '"request_id":"r-1"}\n\n'
    )


@pytest.mark.parametrize("failure", [ValueError(), RuntimeError(), KeyError()])
def test_a_bug_in_a_model_ends_the_stream_with_an_error(failure: Exception) -> None:
    answer = served(Pieces(failure)).post("/v1/chat", json=ASKED)
    assert '{"error":"the model failed; try again later"' in answer.text


def test_a_backend_that_gives_only_wholes_is_one_piece() -> None:
    class Whole:
        def answer(self, text: str, mode: str) -> str:
            return "All of it."

    answer = served(Whole()).post("/v1/chat", json=ASKED)
    assert answer.text.startswith('data: {"delta":"All of it."}\n\ndata: {"done":true')


def test_the_canned_answer_streams_word_by_word(client: FlaskClient) -> None:
    events = client.post("/v1/chat", json=ASKED).text.split("\n\n")
    assert events[:2] == ['data: {"delta":"Start"}', 'data: {"delta":" with"}']


def test_a_client_that_leaves_stops_the_model_and_is_counted() -> None:
    backend = Pieces()
    client = served(backend)
    answer = client.post("/v1/chat", json=ASKED, buffered=False)
    next(iter(answer.response))
    assert b"\nhancock_active_connections 2.0\n" in client.get("/metrics").data
    answer.close()
    assert backend.left
    text = client.get("/metrics").text
    assert "\nhancock_active_connections 1.0\n" in text
    left = 'hancock_backend_duration_seconds_count{backend="canned",outcome="left"} 1.0\n'
    assert left in text


def test_a_stream_holds_its_place_until_it_ends() -> None:
    client = create_app(Settings(llm_concurrency=1), backend=Pieces()).test_client()
    answer = client.post("/v1/chat", json=ASKED, buffered=False)
    next(iter(answer.response))
    refused = client.post("/v1/chat", json=ASKED)
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
    answer.close()
    assert client.post("/v1/chat", json=ASKED).status_code == 200
