"""How many requests are admitted, exactly."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hancock_app import Settings, create_app
from hancock_app.limits.moving_window import MemoryWindow
from hancock_app.limits.rate_limit import client_of

THREADS = 64


@pytest.fixture
def window(clock: Any) -> MemoryWindow:
    return MemoryWindow(clock)


@pytest.fixture
def quick_switches() -> Iterator[None]:
    """Threads change places as often as the interpreter can, in the middle of everything."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_the_limit_is_admitted_and_no_more(window: MemoryWindow) -> None:
    admitted = [window.take("a", 3, 60).admitted for _ in range(5)]
    assert admitted == [True, True, True, False, False]


def test_clients_are_counted_apart(window: MemoryWindow) -> None:
    assert window.take("a", 1, 60).admitted
    assert window.take("b", 1, 60).admitted


def test_the_window_moves(window: MemoryWindow, clock: Any) -> None:
    admitted = []
    for clock.now in (0, 30, 59, 60, 60.1, 60.2, 90, 90.1):
        admitted.append(window.take("a", 2, 60).admitted)
    assert admitted == [True, True, False, False, True, False, False, True]


def test_a_refused_request_does_not_count(window: MemoryWindow, clock: Any) -> None:
    window.take("a", 1, 60)
    for _ in range(10):
        window.take("a", 1, 60)
    clock.now += 60.1
    assert window.take("a", 1, 60).admitted


def test_a_window_tells_how_many_requests_count_and_the_age_of_the_oldest(
    window: MemoryWindow, clock: Any
) -> None:
    for clock.now in (10, 20, 30):
        window.take("a", 3, 60)
    clock.now = 75
    assert window.take("a", 3, 60) == (True, 3, 55)
    assert window.take("a", 3, 60) == (False, 3, 55)


def test_clients_that_went_away_are_forgotten(window: MemoryWindow, clock: Any) -> None:
    for number in range(1000):
        window.take(str(number), 1, 60)
    clock.now += 61
    for _ in range(500):
        window.take("here", 1000, 60)
    assert len(window) == 1


@given(
    limit=st.integers(1, 5),
    pauses=st.lists(st.integers(0, 40), max_size=60),
    clients=st.lists(st.sampled_from("abc"), min_size=1, max_size=7),
)
def test_in_any_60_seconds_the_limit_is_admitted_and_no_more(
    limit: int, pauses: list[int], clients: list[str]
) -> None:
    now = 0.0
    window = MemoryWindow(lambda: now)
    admitted: dict[str, list[float]] = {client: [] for client in clients}
    for number, pause in enumerate(pauses):
        now += pause
        client = clients[number % len(clients)]
        recent = [time for time in admitted[client] if time >= now - 60]
        taken = window.take(client, limit, 60)
        assert taken.admitted == (len(recent) < limit)
        if taken.admitted:
            admitted[client].append(now)
            recent.append(now)
        assert (taken.used, taken.oldest_age_s) == (len(recent), now - recent[0])


def admitted_by_threads(window: MemoryWindow, limit: int, each: int) -> int:
    """How many of 64 threads' requests, let go together, were admitted."""
    barrier = threading.Barrier(THREADS)
    admitted: list[int] = []

    def ask() -> None:
        barrier.wait()
        admitted.append(sum(window.take("a", limit, 60).admitted for _ in range(each)))

    threads = [threading.Thread(target=ask) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(admitted)


@pytest.mark.usefixtures("quick_switches")
def test_64_threads_are_admitted_exactly_to_the_limit_time_and_again() -> None:
    assert {admitted_by_threads(MemoryWindow(), 200, 8) for _ in range(30)} == {200}


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


def test_addresses_are_limited_apart() -> None:
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
def test_what_costs_no_model_call_is_not_limited(path: str) -> None:
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
        ("no:address", "no:address"),
        ("", ""),
    ],
)
def test_a_client_is_an_address_or_the_network_that_one_subscriber_has(
    address: str, client: str
) -> None:
    assert client_of(address) == client
