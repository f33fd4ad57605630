"""Advice in words: a finding about a sample or its machine, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from ..core.advice import Advice
from ..core.duration import format_duration
from ..core.record import Record
from .wording import printable

Figures = Mapping[str, Any]


def advice_text(advice: Advice) -> str:
    """Return advice as text with its kind, by which the documentation explains it."""
    words = _words(advice)
    return f"{words} ({advice.kind})" if words else _as_it_is(advice)


def advice_words(advice: Advice) -> str:
    """Return advice as text: the finding and, after a colon or semicolon, what to do.

    Advice whose kind or figures are unknown to this version is shown as its kind and figures.
    """
    return _words(advice) or _as_it_is(advice)


def _words(advice: Advice) -> str | None:
    words = _WORDS.get(advice.kind)
    if words is None:
        return None
    with suppress(LookupError, TypeError, ValueError, ArithmeticError):
        return printable(words(advice.figures))
    return None


def _as_it_is(advice: Advice) -> str:
    figures = ", ".join(f"{name}={figure}" for name, figure in advice.figures.items())
    return printable(f"{advice.kind}: {figures}" if figures else advice.kind)


def advice_lines(records: Sequence[Record]) -> list[str]:
    """Return all advice on these records; equal advice for several samples appears once."""
    titles: dict[Advice, list[str]] = {}
    for record in records:
        for advice in record.measurement.advice:
            titles.setdefault(advice, []).append(record.title)
    return [f"{_subject(names, len(records))}: {advice_text(a)}" for a, names in titles.items()]


def _subject(titles: Sequence[str], total: int) -> str:
    if len(titles) == 1:
        return f"advice for {printable(titles[0])}"
    quantifier = "all " if len(titles) == total else ""
    return f"advice for {quantifier}{len(titles)} samples"


def _cap_by_number(f: Figures) -> str:
    raise_it = f"raise it to {f['needed'] * f['requests']}" if "requests" in f else "raise it"
    return (
        f"{f['limit']} needs {_calls(f)}, but max_samples={f['max_samples']}: "
        f"{raise_it}, or expect an inconclusive verdict"
    )


def _calls(f: Figures) -> str:
    """Return the number of observations, or of bursts of some requests."""
    if "requests" not in f:
        return f"{f['needed']} observations"
    return f"{f['needed']} bursts of {_requests(f)}"


def _requests(f: Figures) -> str:
    return "1 request" if f["requests"] == 1 else f"{f['requests']} requests"


def _few_bursts(f: Figures) -> str:
    bursts = "1 burst" if f["bursts"] == 1 else f"{f['bursts']} bursts"
    return (
        f"{bursts} cannot show {f['limit']} to be within: that takes {f['needed']}; use "
        f'repeat="decided" or repeat={f["needed"]}'
    )


def _cap_by_time(f: Figures) -> str:
    is_burst = "requests" in f
    use_burst = "" if is_burst else ", or use sample.burst(…, concurrency=8)"
    return (
        f"{f['limit']} needs {_calls(f)}, but only about {f['fitting']} fit into "
        f"{format_duration(f['time_limit_ns'])}, so it will stay inconclusive; raise time_limit or "
        f"--latency-time, {'or ' if is_burst else ''}limit a lower percentile{use_burst}"
    )


def _takes_long(f: Figures) -> str:
    interval, whole = f["interval_ns"], f["needed"] * f["interval_ns"]
    if "requests" in f:
        return (
            f"{f['limit']} needs {f['needed']} bursts of {_requests(f)}, about "
            f"{format_duration(interval)} each: {format_duration(whole)}"
        )
    return (
        f"{f['limit']} needs {f['needed']} calls of about {format_duration(interval)} each: "
        f"{format_duration(whole)}"
    )


def _pooled_within(f: Figures) -> str:
    span = f", {_days(f['span_ns'])}" if f["span_ns"] else ""
    return (
        f"{f['limit']} is within over the last {f['runs']} runs ({f['n']} calls{span}), not by "
        "this run alone"
    )


def _pooled_exceeded(f: Figures) -> str:
    return (
        f"{f['limit']} was over its limit in {f['over']} of {f['n']} calls of the last {f['runs']} "
        "runs: together they show it to be exceeded; measure longer, for example with samples="
    )


def _pooled_few(f: Figures) -> str:
    slower = f["slower_percent"]
    remark = f"; this run is {slower} % slower than those before" if slower else ""
    return (
        f"the last {f['runs']} runs together ({f['n']} calls) do not show {f['limit']} to be within"
        f"{remark}"
    )


def _days(ns: int) -> str:
    """Return a long time in whole days, hours or minutes."""
    minutes = max(1, round(ns / 60e9))
    for name, length in (("day", 24 * 60), ("hour", 60), ("minute", 1)):
        if minutes >= length:
            count = round(minutes / length)
            return f"{count} {name}" if count == 1 else f"{count} {name}s"
    return ""


def _tracer(f: Figures) -> str:
    return (
        f"{f['tools']} was active: latencies include its overhead; "
        "measure without coverage, debugger or profiler"
    )


def _called_once(_: Figures) -> str:
    return (
        "called once, as each test with the budget of --latency-default: percentiles need more "
        "calls, by --latency-repeat, a marker, or a pattern in the budget file; or merge the "
        "artifacts of several runs"
    )


def _not_repeatable(f: Figures) -> str:
    return (
        f"call {f['call']} of the test body failed ({f['failure']}) although the first passed: it "
        "cannot be repeated with its fixtures set up once, so only the first call counts, for max; "
        "measure only the request, sample(function, …)"
    )


def _first_call(f: Figures) -> str:
    figures = (
        f"the first call took {format_duration(f['first_ns'])}, the median "
        f"{format_duration(f['median_ns'])}"
    )
    if not f.get("alone"):
        return f"{figures}: warm up first, for example with warmup=5"
    otherwise = "nothing is wrong" if f["warmed"] else "warm up first, for example with warmup=5"
    return (
        f"{figures}: if later calls find its result in a cache, or nothing left to do, give each "
        "call an input of its own with inputs=, or prepare it with sample.rounds(setup=); if it "
        f"only connected or compiled something, {otherwise}"
    )


_UNFINISHED: Final = {
    "running": "that was not finished",
    "lazy": "that was not computed",
    "iterable": "whose items were not read",
    "unread": "whose body was not read",
    "unfetched": "whose rows were not fetched",
    "dispatched": "that a device may still be computing",
}


def _unfinished_answer(f: Figures) -> str:
    after = ""
    if f.get("finish_ns") is not None:
        after = f" and took another {format_duration(f['finish_ns'])}"
    finding = f"{_UNFINISHED[f['state']]}{after}, which is not part of the latencies"
    if f.get("part"):
        return (
            f"the call returned {f['answer']} with {f['part']} {finding}: to include it, give "
            f"finish= a function that applies {f['finish']} to it"
        )
    return f"the call returned {f['answer']} {finding}: to include it, give finish={f['finish']}"


def _failed_answer(f: Figures) -> str:
    return (
        f"the call returned a response with status {f['status']}, which counts like any other and "
        "is often faster: give check=, for example "
        f"check=lambda response: response.{f['attribute']} == 200"
    )


def _inputs_in_order(f: Figures) -> str:
    return (
        f"inputs= gave more than {f['inputs']} inputs, so they kept their order: if slow ones come "
        'together, a sample may miss them; pass a list, or say that it is meant with order="given"'
    )


def _some_inputs(f: Figures) -> str:
    return (
        f"{f['called']} of {f['inputs']} inputs called: the others did not fit into the time or "
        "max_samples; raise time_limit, --latency-time or max_samples, or pass fewer inputs"
    )


def _quota(f: Figures) -> str:
    return (
        f"the container is limited to {f['cpus']:.2g} CPUs: the kernel pauses it when they are "
        "used up; give it at least one"
    )


def _throttled(f: Figures) -> str:
    return (
        f"the container was throttled for {f['percent']} % of the measured time: give it at least "
        "one CPU"
    )


def _unsteady_speed(f: Figures) -> str:
    return (
        f"the machine's speed changed by a factor of {f['factor']:.1f} while measuring: another "
        "virtual machine on its host, or its CPU frequency"
    )


def _no_reference_speed(f: Figures) -> str:
    return (
        "how fast this machine is without neighbours is not known yet, so only code that is "
        f"{f['margin']:g} times slower than its limit is exceeded: keep pytest's cache, "
        ".pytest_cache, from run to run; five sessions are enough"
    )


def _slower_machine(f: Figures) -> str:
    return (
        f"this machine ran at {f['percent']} % of the speed of the one that the limits are from: "
        "what that explains is not exceeded; measure where the limits are from, or suggest limits "
        "from here"
    )


def _wrong_speed(f: Figures) -> str:
    return (
        "the speed of the machine beside the limits (arithmetic "
        f"{format_duration(f['arithmetic_ns'])}, memory {format_duration(f['memory_ns'])}) is out "
        "of reach of this one, so it was not used: replace the table by the one that "
        "hancock-latency suggest writes"
    )


def _saturated_callers(f: Figures) -> str:
    callers = f"all {f['concurrency']} callers were" if f["concurrency"] else "the caller was"
    return (
        f"saturated: {callers} busy when requests were due (p99 send lag "
        f"{format_duration(f['send_lag_ns'])}); the server is too slow for {f['per_second']:g} "
        "requests/s, or concurrency= is too low"
    )


def _saturated_generator(f: Figures) -> str:
    return (
        f"requests started {format_duration(f['send_lag_ns'])} late at p99: the generator cannot "
        "keep up with the schedule, from which latencies are still measured; use more workers or a "
        "lower arrival rate"
    )


def _not_alone(f: Figures) -> str:
    return f"{_neighbours(f)}; run gates in a session of their own, without -n"


def _neighbours(f: Figures) -> str:
    """Say what a gate was measured next to; a KeyError if the reason is of a later version."""
    why, test = f["reason"], f.get("test") or "a test"
    if why == "long test":
        for_ns = format_duration(f["patience_ns"])
        return f"not alone: {test} in another worker had already run for {for_ns} and went on"
    if why == "long gate":
        return f"not alone: {test} in another worker took too long to wait for its end"
    if why == "took too long":
        for_ns = format_duration(f["longest_ns"])
        return f"alone only for {for_ns}, then other workers went on with their tests"
    return f"not alone: the lock file of the session could not be used ({f['why']})"


def _slower(f: Figures) -> str:
    return (
        f"slower than the baseline: median attributed latency rose from "
        f"{format_duration(f['before_ns'])} to {format_duration(f['after_ns'])} "
        f"({f['percent']:+d} %, allowed {f['allowed_percent']} %)"
    )


def _busy_generator(f: Figures) -> str:
    return (
        f"{f['process']} used a full core for {f['busy_seconds']} of {f['seconds']} s: latencies "
        "include its own queue; spread the users over more workers (--processes)"
    )


def _late_generator(f: Figures) -> str:
    return (
        f"{f['process']} reacted {format_duration(f['lag_ns'])} late at p99: latencies include its "
        "own queue; give it a dedicated core or fewer users"
    )


def _lost_worker(f: Figures) -> str:
    return (
        f"{f['process']} was lost: the {f['requests']} requests it had reported by second "
        f"{f['last_report_s']:.0f} are counted, later ones are not"
    )


def _worker_without_gate(f: Figures) -> str:
    return (
        f"{f['process']} sends no histograms, so none of its requests are counted: its locustfile "
        "does not import pytest_hancock_latency.locust_gate"
    )


def _many_names(f: Figures) -> str:
    return (
        f"more than {f['names']} names: the rest are judged together; give requests of the same "
        "kind the same name=, as in get(url, name='/items/[id]')"
    )


def _alike_names(f: Figures) -> str:
    name = str(f["name"])
    method, space, path = name.partition(" ")
    path = path if space and method.isupper() else name
    return (
        f"{f['names']} names look alike: give them the same name=, as in "
        f'get(url, name={path!r}), or one budget, [budgets."{name.replace("[id]", "*")}"]'
    )


def _wrong_clock(f: Figures) -> str:
    return (
        f"{f['process']} has a wrong clock: {f['requests']} of its requests seem to have started "
        "outside the run and are counted at its start or end; synchronize the clock of its machine"
    )


def _invalid_counts(f: Figures) -> str:
    return (
        f"{f['process']} sent {f['reports']} unreadable reports ({f['why']}): their requests are "
        "not counted"
    )


def _starved_generator(f: Figures) -> str:
    return (
        f"{f['process']} waited for a CPU for {f['seconds']:.3g} s of the run: latencies in that "
        "time cannot lead to exceeded; give it a dedicated core"
    )


def _starved_server(f: Figures) -> str:
    return (
        f"other processes kept the server from a CPU for {f['seconds']:.3g} s of the run: "
        "latencies in that time cannot lead to exceeded; give it a machine without them"
    )


def _omission(f: Figures) -> str:
    return (
        "closed loop: a user sends no requests while it waits for a response, so a stall counts "
        f"only once per user; about {f['omitted']} requests were never sent, and with them p99 "
        f"would be about {format_duration(f['open_p99_ns'])} instead of "
        f"{format_duration(f['closed_p99_ns'])}; OpenLoop sends them all"
    )


_UNKNOWN_FAILURES: Final = {
    "no condition": "every row counts as a success: add --ok, such as --ok 'status<400'",
    "no status": "every line counts as a success: add $status to the log format",
    "no tags": (
        "no line has one of the tags expected_response, error_code and status: add them to "
        "systemTags of k6"
    ),
    "no outcome": "the tool does not write whether a request failed",
}
_LEFT_OUT: Final = {
    "hey": "without a response, so more may have failed, and all after the first million",
    "k6": "that were still in progress when it ended",
    "oha": "without a response, so more may have failed",
}
"""Requests that a tool does not write."""


def _rps_not_judged(f: Figures) -> str:
    return (
        f"rps >= {f['least_per_s']:g} is not judged: only a run of Locust shows what limited the "
        "rate"
    )


_WORDS: Final[Mapping[str, Callable[[Figures], str]]] = {
    "cap-samples": _cap_by_number,
    "cap-time": _cap_by_time,
    "few-bursts": _few_bursts,
    "takes-long": _takes_long,
    "tracer": _tracer,
    "first-call": _first_call,
    "called-once": _called_once,
    "not-repeatable": _not_repeatable,
    "unfinished-answer": _unfinished_answer,
    "failed-answer": _failed_answer,
    "clock": lambda _: "the clock is coarser than 1 µs: short latencies are rounded",
    "single-core": lambda _: (
        "only one core is available: anything else that runs slows down the test"
    ),
    "buffered-stream": lambda _: (
        "in every call, the first item came with the last one: the client collects the whole "
        "answer first, as test clients do, so use a running server; or the stream is one piece"
    ),
    "inputs-in-order": _inputs_in_order,
    "quota": _quota,
    "some-inputs": _some_inputs,
    "throttled": _throttled,
    "unsteady-speed": _unsteady_speed,
    "no-reference-speed": _no_reference_speed,
    "slower-machine": _slower_machine,
    "wrong-speed": _wrong_speed,
    "saturated": _saturated_callers,
    "saturated-generator": _saturated_generator,
    "not-compared": lambda f: f"not compared with the baseline: {f['why']}",
    "not-alone": _not_alone,
    "slower": _slower,
    "pooled-within": _pooled_within,
    "pooled-exceeded": _pooled_exceeded,
    "pooled-few": _pooled_few,
    "generator-busy": _busy_generator,
    "generator-late": _late_generator,
    "worker-lost": _lost_worker,
    "worker-without-gate": _worker_without_gate,
    "coordinated-omission": _omission,
    "many-names": _many_names,
    "imported": lambda _: (
        "measured by another tool, which does not know what the machine did: exceeded can be due "
        "to the machine or the network"
    ),
    "failures-unknown": lambda f: f"failures are unknown: {_UNKNOWN_FAILURES[f['why']]}",
    "tool-leaves-out": lambda f: f"{f['tool']} leaves out requests {_LEFT_OUT[f['tool']]}",
    "cut-line": lambda f: f"the last line, {f['line']}, is cut off and was left out",
    "rows-left-out": lambda f: (
        f"{f['rows']} transactions and parts of samples were left out, so that no request counts "
        "twice: for them, add --jmeter transactions or --jmeter all"
    ),
    "rps-not-judged": _rps_not_judged,
    "no-latency": lambda f: (
        f"{f['requests']} requests had no latency (response_time=None): they count for requests/s "
        "and errors, and for no other limit"
    ),
    "alike-names": _alike_names,
    "worker-clock": _wrong_clock,
    "worker-invalid": _invalid_counts,
    "generator-starved": _starved_generator,
    "server-starved": _starved_server,
}
