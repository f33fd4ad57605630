"""How long users have been at requests that Locust has not reported."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from locust.user.task import LOCUST_STATE_RUNNING, LOCUST_STATE_WAITING

from pytest_hancock_latency.core.histogram import index_of
from pytest_hancock_latency.locust_gate import OpenLoop
from pytest_hancock_latency.locust_gate.listener import Listener
from pytest_hancock_latency.locust_gate.unfinished import Unfinished

LISTENER = "pytest_hancock_latency.locust_gate.listener"
S = 1_000_000_000


class Greenlet:
    """The greenlet of a user."""

    def __init__(self, *arguments: Any) -> None:
        self.args = arguments


class Load:
    """Users whose requests end when a test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.greenlets: list[Greenlet] = []
        self._monkeypatch, self._now_s, self._listener = monkeypatch, 0.0, Listener()
        runner = SimpleNamespace(user_greenlets=self.greenlets)
        self._unfinished = Unfinished(runner, self._listener, lambda: self._now_s)

    def user(self, state: str = LOCUST_STATE_RUNNING) -> Greenlet:
        """Start a user in this state."""
        self.greenlets.append(Greenlet(SimpleNamespace(_state=state)))
        return self.greenlets[-1]

    def ends(self, greenlet: object, at_s: float) -> None:
        """A request of this greenlet ends."""
        self._monkeypatch.setattr(f"{LISTENER}.getcurrent", lambda: greenlet)
        self._monkeypatch.setattr(f"{LISTENER}.time.time", lambda: at_s)
        self._listener.on_request("GET", "/it", 5.0, start_time=at_s)

    def after(self, at_s: float) -> dict[int, int]:
        self._now_s = at_s
        return self._unfinished.take()


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Load:
    return Load(monkeypatch)


def lengths(*seconds: float) -> dict[int, int]:
    buckets = [index_of(round(length_s * S)) for length_s in seconds]
    return {bucket: buckets.count(bucket) for bucket in buckets}


def test_a_user_has_been_at_it_since_its_last_request_ended(load: Load) -> None:
    quick, slow = load.user(), load.user()
    load.ends(quick, 1.0)
    load.ends(slow, 1.0)
    load.ends(quick, 2.75)
    assert load.after(3.0) == lengths(0.25, 2.0)
    load.ends(quick, 5.0)
    assert load.after(6.0) == lengths(1.0, 5.0)


def test_a_user_that_never_finished_a_request_counts_from_the_first_look(load: Load) -> None:
    load.user()
    assert load.after(10.0) == lengths(0.0)
    assert load.after(12.0) == lengths(2.0)


def test_a_user_that_waits_before_its_next_request_is_at_nothing(load: Load) -> None:
    waiting = load.user(LOCUST_STATE_WAITING)
    load.ends(waiting, 1.0)
    assert load.after(9.0) == {}
    waiting.args[0]._state = LOCUST_STATE_RUNNING
    assert load.after(10.0) == lengths(0.0)


def test_a_user_that_has_ended_is_at_nothing(load: Load) -> None:
    load.greenlets.append(Greenlet())
    assert load.after(1.0) == {}


class Looping(OpenLoop):
    """A user with two iterations in progress."""

    def __init__(self) -> None:
        """Without an environment."""
        self._in_flight = [Greenlet(), Greenlet()]  # type: ignore[assignment]


def test_each_iteration_of_an_open_loop_counts_by_itself(load: Load) -> None:
    load.greenlets.append(Greenlet(looping := Looping()))
    assert load.after(1.0) == lengths(0.0, 0.0)
    load.ends(looping.iterations[0], 2.5)
    assert load.after(3.0) == lengths(0.5, 2.0)
