"""How many requests the windows admit, exactly."""

from __future__ import annotations

import threading
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hancock_app.limits.moving_window import (
    MAX_CLIENTS,
    Admission,
    FallbackWindow,
    MemoryWindow,
    RedisWindow,
)
from hancock_app.storage import Breaker, StorageUnavailable, connect

THREADS = 64


@pytest.fixture
def window(clock: Any) -> MemoryWindow:
    return MemoryWindow(clock)


def test_the_limit_is_admitted_and_no_more(window: MemoryWindow) -> None:
    admitted = [window.take("a", 3, 60).admitted for _ in range(5)]
    assert admitted == [True, True, True, False, False]


def test_a_limit_of_nothing_admits_nothing(window: MemoryWindow) -> None:
    assert window.take("a", 0, 60) == (False, 0, 0.0)


def test_clients_are_counted_separately(window: MemoryWindow) -> None:
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
        admission = window.take(client, limit, 60)
        assert admission.admitted == (len(recent) < limit)
        if admission.admitted:
            admitted[client].append(now)
            recent.append(now)
        assert (admission.request_count, admission.oldest_age_s) == (len(recent), now - recent[0])


def admitted_by_threads(window: MemoryWindow, limit: int, per_thread: int) -> int:
    """How many of 64 threads' requests, let go together, were admitted."""
    barrier = threading.Barrier(THREADS)
    admitted: list[int] = []

    def ask() -> None:
        barrier.wait()
        admitted.append(sum(window.take("a", limit, 60).admitted for _ in range(per_thread)))

    threads = [threading.Thread(target=ask) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(admitted)


@pytest.mark.usefixtures("quick_switches")
def test_64_threads_are_repeatedly_admitted_exactly_to_the_limit() -> None:
    assert {admitted_by_threads(MemoryWindow(), 200, 8) for _ in range(30)} == {200}


def test_a_shared_window_moves(redis_server: Any, clock: Any) -> None:
    window = RedisWindow(connect(redis_server.uri, timeout_s=30.0), clock)
    # The library reads the wall clock for the requests that it enters.
    first = window.take("a", 2, 60)
    assert (first.admitted, first.request_count) == (True, 1)
    admitted = [window.take("a", 2, 60).admitted for _ in range(3)]
    assert admitted == [True, False, False]


def test_the_number_of_clients_in_memory_is_bounded(clock: Any) -> None:
    window = MemoryWindow(clock, max_clients=3)
    for client in ("a", "b", "c", "a", "d"):
        assert window.take(client, 2, 60).admitted
    assert len(window) == 3
    assert not window.take("a", 2, 60).admitted  # the longest idle one, b, was forgotten


@pytest.mark.long
def test_200_000_clients_take_less_than_100_mb() -> None:
    tracemalloc.start()
    window = MemoryWindow()
    for number in range(200_000):
        window.take(f"192.{number >> 16}.{number >> 8 & 255}.{number & 255}", 60, 60)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(window) == MAX_CLIENTS
    assert size < 100_000_000


class Shared(MemoryWindow):
    """A window that can be away."""

    is_away = False

    def take(self, client: str, limit: int, span_s: int) -> Admission:
        if self.is_away:
            raise StorageUnavailable("away")
        return super().take(client, limit, span_s)


def test_a_worker_admits_no_more_than_the_limit_across_an_outage(clock: Any) -> None:
    shared, breaker = Shared(clock), Breaker("open", lambda: None, clock)
    window = FallbackWindow(shared, MemoryWindow(clock), breaker)
    admitted = []
    for is_away in (False, True, False, True):
        shared.is_away = is_away
        clock.now += 2  # the breaker tries again
        admitted += [window.take("a", 3, 60).admitted for _ in range(2)]
    assert admitted == [True, True, True, False, False, False, False, False]
    clock.now += 60
    shared.is_away = False
    assert window.take("a", 3, 60).admitted


def test_what_the_shared_window_refuses_is_not_counted_by_the_worker(clock: Any) -> None:
    shared, local = Shared(clock), MemoryWindow(clock)
    window = FallbackWindow(shared, local, Breaker("open", lambda: None, clock))
    assert shared.take("a", 1, 60).admitted  # by another worker
    assert not window.take("a", 1, 60).admitted
    clock.now += 61
    assert window.take("a", 1, 60).admitted
