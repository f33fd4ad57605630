"""The language model as the routes see it: failures, concurrency, clients that leave."""

from __future__ import annotations

from typing import Any

import pytest

from hancock_app import Settings, create_app

from .refusals import refused
from .streaming import ASKED, Pieces, served


def test_a_failing_model_is_not_an_error_of_this_service() -> None:
    class Gone:
        def answer(self, text: str, mode: str) -> str:
            raise ConnectionRefusedError

    client = create_app(Settings(), backend=Gone()).test_client()
    answer = client.post("/v1/ask", json={"question": "hi"})
    assert refused(answer) == (502, "the model failed; try again later")


def test_a_stream_holds_its_place_until_it_ends() -> None:
    client = create_app(Settings(llm_concurrency=1), backend=Pieces()).test_client()
    answer = client.post("/v1/chat", json=ASKED, buffered=False)
    next(iter(answer.response))
    refused = client.post("/v1/chat", json=ASKED)
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
    answer.close()
    assert client.post("/v1/chat", json=ASKED).status_code == 200


def test_a_client_that_disconnects_stops_the_model_and_is_counted() -> None:
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


def test_the_answer_of_a_backend_that_cannot_stream_is_one_piece() -> None:
    class Whole:
        def answer(self, text: str, mode: str) -> str:
            return "All of it."

    answer = served(Whole()).post("/v1/chat", json=ASKED)
    assert answer.text.startswith('data: {"delta":"All of it."}\n\ndata: {"done":true')


NOT_TEXT = "the model returned something other than text; try again later"
EMPTY = "the model returned an empty answer; try again later"
ODD_ANSWERS = [
    (None, NOT_TEXT),
    (5, NOT_TEXT),
    (b"bytes", NOT_TEXT),
    ("half \ud800", NOT_TEXT),
    ("", EMPTY),
]


@pytest.mark.parametrize(("odd", "why"), ODD_ANSWERS)
@pytest.mark.parametrize(
    ("path", "asked"),
    [("/v1/ask", {"question": "hi"}), ("/v1/chat", {"message": "hi"}), ("/v1/chat", ASKED)],
)
def test_an_answer_that_is_not_text_is_a_502(
    path: str, asked: dict[str, Any], odd: object, why: str
) -> None:
    class Odd:
        def answer(self, text: str, mode: str) -> Any:
            return odd

    assert refused(served(Odd()).post(path, json=asked)) == (502, why)


class OddPieces:
    def __init__(self, *pieces: object) -> None:
        self._pieces = pieces

    def answer(self, text: str, mode: str) -> str:
        raise NotImplementedError

    def stream(self, text: str, mode: str) -> Any:
        yield from self._pieces


@pytest.mark.parametrize(
    ("pieces", "why"),
    [((odd,), why) for odd, why in ODD_ANSWERS] + [((), EMPTY), (("", ""), EMPTY)],
)
def test_a_stream_that_starts_with_something_other_than_text_is_a_502(
    pieces: tuple[object, ...], why: str
) -> None:
    assert refused(served(OddPieces(*pieces)).post("/v1/chat", json=ASKED)) == (502, why)


@pytest.mark.parametrize("odd", [None, 5, "half \ud800"])
def test_a_stream_that_continues_with_something_other_than_text_ends_with_an_error(
    odd: object,
) -> None:
    text = served(OddPieces("Good.", odd)).post("/v1/chat", json=ASKED).text
    assert text.startswith('data: {"delta":"Good."}\n\nevent: error\n')
    assert f'"error":"{NOT_TEXT}"' in text
    assert '"done"' not in text


def test_a_stream_that_is_not_a_stream_is_a_502() -> None:
    class NoStream(OddPieces):
        def stream(self, text: str, mode: str) -> Any:
            return None

    answer = served(NoStream()).post("/v1/chat", json=ASKED)
    assert refused(answer) == (502, "the model failed; try again later")


def test_a_subclass_of_str_is_sent_as_text() -> None:
    class Shouted(str):
        pass

    class Whole:
        def answer(self, text: str, mode: str) -> str:
            return Shouted("HELLO")

    answer = served(Whole()).post("/v1/ask", json={"question": "hi"})
    assert answer.json["answer"] == "HELLO"
