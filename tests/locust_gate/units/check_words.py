"""What the gate says: settings, advice, the end of a run, the tab, JUnit."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

from pytest_hancock_latency.core.advice import Advice
from pytest_hancock_latency.core.histogram import Histogram, index_of
from pytest_hancock_latency.core.judging.verdict import Outcome, PaceVerdict
from pytest_hancock_latency.errors import LatencyError
from pytest_hancock_latency.locust_gate import OpenLoop
from pytest_hancock_latency.locust_gate.diagnosis import (
    about_omission,
    about_participants,
    about_send_lag,
)
from pytest_hancock_latency.locust_gate.generator import Strain, Watch
from pytest_hancock_latency.locust_gate.listener import Counted
from pytest_hancock_latency.locust_gate.open_loop import due_times
from pytest_hancock_latency.locust_gate.participants import Participant, Participants, State
from pytest_hancock_latency.locust_gate.run_judge import Load, Totals
from pytest_hancock_latency.locust_gate.settings import FILES, read_settings
from pytest_hancock_latency.locust_gate.summary import summary_lines
from pytest_hancock_latency.locust_gate.web import structure, table
from pytest_hancock_latency.reporting.junit import junit_text
from pytest_hancock_latency.reporting.wording import about_pace, explain, headline

MS = 1_000_000


def records(ms: float = 5, advice: tuple[Advice, ...] = ()):
    cells = {("GET", "/it", window): {index_of(int(ms * MS)): 10} for window in range(40)}
    totals = Totals({})
    totals.add(Counted(latencies=cells))
    return totals.records(Load(advice=advice))


# --- settings -----------------------------------------------------------------------------------


def settings(folder: Path, environ: dict[str, str] | None = None, **said: object):
    options = Namespace(**{f"latency_{name}": value for name, value in said.items()})
    return read_settings(options, environ or {}, folder)


def test_nothing_said_means_no_budgets_and_no_artifacts(tmp_path: Path) -> None:
    found = settings(tmp_path)
    assert ({}, {}, False, False) == (found.budgets, found.artifacts, found.strict, found.abort)


def test_the_command_line_is_stronger_than_the_environment(tmp_path: Path) -> None:
    environ = {"HANCOCK_LATENCY_JSON": "one.json", "HANCOCK_LATENCY_STRICT": "on"}
    found = settings(tmp_path, environ, json="other.json")
    assert ({"json": tmp_path / "other.json"}, True) == (found.artifacts, found.strict)


def test_a_folder_gets_every_artifact(tmp_path: Path) -> None:
    found = settings(tmp_path, artifacts="out")
    assert {kind: tmp_path / "out" / name for kind, name in FILES.items()} == found.artifacts


def test_the_variable_of_the_guide_asks_for_two_artifacts(tmp_path: Path) -> None:
    found = settings(tmp_path, {"HANCOCK_PERF_ARTIFACT": "out/performance-latency.json"})
    assert {
        "json": tmp_path / "out/performance-latency.json",
        "text": tmp_path / "out/benchmark-summary.txt",
    } == found.artifacts


def test_budgets_come_from_the_working_directory(tmp_path: Path) -> None:
    text = '[tool.hancock-latency.budgets."GET /it"]\np95 = 10\n'
    (tmp_path / "pyproject.toml").write_text(text, encoding="utf-8")
    assert ["GET /it"] == list(settings(tmp_path).budgets)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("--latency-strict: 'maybe' is neither on nor off", {"strict": "maybe"}),
        ("{folder}/none.toml: No such file or directory", {"budgets": "none.toml"}),
        ("cannot write the artifact {folder}: Is a directory", {"json": "."}),
    ],
)
def test_what_cannot_be_meant_is_one_message(
    tmp_path: Path, message: str, said: dict[str, str]
) -> None:
    with pytest.raises((LatencyError, OSError)) as caught:
        settings(tmp_path, **said)
    assert message.format(folder=tmp_path).lower() == str(caught.value).lower()


# --- advice -------------------------------------------------------------------------------------


def texts(advice: list[Advice]) -> list[str]:
    return [each.text for each in advice]


def test_a_calm_generator_needs_no_advice() -> None:
    assert [] == about_participants([Participant("local", strain=Strain(60, 2, {index_of(MS): 9}))])


def test_a_generator_without_a_core_to_spare_is_told_of() -> None:
    worker = Participant("box_1", strain=Strain(60, 30))
    assert [
        "worker box_1 filled its core in 30 of 60 s: its own queue is in these latencies; "
        "spread the users over more workers (--processes)"
    ] == texts(about_participants([worker]))


def test_a_generator_that_is_late_is_told_of() -> None:
    strain = Strain(60, 0, {index_of(80 * MS): 9})
    assert [
        "the load generator noticed things 80 ms late at p99: its own queue is in these "
        "latencies; give it a core of its own, or fewer users"
    ] == texts(about_participants([Participant("local", strain=strain)]))


def test_a_lost_worker_is_told_of() -> None:
    lost = Participant("box_1", state=State.LOST, requests=929, last_report_s=2.2)
    assert [
        "worker box_1 was lost: the 929 requests that it had reported until second 2 are "
        "counted, what came after is not"
    ] == texts(about_participants([lost]))


def test_a_worker_without_the_gate_is_told_of() -> None:
    blind = Participant("box_1", state=State.WITHOUT_GATE)
    assert [
        "worker box_1 sends no histograms, none of its requests is counted: its locustfile does "
        "not import pytest_hancock_latency.locust_gate"
    ] == texts(about_participants([blind]))


def test_a_schedule_that_is_not_kept_is_told_of() -> None:
    assert [] == about_send_lag(50 * MS)
    assert [
        "requests started 60 ms late at p99: the generator does not keep the schedule; the "
        "latencies count from it all the same; more workers, or fewer arrivals"
    ] == texts(about_send_lag(60 * MS))


def test_a_closed_loop_is_told_what_it_hides() -> None:
    closed = Histogram({index_of(5 * MS): 200, index_of(1000 * MS): 1})
    assert [
        "closed loop: while a user waits for an answer it asks for nothing, so a stall counts "
        "once for each user; about 49 requests were never sent, and with them p99 would be near "
        "960 ms instead of 5 ms; OpenLoop measures it"
    ] == texts(about_omission(closed, 20 * MS))
    assert [] == about_omission(closed, 2000 * MS)


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


# --- who took part ------------------------------------------------------------------------------


def test_participants_are_told_apart_by_what_became_of_them() -> None:
    everybody = Participants()
    everybody.begin(100.0, ["a", "b", "c"])
    everybody.reported("a", 5, Strain(), 103.0)
    everybody.reported("b", 7, Strain(), 103.0)
    everybody.reported("d", 1, Strain(), 105.0)
    everybody.without_gate("c", 103.0)
    assert everybody.lose("b")
    assert not everybody.lose("b")
    everybody.finish("a")
    everybody.end()
    assert {
        "a": ("finished", False, 5),
        "b": ("lost", False, 7),
        "c": ("without gate", False, 0),
        "d": ("lost", True, 1),
    } == {
        p["id"]: (p["state"], p["late"], p["requests"])
        for p in map(Participant.to_plain, everybody)
    }


def test_a_worker_that_was_given_up_may_come_back() -> None:
    everybody = Participants()
    everybody.begin(100.0, ["a"])
    everybody.lose("a")
    assert everybody.found("a")
    assert not everybody.found("a")


# --- the end of a run ---------------------------------------------------------------------------


def test_no_request_is_said_aloud() -> None:
    assert [
        "",
        "latency budgets",
        "no request was made: nothing is shown, and nothing passes",
    ] == summary_lines([], [])


def test_the_end_shows_table_evidence_advice_and_workers() -> None:
    workers = [Participant("a", state=State.FINISHED), Participant("b", 5.0, State.LOST)]
    found = records(700, advice=(Advice("x", "sleep on it"),))
    assert [
        "",
        "latency budgets",
        "sample     n  p50  p95  p99  limits (ms)       verdict",
        "GET /it  400  700  700  700  p50 500, p99 500  exceeded p50",
        "1 exceeded (latencies in ms, raw, by nearest rank)",
        "GET /it: exceeded p50: 400 of 400 over 500 ms (100 %, allowed 50 %); p50 ≥ 700 ms",
    ] == summary_lines(found, workers)[:6]
    assert ["advice: sleep on it", "2 workers: 1 finished, 1 lost, 1 joined late"] == (
        summary_lines(found, workers)[-2:]
    )


def test_the_tab_has_a_cell_for_every_column() -> None:
    (row,) = table(records())
    assert [column["key"] for column in structure()] == list(row)
    assert ("GET /it", "400", "within") == (row["sample"], row["n"], row["verdict"])


def test_junit_has_a_failure_for_what_is_exceeded() -> None:
    (suite,) = ElementTree.fromstring(junit_text([*records(700), *records(5)]))
    assert ("2", "1") == (suite.get("tests"), suite.get("failures"))
    slow, quick = suite
    failure = slow.find("failure")
    assert failure is not None
    assert "p50 700 ms > 500 ms, 400 of 400 over" == failure.get("message")
    assert quick.find("failure") is None


# --- what only the guide's table can say --------------------------------------------------------


@pytest.mark.parametrize(
    ("expected", "outcome"),
    [
        (
            "exceeded requests/s: declined by 45 % under a steady load "
            "(a fall of 38 % to 52 %, with 95 %); 120/s on average over 60 s",
            Outcome.EXCEEDED,
        ),
        (
            "inconclusive requests/s: neither steady nor declining "
            "(a fall of 38 % to 52 %, with 95 %); 120/s on average over 60 s",
            Outcome.INCONCLUSIVE,
        ),
    ],
)
def test_a_pace_that_is_not_steady_is_explained(expected: str, outcome: Outcome) -> None:
    (record,) = records()
    assert record.verdict is not None
    pace = PaceVerdict(outcome, 120.0, 0.45, 0.38, 0.52, 60_000_000_000)
    paced = replace(record, verdict=replace(record.verdict, pace=pace))
    assert ([expected], expected) == (explain(paced), headline(paced))


def test_a_steady_pace_is_no_news() -> None:
    (record,) = records()
    assert record.verdict is not None
    pace = PaceVerdict(Outcome.WITHIN, 120.0, 0.0, -0.05, 0.05, 60_000_000_000)
    paced = replace(record, verdict=replace(record.verdict, pace=pace))
    assert explain(record) == explain(paced)
    assert (
        "within requests/s: steady (a fall of −5 % to 5 %, with 95 %); 120/s on average over 60 s"
        == (about_pace(pace))
    )


def test_what_lies_between_the_two_limits_is_explained() -> None:
    (record,) = records(300)
    assert [
        "inconclusive p50: 400 of 400 over 100 ms (100 %, allowed 50 %); "
        "more than is acceptable, and not shown to be more than 500 ms"
    ] == explain(record)


# --- the open loop ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "attributes"),
    [
        ("Loop: arrival_rate=0 is not above 0", {"arrival_rate": 0}),
        (
            "Loop: unknown arrivals 'bursty': valid are constant and poisson",
            {"arrivals": "bursty"},
        ),
        (
            "Loop: an open loop does not wait: set arrival_rate, not wait_time",
            {"wait_time": None},
        ),
        ("Loop: the tasks of an open loop are functions", {"tasks": [int]}),
    ],
)
def test_an_open_loop_that_cannot_be_meant_is_refused(
    message: str, attributes: dict[str, object]
) -> None:
    with pytest.raises(LatencyError) as caught:
        type("Loop", (OpenLoop,), attributes)
    assert message == str(caught.value)


def test_constant_arrivals_keep_their_distance() -> None:
    schedule = due_times(50, "constant", 100.0)
    times = [next(schedule) for _ in range(1000)]
    assert 100.0 <= times[0] < 100.02
    assert times[-1] - times[0] == pytest.approx(999 / 50)


def test_poisson_arrivals_keep_their_rate_and_no_distance() -> None:
    schedule = due_times(50, "poisson", 100.0)
    times = [next(schedule) for _ in range(5000)]
    assert times[-1] - 100.0 == pytest.approx(100, rel=0.1)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert min(gaps) < 0.002
    assert max(gaps) > 0.08
