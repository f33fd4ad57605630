"""Files that have only summaries of a run, which no verdict can be based on.

Evidence is a number of requests, and how many of them were over a limit. A percentile tells neither
how many requests were over another latency, nor how sure it is itself.
"""

from __future__ import annotations

import re
from typing import Final

_HOW_TO_RECORD: Final = "record each request, for example with hey -o csv, k6 or Vegeta"
_K6: Final = "run k6 with --out csv=FILE or --out json=FILE"
_VEGETA: Final = "convert its results by vegeta encode --to csv"
_SUMMARIES: Final = (
    (
        re.compile(
            r"Type,Name,(Request Count|# requests),|Timestamp,User Count,|Method,Name,Error,"
            r"|Count,Message,Traceback,"
        ),
        "a CSV of Locust",
        "import pytest_hancock_latency.locust_gate in the locustfile, which judges the run itself",
    ),
    (re.compile(r"Running \S+ test @ "), "the output of wrk or wrk2", _HOW_TO_RECORD),
    (re.compile(r"This is ApacheBench"), "the output of ApacheBench", _HOW_TO_RECORD),
    (
        re.compile(r"Summary:"),
        "the summary of hey or oha",
        "add -o csv to hey, or --output-format csv to oha",
    ),
    (re.compile(r"\s*[█✓✗]"), "the summary of k6", _K6),
    (
        re.compile(r"Requests\s+\[total"),
        "a report of Vegeta",
        _VEGETA,
    ),
    (
        re.compile(r"(sampler_label|Label,# Samples),"),
        "an aggregate report of JMeter",
        "run jmeter with -l results.jtl",
    ),
    (
        re.compile(r"\s*Value(\(ms\))?\s+Percentile\s+TotalCount"),
        "a table of percentiles",
        _HOW_TO_RECORD,
    ),
    (
        re.compile(r"# (HELP|TYPE) "),
        "a page of metrics",
        "let Prometheus collect it, and use --from prometheus",
    ),
)
"""How the first line that is not blank begins, what the file is, and what to do instead."""


_DOCUMENTS: Final = (
    ({"metrics"}, "the summary of k6", _K6),
    ({"latencyPercentiles"}, "the summary of oha", "add --output-format csv to oha"),
    ({"latencies", "status_codes"}, "a report of Vegeta", _VEGETA),
    ({"latency", "requests"}, "the summary of autocannon", _HOW_TO_RECORD),
)
"""Keys of a document of JSON, what it is, and what to do instead."""
_TRACES: Final = {"resourceSpans", "data", "spans"}
"""Keys of the exports of OpenTelemetry, Jaeger and Zipkin."""


def why_not_raw(first: str) -> str | None:
    """Return why a file with this first line cannot be judged; None if nothing speaks against it.

    >>> why_not_raw("Running 30s test @ http://127.0.0.1:8080/")[:52]
    'is the output of wrk or wrk2, and no verdict can be '
    >>> why_not_raw("timeStamp,elapsed,label")
    """
    unquoted = first.replace('"', "")
    for begin, description, instead in _SUMMARIES:
        if begin.match(unquoted):
            return _why(description, instead)
    return None


def why_no_requests(content: object) -> str:
    """Return why a document of JSON that no format has cannot be judged.

    >>> why_no_requests({"root_group": {}, "metrics": {}})[:21]
    'is the summary of k6,'
    """
    if isinstance(content, dict):
        for keys, description, instead in _DOCUMENTS:
            if keys <= content.keys():
                return _why(description, instead)
        if _TRACES & content.keys():
            return (
                "is an export of traces, whose spans are a selection of the requests: no verdict "
                "can be based on it"
            )
    return (
        "is JSON of an unknown tool: add --from json --latency-column KEY, and --rows KEY for the "
        "list that has the requests"
    )


def _why(description: str, instead: str) -> str:
    return (
        f"is {description}, and no verdict can be based on a summary, because it does not say how "
        f"many requests were over a limit: {instead}"
    )
