"""Raw results of other tools: each format, its failures and names, and one verdict."""

from __future__ import annotations

import gzip
import sys
import tracemalloc
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_hancock_latency.core.budget import parse_limits
from pytest_hancock_latency.core.histogram import index_of, indexes_of
from pytest_hancock_latency.core.pattern import MOST_NAMES, OTHER_NAMES
from pytest_hancock_latency.core.record import Record
from pytest_hancock_latency.core.verdict import Outcome
from pytest_hancock_latency.errors import ImportedFileError
from pytest_hancock_latency.files.artifact import read_artifact
from pytest_hancock_latency.importing import layout, results, rows
from pytest_hancock_latency.importing.reading import Columns, ImportSettings, imported_records

from ..cli.conftest import Command, command  # noqa: F401 - a fixture

JMETER = """\
timeStamp,elapsed,label,responseCode,responseMessage,threadName,dataType,success,failureMessage,bytes
1700000000123,12,GET /health,200,OK,Thread 1-1,text,true,,512
1700000000200,30,GET /health,503,Busy,Thread 1-2,text,false,"busy, again",512
1700000000300,14,POST /ask,200,OK,Thread 1-1,text,true,,512
"""
HEY = """\
response-time,DNS+dialup,DNS,Request-write,Response-delay,Response-read,status-code,offset
0.0120,0.0009,0.0000,0.0000,0.0027,0.0002,200,0.0002
0.0300,0.0002,0.0000,0.0001,0.0044,0.0000,503,0.0003
"""
OHA = """\
request-start,DNS,DNS+dialup,Response-delay,request-duration,bytes,status
0.0002,0.0001,0.0009,0.0027,0.0120,512,200
0.0100,0.0001,0.0009,0.0027,0.0300,512,500
"""
VEGETA_CSV = """\
1700000000123456789,200,12000000,0,512,,Ym9keQ==,attack,0,GET,http://x/health,
1700000000223456789,0,30000000,0,0,connection refused,,attack,1,GET,http://x/health,
"""
VEGETA_JSON = """\
{"attack":"","seq":0,"code":200,"timestamp":"2023-11-14T22:13:20.123456789Z","latency":12000000,\
"bytes_out":0,"bytes_in":512,"error":"","body":"","method":"GET","url":"http://x/health"}
{"attack":"","seq":1,"code":503,"timestamp":"2023-11-14T22:13:20.223456789Z","latency":30000000,\
"bytes_out":0,"bytes_in":0,"error":"503 Busy","body":"","method":"GET","url":"http://x/health"}
"""
K6_CSV = """\
metric_name,timestamp,metric_value,check,error,error_code,expected_response,group,method,name,proto,scenario,status
http_reqs,1700000000,1.0,,,,true,,GET,http://x/health,HTTP/1.1,default,200
http_req_duration,1700000000,12.0,,,,true,,GET,http://x/health,HTTP/1.1,default,200
http_req_duration,1700000000,30.0,,,1503,false,,GET,http://x/health,HTTP/1.1,default,503
"""
K6_JSON = """\
{"type":"Metric","data":{"name":"http_req_duration"},"metric":"http_req_duration"}
{"metric":"http_req_duration","type":"Point","data":{"time":"2023-11-14T22:13:20.123456789Z",\
"value":12.0,"tags":{"method":"GET","name":"http://x/health","status":"200","expected_response":"true"}}}
{"metric":"http_req_waiting","type":"Point","data":{"time":"2023-11-14T22:13:20Z","value":9,"tags":{}}}
{"metric":"http_req_duration","type":"Point","data":{"time":"2023-11-14T22:13:20+00:00",\
"value":30.0,"tags":{"method":"GET","name":"http://x/health","status":"503","expected_response":"false"}}}
"""
GATLING = """\
RUN\tSimulation\tsimulation\t1700000000000\t \t3.10.5
USER\tScenario\tSTART\t1700000000100
REQUEST\t\thealth\t1700000000123\t1700000000135\tOK\t
REQUEST\tgroup\thealth\t1700000000200\t1700000000230\tKO\tstatus 503
"""
NGINX_FORMAT = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $bytes_sent $request_time'
)
NGINX = """\
127.0.0.1 - - [14/Nov/2023:22:13:20 +0000] "GET /health?x=1 HTTP/1.1" 200 512 0.012
127.0.0.1 - - [14/Nov/2023:22:13:21 +0000] "GET /health HTTP/1.1" 503 512 0.030
"""
CSV = "url,duration,status,ts\n/health,0.012,200,1700000000.1\n/health,0.030,503,1700000000.2\n"

GUESSED = ImportSettings()
BINARY = (
    "is binary: vegeta encode --to csv converts the results of Vegeta; the log of Gatling 3.12 and "
    "later can only be read by Gatling itself, so judge the access log of the server or of a proxy "
    "in front of it, or run Gatling 3.11"
)
NOT_JSON = "is not JSON: Expecting value: line 2 column 1 (char 9)"


def imported(
    tmp_path: Path,
    text: str,
    settings: ImportSettings = GUESSED,
    budgets: dict[str, str] | None = None,
) -> list[Record]:
    path = tmp_path / "results"
    path.write_text(text, encoding="utf-8")
    named = {name: parse_limits(limits) for name, limits in (budgets or {}).items()}
    of_all = None if budgets else parse_limits("p50=20ms,p99=1s,errors=60%")
    return imported_records(path, settings, named, of_all)


@pytest.mark.parametrize(
    ("text", "settings", "name", "failure"),
    [
        (JMETER, ImportSettings(), "GET /health", "503"),
        (JMETER.partition("\n")[2], ImportSettings(), "GET /health", "503"),
        (HEY, ImportSettings(), "results", "HTTP 503"),
        (OHA, ImportSettings(), "results", "HTTP 500"),
        (VEGETA_CSV, ImportSettings(), "GET http://x/health", "connection refused"),
        (VEGETA_JSON, ImportSettings(), "GET http://x/health", "503 Busy"),
        (K6_CSV, ImportSettings(), "GET http://x/health", "503"),
        (K6_CSV.replace(",170", ",170000"), ImportSettings(), "GET http://x/health", "503"),
        (K6_JSON, ImportSettings("k6"), "GET http://x/health", "503"),
        (GATLING.replace("\tgroup\t", "\t\t"), ImportSettings(), "health", "status 503"),
        (NGINX, ImportSettings("nginx", log_format=NGINX_FORMAT), "GET /health", "HTTP 503"),
        (
            NGINX,
            ImportSettings("nginx", log_format=NGINX_FORMAT.replace("remote_addr", "1")),
            "GET /health",
            "HTTP 503",
        ),
        (
            CSV,
            ImportSettings("csv", Columns("duration", "s", ("url",), ("ts",), ok="status<400")),
            "/health",
            "status 503",
        ),
    ],
    ids=[
        "jmeter",
        "jmeter-without-names",
        "hey",
        "oha",
        "vegeta",
        "vegeta-json",
        "k6",
        "k6-in-ms",
        "k6-json",
        "gatling",
        "nginx",
        "nginx-with-a-capture",
        "csv",
    ],
)
def test_a_format_has_latencies_names_and_failures(
    tmp_path: Path, text: str, settings: ImportSettings, name: str, failure: str
) -> None:
    record = next(record for record in imported(tmp_path, text, settings) if record.test == name)
    assert ({failure: 1}, 1) == (record.failures, record.n)
    assert pytest.approx(record.quantiles_ns["p50"], rel=0.0005) == 12_000_000
    assert record.measurement.elapsed_ns
    leaves_out = ["tool-leaves-out"] * text.startswith((HEY[:9], OHA[:9], K6_CSV[:9], K6_JSON[:9]))
    kinds = [advice.kind for advice in record.measurement.advice]
    assert kinds == ["imported", *leaves_out]


def test_a_csv_needs_neither_name_nor_time_nor_condition(tmp_path: Path) -> None:
    settings = ImportSettings("csv", Columns("duration", "s"))
    (record,) = imported(tmp_path, CSV, settings)
    assert (record.test, record.n, record.failures) == ("results", 2, {})
    assert record.timeline is None


def requests(count: int, slow: Sequence[int], slow_ms: float = 80) -> str:
    """Requests every 10 ms of 10 ms each, but for some."""
    lines = ["ts,ms"]
    lines += [f"{1000 + at / 100},{slow_ms if at in slow else 10}" for at in range(count)]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("slow", "time", "outcome"),
    [
        (range(0), "ts", Outcome.WITHIN),
        (range(0, 1000, 10), "ts", Outcome.EXCEEDED),
        (range(600, 640), "ts", Outcome.INCONCLUSIVE),
        (range(600, 640), None, Outcome.EXCEEDED),
    ],
    ids=["within", "slow all the time", "one stall", "one stall without times"],
)
def test_a_single_stall_is_told_from_slow_code_if_there_are_times(
    tmp_path: Path, slow: range, time: str | None, outcome: Outcome
) -> None:
    settings = ImportSettings("csv", Columns("ms", times=(time,) if time else ()))
    budgets = {"results": "p99=50ms"}
    (record,) = imported(tmp_path, requests(1000, slow), settings, budgets)
    assert outcome is record.outcome


def test_budgets_are_found_by_name_and_pattern(tmp_path: Path) -> None:
    text = "url,ms\n" + "".join(f"/items/{n},5\n" for n in range(60)) + "/health,5\n/other,5\n"
    settings = ImportSettings("csv", Columns("ms", names=("url",)))
    budgets = {"/items/*": "p50=10ms", "/health": "p50=1s"}
    records = {record.test: record for record in imported(tmp_path, text, settings, budgets)}
    assert list(records) == ["/health", "/items/*", "/other"]
    assert (records["/items/*"].n, records["/items/*"].outcome) == (60, Outcome.WITHIN)
    assert records["/other"].not_judged == "no budget with its name"


def test_names_without_end_are_judged_together(tmp_path: Path) -> None:
    text = "url,ms\n" + "".join(f"/items/{n},5\n" for n in range(MOST_NAMES + 20))
    settings = ImportSettings("csv", Columns("ms", names=("url",)))
    records = {record.test: record.n for record in imported(tmp_path, text, settings)}
    assert len(records) == MOST_NAMES + 2
    assert records["Aggregated"] == MOST_NAMES + 20
    assert records[OTHER_NAMES] == 20


def test_a_compressed_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "access.gz"
    path.write_bytes(gzip.compress(HEY.encode()))
    (record,) = imported_records(path, ImportSettings(), {}, parse_limits("p50=1s"))
    assert record.test == "access"


@pytest.mark.parametrize("suffix", ["csv", "csv.gz"])
def test_a_line_that_does_not_end_is_refused_before_it_fills_the_memory(
    tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"bomb.{suffix}"
    opener = gzip.open if suffix == "csv.gz" else open
    with opener(path, "wb") as file:
        file.write(b"ms\r\n5\r\n")
        for _ in range(64):
            file.write(b"1" * 1024 * 1024)
    tracemalloc.start()
    with pytest.raises(ImportedFileError) as refused:
        imported_records(path, ImportSettings("csv", Columns("ms")), {}, parse_limits("p50=1s"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert str(refused.value) == f"{path}: line 3 has more than 8388608 bytes, the maximum"
    assert peak < 40 * 1024 * 1024


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_many_short_lines_are_no_long_one(tmp_path: Path, end: str) -> None:
    path = tmp_path / "results.csv"
    path.write_bytes(f"ms{end}".encode() + f"5{end}".encode() * 5_000_000)
    settings = ImportSettings("csv", Columns("ms"))
    (record,) = imported_records(path, settings, {}, parse_limits("p50=1s"))
    assert record.n == 5_000_000


def test_a_name_of_a_request_is_shortened(tmp_path: Path) -> None:
    settings = ImportSettings("csv", Columns("ms", names=("url",)))
    text = f"url,ms\n/{'a' * 5000},5\n/b,5\n"
    names = [record.test for record in imported(tmp_path, text, settings)]
    assert f"/{'a' * 999}…" in names


def test_many_blocks_and_chunks_are_the_same_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "url,ms,ts\n" + "".join(f"/{n % 7},{n % 50 + 1},{n / 100}\n" for n in range(3000))
    settings = ImportSettings("csv", Columns("ms", names=("url",), times=("ts",)))
    whole = imported(tmp_path, text, settings)
    monkeypatch.setattr(rows, "BLOCK", 13)
    assert whole == imported(tmp_path, text, settings)


@pytest.mark.parametrize(
    ("text", "settings", "message"),
    [
        (
            "",
            ImportSettings("hey"),
            "has no column response-time: expected the output of hey -o csv",
        ),
        (HEY.splitlines()[0] + "\n", ImportSettings(), "has no requests"),
        (
            "a,b\n",
            ImportSettings(),
            "unknown format: add --from k6, jmeter, vegeta, hey, oha, gatling, ab, "
            "pytest-benchmark, har, nginx-ingress, haproxy, envoy, alb, traefik, caddy, iis, "
            "nginx, apache, log, csv or json",
        ),
        ("a,b\n", ImportSettings("csv"), "--from csv needs --latency-column"),
        (
            "a,b\n",
            ImportSettings("csv", Columns("ms")),
            "--latency-column: no column 'ms'; there are a, b",
        ),
        (
            "ms,status\n1,200\n",
            ImportSettings("csv", Columns("ms", ok="status")),
            "--ok: 'status' is not a condition such as 'status<400' or 'error is empty'",
        ),
        (
            "ms,x\n1,2\nfast,2\n",
            ImportSettings("csv", Columns("ms")),
            "line 3: 'fast' is not a number",
        ),
        (
            "ms,x\n1,2\n1\n",
            ImportSettings("csv", Columns("ms")),
            "line 3 has 1 columns, and the lines before it have 2",
        ),
        (
            "ms\n1\n\nnan\n",
            ImportSettings("csv", Columns("ms")),
            "line 4: 'nan' is not a latency",
        ),
        (
            "ms\n1e30\n",
            ImportSettings("csv", Columns("ms")),
            "line 2: '1e30' is not a latency",
        ),
        (
            "ms,ts\n1,soon\n",
            ImportSettings("csv", Columns("ms", times=("ts",))),
            "line 2: 'soon' is not a time that is recognized: add --time-format, such as "
            "'%Y-%m-%d %H:%M:%S'",
        ),
        (
            K6_CSV.replace("30.0", "fast"),
            ImportSettings(),
            "line 4: 'fast' is not a number",
        ),
        (
            "ms,ts\n1,1700000000\n1,soon\n",
            ImportSettings("csv", Columns("ms", times=("ts",))),
            "line 3: 'soon' is not a time",
        ),
        (
            "ms,ts\n1,9e99\n",
            ImportSettings("csv", Columns("ms", times=("ts",))),
            "line 2: '9e99' is not a time that is recognized: add --time-format, such as "
            "'%Y-%m-%d %H:%M:%S'",
        ),
        (
            "ms,ts\n1,1\n1,9e99\n",
            ImportSettings("csv", Columns("ms", times=("ts",))),
            "line 3: '9e99' is not a time",
        ),
        (
            "ms,ts\n1,31.1.2026\n1,32.1.2026\n",
            ImportSettings("csv", Columns("ms", times=("ts",), time_format="%d.%m.%Y")),
            "line 3: '32.1.2026' is not a time like %d.%m.%Y",
        ),
        (
            '<?xml version="1.0"?>\n<!DOCTYPE a [<!ENTITY b "b">]>\n<testResults>\n',
            ImportSettings(),
            "has a document type: JMeter writes none",
        ),
        (
            "<?xml version='1.0'?>\n<a></b>\n",
            ImportSettings(),
            "is not XML: mismatched tag: line 2, column 5",
        ),
        ("<?xml version='1.0'?>\n<a/>\n", ImportSettings(), "has no requests"),
        ("\x0f\xff\x81\x03\x01\x01\x06Result\x00", ImportSettings(), BINARY),
        ("\x00\x01binary", ImportSettings("gatling"), BINARY),
        (
            "a b\n",
            ImportSettings("nginx", log_format="$request_time $msec"),
            "line 1 is not of the log format: 'a b\\n'",
        ),
        (
            "0.1\n",
            ImportSettings("nginx", log_format="$status"),
            "--log-format has no latency: $request_time of nginx, %D or %T of Apache, or {latency}",
        ),
        (
            "0.1\n",
            ImportSettings("nginx", log_format="$request_time"),
            "--log-format has no time: add $msec, $time_iso8601 or $time_local of nginx, %t of "
            "Apache, or {time}, so that a single stall can be told from slow code",
        ),
        (
            "x",
            ImportSettings("nginx"),
            "--from nginx needs --log-format, as it stands in the server's configuration",
        ),
        (
            "x",
            ImportSettings("log", log_format="nothing"),
            "--log-format 'nothing' has no variables, such as $request_time of nginx, %D of "
            "Apache, or {latency}",
        ),
        ("0\n", ImportSettings("alb"), "line 1 has 1 columns, and column 8 is needed"),
        (
            "ms,ts\n1," + "9" * 400 + "\n",
            ImportSettings("csv", Columns("ms", times=("ts",))),
            "line 2: '999999999999999999999999999999999999999 is not a time that is recognized: "
            "add --time-format, such as '%Y-%m-%d %H:%M:%S'",
        ),
        (
            GATLING + "REQUEST\t\ta\t" + "9" * 5000 + "\t1700000000123\tOK\t\n",
            ImportSettings(),
            f"line 5 is not a request: 'REQUEST\\t\\ta\\t{'9' * 69}'",
        ),
        ("{k\n", ImportSettings("k6"), "line 1 is not JSON: '{k\\n'"),
        ('{"ms": [\n', ImportSettings("json", Columns("ms")), NOT_JSON),
        (
            "{\n",
            ImportSettings(),
            "is not JSON: Expecting property name enclosed in double quotes: line 2 column 1 "
            "(char 2)",
        ),
        (
            '{"ms": 1}\n',
            ImportSettings("json", Columns("ms"), rows="a.b"),
            "has no objects at 'a.b'",
        ),
        ("{}\n", ImportSettings("json"), "--from json needs --latency-column"),
        (
            '{"a": 1}\n',
            ImportSettings(),
            "is JSON of an unknown tool: add --from json --latency-column KEY, and --rows KEY for "
            "the list that has the requests",
        ),
        (
            '{\n "resourceSpans": []\n}\n',
            ImportSettings(),
            "is an export of traces, whose spans are a selection of the requests: no verdict can "
            "be based on it",
        ),
        (
            "#Fields: date time time-taken\n2026-01-31 10:00:00\n2026-01-31 10:00:00 5\n",
            ImportSettings(),
            "line 2 has 2 columns, and #Fields has 3",
        ),
        (
            GATLING + "REQUEST\t\thealth\n",
            ImportSettings(),
            "line 5 is not a request: 'REQUEST\\t\\thealth\\n'",
        ),
    ],
)
def test_a_file_that_cannot_be_read_is_one_error(
    tmp_path: Path, text: str, settings: ImportSettings, message: str
) -> None:
    with pytest.raises(ImportedFileError) as refused:
        imported(tmp_path, text, settings)
    assert f"{tmp_path / 'results'}: {message}" == str(refused.value)


RECORD = "record each request, for example with hey -o csv, k6 or Vegeta"
K6_RAW = "run k6 with --out csv=FILE or --out json=FILE"
K6_SUMMARY = "the summary of k6"
LOCUST = "import pytest_hancock_latency.locust_gate in the locustfile, which judges the run itself"


@pytest.mark.parametrize(
    ("first", "what", "instead"),
    [
        ("Type,Name,Request Count,Failure Count,Median Response Time", "a CSV of Locust", LOCUST),
        ("Timestamp,User Count,Type,Name,Requests/s,Failures/s,50%", "a CSV of Locust", LOCUST),
        ("Method,Name,Error,Occurrences,First Seen,Last Seen", "a CSV of Locust", LOCUST),
        ("Count,Message,Traceback,Nodes", "a CSV of Locust", LOCUST),
        ("Running 2s test @ http://127.0.0.1/", "the output of wrk or wrk2", RECORD),
        ("This is ApacheBench, Version 2.3", "the output of ApacheBench", RECORD),
        (
            "\nSummary:\n  Total:\t0.0538 secs",
            "the summary of hey or oha",
            "add -o csv to hey, or --output-format csv to oha",
        ),
        ("\n\n  █ TOTAL RESULTS", K6_SUMMARY, K6_RAW),
        (
            "Requests      [total, rate, throughput]  200, 50.25, 50.24",
            "a report of Vegeta",
            "convert its results by vegeta encode --to csv",
        ),
        (
            "Label,# Samples,Average,Median",
            "an aggregate report of JMeter",
            "run jmeter with -l results.jtl",
        ),
        (
            "# HELP http_request_duration_seconds Latency.",
            "a page of metrics",
            "let Prometheus collect it, and use --from prometheus",
        ),
    ],
)
@pytest.mark.parametrize("source", ["auto", "csv"])
def test_a_summary_is_refused_whatever_it_is_said_to_be(
    tmp_path: Path, first: str, what: str, instead: str, source: str
) -> None:
    with pytest.raises(ImportedFileError) as refused:
        imported(tmp_path, f"{first}\nx\n", ImportSettings(source, Columns("Name")))
    assert (
        f"{tmp_path / 'results'}: is {what}, and no verdict can be based on a summary, because it "
        f"does not say how many requests were over a limit: {instead}"
    ) == str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "url,ms\r\n/a,5\r\n/b,6\r\n",
        "\nurl,ms\n\n/a,5\n\n/b,6",
        'url,ms\n"/a",5\n/b,6\n',
        'url,ms,text\n/a,5,"line,\n\nline"\n/b,6,"\n"\n',
    ],
    ids=["line ends of Windows", "blank lines", "quotes", "line ends in fields"],
)
@pytest.mark.parametrize("block", [1, 512])
def test_a_csv_is_read_as_the_csv_module_does(
    tmp_path: Path, text: str, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "BLOCK", block)
    path = tmp_path / "results"
    path.write_bytes(text.encode())
    settings = ImportSettings("csv", Columns("ms", names=("url",)))
    assert [(record.test, record.n) for record in imported_records(path, settings, {}, None)] == [
        ("/a", 1),
        ("/b", 1),
    ]


@pytest.mark.parametrize(
    ("text", "started_unix_s"),
    [
        (K6_JSON.replace('"value":12.0', '"value":500.0'), 1_699_999_999.5),
        (K6_CSV.replace(",170", ",170000").replace("12.0", "500.0"), 1_699_999_999.5),
        (K6_CSV.replace("12.0", "500.0"), 1_700_000_000),
    ],
    ids=["json", "csv in ms", "csv in whole seconds"],
)
def test_k6_says_when_a_request_ended(tmp_path: Path, text: str, started_unix_s: float) -> None:
    (record,) = imported(tmp_path, text)
    assert started_unix_s == record.measurement.started_unix_s


@pytest.mark.parametrize("text", [HEY, OHA], ids=["hey", "oha"])
def test_relative_times_are_not_taken_for_times_since_1970(tmp_path: Path, text: str) -> None:
    (record,) = imported(tmp_path, text)
    assert (record.measurement.started_unix_s, record.measurement.ended_unix_s) == (None, None)
    assert record.timeline


def test_names_that_were_forgotten_are_still_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "url,ms,status\n" + "".join(f"/items/{n},5,{n}\n" for n in [*range(60), *range(60)])
    settings = ImportSettings("csv", Columns("ms", names=("url",), ok="status!=7"))
    whole = imported(tmp_path, text, settings)
    monkeypatch.setattr(results, "_MOST_REMEMBERED", 10)
    monkeypatch.setattr(layout, "_MOST_REMEMBERED", 10)
    assert whole == imported(tmp_path, text, settings)


def test_a_file_that_is_not_there_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(ImportedFileError) as refused:
        imported_records(tmp_path / "nowhere", ImportSettings(), {}, None)
    assert f"{tmp_path / 'nowhere'}: No such file or directory" == str(refused.value)


@given(st.lists(st.integers(-5, 2**62), min_size=1))
def test_buckets_of_a_column_are_those_of_its_latencies(latencies: list[int]) -> None:
    exact = [latency for latency in latencies if latency < 2**53]
    assert [index_of(latency) for latency in exact] == indexes_of(
        np.array(exact, np.int64)
    ).tolist()


def test_a_quantile_is_that_of_the_raw_numbers(tmp_path: Path) -> None:
    draw = np.random.default_rng(1)
    latencies_ms = np.round(draw.lognormal(3, 1, 5000), 3)
    text = "ms\n" + "\n".join(map(str, latencies_ms)) + "\n"
    (record,) = imported(tmp_path, text, ImportSettings("csv", Columns("ms")))
    ascending = np.sort(latencies_ms)
    for label, share in (("p50", Fraction(1, 2)), ("p99", Fraction(99, 100))):
        expected_ms = ascending[int(np.ceil(float(share) * 5000)) - 1]
        assert record.quantiles_ns[label] == pytest.approx(expected_ms * 1e6, rel=0.0005)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell")
def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "hey.csv"
    path.write_text(HEY)
    with path.open() as file:
        monkeypatch.setattr("sys.stdin", file)
        (record,) = imported_records(Path("-"), ImportSettings(), {}, parse_limits("p50=1s"))
    assert record.n == 1


def test_exceeded_says_that_nothing_is_attributed(command: Command, tmp_path: Path) -> None:  # noqa: F811
    path, artifact = tmp_path / "all.csv", tmp_path / "judged.json"
    path.write_text(requests(1000, range(0, 1000, 10)))
    asked = ("gate", path, "--from", "csv", "--latency-column", "ms", "--time-column", "ts")
    ended = command(*asked, "--budget", "p99=50ms", "-o", artifact)
    assert (ended.code, ended.err) == (1, "")
    assert ended.out == (
        "latency budgets (latencies in ms, raw, by nearest rank)\n\n"
        "sample     n  p50  p95  p99  limits (ms)  verdict\n"
        "all     1000   10   80   80  p99 50       exceeded p99\n\n"
        "1 exceeded\n\n"
        "all\n"
        "  exceeded p99: 100 of 1000 over 50 ms (10 %, allowed 1 %); p99 ≥ 80 ms\n\n"
        "advice for all: measured by another tool, which does not know what the machine did: "
        "exceeded can be due to the machine or the network (imported)\n"
        "advice for all: failures are unknown: every row counts as a success: add --ok, such as "
        "--ok 'status<400' (failures-unknown)\n"
    )
    command("report", artifact, "--format", "html", "-o", tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "no attribution: it was measured by another tool" in page


@pytest.mark.parametrize(
    ("start", "session"),
    [
        (1_700_000_000, {"tool": "pytest-hancock-latency", "started_unix_s": 1_700_000_000}),
        (0, {"tool": "pytest-hancock-latency"}),
    ],
    ids=["since 1970", "relative"],
)
def test_the_artifact_says_when_the_run_began_if_the_times_do(
    command: Command,  # noqa: F811
    tmp_path: Path,
    start: int,
    session: dict[str, object],
) -> None:
    path, artifact = tmp_path / "all.csv", tmp_path / "judged.json"
    path.write_text("ts,ms\n" + "".join(f"{start + at},5\n" for at in range(60)))
    asked = ("gate", path, "--from", "csv", "--latency-column", "ms", "--time-column", "ts")
    assert command(*asked, "--budget", "p50=50ms", "-o", artifact).code == 0
    assert session == read_artifact(artifact).session
