"""Request ids, which every response has."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient


def test_a_request_gets_an_id(client: FlaskClient) -> None:
    first, second = (client.get("/health").headers["X-Request-ID"] for _ in range(2))
    assert first != second


def test_an_id_from_the_client_is_kept(client: FlaskClient) -> None:
    answer = client.get("/health", headers={"X-Request-ID": "trace-1.a_B"})
    assert answer.headers["X-Request-ID"] == "trace-1.a_B"


@pytest.mark.parametrize("name", ["a b", "a" * 65, "é", "a\tb", '"', "%0a"])
def test_an_unsafe_id_is_replaced(client: FlaskClient, name: str) -> None:
    answer = client.get("/health", headers={"X-Request-ID": name})
    assert answer.headers["X-Request-ID"] != name


def test_an_id_with_a_line_break_is_replaced(client: FlaskClient) -> None:
    forged = {"HTTP_X_REQUEST_ID": "a\r\nSet-Cookie: b=1"}
    answer = client.get("/health", environ_overrides=forged)
    assert (answer.status_code, "Set-Cookie" in answer.headers) == (200, False)
