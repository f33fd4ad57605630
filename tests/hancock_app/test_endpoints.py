"""What each address answers when all is well."""

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


def test_ask_answers_in_the_mode_that_is_asked_for(client: FlaskClient) -> None:
    answer = client.post("/v1/ask", json={"question": "hi", "mode": "code"})
    assert answer.json == {
        "answer": "Validate at the boundary, use parameters instead of string building,"
        " and test both. (canned, 2 characters asked)",
        "mode": "code",
        "model": "canned",
    }


def test_a_charset_beside_the_content_type_is_no_matter(client: FlaskClient) -> None:
    answer = client.post(
        "/v1/ask", data=b'{"question":"hi"}', content_type="Application/JSON; charset=utf-8"
    )
    assert answer.status_code == 200


def test_a_signed_webhook_is_accepted(client: FlaskClient) -> None:
    body = b'{"event":"alert"}'
    headers = {"X-Hancock-Signature": sign("whsec", body)}
    answer = client.post("/v1/webhook", data=body, headers=headers)
    assert (answer.status_code, answer.json) == (200, {"status": "accepted"})


def test_a_request_is_named(client: FlaskClient) -> None:
    first, second = (client.get("/health").headers["X-Request-ID"] for _ in range(2))
    assert first != second


def test_a_name_that_the_client_gave_is_kept(client: FlaskClient) -> None:
    answer = client.get("/health", headers={"X-Request-ID": "trace-1.a_B"})
    assert answer.headers["X-Request-ID"] == "trace-1.a_B"


@pytest.mark.parametrize("name", ["a b", "a" * 65, "é", "a\tb", '"', "%0a"])
def test_a_name_that_could_do_harm_is_replaced(client: FlaskClient, name: str) -> None:
    answer = client.get("/health", headers={"X-Request-ID": name})
    assert answer.headers["X-Request-ID"] != name


def test_a_name_with_a_line_break_is_replaced(client: FlaskClient) -> None:
    forged = {"HTTP_X_REQUEST_ID": "a\r\nSet-Cookie: b=1"}
    answer = client.get("/health", environ_overrides=forged)
    assert (answer.status_code, "Set-Cookie" in answer.headers) == (200, False)


def test_the_canned_delay_is_waited_for() -> None:
    waited: list[float] = []
    from hancock_app.backends.canned import CannedBackend

    CannedBackend(0.4, sleep=waited.append).answer("hi", "auto")
    assert waited == [0.4]
