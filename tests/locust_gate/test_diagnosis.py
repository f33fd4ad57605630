"""Advice about a load: the sentences in full, and when they are due."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from pytest_hancock_latency.core.advice import Advice
from pytest_hancock_latency.core.histogram import Histogram, index_of
from pytest_hancock_latency.locust_gate import generator
from pytest_hancock_latency.locust_gate.diagnosis import (
    about_alike,
    about_omission,
    about_participants,
    about_send_lag,
)
from pytest_hancock_latency.locust_gate.generator import Strain, Watch, servers_of
from pytest_hancock_latency.locust_gate.participants import Participant, State
from pytest_hancock_latency.locust_gate.run_judge import MANY_NAMES
from pytest_hancock_latency.reporting.advice import advice_words

MS = 1_000_000


def texts(advice: list[Advice]) -> list[str]:
    return [advice_words(each) for each in advice]


def test_a_calm_generator_needs_no_advice() -> None:
    assert about_participants([Participant("local", strain=Strain(60, 2, {index_of(MS): 9}))]) == []


def test_a_generator_short_of_cpu_is_reported() -> None:
    worker = Participant("box_1", strain=Strain(60, 30))
    assert texts(about_participants([worker])) == [
        "worker box_1 used a full core for 30 of 60 s: latencies include its own queue; "
        "spread the users over more workers (--processes)"
    ]


def test_a_generator_that_is_late_is_reported() -> None:
    strain = Strain(60, 0, {index_of(80 * MS): 9})
    assert texts(about_participants([Participant("local", strain=strain)])) == [
        "the load generator reacted 80 ms late at p99: latencies include its own queue; give it a "
        "dedicated core or fewer users"
    ]


def test_a_generator_that_starves_is_reported() -> None:
    strain = Strain(60, 0, waits=dict.fromkeys(range(8), 13 * MS))
    assert texts(about_participants([Participant("local", strain=strain)])) == [
        "the load generator waited for a CPU for 2 s of the run: latencies in that time cannot "
        "lead to exceeded; give it a dedicated core"
    ]


def test_a_wait_is_spread_over_the_windows_in_which_it_may_have_been() -> None:
    waited, now = iter([0, 40 * MS, 41 * MS]), iter([100.0, 100.99, 101.0])
    watch = Watch(lambda: 0.0, lambda: 0.0, lambda: next(waited), lambda: next(now))
    watch.woke(0.9)
    watch.woke(0.0)
    assert watch.take().waits == {
        400: 10 * MS,
        401: 10 * MS,
        402: 10 * MS,
        403: 10 * MS + MS // 2,
        404: MS // 2,
    }


def test_a_window_starves_a_generator_that_waits_for_a_twentieth_of_it() -> None:
    assert Strain(waits={1: 12_500_000, 2: 12_500_001}).starved == {2}


def test_a_worker_with_a_wrong_clock_is_reported() -> None:
    worker = Participant("box_1", displaced=7)
    assert texts(about_participants([worker])) == [
        "worker box_1 has a wrong clock: 7 of its requests seem to have started outside the run "
        "and are counted at its start or end; synchronize the clock of its machine"
    ]


def test_a_worker_whose_reports_cannot_be_read_is_reported() -> None:
    worker = Participant("box_1", invalid_reports=2, why_invalid="latencies: not a count")
    assert texts(about_participants([worker])) == [
        "worker box_1 sent 2 unreadable reports (latencies: not a count): their requests are not "
        "counted"
    ]


def test_names_without_end_are_reported() -> None:
    assert texts([MANY_NAMES])[0] == (
        "more than 300 names: the rest are judged together; give requests of the same kind the "
        "same name=, as in get(url, name='/items/[id]')"
    )


def test_names_that_differ_only_by_ids_are_reported_once() -> None:
    pages = [f"GET /v1/items/{number}" for number in range(21)]
    uuids = [f"PUT /users/{number:08x}-0b1c-4d2e-8f3a-0123456789ab/v2" for number in range(20)]
    advice = about_alike([*pages, "GET /v1/health", *uuids])
    assert [pages[0], uuids[0]] == list(advice)
    assert [text for each in advice.values() for text in texts(list(each))] == [
        "21 names look alike: give them the same name=, as in get(url, name='/v1/items/[id]'), or "
        'one budget, [budgets."GET /v1/items/*"]',
        "20 names look alike: give them the same name=, as in get(url, name='/users/[id]/v2'), or "
        'one budget, [budgets."PUT /users/*/v2"]',
    ]


def test_a_few_names_with_numbers_need_no_advice() -> None:
    assert about_alike([f"GET /page/{number}" for number in range(19)]) == {}
    assert about_alike([f"GET /{'abc'[n % 3]}/{n}" for n in range(57)]) == {}


def test_seconds_in_which_the_generator_fills_its_core_are_known_by_their_windows() -> None:
    now, used, unix = [0.0], [0.0], [100.0]
    watch = Watch(lambda: now[0], lambda: used[0], lambda: 0, lambda: unix[0])
    for second, share in ((1.0, 0.2), (2.0, 0.95)):
        now[0], unix[0] = second, 100.0 + second
        used[0] += share
        watch.woke(0.004)
    assert {404, 405, 406, 407, 408} == watch.take().busy


class Server:
    """A server that others keep from a CPU for so long in each second."""

    def __init__(self, *waits_ms: int) -> None:
        self._waits_ns = iter([ms * MS for ms in waits_ms])

    def kept_waiting_ns(self) -> int:
        return next(self._waits_ns)


def watched(monkeypatch: pytest.MonkeyPatch, *servers: Server, seconds: int = 3) -> Strain:
    """What a watch of these servers notes from second 100 on."""
    now, urls_asked = [100.0], []
    watch = Watch(lambda: now[0], lambda: 0.0, lambda: 0, lambda: now[0])
    monkeypatch.setattr(generator.gevent, "spawn", lambda _: None)
    monkeypatch.setattr(generator, "local_servers", lambda urls: urls_asked.append(urls) or servers)
    watch.start({"http://here"})
    for _ in range(seconds):
        now[0] += 1
        watch.woke(0.0)
    assert urls_asked == [{"http://here"}]
    return watch.take()


def test_a_second_in_which_others_keep_the_server_from_a_cpu_decides_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a window before it, whose requests were still running, and one after it."""
    strain = watched(monkeypatch, Server(0, 51, 50), Server(0, 0, 0))
    assert strain.server_starved == {*range(403, 410)}
    assert strain.starved == set()


def test_a_server_elsewhere_is_not_known_to_starve(monkeypatch: pytest.MonkeyPatch) -> None:
    assert watched(monkeypatch).server_starved == set()


@pytest.mark.parametrize(
    ("expected", "host", "hosts"),
    [
        ({"http://a"}, "http://a", ["http://b"]),
        ({"http://b", "http://c"}, None, ["http://b", None, "http://c", "http://b"]),
        (set(), None, [None]),
    ],
)
def test_the_servers_of_a_run_are_those_of_its_host_or_of_its_users(
    expected: set[str], host: str | None, hosts: list[str | None]
) -> None:
    user_classes = [SimpleNamespace(host=of_user) for of_user in hosts]
    assert servers_of(SimpleNamespace(host=host, user_classes=user_classes)) == expected


def test_a_server_that_starves_is_reported_once_for_all_workers() -> None:
    windows = set(range(16))
    workers = [Participant(name, strain=Strain(server_starved=windows)) for name in ("a", "b")]
    assert texts(about_participants(workers)) == [
        "other processes kept the server from a CPU for 4 s of the run: latencies in that time "
        "cannot lead to exceeded; give it a machine without them"
    ]
    assert about_participants([Participant("a", strain=Strain(server_starved={1, 2, 3}))]) == []


def test_a_lost_worker_is_reported() -> None:
    lost = Participant("box_1", state=State.LOST, requests=929, last_report_s=2.2)
    assert texts(about_participants([lost])) == [
        "worker box_1 was lost: the 929 requests it had reported by second 2 are counted, later "
        "ones are not"
    ]


def test_a_worker_without_the_gate_is_reported() -> None:
    blind = Participant("box_1", state=State.WITHOUT_GATE)
    assert texts(about_participants([blind])) == [
        "worker box_1 sends no histograms, so none of its requests are counted: its locustfile "
        "does "
        "not import pytest_hancock_latency.locust_gate"
    ]


def test_a_schedule_that_is_not_kept_is_reported() -> None:
    assert about_send_lag(50 * MS) == []
    assert texts(about_send_lag(60 * MS)) == [
        "requests started 60 ms late at p99: the generator cannot keep up with the schedule, from "
        "which latencies are still measured; use more workers or a lower arrival rate"
    ]


def test_a_closed_loop_is_told_what_it_hides() -> None:
    closed = Histogram({index_of(5 * MS): 200, index_of(1000 * MS): 1})
    assert texts(about_omission(closed, 20 * MS)) == [
        "closed loop: a user sends no requests while it waits for a response, so a stall counts "
        "only once per user; about 49 requests were never sent, and with them p99 would be about "
        "960 ms instead of 5 ms; OpenLoop sends them all"
    ]
    assert about_omission(closed, 2000 * MS) == []


def test_the_watch_counts_full_seconds_and_how_late_it_woke() -> None:
    now, used = [0.0], [0.0]
    watch = Watch(lambda: now[0], lambda: used[0])
    for second, share in ((1.0, 0.95), (2.0, 0.2)):
        now[0] = second
        used[0] += share
        watch.woke(0.004)
    strain = watch.take()
    assert (2, 1, {index_of(4 * MS): 2}) == (
        strain.seconds,
        strain.busy_seconds,
        strain.greenlet_lags,
    )
