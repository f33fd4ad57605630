"""The lines about the end of a run, in full, and its fields in the artifact."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_hancock_latency.core.budget import parse_terms
from pytest_hancock_latency.core.histogram import index_of
from pytest_hancock_latency.core.verdict import Reason
from pytest_hancock_latency.judging.deciding import Undecided
from pytest_hancock_latency.locust_gate.ending import Ending, undecided_of
from pytest_hancock_latency.locust_gate.listener import RequestCounts
from pytest_hancock_latency.locust_gate.run_judge import RunJudge, RunState

MS, S = 1_000_000, 1_000_000_000
FEW = Undecided("p99", Reason.FEW, 309, 65 * S)
WHOLE = Ending(60.2, planned_s=60)


def near(reason: Reason) -> Ending:
    return replace(WHOLE, undecided=(("GET /it", Undecided("p95", reason)),))


@pytest.mark.parametrize(
    ("line", "ending"),
    [
        ("decided after 12 s of 60 s", Ending(12.3, 60, is_early=True)),
        (
            "ended after 12 s of 60 s, when every budget was decided; the requests that were still "
            "in progress changed that",
            Ending(12.3, 60, is_early=True, undecided=(("GET /it", FEW),)),
        ),
        (
            "not decided after 60 s: GET /it p99 needs about 309 more requests, a run of about "
            "125 s at this pace",
            replace(WHOLE, undecided=(("GET /it", FEW),)),
        ),
        (
            "not decided after 5 s of 60 s: GET /it p99 needs about 309 more requests, a run of "
            "about 70 s at this pace",
            Ending(5.4, 60, undecided=(("GET /it", FEW),)),
        ),
        (
            "not decided after 20 s: GET /it p99 needs about 309 more requests, a run of about "
            "85 s at this pace",
            Ending(20.0, undecided=(("GET /it", FEW),)),
        ),
        (
            "not decided after 60 s: GET /it p50 needs a run of about 90 s; a longer run would not "
            "decide GET /b p95 (too near the limit)",
            replace(
                WHOLE,
                undecided=(
                    ("GET /it", Undecided("p99", Reason.FEW, 3, 2 * S)),
                    ("GET /it", Undecided("p50", Reason.SHORT, None, 30 * S)),
                    ("GET /b", Undecided("p95", Reason.NEAR)),
                ),
            ),
        ),
        (
            "not decided after 60 s: a longer run would not decide GET /it p95 (between acceptable "
            "and exceeded)",
            near(Reason.BETWEEN),
        ),
        (
            "not decided after 60 s: a longer run would not decide GET /it p95 (the users' wait "
            "times are too long)",
            near(Reason.LOAD),
        ),
        (
            "not decided after 60 s: how long a run would decide GET /it p95 is unknown (the "
            "machine was busy)",
            near(Reason.MACHINE),
        ),
        (
            "not decided after 60 s: how long a run would decide GET /it p95 is unknown (it could "
            "be a single stall)",
            near(Reason.STALL),
        ),
        (
            "not decided after 60 s: how long a run would decide GET /it p95 is unknown",
            near(Reason.FEW),
        ),
        (
            "needed all of its 60 s for GET /it requests/s, GET /typo (no request)",
            replace(WHOLE, held_back=["GET /it requests/s", "GET /typo (no request)"]),
        ),
        (
            "needed all of its 60 s for a, a, a, a, a and 2 more",
            replace(WHOLE, held_back=["a"] * 7),
        ),
        (
            "ended after 5 s of 60 s, not decided by then: GET /it errors",
            Ending(5.4, 60, held_back=["GET /it errors"]),
        ),
        (
            "4 of 60 s decide nothing: the server waited for a CPU in 4 s",
            replace(WHOLE, server_starved=frozenset(range(16))),
        ),
        (
            "2.5 of 60 s decide nothing: the load generator waited for a CPU in 1.5 s, the server "
            "waited for a CPU in 2 s",
            replace(WHOLE, starved=frozenset(range(6)), server_starved=frozenset(range(2, 10))),
        ),
    ],
)
def test_the_end_of_a_run_is_one_line(line: str, ending: Ending) -> None:
    assert ending.lines() == [line]


def test_a_run_that_was_planned_to_be_decided_and_is_says_nothing() -> None:
    assert WHOLE.lines() == []
    assert replace(WHOLE, starved=frozenset(range(3))).lines() == []


def test_the_artifact_has_how_long_the_run_was_and_would_have_to_be() -> None:
    ending = Ending(
        12.3,
        60,
        undecided=(("GET /it", FEW),),
        starved=frozenset({1}),
        server_starved=frozenset({2, 3}),
    )
    assert ending.to_plain() == {
        "lasted_s": 12.3,
        "ended_when_decided": False,
        "needs_s": 77.3,
        "starved_s": 0.25,
        "server_starved_s": 0.5,
    }
    assert Ending(12.3, 60, is_early=True).to_plain()["needs_s"] is None
    assert near(Reason.NEAR).to_plain()["needs_s"] is None


def test_every_inconclusive_part_has_the_name_of_its_requests() -> None:
    run_judge = RunJudge({"GET /it": parse_terms({"p50": 10, "p99": 10})})
    cells = {("GET", "/it", window): {index_of(MS): 5} for window in range(40)}
    run_judge.add(RequestCounts(latencies=cells))
    more_requests = 366 - 200
    assert undecided_of(run_judge.records(RunState())) == (
        ("GET /it", Undecided("p99", Reason.FEW, more_requests, more_requests * 10 * S // 200)),
    )
