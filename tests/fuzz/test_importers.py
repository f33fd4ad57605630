"""Files of other tools: damaged ones are a named error or judged, valid ones counted exactly."""

from __future__ import annotations

import csv
import io
import json
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example
from hypothesis import strategies as st

from pytest_hancock_latency.core.budget import parse_limits
from pytest_hancock_latency.core.histogram import Histogram
from pytest_hancock_latency.core.pattern import AGGREGATED
from pytest_hancock_latency.core.record import Record
from pytest_hancock_latency.errors import ImportedFileError
from pytest_hancock_latency.files.artifact import read_artifact
from pytest_hancock_latency.importing.reading import (
    FORMATS,
    Columns,
    ImportSettings,
    imported_records,
)
from pytest_hancock_latency.reporting.json_artifact import json_text
from pytest_hancock_latency.reporting.table import summary_text
from pytest_hancock_latency.reporting.writer import write_whole

from ..importing import test_formats as formats
from ..importing import test_importing as gold
from .fuzzing import damaged_text, fuzzed, odd_words, seeds

BUDGET = parse_limits("p50=20ms,p99=1s,errors=60%")
COLUMNS = Columns("duration", "s", ("url",), ("ts",), ok="status<400")
WHOLE = {
    "jmeter": gold.JMETER,
    "jmeter-xml": formats.XML,
    "hey": gold.HEY,
    "oha": gold.OHA,
    "vegeta": gold.VEGETA_CSV,
    "vegeta-json": gold.VEGETA_JSON,
    "k6": gold.K6_CSV,
    "k6-json": gold.K6_JSON,
    "gatling": gold.GATLING,
    "nginx": gold.NGINX,
    "haproxy": formats.HAPROXY,
    "envoy": formats.ENVOY,
    "traefik": formats.TRAEFIK,
    "traefik-json": formats.TRAEFIK_JSON,
    "caddy": formats.CADDY,
    "iis": formats.IIS,
    "har": formats.HAR,
    "log": formats.BRACES,
    "csv": gold.CSV,
}
LONGEST_NS = 2**62


LOG_FORMATS = {
    "nginx": gold.NGINX_FORMAT,
    "apache": formats.APACHE,
    "log": "{time} | {request} | {status} | {latency}",
}


def settings_of(format: str) -> ImportSettings:
    tool = format.removesuffix("-json").removesuffix("-xml")
    columns = COLUMNS if tool in ("csv", "json") else Columns()
    return ImportSettings(tool, columns, LOG_FORMATS.get(tool))


def is_read_or_refused(path: Path, settings: ImportSettings, given: str = "") -> None:
    """Read a file: an error starts with its path; records are plausible and can be read back.

    given: text of an option that the message may repeat.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # of numpy, for numbers that it cannot convert
            records = imported_records(path, settings, {}, BUDGET)
    except ImportedFileError as error:
        assert str(error).startswith(f"{path}: "), str(error)
        longest = len(str(path)) + 1000 + 2 * len(repr(given))
        assert len(str(error)) < longest, "the message repeats the file"
        return
    assert records
    for record in records:
        assert record.n + sum(record.failures.values()) > 0
        assert all(0 <= ns <= LONGEST_NS for ns in record.quantiles_ns.values())
    artifact = path.with_name("written.json")
    write_whole(artifact, json_text(records, {}))
    again = read_artifact(artifact).records
    assert [comparable(record) for record in records] == [comparable(record) for record in again]
    assert summary_text(records)


def comparable(record: Record) -> Any:
    histogram = record.histogram.counts if record.histogram else {}
    return record.test, record.n, record.failures, record.outcome, record.quantiles_ns, histogram


@pytest.mark.parametrize("seed", seeds("importers"), ids=lambda path: path.name)
def test_a_kept_file_is_read_or_refused(seed: Path, tmp_path: Path) -> None:
    path = tmp_path / "results"
    path.write_bytes(seed.read_bytes())
    is_read_or_refused(path, settings_of(seed.name.partition(".")[0]))


@pytest.mark.parametrize("format", WHOLE)
def test_a_damaged_file_is_read_or_refused(format: str, tmp_path: Path) -> None:
    path = tmp_path / "results"

    @fuzzed("importers", damaged_text(st.just(WHOLE[format])), slower=5)
    def check(text: str) -> None:
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        is_read_or_refused(path, settings_of(format))

    check()


@fuzzed(
    "importers",
    st.lists(odd_words, max_size=40).map(" ".join) | st.text(max_size=200),
    st.sampled_from(FORMATS),
    slower=5,
)
def test_any_text_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, text: str, format: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    is_read_or_refused(path, settings_of(format))


@fuzzed("importers", st.binary(max_size=100), slower=5)
def test_any_compressed_file_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.gz"
    path.write_bytes(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03" + content)
    is_read_or_refused(path, ImportSettings())


@example("$0 $request_time")
@fuzzed("importers", damaged_text(st.just(gold.NGINX_FORMAT)) | st.text(max_size=30), slower=5)
def test_any_log_format_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, log_format: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "access.log"
    path.write_text(gold.NGINX, encoding="utf-8")
    is_read_or_refused(path, ImportSettings("nginx", log_format=log_format), log_format)


conditions = st.lists(
    st.sampled_from(("status", "duration", "ts", "<", "<=", "==", "!=", ">", "400", "0.02"))
    | odd_words,
    max_size=4,
).map(" ".join)


@fuzzed("importers", conditions, st.sampled_from(("duration", "status", "url", "nowhere")))
def test_any_condition_is_used_or_refused(
    tmp_path_factory: pytest.TempPathFactory, ok: str, latency: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "results.csv"
    path.write_text(gold.CSV, encoding="utf-8")
    columns = Columns(latency, "ms", ("url",), ok=ok)
    is_read_or_refused(path, ImportSettings("csv", columns), ok)


# --- valid files ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sent:
    """One request, as every format can write it."""

    method: str
    path: str
    latency_ms: int
    start_ms: int
    status: int


names = st.text("abcdefgh-_./é", min_size=1, max_size=8).map(lambda text: f"/{text}")
requests = st.lists(
    st.builds(
        Sent,
        st.sampled_from(("GET", "POST")),
        names,
        st.integers(0, 100_000),
        st.integers(1_600_000_000_000, 1_900_000_000_000),
        st.sampled_from((200, 201, 304, 404, 500, 503)),
    ),
    min_size=1,
    max_size=40,
)


def as_csv(header: str, rows: list[list[object]]) -> str:
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerows(rows)
    return f"{header}{written.getvalue()}"


def moment(ms: int) -> str:
    at = datetime.fromtimestamp(ms // 1000, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}000000Z"


def jmeter(sent: list[Sent]) -> str:
    return as_csv(
        "timeStamp,elapsed,label,responseCode,responseMessage,threadName,dataType,success\n",
        [
            [s.start_ms, s.latency_ms, f"{s.method} {s.path}", s.status, 'a, "b"', 1, "text", ok]
            for s in sent
            for ok in ("true" if s.status < 400 else "false",)
        ],
    )


def vegeta(sent: list[Sent]) -> str:
    return as_csv(
        "",
        [
            [
                *(s.start_ms * 10**6, s.status, s.latency_ms * 10**6, 0, 9),
                *("", "", "", 0, s.method, s.path, ""),
            ]
            for s in sent
        ],
    )


def vegeta_json(sent: list[Sent]) -> str:
    return "".join(
        json.dumps(
            {
                "attack": "",
                "code": s.status,
                "timestamp": moment(s.start_ms),
                "latency": s.latency_ms * 10**6,
                "error": "",
                "method": s.method,
                "url": s.path,
            },
            separators=(",", ":"),
        )
        + "\n"
        for s in sent
    )


def k6(sent: list[Sent]) -> str:
    return as_csv(
        "metric_name,timestamp,metric_value,error_code,expected_response,method,name,status\n",
        [
            [
                *("http_req_duration", s.start_ms // 1000, s.latency_ms, "", ok),
                *(s.method, s.path, s.status),
            ]
            for s in sent
            for ok in ("true" if s.status < 400 else "false",)
        ],
    )


def k6_json(sent: list[Sent]) -> str:
    return "".join(
        json.dumps(
            {
                "metric": "http_req_duration",
                "type": "Point",
                "data": {
                    "time": moment(s.start_ms + s.latency_ms),
                    "value": s.latency_ms,
                    "tags": {
                        "method": s.method,
                        "name": s.path,
                        "status": str(s.status),
                        "expected_response": "true" if s.status < 400 else "false",
                    },
                },
            },
            separators=(",", ":"),
        )
        + "\n"
        for s in sent
    )


def gatling(sent: list[Sent]) -> str:
    lines = ["RUN\tSimulation\tsimulation\t1700000000000\t \t3.10.5\n"]
    for s in sent:
        outcome = "OK\t" if s.status < 400 else f"KO\t{s.status}"
        name = f"{s.method} {s.path}"
        lines.append(f"REQUEST\t\t{name}\t{s.start_ms}\t{s.start_ms + s.latency_ms}\t{outcome}\n")
    return "".join(lines)


def nginx(sent: list[Sent]) -> str:
    lines = []
    for s in sent:
        end = datetime.fromtimestamp((s.start_ms + s.latency_ms) // 1000, UTC)
        lines.append(
            f"127.0.0.1 - - [{end:%d/%b/%Y:%H:%M:%S} +0000]"
            f' "{s.method} {s.path}?q=1 HTTP/1.1" {s.status} 512 {s.latency_ms / 1000:.3f}\n'
        )
    return "".join(lines)


def plain_csv(sent: list[Sent]) -> str:
    return as_csv(
        "url,duration,status,ts\n",
        [[f"{s.method} {s.path}", s.latency_ms / 1000, s.status, s.start_ms / 1000] for s in sent],
    )


WRITERS: dict[str, Callable[[list[Sent]], str]] = {
    "jmeter": jmeter,
    "vegeta": vegeta,
    "vegeta-json": vegeta_json,
    "k6": k6,
    "k6-json": k6_json,
    "gatling": gatling,
    "nginx": nginx,
    "csv": plain_csv,
}


@pytest.mark.parametrize("format", WRITERS)
def test_a_valid_file_is_counted_exactly(format: str, tmp_path: Path) -> None:
    path = tmp_path / "results"

    @fuzzed("importers", requests, slower=10)
    def check(sent: list[Sent]) -> None:
        path.write_text(WRITERS[format](sent), encoding="utf-8")
        records = imported_records(path, settings_of(format), {}, BUDGET)
        expected: dict[str, list[int]] = {}
        failed: Counter[str] = Counter()
        for each in sent:
            latencies = expected.setdefault(f"{each.method} {each.path}", [])
            if each.status < 400:
                latencies.append(each.latency_ms * 10**6)
            else:
                failed[f"{each.method} {each.path}"] += 1
        together = [AGGREGATED] if len(expected) > 1 else []
        assert [*sorted(expected), *together] == [record.test for record in records]
        if together:
            expected[AGGREGATED] = [ns for latencies in expected.values() for ns in latencies]
            failed[AGGREGATED] = failed.total()
        for record in records:
            latencies = expected[record.test]
            assert record.n == len(latencies)
            assert record.histogram is not None
            assert is_close(record.histogram, latencies)
            assert sum(record.failures.values()) == failed[record.test]

    check()


def is_close(histogram: Histogram, latencies_ns: list[int]) -> bool:
    """Whether each latency is in its bucket or, by rounding of a decimal number, next to it."""
    exact = Histogram.of(np.array(latencies_ns, dtype=np.int64))
    pairs = zip(_expanded(histogram), _expanded(exact), strict=True)
    return all(abs(ours - theirs) <= 1 for ours, theirs in pairs)


def _expanded(histogram: Histogram) -> list[int]:
    return [index for index, count in histogram.counts.items() for _ in range(count)]
