"""The assembled application: its routes, its sessions, a backend passed in, trusted proxies."""

from __future__ import annotations

import gc
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import EnvironBuilder

from hancock_app import Settings, create_app


def test_a_custom_backend_is_used() -> None:
    class Echo:
        def answer(self, text: str, mode: str) -> str:
            return f"{mode}: {text}"

    client = create_app(Settings(), backend=Echo()).test_client()
    response = client.post("/v1/ask", json={"question": "why?", "mode": "soc"})
    assert response.json == {"answer": "soc: why?", "mode": "soc", "model": "canned"}


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "NONSENSE"])
@pytest.mark.parametrize("path", ["/health", "/health/", "//health", "/no", ""])
def test_requests_are_routed_as_flask_routes_them(method: str, path: str) -> None:
    flask = Flask("flask")
    flask.add_url_rule("/health", "health", lambda: '{"status":"ok"}')
    expected = flask.test_client().open(path, method=method)
    response = create_app(Settings()).test_client().open(path, method=method)
    assert response.status_code == expected.status_code
    assert response.allow == expected.allow


def test_a_route_can_be_added_later() -> None:
    app = create_app(Settings())
    app.add_url_rule("/later", "later", lambda: "later")
    assert app.test_client().get("/later").text == "later"


def test_there_are_no_cookies(client: FlaskClient) -> None:
    assert "Set-Cookie" not in client.get("/health").headers


def garbage_of(app: Flask) -> int:
    """How many objects 50 requests leave that only the garbage collector can remove."""

    def ask() -> None:
        body: Any = app(EnvironBuilder("/health").get_environ(), lambda *_: lambda _: None)
        b"".join(body)
        body.close()

    for _ in range(50):
        ask()
    gc.collect()
    gc.disable()
    try:
        for _ in range(50):
            ask()
        return gc.collect()
    finally:
        gc.enable()


def test_a_request_leaves_no_more_to_the_garbage_collector_than_one_of_flask() -> None:
    # Its pauses are in the slowest percent of the requests.
    flask = Flask("flask")
    flask.add_url_rule("/health", "health", lambda: "ok")
    assert garbage_of(create_app(Settings())) <= garbage_of(flask)


def statuses_behind_proxies(trusted: int, *forwarded: str) -> list[int]:
    client = create_app(Settings(rate_limit=1, trusted_proxies=trusted)).test_client()
    return [
        client.post(
            "/v1/ask", json={"question": "hi"}, headers={"X-Forwarded-For": addresses}
        ).status_code
        for addresses in forwarded
    ]


def test_without_a_trusted_proxy_the_address_a_client_claims_is_not_trusted() -> None:
    assert statuses_behind_proxies(0, "192.0.2.1", "192.0.2.2") == [200, 429]


def test_behind_a_trusted_proxy_the_address_that_it_saw_counts() -> None:
    assert statuses_behind_proxies(1, "192.0.2.1", "192.0.2.2", "192.0.2.1") == [200, 200, 429]


def test_addresses_left_of_the_trusted_proxies_are_not_trusted() -> None:
    assert statuses_behind_proxies(1, "192.0.2.1, 192.0.2.9", "192.0.2.2, 192.0.2.9") == [200, 429]
