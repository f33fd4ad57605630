"""Every advice in words, in full, and the same advice for many samples once."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_hancock_latency.core.advice import Advice
from pytest_hancock_latency.core.record import Record
from pytest_hancock_latency.core.sample import Measurement
from pytest_hancock_latency.reporting.advice import _WORDS, advice_lines, advice_text

MS = 1_000_000
SENTENCES = {
    Advice.of("few-bursts", limit="p95", needed=72, bursts=20): (
        '20 bursts cannot show p95 to be within: that takes 72; use repeat="decided" or repeat=72'
    ),
    Advice.of("few-bursts", limit="p50", needed=6, bursts=1): (
        '1 burst cannot show p50 to be within: that takes 6; use repeat="decided" or repeat=6'
    ),
    Advice.of("cap-samples", limit="p99", needed=366, max_samples=20_000, requests=120): (
        "p99 needs 366 bursts of 120 requests, but max_samples=20000: raise it to 43920, or expect "
        "an inconclusive verdict"
    ),
    Advice.of(
        "cap-time", limit="p95", needed=72, fitting=20, time_limit_ns=5000 * MS, requests=1
    ): (
        "p95 needs 72 bursts of 1 request, but only about 20 fit into 5 s, so it will stay "
        "inconclusive; raise time_limit or --latency-time, or limit a lower percentile"
    ),
    Advice.of("takes-long", limit="p95", needed=72, interval_ns=300 * MS, requests=120): (
        "p95 needs 72 bursts of 120 requests, about 300 ms each: 21.6 s"
    ),
    Advice.of("some-inputs", called=412, inputs=1000): (
        "412 of 1000 inputs called: the others did not fit into the time or max_samples; raise "
        "time_limit, --latency-time or max_samples, or pass fewer inputs"
    ),
    Advice.of("inputs-in-order", inputs=10_000): (
        "inputs= gave more than 10000 inputs, so they kept their order: if slow ones come "
        'together, a sample may miss them; pass a list, or say that it is meant with order="given"'
    ),
    Advice.of("cap-samples", limit="p99", needed=354, max_samples=300): (
        "p99 needs 354 observations, but max_samples=300: raise it, or expect an "
        "inconclusive verdict"
    ),
    Advice.of("cap-time", limit="p99", needed=354, fitting=40, time_limit_ns=5000 * MS): (
        "p99 needs 354 observations, but only about 40 fit into 5 s, so it will stay inconclusive; "
        "raise "
        "time_limit or --latency-time, limit a lower percentile, or use "
        "sample.burst(…, concurrency=8)"
    ),
    Advice.of("takes-long", limit="p99", needed=354, interval_ns=105 * MS): (
        "p99 needs 354 calls of about 105 ms each: 37.2 s"
    ),
    Advice.of("imported"): (
        "measured by another tool, which does not know what the machine did: exceeded can be due "
        "to the machine or the network"
    ),
    Advice.of("failures-unknown", why="no condition"): (
        "failures are unknown: every row counts as a success: add --ok, such as --ok 'status<400'"
    ),
    Advice.of("failures-unknown", why="no outcome"): (
        "failures are unknown: the tool does not write whether a request failed"
    ),
    Advice.of("tool-leaves-out", tool="hey"): (
        "hey leaves out requests without a response, so more may have failed, and all after the "
        "first million"
    ),
    Advice.of("tool-leaves-out", tool="k6"): (
        "k6 leaves out requests that were still in progress when it ended"
    ),
    Advice.of("tool-leaves-out", tool="oha"): (
        "oha leaves out requests without a response, so more may have failed"
    ),
    Advice.of("cut-line", line=122): "the last line, 122, is cut off and was left out",
    Advice.of("rows-left-out", rows=120): (
        "120 transactions and parts of samples were left out, so that no request counts twice: for "
        "them, add --jmeter transactions or --jmeter all"
    ),
    Advice.of("rps-not-judged", least_per_s=200.0): (
        "rps >= 200 is not judged: only a run of Locust shows what limited the rate"
    ),
    Advice.of("no-latency", requests=599): (
        "599 requests had no latency (response_time=None): they count for requests/s and errors, "
        "and for no other limit"
    ),
    Advice.of("many-names", names=300): (
        "more than 300 names: the rest are judged together; give requests of the same kind the "
        "same name=, as in get(url, name='/items/[id]')"
    ),
    Advice.of("alike-names", names=21, name="GET /items/[id]"): (
        "21 names look alike: give them the same name=, as in get(url, name='/items/[id]'), or one "
        'budget, [budgets."GET /items/*"]'
    ),
    Advice.of("worker-clock", process="worker box_1", requests=7): (
        "worker box_1 has a wrong clock: 7 of its requests seem to have started outside the run "
        "and are counted at its start or end; synchronize the clock of its machine"
    ),
    Advice.of("worker-invalid", process="worker box_1", reports=2, why="not a mapping"): (
        "worker box_1 sent 2 unreadable reports (not a mapping): their requests are not counted"
    ),
    Advice.of("generator-starved", process="the load generator", seconds=2.0): (
        "the load generator waited for a CPU for 2 s of the run: latencies in that time cannot "
        "lead to exceeded; give it a dedicated core"
    ),
    Advice.of("server-starved", seconds=4.0): (
        "other processes kept the server from a CPU for 4 s of the run: latencies in that time "
        "cannot lead to exceeded; give it a machine without them"
    ),
    Advice.of("tracer", tools="sys.settrace and sys.monitoring (coverage)"): (
        "sys.settrace and sys.monitoring (coverage) was active: latencies include its overhead; "
        "measure without coverage, debugger or profiler"
    ),
    Advice.of("first-call", first_ns=50 * MS, median_ns=2 * MS): (
        "the first call took 50 ms, the median 2 ms: warm up first, for example with warmup=5"
    ),
    Advice.of("first-call", first_ns=160 * MS, median_ns=500, alone=True, warmed=True): (
        "the first call took 160 ms, the median 500 ns: if later calls find its result in a cache, "
        "or nothing left to do, give each call an input of its own with inputs=, or prepare it "
        "with sample.rounds(setup=); if it only connected or compiled something, nothing is wrong"
    ),
    Advice.of("first-call", first_ns=160 * MS, median_ns=500, alone=True, warmed=False): (
        "the first call took 160 ms, the median 500 ns: if later calls find its result in a cache, "
        "or nothing left to do, give each call an input of its own with inputs=, or prepare it "
        "with sample.rounds(setup=); if it only connected or compiled something, warm up first, "
        "for example with warmup=5"
    ),
    Advice.of("called-once"): (
        "called once, as each test with the budget of --latency-default: percentiles need more "
        "calls, by --latency-repeat, a marker, or a pattern in the budget file; or merge the "
        "artifacts of several runs"
    ),
    Advice.of("not-repeatable", call=2, failure="KeyError"): (
        "call 2 of the test body failed (KeyError) although the first passed: it cannot be "
        "repeated with its fixtures set up once, so only the first call counts, for max; measure "
        "only the request, sample(function, …)"
    ),
    Advice.of("unfinished-answer", answer="a Future", state="running", finish="Future.result"): (
        "the call returned a Future that was not finished, which is not part of the latencies: to "
        "include it, give finish=Future.result"
    ),
    Advice.of(
        "unfinished-answer",
        answer="a list",
        state="running",
        part="a Thread",
        finish_ns=164 * MS,
        finish="Thread.join",
    ): (
        "the call returned a list with a Thread that was not finished and took another 164 ms, "
        "which is not part of the latencies: to include it, give finish= a function that applies "
        "Thread.join to it"
    ),
    Advice.of("failed-answer", status=404, attribute="status_code"): (
        "the call returned a response with status 404, which counts like any other and is often "
        "faster: give check=, for example check=lambda response: response.status_code == 200"
    ),
    Advice.of("buffered-stream"): (
        "in every call, the first item came with the last one: the client collects the whole "
        "answer first, as test clients do, so use a running server; or the stream is one piece"
    ),
    Advice.of("clock"): "the clock is coarser than 1 µs: short latencies are rounded",
    Advice.of("single-core"): (
        "only one core is available: anything else that runs slows down the test"
    ),
    Advice.of("throttled", percent=38): (
        "the container was throttled for 38 % of the measured time: give it at least one CPU"
    ),
    Advice.of("quota", cpus=0.5): (
        "the container is limited to 0.5 CPUs: the kernel pauses it when they are used up; give it "
        "at least one"
    ),
    Advice.of("unsteady-speed", factor=2.46): (
        "the machine's speed changed by a factor of 2.5 while measuring: another virtual machine "
        "on its host, or its CPU frequency"
    ),
    Advice.of("not-alone", reason="long test", test="test_ui.py::test_a", patience_ns=3000 * MS): (
        "not alone: test_ui.py::test_a in another worker had already run for 3 s and went on; run "
        "gates in a session of their own, without -n"
    ),
    Advice.of("not-alone", reason="long gate", test="test_it.py::test_gate"): (
        "not alone: test_it.py::test_gate in another worker took too long to wait for its end; run "
        "gates in a session of their own, without -n"
    ),
    Advice.of("not-alone", reason="long gate", test=""): (
        "not alone: a test in another worker took too long to wait for its end; run gates in a "
        "session of their own, without -n"
    ),
    Advice.of("not-alone", reason="took too long", longest_ns=90_000 * MS): (
        "alone only for 90 s, then other workers went on with their tests; run gates in a session "
        "of their own, without -n"
    ),
    Advice.of("not-alone", reason="no lock", why="No locks available"): (
        "not alone: the lock file of the session could not be used (No locks available); run gates "
        "in a session of their own, without -n"
    ),
    Advice.of("no-reference-speed", margin=1.6): (
        "how fast this machine is without neighbours is not known yet, so only code that is 1.6 "
        "times slower than its limit is exceeded: keep pytest's cache, .pytest_cache, from run to "
        "run; five sessions are enough"
    ),
    Advice.of("slower-machine", percent=60): (
        "this machine ran at 60 % of the speed of the one that the limits are from: what that "
        "explains is not exceeded; measure where the limits are from, or suggest limits from here"
    ),
    Advice.of("wrong-speed", arithmetic_ns=10_000, memory_ns=44_700): (
        "the speed of the machine beside the limits (arithmetic 10 µs, memory 44.7 µs) is out of "
        "reach of this one, so it was not used: replace the table by the one that hancock-latency "
        "suggest writes"
    ),
    Advice.of("saturated", concurrency=8, send_lag_ns=1970 * MS, per_second=100.0): (
        "saturated: all 8 callers were busy when requests were due (p99 send lag 1.97 s); "
        "the server is too slow for 100 requests/s, or concurrency= is too low"
    ),
    Advice.of("saturated-generator", send_lag_ns=60 * MS): (
        "requests started 60 ms late at p99: the generator cannot keep up with the schedule, from "
        "which latencies are still measured; use more workers or a lower arrival rate"
    ),
    Advice.of("not-compared", why="it has no such sample"): (
        "not compared with the baseline: it has no such sample"
    ),
    Advice.of("slower", before_ns=MS, after_ns=3 * MS, percent=200, allowed_percent="10"): (
        "slower than the baseline: median attributed latency rose from 1 ms to 3 ms "
        "(+200 %, allowed 10 %)"
    ),
    Advice.of(
        "pooled-within", limit="p99", runs=6, n=412, span_ns=3 * 86_400_000 * MS
    ): "p99 is within over the last 6 runs (412 calls, 3 days), not by this run alone",
    Advice.of("pooled-within", limit="p99", runs=2, n=412, span_ns=0): (
        "p99 is within over the last 2 runs (412 calls), not by this run alone"
    ),
    Advice.of("pooled-within", limit="p99", runs=2, n=412, span_ns=3_600_000 * MS): (
        "p99 is within over the last 2 runs (412 calls, 1 hour), not by this run alone"
    ),
    Advice.of("pooled-within", limit="p99", runs=2, n=412, span_ns=1000 * MS): (
        "p99 is within over the last 2 runs (412 calls, 1 minute), not by this run alone"
    ),
    Advice.of("pooled-exceeded", limit="p99", runs=6, n=412, over=29): (
        "p99 was over its limit in 29 of 412 calls of the last 6 runs: together they show it to be "
        "exceeded; measure longer, for example with samples="
    ),
    Advice.of("pooled-few", limit="p99", runs=3, n=180, slower_percent=0): (
        "the last 3 runs together (180 calls) do not show p99 to be within"
    ),
    Advice.of("pooled-few", limit="p99", runs=3, n=180, slower_percent=12): (
        "the last 3 runs together (180 calls) do not show p99 to be within; this run is 12 % "
        "slower than those before"
    ),
    Advice.of("generator-busy", process="worker a", busy_seconds=30, seconds=60): (
        "worker a used a full core for 30 of 60 s: latencies include its own queue; "
        "spread the users over more workers (--processes)"
    ),
    Advice.of("generator-late", process="the load generator", lag_ns=80 * MS): (
        "the load generator reacted 80 ms late at p99: latencies include its own queue; give it a "
        "dedicated core or fewer users"
    ),
    Advice.of("worker-lost", process="worker a", requests=929, last_report_s=2.2): (
        "worker a was lost: the 929 requests it had reported by second 2 are counted, later ones "
        "are not"
    ),
    Advice.of("worker-without-gate", process="worker a"): (
        "worker a sends no histograms, so none of its requests are counted: its locustfile does "
        "not "
        "import pytest_hancock_latency.locust_gate"
    ),
    Advice.of("coordinated-omission", omitted=49, closed_p99_ns=5 * MS, open_p99_ns=960 * MS): (
        "closed loop: a user sends no requests while it waits for a response, so a stall counts "
        "only once per user; about 49 requests were never sent, and with them p99 would be about "
        "960 ms instead of 5 ms; OpenLoop sends them all"
    ),
}


@pytest.mark.parametrize(("advice", "sentence"), SENTENCES.items(), ids=lambda each: str(each)[:40])
def test_advice_says_what_was_noticed_and_what_to_do(advice: Advice, sentence: str) -> None:
    assert f"{sentence} ({advice.kind})" == advice_text(advice)


def test_every_kind_is_explained_in_the_documentation() -> None:
    page = (Path(__file__).parents[2] / "docs/messages.md").read_text(encoding="utf-8")
    assert sorted(_WORDS) == re.findall(r"^### ([a-z-]+)$", page, re.MULTILINE)


def test_every_kind_has_its_sentence_asserted() -> None:
    assert set(_WORDS) == {advice.kind for advice in SENTENCES}


def test_a_single_caller_is_named_as_such() -> None:
    alone = Advice.of("saturated", concurrency=0, send_lag_ns=60 * MS, per_second=5.0)
    assert advice_text(alone).startswith("saturated: the caller was busy when requests were due")


def test_advice_of_a_later_version_is_shown_by_its_figures() -> None:
    assert (
        advice_text(Advice.of("moon-phase", angle=3, name="full"))
        == "moon-phase: angle=3, name=full"
    )
    assert advice_text(Advice.of("moon-phase")) == "moon-phase"


def test_the_same_advice_for_several_samples_is_one_line_with_their_number() -> None:
    def record(number: int, *advice: Advice) -> Record:
        measurement = Measurement(advice=advice)
        return replace(Record(f"t::{number}", "", 1, {}, {}, {}), measurement=measurement)

    clock, core = Advice.of("clock"), Advice.of("single-core")
    assert [
        f"advice for all 3 samples: {advice_text(clock)}",
        f"advice for 2 samples: {advice_text(core)}",
        f"advice for t::2: {advice_text(Advice.of('moon'))}",
    ] == advice_lines(
        [record(0, clock, core), record(1, clock, core), record(2, clock, Advice.of("moon"))]
    )
