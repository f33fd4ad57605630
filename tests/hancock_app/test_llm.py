"""The language model as the routes see it: failures, concurrency, clients that leave."""

from __future__ import annotations

from hancock_app import Settings, create_app

from .refusals import refused
from .streaming import ASKED, Pieces, served


def test_a_model_that_fails_is_not_this_service_broken() -> None:
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


def test_a_backend_that_gives_only_wholes_is_one_piece() -> None:
    class Whole:
        def answer(self, text: str, mode: str) -> str:
            return "All of it."

    answer = served(Whole()).post("/v1/chat", json=ASKED)
    assert answer.text.startswith('data: {"delta":"All of it."}\n\ndata: {"done":true')
