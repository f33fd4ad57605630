"""The tools whose raw results are read: how each file begins, its rows, and its columns."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Any, Final

from ..errors import ImportedFileError
from .layout import (
    NO_OUTCOME,
    NO_STATUS,
    NO_TAGS,
    Layout,
    by_error,
    by_status,
    by_status_if_any,
    by_word,
)
from .log_format import LogFormat
from .rows import (
    GATLING,
    ROLE,
    SAMPLE,
    TRANSACTION,
    CsvRows,
    JsonDocument,
    Reader,
    json_lines,
    log_rows,
    read_jmeter_xml,
    read_w3c,
    role_of,
)

Reading = Callable[[Layout], Reader]
"""Returns what reads the columns of a layout."""


@dataclass(frozen=True, slots=True)
class Preset:
    """A tool."""

    begin: str
    """Regular expression of how its files begin."""
    reading: Reading
    layout: Layout
    expected: str = ""
    """What writes such files, for a message."""
    leaves_out: str = ""
    """The tool, if it does not write all requests."""
    hint: str = ""
    """What to do if there are no requests."""
    roles: bool = False
    """Whether there are rows about several requests, and about parts of them."""

    def with_roles(self, rows: str) -> Preset:
        """Return what reads samples, transactions, or all rows of JMeter."""
        role = {SAMPLES: SAMPLE, TRANSACTIONS: TRANSACTION}.get(rows)
        if role is None:
            return self
        only = (
            (ROLE, role.__eq__),
            ("responseMessage", lambda message: role_of(message) == role),
        )
        return replace(self, roles=rows == SAMPLES, layout=replace(self.layout, only=only))


_JMETER: Final = Layout(
    ("elapsed",),
    names=("label",),
    time=("timeStamp",),
    outcome=(("success", partial(by_word, "true")), ("responseCode", by_status)),
    reasons=("responseCode",),
)
_JMETER_COLUMNS: Final = (
    *("timeStamp", "elapsed", "label", "responseCode"),
    *("responseMessage", "threadName", "dataType", "success"),
)
"""The first columns of JMeter's CSV by default, the same in all versions."""
_K6_OUTCOME: Final = (
    *(("expected_response", partial(by_word, "true")), ("error_code", by_error)),
    ("status", by_status_if_any),
)
"""Versions before 0.31 have no first tag, nor does a run with ``http.setResponseCallback(null)``,
and ``systemTags`` can leave out any."""
_K6: Final = Layout(
    ("metric_value",),
    names=("method", "name"),
    time=("timestamp",),
    is_end=True,
    outcome=_K6_OUTCOME,
    reasons=("status", "error_code"),
    unknown=NO_TAGS,
)
_K6_JSON: Final = replace(
    _K6,
    latency=("data.value",),
    names=("data.tags.method", "data.tags.name"),
    time=("data.time",),
    outcome=tuple((f"data.tags.{tag}", judge) for tag, judge in _K6_OUTCOME),
    reasons=("data.tags.status", "data.tags.error_code"),
    only=(("metric", "http_req_duration".__eq__), ("type", "Point".__eq__)),
)
_K6_HINT: Final = (
    " of HTTP (http_req_duration); for another metric: --from csv --latency-column metric_value "
    "--name-column name --time-column timestamp --only metric_name==grpc_req_duration"
)
_VEGETA_COLUMNS: Final = (
    *("timestamp", "code", "latency", "bytes_out", "bytes_in", "error"),
    *("body", "attack", "seq", "method", "url"),
)
_VEGETA: Final = Layout(
    ("latency",),
    "ns",
    names=("method", "url"),
    time=("timestamp",),
    outcome=(("error", by_error), ("code", by_status)),
)
_HEY: Final = Layout(
    ("response-time",), "s", time=("offset",), outcome=(("status-code", by_status),)
)
_OHA: Final = Layout(
    ("request-duration",), "s", time=("request-start",), outcome=(("status", by_status),)
)
_GATLING: Final = Layout(
    ("latency",),
    names=("group", "name"),
    joint=" / ",
    time=("start",),
    outcome=(("outcome", partial(by_word, "OK")),),
    reasons=("message", "outcome"),
)
_LOG: Final = Layout(
    ("latency",),
    "s",
    names=("request",),
    is_target=True,
    time=("time",),
    is_end=True,
    outcome=(("status", by_status),),
    unknown=NO_STATUS,
)
"""Of an access log whose format has these names."""
_IN_MS: Final = replace(_LOG, unit="ms", is_end=False)
_INGRESS: Final = (
    '$remote_addr - $remote_user [$time] "$request" $status $body_bytes_sent "$http_referer" '
    '"$http_user_agent" $request_length $latency [$proxy_upstream_name] '
    "[$proxy_alternative_upstream_name] $upstream_addr $upstream_response_length "
    "$upstream_response_time $upstream_status $req_id"
)
_HAPROXY: Final = '{} [{time}] {} {} {}/{}/{}/{}/{latency} {status} {} {} {} {} {} {} {}"{request}"'
_ENVOY: Final = '[{time}] "{request}" {status} {} {} {} {latency} {} "{}" "{}" "{}" "{}" "{}"'
_TRAEFIK: Final = '{} - {} [{time}] "{request}" {status} {} "{}" "{}" {} "{}" "{}" {latency}'
_ALB_COLUMNS: Final = (
    *("type", "time", "elb", "client:port", "target:port", "request_processing_time"),
    *("target_processing_time", "response_processing_time", "elb_status_code"),
    *("target_status_code", "received_bytes", "sent_bytes", "request"),
)
_CADDY: Final = replace(
    _LOG,
    latency=("duration",),
    names=("request.method", "request.uri"),
    time=("ts",),
    only=(("duration", bool),),
)
_TRAEFIK_JSON: Final = replace(
    _LOG,
    latency=("Duration",),
    unit="ns",
    names=("RequestMethod", "RequestPath"),
    time=("StartUTC",),
    is_end=False,
    outcome=(("DownstreamStatus", by_status),),
)
_IIS: Final = replace(
    _LOG,
    latency=("time-taken",),
    unit="ms",
    names=("cs-method", "cs-uri-stem"),
    time=("date", "time"),
    outcome=(("sc-status", by_status),),
)
_HAR: Final = Layout(
    ("time",),
    names=("request.method", "request.url"),
    is_target=True,
    time=("startedDateTime",),
    outcome=(("response.status", by_status),),
)
_AB: Final = Layout(("ttime",), time=("seconds",), unknown=NO_OUTCOME)
_PYTEST_BENCHMARK: Final = Layout(("stats.data",), "s", names=("fullname",), unknown=NO_OUTCOME)


def _csv(**how: Any) -> Reading:
    return lambda layout: CsvRows(layout.columns, layout.latency, **how)


def _log(text: str) -> Reading:
    return lambda _: log_rows(LogFormat(text))


def _lines(text: str = "{") -> Reading:
    return lambda layout: json_lines(layout.columns, text)


def _document(rows: str) -> Reading:
    return lambda layout: JsonDocument(layout.columns, rows, layout.latency[0])


PRESETS: Final[Mapping[str, Sequence[Preset]]] = {
    "k6": (
        Preset(
            r"metric_name,",
            _csv(begin="http_req_duration,"),
            _K6,
            "k6 run --out csv=FILE",
            "k6",
            _K6_HINT,
        ),
        Preset(
            r'\{"(metric|type)":',
            _lines('"http_req_duration"'),
            _K6_JSON,
            "k6 run --out json=FILE",
            "k6",
            _K6_HINT,
        ),
    ),
    "jmeter": (
        Preset(r"\d{13}[,;\t]\d+[,;\t]", _csv(header=_JMETER_COLUMNS), _JMETER, roles=True),
        Preset(r'"?timeStamp"?[,;\t|]', _csv(), _JMETER, "JMeter in CSV or XML", roles=True),
        Preset(
            r"<\?xml|<testResults",
            lambda _: read_jmeter_xml,
            _JMETER,
            "JMeter in CSV or XML",
            roles=True,
        ),
    ),
    "vegeta": (
        Preset(
            r"\d{19},\d+,\d+,\d+,\d+,",
            _csv(header=_VEGETA_COLUMNS),
            _VEGETA,
            "vegeta encode --to csv",
        ),
        Preset(r'\{"attack":', _lines(), _VEGETA, "vegeta encode --to json"),
    ),
    "hey": (Preset(r"response-time,", _csv(), _HEY, "hey -o csv", "hey"),),
    "oha": (Preset(r"request-start,", _csv(), _OHA, "oha --output-format csv", "oha"),),
    "gatling": (
        Preset(
            r"RUN\t|ASSERTION\t|\S+\t\S+\tRUN\t",
            lambda _: GATLING,
            _GATLING,
            "Gatling before 3.12, a simulation.log in text",
        ),
    ),
    "ab": (Preset(r"starttime\tseconds\t", _csv(), _AB, "ab -g"),),
    "pytest-benchmark": (
        Preset(
            r'\{\s*"machine_info"|\{\s*"benchmarks"',
            _document("benchmarks"),
            _PYTEST_BENCHMARK,
            "pytest --benchmark-json=FILE with --benchmark-save-data",
        ),
    ),
    "har": (Preset(r'\{\s*"log"\s*:', _document("log.entries"), _HAR, "a browser"),),
    "nginx-ingress": (Preset(r"$.", _log(_INGRESS), _LOG),),
    "haproxy": (
        Preset(r".{0,200}haproxy\[\d+\]: ", _log("{}]: " + _HAPROXY), _IN_MS),
        Preset(r"[0-9a-f.:]+:\d+ \[\d+/\w{3}/\d{4}:", _log(_HAPROXY), _IN_MS),
    ),
    "envoy": (Preset(r"\[\d{4}-\d\d-\d\dT[^\]]+\] \"", _log(_ENVOY), _IN_MS),),
    "alb": (
        Preset(
            r"(https?|h2|grpcs|wss?) \d{4}-\d\d-\d\dT\S+ app/",
            _csv(header=_ALB_COLUMNS, delimiter=" "),
            replace(
                _LOG,
                latency=_ALB_COLUMNS[5:8],
                missing=("-1",),
                outcome=(("elb_status_code", by_status),),
            ),
        ),
    ),
    "traefik": (
        Preset(r'\{"ClientAddr"', _lines(), _TRAEFIK_JSON, "Traefik in JSON"),
        Preset(r"$.", _log(_TRAEFIK), _IN_MS),
    ),
    "caddy": (Preset(r'\{"level":', _lines(), _CADDY, "Caddy in JSON"),),
    "iis": (
        Preset(
            r"#Software: Microsoft|#Version:|#Fields:",
            lambda _: read_w3c,
            _IIS,
            "IIS with time-taken",
        ),
    ),
}
"""By name: the first preset whose beginning matches is used, or the last one of a name that is
given. ``$.`` never matches."""

NGINX, APACHE, CSV, JSON, LOG = "nginx", "apache", "csv", "json", "log"
_LATENCIES: Final = {
    "request_time": "s",
    "request_time_ms": "ms",
    "request_time_us": "us",
    "latency": "s",
}
"""Names of the latency in the formats of logs, and their units."""
_TIMES: Final = ("msec", "time_iso8601", "time_local", "time")


def guessed(first: str) -> Preset | None:
    """Return what reads a file with this first line; None if it is unclear."""
    presets = chain.from_iterable(PRESETS.values())
    return next((preset for preset in presets if re.match(preset.begin, first)), None)


def of_tool(name: str, first: str) -> Preset:
    """Return what reads a file of a tool."""
    presets = PRESETS[name]
    return next((preset for preset in presets if re.match(preset.begin, first)), presets[-1])


def of_log(text: str, latency: str | None) -> Preset:
    """Return what reads a log of this format.

    Args:
        text: the format.
        latency: name of the latency in it, if it is none of the usual ones.

    Raises:
        ImportedFileError: it has no latency, or no time.
    """
    log_format = LogFormat(text)
    names = log_format.names
    latency = latency or next((name for name in _LATENCIES if name in names), None)
    if latency is None:
        raise ImportedFileError(
            "--log-format has no latency: $request_time of nginx, %D or %T of Apache, or {latency}"
        )
    times = [name for name in _TIMES if name in names]
    if not times:
        raise ImportedFileError(
            "--log-format has no time: add $msec, $time_iso8601 or $time_local of nginx, %t of "
            "Apache, or {time}, so that a single stall can be told from slow code"
        )
    request = tuple(_request_of(names))
    layout = replace(
        _LOG,
        latency=(latency,),
        unit=_LATENCIES.get(latency, "s"),
        names=request,
        time=(times[0],),
        # Apache writes when a request began.
        is_end="%" not in text or "$" in text,
    )
    return Preset("", lambda _: log_rows(log_format), layout)


def _request_of(names: Sequence[str]) -> Iterator[str]:
    if "request_method" in names:
        yield "request_method"
        yield from (name for name in ("uri", "request_uri") if name in names)
    elif "request" in names:
        yield "request"
    else:
        yield from (name for name in ("uri", "request_uri", "name") if name in names)


def of_csv(layout: Layout, delimiter: str | None) -> Preset:
    """Return what reads any CSV."""
    return Preset("", _csv(delimiter=delimiter), layout)


def of_json(layout: Layout, rows: str | None, first: str) -> Preset:
    """Return what reads any JSON: a document, or an object a line if the first line is one."""
    if rows is None and first.rstrip().endswith("}") and first.startswith("{"):
        return Preset("", _lines(), layout)
    return Preset("", _document(rows or ""), layout)


SAMPLES, TRANSACTIONS, ALL_ROWS = "samples", "transactions", "all"
