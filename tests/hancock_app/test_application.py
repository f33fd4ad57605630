"""The short way to a view gives what Flask's own way gives."""

from __future__ import annotations

import gc
from typing import Any

import pytest
from flask import Flask, url_for
from flask.testing import FlaskClient
from werkzeug.test import EnvironBuilder

from hancock_app import Settings, create_app
from hancock_app.application import Application


@pytest.fixture
def app() -> Application:
    app = Application("test")
    app.add_url_rule("/fixed", "fixed", lambda: "fixed")
    app.add_url_rule("/name/<name>", "named", lambda name: name)
    app.add_url_rule("/link", "link", lambda: url_for("named", name="a"))
    return app


def test_the_fixed_addresses_are_told(app: Application) -> None:
    assert app.fix_addresses() == {"/fixed", "/link"}


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "NONSENSE"])
@pytest.mark.parametrize("path", ["/fixed", "/name/a", "/link", "/fixed/", "//fixed", "/no", ""])
def test_every_request_is_answered_as_before(app: Application, method: str, path: str) -> None:
    client = app.test_client()
    before = client.open(path, method=method)
    app.fix_addresses()
    after = client.open(path, method=method)
    assert (after.status, after.data) == (before.status, before.data)
    assert list(after.headers) == list(before.headers)


def test_an_address_that_comes_later_is_found_too() -> None:
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


def test_a_request_leaves_less_to_the_garbage_collector_than_one_of_flask() -> None:
    # Its pauses are the slowest percent of the requests.
    flask = Flask("flask")
    flask.add_url_rule("/health", "health", lambda: "ok")
    assert garbage_of(create_app(Settings())) < garbage_of(flask)
