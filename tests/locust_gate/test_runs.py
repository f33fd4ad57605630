"""Real runs: what they count, what they leave behind, and their exit codes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import driving
import pytest
from driving import (
    LOCUSTFILES,
    NOWHERE,
    ONE,
    Ran,
    all_requests,
    counted_by,
    free_port,
    locust,
    run,
    served,
)

from pytest_hancock_latency.files.history import read_history, run_path


@pytest.mark.parametrize("processes", [(), ("--processes", "2")], ids=["alone", "two workers"])
def test_no_request_is_lost(tmp_path: Path, processes: tuple[str, ...]) -> None:
    """Five seconds are the end of the run most of all: what is on its way is waited for."""
    with served() as host:
        kinds = "/quick=2|3,/usual=20|400,/gone=fail/503"
        load = ("-u", "8", "-r", "8", "-t", "5s", *processes)
        if processes:
            port = str(free_port())
            load = (*load, "--master-bind-port", port, "--master-port", port)
        ran = run("waiting.py", *load, host=host, folder=tmp_path, KINDS=kinds)
        counted = counted_by(host)
    assert sum(counted.values()) > 100, str(ran)
    assert sum(counted.values()) == all_requests(ran.artifact), str(ran)
    assert {"HTTP 503": counted["fail"]} == ran.sample("GET /gone")["failures"]
    workers = ran.artifact["locust"]["participants"]
    assert {"finished"} == {each["state"] for each in workers}
    assert sum(counted.values()) == sum(each["requests"] for each in workers)


@pytest.mark.parametrize(
    ("expected", "options", "environment"),
    [
        (0, (), {"MS": "5"}),
        (1, (), {"MS": "700"}),
        (0, (), {"MS": "300"}),
        (3, ("--latency-strict",), {"MS": "300"}),
        (1, (), {"FAIL": "1"}),
        (2, (), {"MS": ""}),
    ],
    ids=["within", "exceeded", "inconclusive", "strict", "failing", "nothing"],
)
def test_the_exit_code_is_the_verdict(
    tmp_path: Path, expected: int, options: tuple[str, ...], environment: dict[str, str]
) -> None:
    load = (*ONE, "-t", "1s", *options, "Reporter")
    ran = run("reported.py", *load, host=NOWHERE, folder=tmp_path, **environment)
    assert expected == ran.exit_code, str(ran)


def test_the_verdict_stands_at_the_end_of_what_locust_says(tmp_path: Path) -> None:
    ran = run("reported.py", *ONE, "-t", "1s", "Reporter", host=NOWHERE, folder=tmp_path, MS="")
    assert ran.out.endswith(
        "latency budgets\nno requests were made: nothing was measured, so nothing passes\n"
    )


def test_every_artifact_is_written(tmp_path: Path) -> None:
    ran = run("reported.py", *ONE, "-t", "1s", "Reporter", host=NOWHERE, folder=tmp_path)
    assert {
        "performance-latency.json",
        "benchmark-summary.txt",
        "benchmark-summary.md",
        "latency-report.html",
        "benchmark-junit.xml",
    } == {path.name for path in (tmp_path / "artifacts").iterdir()}
    assert ran.artifact["locust"]["user_classes"] == ["Reporter"]


@pytest.mark.parametrize(
    ("message", "options"),
    [
        (
            'budgets.toml: budget "GET /it": unknown keyword \'p5000x\' (did you mean "p50"?): '
            "valid keywords are p50, p95, p99, any other percentile such as p75 or p99_9, max, ",
            ("--latency-budgets", "budgets.toml"),
        ),
        ("/artifacts/performance-latency.json: its parent folder is a file", ()),
    ],
    ids=["budgets", "artifacts"],
)
def test_invalid_options_end_the_run_before_it_begins(
    tmp_path: Path, message: str, options: tuple[str, ...]
) -> None:
    (tmp_path / "budgets.toml").write_text('[budgets."GET /it"]\np5000x = 1\n', encoding="utf-8")
    if not options:
        (tmp_path / "artifacts").write_text("in the way", encoding="utf-8")
    ran = run("reported.py", *ONE, "-t", "30s", *options, host=NOWHERE, folder=tmp_path)
    (said,) = (line for line in ran.err.splitlines() if line.startswith("latency budgets: "))
    assert message in said
    assert (ran.exit_code, "Ramping" in ran.err) == (2, False), str(ran)


def test_a_run_stops_as_soon_as_a_budget_is_certainly_exceeded(tmp_path: Path) -> None:
    load = (*ONE, "-t", "60s", "--latency-abort", "Reporter")
    ran = run("reported.py", *load, host=NOWHERE, folder=tmp_path, MS="700")
    assert ran.exit_code == 1
    assert ran.artifact["samples"][0]["measurement"]["elapsed_ns"] < 10_000_000_000
    assert (
        "stopping because a latency budget is exceeded: GET /it: p50 700 ms > 500 ms" in ran.err
    ), str(ran)


UNTIL_DECIDED = ("--latency-until-decided", "--latency-budgets", "budgets.toml")


def until_decided(
    folder: Path, budgets: str, *options: str, ms: str = "5", run_time: str = "60s", **added: str
) -> Ran:
    """A run of invented latencies that ends with its verdict."""
    (folder / "budgets.toml").write_text(budgets, encoding="utf-8")
    load = (*ONE, "-t", run_time, *UNTIL_DECIDED, *options, "Reporter")
    return run("reported.py", *load, host=NOWHERE, folder=folder, MS=ms, **added)


def last_lines(ran: Ran) -> list[str]:
    """The lines of the summary from the count of verdicts on."""
    lines = ran.out.splitlines()
    (begin,) = (at for at, line in enumerate(lines) if "(latencies in ms, raw" in line)
    return lines[begin + 1 :]


@pytest.mark.parametrize(
    ("exit_code", "outcome", "ms"), [(0, "within", "5"), (1, "exceeded", "15")]
)
def test_a_run_ends_as_soon_as_it_is_decided(
    tmp_path: Path, exit_code: int, outcome: str, ms: str
) -> None:
    ran = until_decided(tmp_path, '[budgets."GET /it"]\np95 = 10\n', ms=ms)
    assert (ran.exit_code, ran.sample("GET /it")["outcome"]) == (exit_code, outcome), str(ran)
    facts = ran.artifact["locust"]
    assert facts["ended_when_decided"]
    assert 0 < facts["lasted_s"] < 30
    assert facts["needs_s"] is None
    assert ran.artifact["settings"]["until_decided"]
    assert f"decided after {round(facts['lasted_s'])} s of 60 s" in last_lines(ran)
    assert "stopping because every latency budget is decided" in ran.err


def test_a_run_with_two_workers_ends_as_soon_as_it_is_decided(tmp_path: Path) -> None:
    port = str(free_port())
    processes = ("--processes", "2", "--master-bind-port", port, "--master-port", port)
    ran = until_decided(tmp_path, '[budgets."GET /it"]\np95 = 10\n', *processes, "-u", "2")
    facts = ran.artifact["locust"]
    assert (ran.exit_code, facts["ended_when_decided"]) == (0, True), str(ran)
    assert [each["state"] for each in facts["participants"]] == ["finished", "finished"]
    assert f"decided after {round(facts['lasted_s'])} s of 60 s" in last_lines(ran)


def test_a_run_that_is_not_decided_says_how_long_it_would_have_to_be(tmp_path: Path) -> None:
    budgets = '[budgets."GET /it"]\np99_9 = 10\n'
    ran = until_decided(tmp_path, budgets, run_time="3s", EVERY_S="0.02")
    facts, n = ran.artifact["locust"], ran.sample("GET /it")["n"]
    assert (ran.exit_code, facts["ended_when_decided"]) == (0, False), str(ran)
    line = (
        f"not decided after 3 s: GET /it p99.9 needs about {3672 - n} more requests, a run of "
        f"about {round(facts['needs_s'])} s at this pace"
    )
    assert line in last_lines(ran), str(ran)


@pytest.mark.long
@pytest.mark.parametrize(
    ("line", "budgets", "options"),
    [
        (
            "needed all of its 9 s for GET /it requests/s",
            '[budgets."GET /it"]\np50 = 10\nrps = ">= 50"\n',
            (),
        ),
        (
            "needed all of its 9 s for GET /typo (no request)",
            '[budgets."GET /it"]\np50 = 10\n[budgets."GET /typo"]\np50 = 10\n',
            ("--latency-strict",),
        ),
    ],
    ids=["rate", "unmatched"],
)
def test_a_run_takes_all_of_its_time_if_it_has_to(
    tmp_path: Path, line: str, budgets: str, options: tuple[str, ...]
) -> None:
    ran = until_decided(tmp_path, budgets, *options, run_time="9s")
    assert line in last_lines(ran), str(ran)
    why = (
        "requests/s are judged over the whole run, so it ends earlier only if they are exceeded: "
        "GET /it"
    )
    assert (why in ran.err) == ("rps" in budgets)


@pytest.mark.long
def test_a_run_waits_a_tenth_of_its_time_for_the_first_request_of_a_budget(tmp_path: Path) -> None:
    budgets = '[budgets."GET /it"]\np50 = 10\n[budgets."GET /typo"]\np50 = 10\n'
    ran = until_decided(tmp_path, budgets)
    facts = ran.artifact["locust"]
    assert (ran.exit_code, facts["ended_when_decided"]) == (0, True), str(ran)
    assert 6 <= facts["lasted_s"] < 40
    assert 'budgets that no request matched: "GET /typo"' in ran.out


@pytest.mark.long
def test_requests_that_hang_keep_a_run_from_ending_as_within(tmp_path: Path) -> None:
    """One request in 50 takes longer than the run: Locust never reports it."""
    budgets = '[budgets."GET /usual"]\np99 = 400\n'
    (tmp_path / "budgets.toml").write_text(budgets, encoding="utf-8")
    kinds = "/usual=" + "|".join(["2"] * 49 + ["60000"])
    load = ("-u", "20", "-r", "20", "-t", "6s", *UNTIL_DECIDED)
    with served() as host:
        ran = run("waiting.py", *load, host=host, folder=tmp_path, KINDS=kinds)
    assert not ran.artifact["locust"]["ended_when_decided"], str(ran)


@pytest.mark.long
def test_the_ramp_up_does_not_end_a_run(tmp_path: Path) -> None:
    """Twenty users start in four seconds, long after the first of them has decided the budget."""
    budgets = '[budgets."GET /it"]\np95 = 10\n'
    ran = until_decided(tmp_path, budgets, "-u", "20", "-r", "5", EVERY_S="0.01")
    facts = ran.artifact["locust"]
    assert facts["ended_when_decided"], str(ran)
    assert facts["lasted_s"] > 3


@pytest.mark.long
def test_a_run_of_the_page_that_is_decided_quits_after_its_autoquit(tmp_path: Path) -> None:
    (tmp_path / "budgets.toml").write_text('[budgets."GET /it"]\np95 = 10\n', encoding="utf-8")
    page = ("--autostart", "--autoquit", "1", "--web-host", "127.0.0.1")
    process = locust(
        *("-f", str(LOCUSTFILES / "reported.py"), "--host", NOWHERE, *ONE, "-t", "120s", *page),
        *("--web-port", str(free_port()), "--latency-artifacts", "artifacts", *UNTIL_DECIDED),
        "Reporter",
        folder=tmp_path,
    )
    ran = Ran(process, tmp_path)
    assert (ran.exit_code, ran.artifact["locust"]["ended_when_decided"]) == (0, True), str(ran)
    assert ran.artifact["locust"]["lasted_s"] < 60


def test_a_run_that_could_go_on_forever_is_refused(tmp_path: Path) -> None:
    load = (*ONE, "--latency-until-decided", "Reporter")
    ran = run("reported.py", *load, host=NOWHERE, folder=tmp_path)
    assert ran.exit_code == 2, str(ran)
    assert (
        "latency budgets: --latency-until-decided needs --run-time, when the run ends if it is not "
        "decided\n" in ran.err
    )


@pytest.mark.long
def test_one_limit_is_told_from_the_next_millisecond(tmp_path: Path) -> None:
    """Locust's own percentiles would be 140 and 150."""
    (tmp_path / "budgets.toml").write_text('[budgets."GET /it"]\np95 = 145\n', encoding="utf-8")
    outcomes = {}
    for ms in ("144", "146"):
        load = (*ONE, "-t", "1s", "--latency-budgets", "budgets.toml", "Reporter")
        ran = run("reported.py", *load, host=NOWHERE, folder=tmp_path, MS=ms)
        outcomes[ms] = ran.sample("GET /it")["outcome"]
    assert outcomes == {"144": "within", "146": "exceeded"}


@pytest.mark.long
def test_requests_per_second_and_patterns_are_judged_in_a_run(tmp_path: Path) -> None:
    (tmp_path / "budgets.toml").write_text(
        '[budgets."GET /i*"]\np95 = 10\nrps = ">= 20"\n[budgets.Aggregated]\nrps = ">= 50000"\n',
        encoding="utf-8",
    )
    load = (*ONE, "-t", "8s", "--latency-budgets", "budgets.toml", "Reporter")
    ran = run("reported.py", *load, host=NOWHERE, folder=tmp_path, MS="0.2", EVERY_S="0.01")
    assert ran.exit_code == 0, str(ran)
    within, total = ran.sample("GET /i*"), ran.sample("Aggregated")
    assert (within["outcome"], within["verdict"]["rps"]["outcome"]) == ("within", "within"), ran
    assert within["n"] == total["n"]
    assert "Aggregated: inconclusive requests/s: " in ran.out
    assert "/s, however fast the responses are: add users or shorten the waits" in ran.out


@pytest.mark.long
def test_an_open_loop_sees_a_stall_that_a_closed_one_hides(tmp_path: Path) -> None:
    p99_ms, said = {}, {}
    for profile in ("Open", "Closed"):
        with served("--stall-every", "3", "--stall-for", "0.5") as host:
            ran = run("stalled.py", *ONE, "-t", "3s", profile, host=host, folder=tmp_path)
        sample = ran.sample(f"GET /{profile.lower()}")
        assert profile.lower() == sample["measurement"]["loop"]
        p99_ms[profile] = sample["quantiles_ns"]["p99"] / 1e6
        said[profile] = [advice["kind"] for advice in sample["measurement"]["advice"]]
    assert 400 < p99_ms["Open"] < 600
    assert p99_ms["Closed"] < 300
    assert ("coordinated-omission" in said["Closed"], "coordinated-omission" in said["Open"]) == (
        True,
        False,
    )


@pytest.mark.long
def test_the_gate_may_be_added_to_a_locustfile_that_does_not_import_it(tmp_path: Path) -> None:
    plain = (LOCUSTFILES / "reported.py").read_text(encoding="utf-8")
    (tmp_path / "plain.py").write_text(
        "".join(line for line in plain.splitlines(keepends=True) if "locust_gate" not in line),
        encoding="utf-8",
    )
    beside = Path(locust_gate_path())
    files = ("-f", f"plain.py,{beside}", "--headless", *ONE, "-t", "1s")
    ran = Ran(locust(*files, "Reporter", folder=tmp_path), tmp_path)
    assert ran.exit_code == 0, str(ran)
    assert "GET /it" in ran.out


def locust_gate_path() -> str:
    """What the documented command prints."""
    command = [sys.executable, "-m", "pytest_hancock_latency.locust_gate"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


ODD_RUN = ("-u", "1", "-t", "2s")


@pytest.mark.long
def test_odd_events_are_counted_and_the_run_goes_on(tmp_path: Path) -> None:
    sent = {"EVENTS": "11000", "ODD_EVERY": "100"}
    ran = run("odd.py", *ODD_RUN, host=NOWHERE, folder=tmp_path, **sent)
    assert all_requests(ran.artifact) == 11_000, str(ran)
    kinds = {kind for sample in ran.artifact["samples"] for kind in sample["failures"]}
    assert kinds == {"invalid measurement", "ConnectionError"}
    assert ran.exit_code == 0  # failures of 0.6 % are neither acceptable nor exceeded
    assert "Traceback" not in ran.out + ran.err
    assert "has a wrong clock: 10 of its requests seem to have started outside the run" in ran.out


@pytest.mark.long
def test_latencies_of_nothing_are_a_report_like_others(tmp_path: Path) -> None:
    ran = run("odd.py", *ODD_RUN, host=NOWHERE, folder=tmp_path, MS="0")
    assert (ran.exit_code, all_requests(ran.artifact)) == (0, 10_000), str(ran)
    assert (tmp_path / "artifacts" / "latency-report.html").exists()


@pytest.mark.long
def test_names_without_end_cost_neither_the_end_nor_the_report(tmp_path: Path) -> None:
    sent = {"EVENTS": "20000", "NAMES": "10000"}
    ran = run("odd.py", *ODD_RUN, host=NOWHERE, folder=tmp_path, **sent)
    assert all_requests(ran.artifact) == 20_000, str(ran)
    assert len(ran.artifact["samples"]) == 301
    assert "advice for (all other names): more than 300 names" in ran.out
    assert (tmp_path / "artifacts" / "latency-report.html").stat().st_size < 8_000_000


@pytest.mark.long
def test_a_budget_that_no_request_matched_is_reported_and_fails_under_strict(
    tmp_path: Path,
) -> None:
    (tmp_path / "budgets.toml").write_text('[budgets."GET /typo"]\np50 = 1\n', encoding="utf-8")
    load = ("-u", "1", "-t", "1s", "--latency-budgets", "budgets.toml")
    ran = run("odd.py", *load, host=NOWHERE, folder=tmp_path)
    assert 'budgets that no request matched: "GET /typo"' in ran.out
    strict = run("odd.py", *load, "--latency-strict", host=NOWHERE, folder=tmp_path)
    assert (ran.exit_code, strict.exit_code) == (0, 3), f"{ran}\n{strict}"


def test_invalid_options_end_forked_workers_at_once(tmp_path: Path) -> None:
    (tmp_path / "budgets.toml").write_text("[budgets]\nx = 1\n", encoding="utf-8")
    port = str(free_port())
    load = (*ONE, "-t", "10m", "--processes", "2", "--master-bind-port", port)
    budgets = ("--latency-budgets", "budgets.toml", "--master-port", port)
    process = driving.begin("odd.py", *load, *budgets, host=NOWHERE, folder=tmp_path)
    # The workers have the same ends of its pipes. They end long before the run would, even on a
    # machine on which three processes take a minute to start.
    process.communicate(timeout=150)
    assert process.returncode == 2


@pytest.mark.long
@pytest.mark.parametrize("processes", [(), ("--processes", "2")], ids=["alone", "two workers"])
def test_each_run_adds_a_file_to_the_history(tmp_path: Path, processes: tuple[str, ...]) -> None:
    load = [*ONE, "-t", "1s", "--latency-history", "history"]
    if processes:
        port = str(free_port())
        load += [*processes, "--master-bind-port", port, "--master-port", port]
    ran = run("reported.py", *load, "Reporter", host=NOWHERE, folder=tmp_path)
    history = read_history(tmp_path / "history")
    assert (history.damaged, len(history.runs)) == ([], 1), str(ran)
    (record,) = history.runs[0].artifact.records
    (sample,) = ran.artifact["samples"]
    assert (sample["test"], sample["n"]) == (record.test, record.n)
    assert (record.measurement.slowest, record.timeline) == ((), None)


@pytest.mark.long
def test_the_oldest_runs_in_the_history_are_deleted(tmp_path: Path) -> None:
    history = tmp_path / "history"
    history.mkdir()
    old = [run_path(history, started) for started in (1e8, 2e8)]
    for path in old:
        path.write_text("{}", encoding="utf-8")
    load = (*ONE, "-t", "1s", "--latency-history", "history", "--latency-history-keep", "2")
    run("reported.py", *load, "Reporter", host=NOWHERE, folder=tmp_path)
    left = sorted(history.iterdir())
    assert (2, old[1]) == (len(left), left[0])


@pytest.mark.long
def test_a_run_without_a_request_adds_nothing_to_the_history(tmp_path: Path) -> None:
    load = (*ONE, "-t", "1s", "--latency-history", "history", "Reporter")
    run("reported.py", *load, host=NOWHERE, folder=tmp_path, MS="")
    assert list((tmp_path / "history").glob("*")) == []
