"""Files that have only summaries of a run, which no verdict can be based on.

Evidence is a number of requests, and how many of them were over a limit. A percentile tells neither
how many requests were over another latency, nor how sure it is itself.
"""

from __future__ import annotations

import re
from typing import Final

_HOW_TO_RECORD: Final = "record each request, for example with hey -o csv, k6 or Vegeta"
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
    (
        re.compile(r"\{\s*$|\s*[█✓✗]"),
        "the summary of k6 or other JSON over several lines",
        "run k6 with --out csv=FILE or --out json=FILE",
    ),
    (
        re.compile(r"Requests\s+\[total"),
        "a report of Vegeta",
        "convert its results by vegeta encode --to csv",
    ),
    (
        re.compile(r"(sampler_label|Label,# Samples),"),
        "an aggregate report of JMeter",
        "run jmeter with -l results.jtl",
    ),
    (
        re.compile(r"# (HELP|TYPE) "),
        "a page of metrics",
        "let Prometheus collect it, and use --from prometheus",
    ),
)
"""How the first line that is not blank begins, what the file is, and what to do instead."""


def why_not_raw(first: str) -> str | None:
    """Return why a file with this first line cannot be judged; None if nothing speaks against it.

    >>> why_not_raw("Running 30s test @ http://127.0.0.1:8080/")[:52]
    'is the output of wrk or wrk2, and no verdict can be '
    >>> why_not_raw("timeStamp,elapsed,label")
    """
    for begin, description, instead in _SUMMARIES:
        if begin.match(first):
            return (
                f"is {description}, and no verdict can be based on a summary, because it does not "
                f"say how many requests were over a limit: {instead}"
            )
    return None
