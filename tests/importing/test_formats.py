"""Files as other tools and their users write them: each is counted, or refused with the reason."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from pytest_hancock_latency.core.budget import parse_limits
from pytest_hancock_latency.core.record import Record
from pytest_hancock_latency.errors import ImportedFileError
from pytest_hancock_latency.importing.log_format import LogFormat
from pytest_hancock_latency.importing.reading import Columns, ImportSettings, imported_records

FILES = Path(__file__).parent / "files"
AUTO = ImportSettings()
BUDGET = parse_limits("p95=1s")
USUAL = {"p50": 34, "p95": 48, "p99": 49}
"""Milliseconds: most of the files repeat 20 to 49 ms."""
OK = "status<400"
LTSV = """log_format ltsv 'time:$time_local\\thost:$remote_addr\\tmethod:$request_method'
    '\\turi:$uri\\tstatus:$status\\tsize:$body_bytes_sent\\treqtime:$request_time'
    '\\tapptime:$upstream_response_time';"""
UNQUOTED = (
    "$remote_addr - $time_iso8601 $request_method $uri $status $request_time $host $scheme "
    '"$http_user_agent"'
)
APACHE = '%h %l %u %t "%r" %>s %b %D'


def read(path: Path, settings: ImportSettings = AUTO) -> dict[str, Record]:
    return {record.test: record for record in imported_records(path, settings, {}, BUDGET)}


def written(folder: Path, text: str | bytes, settings: ImportSettings = AUTO) -> dict[str, Record]:
    path = folder / "results"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read(path, settings)


def kinds_of_advice(record: Record) -> list[str]:
    return [advice.kind for advice in record.measurement.advice]


@pytest.mark.parametrize(
    ("file", "settings", "name", "requests", "failures"),
    [
        ("ab-g.tsv", AUTO, "ab-g", 120, {}),
        ("apache-D.log", ImportSettings("apache", log_format=APACHE), "GET /x", 120, {}),
        ("csv-bom.csv", ImportSettings("csv", Columns("ms", ok=OK)), "csv-bom", 120, {}),
        (
            "csv-empty-latency-of-failed.csv",
            ImportSettings("csv", Columns("ms", ok=OK)),
            "csv-empty-latency-of-failed",
            119,
            {"status 502": 1},
        ),
        (
            "csv-iso-time.csv",
            ImportSettings("csv", Columns("ms", names=("url",), times=("time",), ok="url!=")),
            "/x",
            120,
            {},
        ),
        (
            "csv-units-in-values.csv",
            ImportSettings("csv", Columns("latency")),
            "csv-units-in-values",
            120,
            {},
        ),
        ("gatling-2.0.log", AUTO, "GET /x", 120, {}),
        ("gatling-3.2-userid.log", AUTO, "GET /x", 120, {}),
        ("gatling-3.9-groups.log", AUTO, "Login / submit", 120, {}),
        ("gatling-3.9-truncated.log", AUTO, "GET /x", 120, {}),
        ("har.json", AUTO, "GET http://localhost/x", 120, {}),
        *(
            (f"jtl-{name}.jtl", AUTO, "GET /x", 120, {})
            for name in ("bom", "crlf", "formatted-time", "no-success", "semicolon", "tab")
        ),
        ("jtl-latin1.jtl", AUTO, "Requête", 120, {}),
        ("jtl-truncated.jtl", AUTO, "GET /x", 120, {}),
        ("k6-csv-rfc3339.csv", AUTO, "GET http://localhost/x", 120, {}),
        ("k6-json-truncated.json", AUTO, "GET /x", 120, {}),
        (
            "k6-csv-grpc-only.csv",
            ImportSettings(
                "csv",
                Columns("metric_value", names=("name",), times=("timestamp",)),
                only=("metric_name==grpc_req_duration",),
            ),
            "localhost/svc/Get",
            120,
            {},
        ),
        ("nginx-ingress.log", ImportSettings("nginx-ingress"), "GET /products/42", 120, {}),
        (
            "nginx-ingress-retries.log",
            ImportSettings("nginx-ingress"),
            "GET /products/42",
            120,
            {"HTTP 502": 1},
        ),
        ("nginx-ltsv.log", ImportSettings("nginx", log_format=LTSV), "GET /x", 120, {}),
        (
            "nginx-unquoted-truncated.log",
            ImportSettings("nginx", log_format=UNQUOTED),
            "GET /x",
            120,
            {},
        ),
        ("pytest-benchmark-with-data.json", AUTO, "t.py::test_x", 120, {}),
    ],
)
def test_every_request_of_a_file_is_counted(
    file: str, settings: ImportSettings, name: str, requests: int, failures: dict[str, int]
) -> None:
    record = read(FILES / file, settings)[name]
    quantiles = {label: record.quantiles_ns[label] / 1e6 for label in USUAL}
    assert (record.n, record.failures, quantiles) == (requests, failures, USUAL)


def test_a_request_that_a_load_balancer_got_no_answer_to_has_no_latency() -> None:
    (record,) = read(FILES / "alb.log").values()
    assert record.test == "GET http://www.example.com:80/"
    assert (record.n, record.failures, record.quantiles_ns["p99"]) == (
        119,
        {"HTTP 502": 1},
        49_000_000,
    )


def test_a_decimal_comma_is_read_where_columns_are_separated_by_semicolons() -> None:
    settings = ImportSettings("csv", Columns("ms", ok=OK))
    (record,) = read(FILES / "csv-semicolon-decimal-comma.csv", settings).values()
    assert (record.n, record.quantiles_ns["p50"]) == (120, 34_500_000)


@pytest.mark.parametrize(
    ("jmeter", "names"),
    [
        ("samples", {"Buy-0": 120, "Buy-1": 120, "Aggregated": 240}),
        ("transactions", {"Buy": 120}),
        ("all", {"Buy": 120, "Buy-0": 120, "Buy-1": 120, "Aggregated": 360}),
    ],
)
def test_a_request_of_jmeter_counts_once(jmeter: str, names: dict[str, int]) -> None:
    records = read(FILES / "jtl-sub-results.jtl", ImportSettings(jmeter=jmeter))
    assert {name: record.n for name, record in records.items()} == names
    left_out = [kinds_of_advice(record) for record in records.values()]
    assert all(("rows-left-out" in kinds) == (jmeter == "samples") for kinds in left_out)


XML = """<?xml version="1.0" encoding="UTF-8"?>
<testResults version="1.2">
<sample t="300" ts="1700000000000" s="true" lb="Buy" rc="" \
rm="Number of samples in transaction : 1, number of failing samples : 0">
  <httpSample t="120" lt="110" ts="1700000000000" s="true" lb="GET /cart" rc="200" rm="OK">
    <httpSample t="70" ts="1700000000010" s="true" lb="GET /cart-0" rc="302" rm="Found"/>
    <responseHeader class="java.lang.String">a &amp; b</responseHeader>
  </httpSample>
</sample>
<sample t="30" ts="1700000000300" s="false" lb="JDBC" rc="08001" rm="refused"/>
"""


@pytest.mark.parametrize(
    ("jmeter", "names"),
    [
        ("samples", {"GET /cart": 1, "JDBC": 0}),
        ("transactions", {"Buy": 1}),
        ("all", {"Buy": 1, "GET /cart": 1, "GET /cart-0": 1, "JDBC": 0}),
    ],
)
@pytest.mark.parametrize("end", ["</testResults>\n", ""])
def test_xml_of_jmeter_is_read_and_a_request_counts_once(
    tmp_path: Path, jmeter: str, names: dict[str, int], end: str
) -> None:
    records = written(tmp_path, XML + end, ImportSettings(jmeter=jmeter))
    records.pop("Aggregated", None)
    assert {name: record.n for name, record in records.items()} == names
    assert all(("cut-line" in kinds_of_advice(record)) == (not end) for record in records.values())
    if "JDBC" in records:
        assert records["JDBC"].failures == {"08001": 1}


HAPROXY = (
    "Feb  6 12:14:14 localhost haproxy[14389]: 10.0.1.2:33317 [06/Feb/2026:12:14:14.655] http-in "
    "static/srv1 10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0 {{1wt.eu}} {{}} "
    '"GET /index.html?a=1 HTTP/1.1"\n'
)
ENVOY = (
    '[2026-01-31T10:00:00.123Z] "GET /index.html HTTP/1.1" 200 - 0 5 109 105 "-" "curl/8" '
    '"id" "example.com" "10.0.0.2:80"\n'
)
TRAEFIK = (
    '10.0.0.1 - - [31/Jan/2026:10:00:00 +0000] "GET /index.html HTTP/1.1" 200 5 "-" "curl/8" 7 '
    '"web@docker" "http://10.0.0.2:80" 109ms\n'
)
TRAEFIK_JSON = (
    '{"ClientAddr":"10.0.0.1:5","Duration":109000000,"RequestMethod":"GET","RequestPath":'
    '"/index.html","DownstreamStatus":200,"StartUTC":"2026-01-31T10:00:00.123456789Z"}\n'
)
CADDY = (
    '{"level":"info","ts":1769853600.5,"logger":"http.log.access","msg":"handled request",'
    '"request":{"method":"GET","uri":"/index.html?a=1"},"duration":0.109,"status":200}\n'
)
IIS = (
    "#Software: Microsoft Internet Information Services 10.0\n#Version: 1.0\n"
    "#Fields: date time cs-method cs-uri-stem cs-uri-query sc-status time-taken\n"
    "2026-01-31 10:00:00 GET /index.html a=1 200 109\n"
)
HAR = """{
 "log": {"entries": [
  {"startedDateTime": "2026-01-31T10:00:00.000Z", "time": 109,
   "request": {"method": "GET", "url": "/index.html?a=1"}, "response": {"status": 200}}
 ]}
}"""
BRACES = "31.01.2026 10:00:00 | GET /index.html?a=1 | 200 | 109ms\n"


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        (HAPROXY, AUTO),
        (ENVOY, AUTO),
        (TRAEFIK, ImportSettings("traefik")),
        (TRAEFIK_JSON, AUTO),
        (CADDY, AUTO),
        ('{"level":"info","ts":1.5,"msg":"started"}\n' + CADDY, AUTO),
        (IIS, AUTO),
        (HAR, AUTO),
        (
            BRACES,
            ImportSettings(
                "log",
                Columns(time_format="%d.%m.%Y %H:%M:%S"),
                log_format="{time} | {request} | {status} | {latency}",
            ),
        ),
        (
            '10.0.0.1 - - [31/Jan/2026:10:00:00 +0000] "GET /index.html HTTP/1.1" 200 5 109\n',
            ImportSettings("apache", log_format='LogFormat "%h %l %u %t \\"%r\\" %>s %b %{ms}T"'),
        ),
        (
            "31/Jan/2026:10:00:00 +0000 GET /index.html 200 0.109\n",
            ImportSettings(
                "nginx",
                log_format="$time_local $request_method $uri $status ${request_time}",
            ),
        ),
        (
            "1769853600.5 GET /index.html 200 0.5 0.109\n",
            ImportSettings(
                "nginx",
                Columns("upstream_response_time"),
                "$msec $request_method $uri $status $request_time $upstream_response_time",
            ),
        ),
        (
            "start,method,path,took,exception\n1769853600,GET,/index.html,109,\n",
            ImportSettings(
                "csv",
                Columns("took", None, ("method", "path"), ("start",), ok="exception is empty"),
            ),
        ),
        (
            '[{"a.b": "GET", "c": {"path": "/index.html"}, "s": [0.109]}]',
            ImportSettings("json", Columns("s", "s", ("a.b", "c.path"))),
        ),
    ],
)
def test_a_log_has_the_latency_of_each_request(
    tmp_path: Path, text: str, settings: ImportSettings
) -> None:
    (record,) = written(tmp_path, text, settings).values()
    found = (record.test, record.n, record.failures, record.quantiles_ns["p50"])
    assert found == ("GET /index.html", 1, {}, 109_000_000)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-8"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_file_is_read_in_the_encoding_that_it_begins_with(
    tmp_path: Path, encoding: str, end: str
) -> None:
    text = f"url,ms{end}/größe,5{end}".encode(encoding)
    settings = ImportSettings("csv", Columns("ms", names=("url",)))
    assert list(written(tmp_path, text, settings)) == ["/größe"]


@pytest.mark.parametrize(
    ("text", "cut_line"),
    [("ms,x\n5,1\n6,2\n7", 4), ("ms,x\n5,1\n6,2\n,,", 4), ("ms,x\n5,1\n6,2\n7.,1", None)],
)
def test_a_last_line_that_is_cut_off_is_left_out_and_named(
    tmp_path: Path, text: str, cut_line: int | None
) -> None:
    (record,) = written(tmp_path, text, ImportSettings("csv", Columns("ms"))).values()
    assert record.n == (3 if cut_line is None else 2)
    lines = [dict(each.items).get("line") for each in record.measurement.advice]
    assert [line for line in lines if line] == ([cut_line] if cut_line else [])


STARTED = '{"level":"info","ts":1.5,"msg":"started"}\n'
K6_METRIC = '{"type":"Metric","data":{"name":"http_req_duration"},"metric":"http_req_duration"}\n'
K6_POINT = (
    '{"metric":"http_req_duration","type":"Point","data":{"time":"2026-01-31T10:00:00Z",'
    '"value":109,"tags":{"method":"GET","name":"/index.html","status":"200"}}}\n'
)
K6_HEADER = "metric_name,timestamp,metric_value,method,name,status\n"
K6_ROW = "http_req_duration,1769853600,109,GET,/index.html,200\n"


@pytest.mark.parametrize(
    ("before", "between", "request_line"),
    [
        ("", STARTED, CADDY),
        (K6_METRIC, K6_POINT.replace("_duration", "_waiting"), K6_POINT),
        (K6_HEADER, K6_ROW.replace("_duration", "_waiting"), K6_ROW),
    ],
    ids=["caddy", "k6 json", "k6 csv"],
)
def test_a_block_of_lines_about_something_else_is_neither_a_failure_nor_an_error(
    tmp_path: Path, before: str, between: str, request_line: str
) -> None:
    text = before + between * 600 + request_line * 3 + between * 1200 + request_line
    (record,) = written(tmp_path, text).values()
    assert (record.test, record.n, record.failures) == ("GET /index.html", 4, {})


JSON_OF_MS = ImportSettings("json", Columns("ms", times=("at",)))


def test_an_object_without_a_latency_is_a_failed_request(tmp_path: Path) -> None:
    text = '{"ms": 5, "at": 1}\n{"ms": null, "at": 2}\n' + '{"at": 3}\n' * 600
    (record,) = written(tmp_path, text, JSON_OF_MS).values()
    assert (record.n, record.failures) == (1, {"no latency": 601})


def test_requests_with_and_without_a_time_are_refused(tmp_path: Path) -> None:
    text = '{"ms": 5, "at": 1}\n' * 512 + '{"ms": 5}\n' * 512
    with pytest.raises(ImportedFileError) as refused:
        written(tmp_path, text, JSON_OF_MS)
    reason = "has requests with and without a time, around line 513"
    assert str(refused.value) == f"{tmp_path / 'results'}: {reason}"


def test_a_carriage_return_in_a_line_ends_it_as_elsewhere(tmp_path: Path) -> None:
    settings = ImportSettings("csv", Columns("ms"))
    with pytest.raises(ImportedFileError) as refused:
        written(tmp_path, b"x,ms\na\r,5\nb,6\n", settings)
    reason = "line 3 has 2 columns, and the lines before it have 1"
    assert str(refused.value) == f"{tmp_path / 'results'}: {reason}"


def test_a_block_without_any_request_is_passed_over(tmp_path: Path) -> None:
    text = "ms,x\n" + "5,1\n" * 512 + "ms,x\n" * 512 + "5,1\n"
    (record,) = written(tmp_path, text, ImportSettings("csv", Columns("ms"))).values()
    assert (record.n, record.failures) == (513, {})


def test_a_second_header_is_no_request(tmp_path: Path) -> None:
    text = "url,ms\n/a,5\n/a,6\nurl,ms\n/a,7\n"
    (record,) = written(
        tmp_path, text, ImportSettings("csv", Columns("ms", names=("url",)))
    ).values()
    assert (record.n, record.failures) == (3, {})


@pytest.mark.parametrize(
    ("first", "second", "between_ns"),
    [
        ("1700000000", "1700000003", 3e9),
        ("1700000000123", "1700000003123", 3e9),
        ("1700000000123456", "1700000003123456", 3e9),
        ("0.5", "3.5", 3e9),
        ("2026-01-31T10:00:00Z", "2026-01-31 10:00:03", 3e9),
        ("2026/01/31 10:00:00,000", "2026/01/31 10:00:03.000", 3e9),
        ("[31/Jan/2026:10:00:00 +0000]", "[31/Jan/2026:10:00:03 +0000]", 3e9),
    ],
)
def test_times_are_recognized_by_the_first(
    tmp_path: Path, first: str, second: str, between_ns: float
) -> None:
    text = f'ts;ms\n"{first}";0\n"{second}";0\n'
    settings = ImportSettings("csv", Columns("ms", times=("ts",)))
    (record,) = written(tmp_path, text, settings).values()
    assert record.measurement.elapsed_ns == pytest.approx(between_ns, abs=0.25e9)


@pytest.mark.parametrize("latency_ms", [13, 997, 4999, 0.5, 0.123456])
def test_a_latency_is_shown_as_the_file_has_it(tmp_path: Path, latency_ms: float) -> None:
    text = "ms\n" + f"{latency_ms}\n" * 60
    (record,) = written(tmp_path, text, ImportSettings("csv", Columns("ms"))).values()
    assert record.quantiles_ns["p50"] == pytest.approx(latency_ms * 1e6, rel=0.0005)
    step_ns = 1e6 if latency_ms >= 1 else 1e5 if latency_ms == 0.5 else 1
    assert record.quantiles_ns["p50"] % step_ns == 0


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("autocannon.json", "is the summary of autocannon, and no verdict can be based on"),
        ("k6-csv-grpc-only.csv", "has no requests of HTTP (http_req_duration); for another metric"),
        ("k6-json-handleSummary-metrics-first.json", "is the summary of k6, and no verdict can be"),
        ("locust-0.x-quoted_stats.csv", "is a CSV of Locust, and no verdict can be based on"),
        ("oha-one-line.json", "is the summary of oha, and no verdict can be based on a summary"),
        ("vegeta-hdrplot.txt", "is a table of percentiles, and no verdict can be based on"),
        ("wrk2-hdr-percentiles.hgrm", "is a table of percentiles, and no verdict can be based"),
    ],
)
def test_a_file_without_requests_is_refused_with_the_reason(file: str, reason: str) -> None:
    with pytest.raises(ImportedFileError) as refused:
        read(FILES / file)
    assert str(refused.value).startswith(f"{FILES / file}: {reason}")


def test_saved_data_is_needed_of_pytest_benchmark(tmp_path: Path) -> None:
    with pytest.raises(ImportedFileError) as refused:
        written(tmp_path, '{"benchmarks": [{"fullname": "t.py::test_x", "stats": {"min": 1}}]}')
    assert str(refused.value) == (
        f"{tmp_path / 'results'}: has no column stats.data: expected the output of pytest "
        "--benchmark-json=FILE with --benchmark-save-data"
    )


def test_a_request_with_spaces_in_its_path_is_read_whole(tmp_path: Path) -> None:
    line = '10.0.0.1 - 2026-01-31T10:00:00+00:00 GET /a b c 200 0.020 example https "curl"\n'
    settings = ImportSettings("nginx", log_format=UNQUOTED)
    (record,) = written(tmp_path, line, settings).values()
    assert (record.test, record.quantiles_ns["p50"]) == ("GET /a b c", 20_000_000)


def test_no_line_of_a_visitor_takes_long() -> None:
    """The search for the end of a value must not be tried again for each of many spaces."""
    line = "10.0.0.1 - 2026-01-31T10:00:00+00:00 GET /" + "a " * 100_000 + '200 "curl"'
    begin = time.process_time()
    assert LogFormat(UNQUOTED).values(line) is None
    assert time.process_time() - begin < 5
