"""`/v1/chat` with `stream`: server-sent events."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from hancock_app.backends import BackendUnavailable

from .streaming import ASKED, Pieces, served


def test_the_pieces_are_sent_one_by_one() -> None:
    answer = served(Pieces()).post("/v1/chat", json=ASKED)
    assert answer.content_type == "text/event-stream"
    assert answer.text == (
        'data: {"delta":"Patch"}\n\n'
        'data: {"delta":" it."}\n\n'
        'data: {"done":true,"mode":"auto","model":"canned"}\n\n'
    )


def test_a_model_that_stops_mid_answer_ends_the_stream_with_an_error() -> None:
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


def test_the_canned_answer_streams_word_by_word(client: FlaskClient) -> None:
    events = client.post("/v1/chat", json=ASKED).text.split("\n\n")
    assert events[:2] == ['data: {"delta":"Start"}', 'data: {"delta":" with"}']
