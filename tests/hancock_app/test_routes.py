"""What each route returns when all is well."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from hancock_app.webhooks.signatures import sign

CANNED = (
    "Start with what you can see: the host, the account, the time, and what changed."
    " (canned, 2 characters asked)"
)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/health", {"status": "ok"}),
        ("/models", {"models": ["canned"], "default": "canned"}),
        ("/mode", {"mode": "auto", "modes": ["auto", "soc", "ciso", "code"]}),
    ],
)
def test_a_fixed_answer(client: FlaskClient, path: str, expected: object) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json) == (200, expected)


def test_chat_answers_in_the_default_mode(client: FlaskClient) -> None:
    answer = client.post("/v1/chat", json={"message": "hi"})
    assert answer.json == {"response": CANNED, "mode": "auto", "model": "canned"}


def test_ask_answers_in_the_requested_mode(client: FlaskClient) -> None:
    answer = client.post("/v1/ask", json={"question": "hi", "mode": "code"})
    assert answer.json == {
        "answer": "Validate at the boundary, use parameters instead of string building,"
        " and test both. (canned, 2 characters asked)",
        "mode": "code",
        "model": "canned",
    }


def test_a_signed_webhook_is_accepted(client: FlaskClient) -> None:
    body = b'{"event":"alert"}'
    headers = {"X-Hancock-Signature": sign("a-secret-of-tests", body)}
    answer = client.post("/v1/webhook", data=body, headers=headers)
    assert (answer.status_code, answer.json) == (200, {"status": "accepted"})
