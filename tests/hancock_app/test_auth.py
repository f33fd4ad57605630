"""API keys: who is let in, and what the others are told."""

from __future__ import annotations

import pytest

from hancock_app import Settings, create_app

from .refusals import refused


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "key",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        "Bearer key ",
        "Basic key",
        "Bearer kéy",
        "Bearer \x00",
        "Bearer\xa0key",
        "Bearer ke",
    ],
)
@pytest.mark.parametrize("path", ["/v1/chat", "/v1/ask"])
def test_a_request_without_the_right_key(path: str, authorization: str) -> None:
    client = create_app(Settings(api_key="key")).test_client()
    answer = client.post(path, environ_overrides={"HTTP_AUTHORIZATION": authorization})
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    expected = "missing or invalid API key; send Authorization: Bearer <key>"
    assert refused(answer) == (401, expected)


@pytest.mark.parametrize("path", ["/models", "/mode"])
def test_routes_that_describe_the_setup_require_the_key_too(path: str) -> None:
    client = create_app(Settings(api_key="key")).test_client()
    right = client.get(path, headers={"Authorization": "bearer key"})
    assert (client.get(path).status_code, right.status_code) == (401, 200)


@pytest.mark.parametrize("path", ["/health", "/metrics"])
def test_monitoring_routes_need_no_key(path: str) -> None:
    client = create_app(Settings(api_key="key")).test_client()
    assert client.get(path).status_code == 200
