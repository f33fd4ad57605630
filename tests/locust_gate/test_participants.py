"""What became of the processes that made the load."""

from __future__ import annotations

from pytest_hancock_latency.locust_gate.generator import Strain
from pytest_hancock_latency.locust_gate.participants import Added, Participant, Participants

MS = 1_000_000


def test_participants_are_distinguished_by_what_became_of_them() -> None:
    everybody = Participants()
    everybody.begin(100.0, ["a", "b", "c"])
    everybody.reported("a", Added(5, 0), Strain(), 103.0)
    everybody.reported("b", Added(7, 0), Strain(), 103.0)
    everybody.reported("d", Added(1, 0), Strain(), 105.0)
    everybody.without_gate("c", 103.0)
    assert everybody.lose("b")
    assert not everybody.lose("b")
    everybody.finish("a")
    everybody.end()
    assert {
        p["id"]: (p["state"], p["late"], p["requests"])
        for p in map(Participant.to_plain, everybody)
    } == {
        "a": ("finished", False, 5),
        "b": ("lost", False, 7),
        "c": ("without gate", False, 0),
        "d": ("lost", True, 1),
    }


def test_a_worker_that_was_given_up_may_come_back() -> None:
    everybody = Participants()
    everybody.begin(100.0, ["a"])
    everybody.lose("a")
    assert everybody.found("a")
    assert not everybody.found("a")
