"""The rate limit of the whole application: its exactness, its headers, and who is a client."""

from __future__ import annotations

import threading

import pytest

from hancock_app import Settings, create_app
from hancock_app.limits.rate_limit import client_of

THREADS = 64


@pytest.mark.usefixtures("quick_switches")
def test_64_threads_on_the_whole_application_are_admitted_exactly_to_the_limit() -> None:
    app = create_app(Settings(rate_limit=100))
    barrier = threading.Barrier(THREADS)
    statuses: list[int] = []

    def ask() -> None:
        client = app.test_client()
        barrier.wait()
        for _ in range(3):
            statuses.append(client.post("/v1/ask", json={"question": "hi"}).status_code)

    threads = [threading.Thread(target=ask) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (statuses.count(200), statuses.count(429)) == (100, 92)


def test_a_client_over_its_limit_is_told_when_to_come_back() -> None:
    client = create_app(Settings(rate_limit=1)).test_client()
    client.post("/v1/ask", json={"question": "hi"})
    answer = client.post("/v1/chat", json={"message": "hi"})
    assert answer.status_code == 429
    assert answer.json is not None
    wait = answer.headers["Retry-After"]
    assert (
        answer.json["error"]
        == f"rate limit of 1 requests per minute exceeded; try again in {wait} s"
    )
    assert 1 <= int(wait) <= 60


def test_an_admitted_client_sees_what_is_left() -> None:
    client = create_app(Settings(rate_limit=10)).test_client()
    headers = client.post("/v1/ask", json={"question": "hi"}).headers
    shown = {name: headers[f"X-RateLimit-{name}"] for name in ("Limit", "Remaining", "Reset")}
    assert shown == {"Limit": "10", "Remaining": "9", "Reset": "60"}


def test_addresses_are_limited_separately() -> None:
    client = create_app(Settings(rate_limit=1)).test_client()
    statuses = [
        client.post(
            "/v1/ask", json={"question": "hi"}, environ_overrides={"REMOTE_ADDR": address}
        ).status_code
        for address in ("192.0.2.1", "192.0.2.1", "192.0.2.2")
    ]
    assert statuses == [200, 429, 200]


def test_a_limit_of_zero_is_no_limit() -> None:
    client = create_app(Settings(rate_limit=0)).test_client()
    answers = [client.post("/v1/ask", json={"question": "hi"}) for _ in range(100)]
    assert {answer.status_code for answer in answers} == {200}
    assert "X-RateLimit-Limit" not in answers[0].headers


@pytest.mark.parametrize("path", ["/health", "/models", "/mode", "/metrics"])
def test_routes_that_do_not_call_the_model_are_not_limited(path: str) -> None:
    client = create_app(Settings(rate_limit=1)).test_client()
    assert {client.get(path).status_code for _ in range(5)} == {200}


def test_a_guessed_key_counts() -> None:
    client = create_app(Settings(rate_limit=1, api_key="key")).test_client()
    statuses = [client.post("/v1/ask").status_code for _ in range(2)]
    assert statuses == [401, 429]


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::/64"),
        ("no:address", "unknown"),
        ("", "unknown"),
    ],
)
def test_a_client_is_an_address_or_the_network_that_one_subscriber_has(
    address: str, client: str
) -> None:
    assert client_of(address) == client


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:443", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("[2001:db8::1]", "2001:db8::/64"),
        ("[2001:db8::1]:443", "2001:db8::/64"),
        ("[::ffff:192.0.2.1]:443", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_a_port_makes_no_client_of_its_own(address: str, client: str) -> None:
    assert client_of(address) == client


@pytest.mark.parametrize(
    "address",
    ["", "-", "unknown", "_hidden", "192.0.2.1:", "192.0.2.999", "1:2", "[x]:1", "a" * 8000],
)
def test_all_invalid_addresses_are_one_client(address: str) -> None:
    assert client_of(address) == "unknown"


def test_a_proxy_that_adds_ports_has_the_limit_of_its_clients() -> None:
    app = create_app(Settings(rate_limit=2, trusted_proxies=1))
    statuses = [
        app.test_client()
        .post(
            "/v1/ask",
            json={"question": "hi"},
            headers={"X-Forwarded-For": f"192.0.2.1:{port}"},
        )
        .status_code
        for port in range(5000, 5004)
    ]
    assert statuses == [200, 200, 429, 429]
