"""Counts of all processes, judged by the budgets of the file or by the guide's table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from pytest_hancock_latency.core.budget import parse_terms
from pytest_hancock_latency.core.histogram import Histogram, index_of
from pytest_hancock_latency.core.pattern import AGGREGATED, MOST_NAMES, OTHER_NAMES, matches
from pytest_hancock_latency.core.record import Record, exit_code_of
from pytest_hancock_latency.locust_gate.listener import RequestCounts
from pytest_hancock_latency.locust_gate.participants import Added, Participant
from pytest_hancock_latency.locust_gate.run_judge import RunJudge, RunState, WindowRange
from pytest_hancock_latency.reporting.advice import advice_lines

MS = 1_000_000
BUDGETS = {"GET /it": replace(parse_terms({"p95": 10}), budget_name="GET /it")}


def counted(ms: float, windows: int = 40, each: int = 5, name: str = "/it") -> RequestCounts:
    cells = {("GET", name, window): {index_of(int(ms * MS)): each} for window in range(windows)}
    return RequestCounts(latencies=cells)


def record(made: RequestCounts, *, strict: bool = False, state: RunState | None = None) -> Record:
    run_judge = RunJudge(BUDGETS, strict=strict)
    run_judge.add(made)
    (found,) = run_judge.records(state or RunState())
    return found


def failed(count: int) -> RequestCounts:
    return RequestCounts(failures={("GET", "/it", 0): {"HTTP 503": count}})


@pytest.mark.parametrize(("expected", "ms"), [("within", 9.9), ("exceeded", 10.1)])
def test_a_budget_of_the_file_judges_the_request_of_its_name(expected: str, ms: float) -> None:
    found = record(counted(ms))
    assert ("GET /it", "GET /it", expected) == (found.test, found.budget_name, found.outcome)
    assert found.n == 200


def test_a_request_that_no_budget_names_is_judged_by_the_guide() -> None:
    found = record(counted(9.9, name="/other"))
    assert found.budget_name is None
    assert found.verdict is not None
    assert [part.limit.label for part in found.verdict.limits] == ["p50", "p99"]


def test_one_failure_breaks_a_budget_that_allows_none() -> None:
    run_judge = RunJudge(BUDGETS)
    assert Added(200, 0) == run_judge.add(counted(5))
    assert Added(1, 0) == run_judge.add(failed(1))
    (found,) = run_judge.records(RunState())
    assert (found.outcome, found.failures) == ("exceeded", {"HTTP 503": 1})


def timed_out(at: Mapping[int, int], *, length: int = 3) -> RequestCounts:
    """Numbers of requests that timed out, by the window in which they began."""
    failures = {("GET", "/it", window): {"ReadTimeout": count} for window, count in at.items()}
    timeouts = {("GET", "/it", window): {length: count} for window, count in at.items()}
    return RequestCounts(failures=failures, timeouts=timeouts)


@pytest.mark.parametrize(
    ("starved", "outcome", "excused"),
    [((), "exceeded", 0), ((9, 14), "exceeded", 0), ((13,), "inconclusive", 1)],
    ids=["never", "before and after", "meanwhile"],
)
def test_a_timeout_while_the_generator_starved_is_excused(
    starved: Sequence[int], outcome: str, excused: int
) -> None:
    run_judge = RunJudge(BUDGETS)
    run_judge.add(counted(5))
    run_judge.add(timed_out({10: 1}))
    (found,) = run_judge.records(RunState(starved=frozenset(starved)))
    assert found.outcome == outcome
    assert found.verdict is not None
    assert found.verdict.failures.excused == excused


def test_a_generator_that_starved_for_a_twentieth_of_a_timeout_is_no_excuse() -> None:
    run_judge = RunJudge(BUDGETS)
    run_judge.add(counted(5))
    run_judge.add(timed_out({10: 1}, length=19))
    (found,) = run_judge.records(RunState(starved=frozenset({12})))
    assert found.outcome == "exceeded"


@pytest.mark.parametrize(
    ("at", "outcome"),
    [({10: 20, 11: 20}, "inconclusive"), (dict.fromkeys(range(10, 30), 2), "exceeded")],
    ids=["in half a second", "all the time"],
)
def test_timeouts_in_half_a_second_may_be_a_stall_where_some_are_allowed(
    at: Mapping[int, int], outcome: str
) -> None:
    allowing = replace(parse_terms({"p95": 10, "errors": "1%"}), budget_name="GET /it")
    run_judge = RunJudge({"GET /it": allowing})
    run_judge.add(counted(5))
    run_judge.add(timed_out(at))
    (found,) = run_judge.records(RunState())
    assert found.outcome == outcome


def test_what_came_before_the_end_of_the_ramp_can_be_left_out() -> None:
    run_judge = RunJudge(BUDGETS)
    run_judge.add(counted(50, windows=10))
    run_judge.add(timed_out({3: 1}))
    run_judge.forget(20)
    assert run_judge.add(counted(50, windows=10)).requests == 0
    assert run_judge.records(RunState()) == []
    assert run_judge.add(counted(5)).requests == 100
    assert [each.outcome for each in run_judge.records(RunState())] == ["within"]


def test_a_declining_pace_is_exceeded_where_the_guide_judges() -> None:
    cells = {("GET", "/other", at): {index_of(MS): 60 - at // 4} for at in range(200)}
    run_judge = RunJudge(BUDGETS)
    run_judge.add(RequestCounts(latencies=cells))
    (found,) = run_judge.records(RunState(steady_from=0, until=200))
    assert found.verdict is not None
    assert found.verdict.throughput is not None
    assert (found.outcome, found.verdict.throughput.outcome.value) == ("exceeded", "exceeded")


def test_an_open_loop_says_so_with_its_send_lag() -> None:
    made = counted(5)
    made.send_lags = {("GET", "/it", 0): {index_of(60 * MS): 200}}
    found = record(made)
    assert found.measurement.loop == "open"
    assert found.measurement.send_lag_ns == pytest.approx(60 * MS, rel=0.0005)
    assert [advice.kind for advice in found.measurement.advice] == ["saturated-generator"]


def test_a_record_says_how_many_processes_its_requests_came_from() -> None:
    load = RunState(
        participants=(Participant("a", requests=3), Participant("b"), Participant("c", requests=1))
    )
    assert record(counted(5), state=load).workers == 2


def test_strict_can_be_said_by_the_option_or_by_the_budget() -> None:
    assert record(counted(5, name="/other"), strict=True).strict
    run_judge = RunJudge({"GET /it": parse_terms({"p95": 10, "strict": True})})
    run_judge.add(counted(5))
    assert run_judge.records(RunState())[0].strict


@pytest.mark.parametrize(
    ("expected", "made", "strict"),
    [
        (0, counted(5), False),
        (1, counted(20), False),
        (0, counted(5, windows=2), False),
        (3, counted(5, windows=2), True),
        (1, failed(3), False),
    ],
)
def test_only_the_verdict_sets_the_exit_code_of(
    expected: int, made: RequestCounts, strict: bool
) -> None:
    assert expected == exit_code_of([record(made, strict=strict)])


def test_nothing_measured_never_passes() -> None:
    assert exit_code_of([]) == 2
    only_few_failures = RunJudge({})
    only_few_failures.add(failed(2))
    found = only_few_failures.records(RunState())
    assert found[0].outcome == "inconclusive"
    assert exit_code_of(found) == 2


def test_a_request_outside_of_the_run_s_time_is_counted_at_its_edge() -> None:
    run_judge = RunJudge(BUDGETS)
    cells = {("GET", "/it", window): {index_of(5 * MS): 1} for window in (-(2**62), 3, 2**62)}
    added = run_judge.add(RequestCounts(latencies=cells), WindowRange(0, 10))
    assert added == Added(requests=3, displaced=2)
    (found,) = run_judge.records(RunState())
    assert (found.n, found.measurement.elapsed_ns) == (3, 11 * 250 * MS)


def test_windows_far_apart_are_judged_as_fast_as_neighbours() -> None:
    run_judge = RunJudge(BUDGETS)
    for window in (0, 2**40):
        run_judge.add(RequestCounts(latencies={("GET", "/it", window): {index_of(MS): 200}}))
    (found,) = run_judge.records(RunState())
    assert (found.n, found.outcome) == (400, "within")


def test_more_names_than_are_judged_apart_are_one_group() -> None:
    run_judge = RunJudge(BUDGETS)
    for number in range(MOST_NAMES + 50):
        run_judge.add(counted(5, windows=1, name=f"/items/{number}"))
    run_judge.add(counted(5, windows=1))
    found = {each.test: each for each in run_judge.records(RunState())}
    assert (len(found), found[OTHER_NAMES].n) == (MOST_NAMES + 2, 50 * 5)
    assert found["GET /it"].budget_name == "GET /it"
    assert [advice.kind for advice in found[OTHER_NAMES].measurement.advice] == ["many-names"]


ITEMS = "GET /items/*"


def rate_of(made: RequestCounts, least: str, state: RunState, name: str = "GET /it") -> Record:
    run_judge = RunJudge({name: replace(parse_terms({"rps": least}), budget_name=name)})
    run_judge.add(made)
    found = {each.test: each for each in run_judge.records(state)}
    return found[name]


STEADY = RunState(steady_from=0, until=240)


@pytest.mark.parametrize(
    ("expected", "least"), [("within", ">= 20"), ("exceeded", ">= 21"), ("within", ">= 2.5")]
)
def test_requests_per_second_are_judged_over_the_steady_load(expected: str, least: str) -> None:
    found = rate_of(counted(5, windows=240), least, STEADY)
    assert (expected, "GET /it") == (found.outcome, found.budget_name)


def test_a_ramp_up_that_is_not_over_shows_no_requests_per_second() -> None:
    found = rate_of(counted(5, windows=240), ">= 20", RunState(until=240))
    assert found.outcome == "inconclusive"


def test_failed_requests_do_not_help_to_reach_a_rate() -> None:
    made = counted(5, windows=240, each=4)
    made.failures = {("GET", "/it", window): {"HTTP 503": 1} for window in range(240)}
    found = rate_of(made, ">= 20", STEADY)
    assert found.verdict is not None
    assert found.verdict.rps is not None
    assert (found.verdict.rps.outcome, found.verdict.rps.per_s) == ("exceeded", 16.0)


def unmeasured(windows: int = 240, each: int = 2) -> RequestCounts:
    cells = {("GET", "/it", window): each for window in range(windows)}
    return RequestCounts(unmeasured=cells)


def test_requests_without_a_latency_help_to_reach_a_rate() -> None:
    made = replace(unmeasured(), latencies=counted(5, windows=240, each=3).latencies)
    found = rate_of(made, ">= 20", STEADY)
    assert found.verdict is not None
    assert found.verdict.rps is not None
    assert (found.verdict.rps.outcome, found.verdict.rps.per_s) == ("within", 20.0)
    assert (found.n, found.verdict.failures.attempts) == (720, 1200)
    assert (
        "advice for GET /it: 480 requests had no latency (response_time=None): they count for "
        "requests/s and errors, and for no other limit (no-latency)"
    ) in advice_lines([found])


def test_requests_without_a_latency_were_made_but_show_no_limit() -> None:
    run_judge = RunJudge(BUDGETS)
    assert run_judge.add(unmeasured()) == Added(480, 0)
    (found,) = run_judge.records(RunState())
    assert (found.n, found.outcome) == (0, "inconclusive")
    assert exit_code_of([found]) == 2


def test_requests_without_a_latency_count_for_the_share_that_failed() -> None:
    allowing = replace(parse_terms({"p95": 10, "errors": "10%"}), budget_name="GET /it")
    for others, outcome in ((RequestCounts(), "exceeded"), (unmeasured(), "within")):
        run_judge = RunJudge({"GET /it": allowing})
        run_judge.add(counted(5))
        run_judge.add(failed(60))
        run_judge.add(others)
        (found,) = run_judge.records(RunState())
        assert found.outcome == outcome


@pytest.mark.parametrize("why", ["starved", "busy"])
def test_a_generator_short_of_cpu_exceeds_no_rate(why: str) -> None:
    strained = replace(STEADY, **{why: frozenset(range(240))})
    found = rate_of(counted(5, windows=240), ">= 40", strained)
    assert found.verdict is not None
    assert found.verdict.rps is not None
    assert (found.outcome, found.verdict.rps.reason) == ("inconclusive", "machine")


@pytest.mark.parametrize(("expected", "users"), [("inconclusive", 10), ("exceeded", 1)])
def test_a_rate_is_exceeded_only_where_the_users_could_make_it(expected: str, users: int) -> None:
    """40 answers of 20 ms a second: one user waits for 80 % of the time, ten for 8 %."""
    made = counted(20, windows=240, each=10)
    found = rate_of(made, ">= 100", replace(STEADY, users=users))
    assert expected == found.outcome


def test_all_requests_together_have_a_budget_of_their_own() -> None:
    run_judge = RunJudge({AGGREGATED: parse_terms({"rps": ">= 35"}), **BUDGETS})
    added = run_judge.add(counted(5, windows=240))
    more = run_judge.add(counted(5, windows=240, name="/other"))
    found = {each.test: each for each in run_judge.records(STEADY)}
    assert (added.requests, more.requests, run_judge.requests) == (1200, 1200, 2400)
    assert list(found) == ["Aggregated", "GET /it", "GET /other"]
    assert (found[AGGREGATED].n, found[AGGREGATED].outcome) == (2400, "within")


def test_requests_that_a_pattern_matches_are_one_sample() -> None:
    run_judge = RunJudge({ITEMS: replace(parse_terms({"p95": 10}), budget_name=ITEMS), **BUDGETS})
    for number in range(MOST_NAMES + 50):
        run_judge.add(counted(5, windows=1, name=f"/items/{number}"))
    run_judge.add(counted(5, windows=1))
    found = {each.test: each for each in run_judge.records(RunState())}
    assert list(found) == ["GET /it", ITEMS]
    assert (found[ITEMS].n, found[ITEMS].budget_name) == (5 * (MOST_NAMES + 50), ITEMS)
    assert run_judge.unmatched == ()


def test_a_name_wins_over_patterns_and_the_longest_pattern_over_others() -> None:
    names = ["*", "GET *", "GET /items/*", "GET /items/*/price", "GET /items/7"]
    run_judge = RunJudge({name: parse_terms({"p95": 10}) for name in names})
    for name in ("/items/7", "/items/8", "/items/8/price", "/health"):
        run_judge.add(counted(5, windows=1, name=name))
    run_judge.add(RequestCounts(latencies={("POST", "/health", 0): {index_of(MS): 1}}))
    assert sorted(names) == [each.test for each in run_judge.records(RunState())]


@pytest.mark.parametrize(
    ("expected", "pattern", "name"),
    [
        (True, "GET /items/*", "GET /items/"),
        (True, "GET /items/*", "GET /items/1/price"),
        (False, "GET /items/*", "POST /items/1"),
        (True, "* /health", "POST /health"),
        (True, "GET /*/price", "GET /items/1/price"),
        (False, "GET /*/price", "GET /price"),
        (False, "a*a", "a"),
        (True, "*a*b*", "xaybz"),
        (False, "*a*b*", "xbya"),
        (False, "*ab*b", "ab"),
        (True, "GET /items/[id]*", "GET /items/[id]/x"),
        (False, "GET /items/[id]*", "GET /items/i"),
        (False, "GET /i?*", "GET /it"),
    ],
)
def test_a_star_is_any_text_and_every_other_letter_is_itself(
    expected: bool, pattern: str, name: str
) -> None:
    assert expected == matches(pattern, name)


def test_names_that_differ_only_by_ids_are_reported_once() -> None:
    run_judge = RunJudge(BUDGETS)
    for number in range(21):
        run_judge.add(counted(5, windows=1, name=f"/items/{number}"))
    run_judge.add(counted(5, windows=1))
    lines = advice_lines(run_judge.records(RunState()))
    assert lines == [
        "advice for GET /items/0: 21 names look alike: give them the same name=, as in "
        "get(url, name='/items/[id]'), or one budget, [budgets.\"GET /items/*\"] "
        "(alike-names)"
    ]


def test_windows_in_which_the_generator_starved_exceed_no_limit() -> None:
    all_windows = frozenset(range(40))
    assert record(counted(20)).outcome == "exceeded"
    starved = record(counted(20), state=RunState(starved=all_windows))
    assert starved.verdict is not None
    (part,) = starved.verdict.limits
    assert (starved.outcome, part.reason, part.excused) == ("inconclusive", "machine", 200)


def test_windows_in_which_the_generator_did_not_starve_can_exceed_a_limit() -> None:
    found = record(counted(20), state=RunState(starved=frozenset(range(0, 40, 2))))
    assert found.outcome == "exceeded"


def test_budgets_that_no_request_matched_are_known_by_their_names() -> None:
    of_a_test = {"parsing": BUDGETS["GET /it"]}
    run_judge = RunJudge({**BUDGETS, "GET /typo": BUDGETS["GET /it"], **of_a_test})
    run_judge.add(counted(5))
    assert run_judge.unmatched == ("GET /typo",)


NOTHING = Histogram()


def undecided(
    made: Sequence[RequestCounts],
    state: RunState | None = None,
    unfinished: Histogram = NOTHING,
    *,
    strict: bool = False,
    **budgets: Mapping[str, object],
) -> list[str]:
    """What keeps a run from ending; budgets by path."""
    terms = {f"GET /{path}": parse_terms(dict(plain)) for path, plain in budgets.items()}
    run_judge = RunJudge(terms, strict=strict)
    for counts in made:
        run_judge.add(counts)
    return run_judge.undecided(state or RunState(), unfinished)


def test_a_run_may_end_when_every_budget_is_within_or_exceeded() -> None:
    made = [counted(5), counted(20, name="/slow")]
    assert undecided(made, it={"p95": 10}, slow={"p95": 10}) == []
    assert undecided(made, it={"p95": 10, "p99": 10}, slow={"p95": 10}) == ["GET /it p99"]


def test_requests_without_a_budget_keep_a_run_from_ending_only_if_they_can_fail_it() -> None:
    made = [counted(5), counted(5, name="/other")]
    assert undecided(made, it={"p95": 10}) == []
    assert undecided(made, it={"p95": 10}, strict=True) == ["GET /other p99", "GET /other errors"]
    assert undecided(made) == [
        "GET /it p99",
        "GET /it errors",
        "GET /other p99",
        "GET /other errors",
    ]


def test_a_rate_keeps_the_run_from_ending_until_it_is_exceeded() -> None:
    made = [counted(5, windows=240)]
    assert undecided(made, STEADY, it={"p95": 10, "rps": ">= 10"}) == ["GET /it requests/s"]
    assert undecided(made, STEADY, it={"p95": 10, "rps": ">= 40"}) == []
    waiting_users = replace(STEADY, users=10)
    assert undecided(made, waiting_users, it={"p95": 10, "rps": ">= 40"}) == ["GET /it requests/s"]


def test_a_declining_pace_neither_ends_a_run_nor_keeps_it_from_ending() -> None:
    cells = {("GET", "/it", at): {index_of(MS): 60 - at // 4} for at in range(200)}
    made = [RequestCounts(latencies=cells)]
    assert undecided(made, RunState(steady_from=0, until=200)) == []


def test_requests_in_progress_keep_the_run_from_ending_once_they_take_longer_than_a_limit() -> None:
    for ms, expected in ((9, []), (11, ["GET /it p95"])):
        unfinished = Histogram({index_of(ms * MS): 10})
        assert undecided([counted(5)], unfinished=unfinished, it={"p95": 10}) == expected


def test_windows_in_which_the_server_starved_do_not_end_a_run_as_exceeded() -> None:
    starved = RunState(starved=frozenset(range(40)))
    assert undecided([counted(20)], starved, it={"p95": 10}) == ["GET /it p95"]


def under_load(before: RequestCounts, after: RequestCounts, begin: int = 40) -> list[str]:
    """What keeps a run from ending whose ramp-up ends with the window before `begin`."""
    run_judge = RunJudge(BUDGETS)
    run_judge.add(before)
    run_judge.begin_load(begin)
    run_judge.add(after)
    return run_judge.undecided(RunState(), NOTHING)


def later(ms: float, windows: int, name: str = "/it") -> RequestCounts:
    cells = {
        ("GET", name, window): {index_of(int(ms * MS)): 5} for window in range(40, 40 + windows)
    }
    return RequestCounts(latencies=cells)


def test_requests_of_the_ramp_up_alone_do_not_end_a_run() -> None:
    assert under_load(counted(5), later(5, windows=1)) == ["GET /it p95"]
    assert under_load(counted(5), later(5, windows=14)) == ["GET /it p95"]
    assert under_load(counted(5), later(5, windows=15)) == []


def test_requests_of_the_ramp_up_still_count() -> None:
    assert under_load(counted(5), later(20, windows=10)) == []  # 50 of 250 are over
    assert under_load(counted(20, windows=4), later(5, windows=20)) == ["GET /it p95"]


def test_a_limit_that_only_the_load_exceeds_does_not_end_a_run_as_within() -> None:
    """2 % of all requests are over the limit, but a fifth of those under the full load."""
    fast = counted(5, windows=400)
    slow = RequestCounts(
        latencies={
            ("GET", "/it", window): {index_of(20 * MS): 5, index_of(MS): 20}
            for window in range(400, 408)
        }
    )
    assert under_load(fast, slow, begin=400) == ["GET /it p95"]


def test_requests_that_only_beginning_users_make_have_one_verdict() -> None:
    assert under_load(counted(5), later(5, windows=20, name="/other")) == []


def test_a_new_name_under_load_is_judged_by_all_of_its_requests() -> None:
    assert under_load(RequestCounts(), later(5, windows=20)) == []


def test_a_later_ramp_up_begins_again() -> None:
    run_judge = RunJudge(BUDGETS)
    run_judge.begin_load(0)
    run_judge.add(counted(5))
    assert run_judge.undecided(RunState(), NOTHING) == []
    run_judge.begin_load(40)
    run_judge.add(later(5, windows=1))
    assert run_judge.undecided(RunState(), NOTHING) == ["GET /it p95"]
    run_judge.clear()
    assert run_judge.undecided(RunState(), NOTHING) == []
    run_judge.add(counted(5))
    assert run_judge.undecided(RunState(), NOTHING) == []


def test_budgets_that_limit_a_rate_are_known_by_their_names() -> None:
    rated = parse_terms({"rps": ">= 10"})
    assert RunJudge({**BUDGETS, "GET /b": rated, AGGREGATED: rated}).rated == [AGGREGATED, "GET /b"]
