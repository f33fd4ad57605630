"""Counts of Prometheus: native histograms, classic buckets, and what cannot be judged."""

from __future__ import annotations

from base64 import b64encode
from email.message import Message
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_hancock_latency.core.budget import parse_limits
from pytest_hancock_latency.core.record import Record
from pytest_hancock_latency.core.verdict import Outcome
from pytest_hancock_latency.errors import ImportedFileError
from pytest_hancock_latency.importing.prometheus import PrometheusQuery, prometheus_records
from pytest_hancock_latency.judging.coarse import Bucket, CoarseHistogram

from ..cli.conftest import Command, command  # noqa: F401 - a fixture
from .answering import answering, classic, native, vector

EDGES = {"0.01": "900", "0.1": "1000", "+Inf": "1000"}
FAST = (0, "0.0078125", "0.00852", "900")
STRADDLING = (0, "0.0919", "0.1002", "100")
SLOW = (0, "0.25", "0.2726", "100")


def judged(answer: object, budgets: dict[str, str] | None = None) -> list[Record]:
    named = {name: parse_limits(text) for name, text in (budgets or {}).items()}
    of_all = None if budgets else parse_limits("p50=10ms,p99=100ms")
    with answering(answer) as (url, _):
        return prometheus_records(PrometheusQuery(url, "m"), named, of_all)


def test_a_message_repeats_only_the_start_of_a_long_answer() -> None:
    answer = {"status": "error", "errorType": "bad_data", "error": "x" * 5000}
    with answering(answer) as (url, _), pytest.raises(ImportedFileError) as caught:
        prometheus_records(PrometheusQuery(url, "m"), {}, parse_limits("p50=1s"))
    assert str(caught.value) == f"{url}: bad_data: {'x' * 990}"


def test_the_query_is_sent_as_it_is() -> None:
    with answering(vector(native([FAST]))) as (url, queries):
        prometheus_records(
            PrometheusQuery(f"{url}/", 'm{a="é+b"} - m offset 1d'), {}, parse_limits("p50=1s")
        )
    assert queries == ['/api/v1/query m{a="é+b"} - m offset 1d']


def authorization(url: str, **headers: str) -> str | None:
    """Return the header that a server gets."""
    received: list[Message] = []
    with answering(vector(native([FAST])), received=received) as (address, _):
        url = url.replace("HOST", address.removeprefix("http://"))
        prometheus_records(PrometheusQuery(url, "m", "s", headers), {}, parse_limits("p50=1s"))
    return received[0]["Authorization"]


def test_user_and_password_of_the_url_and_a_token_are_sent() -> None:
    assert authorization("http://HOST") is None
    basic = b64encode(b"me:a/b@c").decode()
    assert f"Basic {basic}" == authorization("http://me:a%2Fb%40c@HOST")
    assert authorization("http://HOST", Authorization="Bearer token") == "Bearer token"


def test_a_redirection_gets_no_secret() -> None:
    received: list[Message] = []
    with (
        answering(vector(native([FAST])), received=received) as (elsewhere, _),
        answering("", 302, location=f"{elsewhere}/api") as (url, _),
    ):
        with_password = url.replace("//", "//me:secret@")
        query = PrometheusQuery(with_password, "m", "s", {"X-Scope-Orgid": "7"})
        prometheus_records(query, {}, parse_limits("p50=1s"))
    assert (received[0]["Authorization"], received[0]["X-Scope-Orgid"]) == (None, None)


@pytest.mark.parametrize(
    "url",
    [
        "http://me:secret@127.0.0.1:1",
        "http://me:secret/@127.0.0.1:1",
        "http://me:sec@ret@127.0.0.1:1",
    ],
)
def test_no_message_has_the_password_of_the_url(url: str) -> None:
    with pytest.raises(ImportedFileError) as refused:
        prometheus_records(PrometheusQuery(url, "m"), {}, None)
    assert str(refused.value) == (
        "http://127.0.0.1:1: no answer from Prometheus: Connection refused"
    )


def test_no_message_has_the_password_of_what_is_not_a_url() -> None:
    with pytest.raises(ImportedFileError) as refused:
        prometheus_records(PrometheusQuery("me:secret@127.0.0.1:1", "m"), {}, None)
    assert str(refused.value) == (
        "127.0.0.1:1: is not a URL: it has to begin with http:// or https://"
    )


def test_the_token_of_the_environment_and_other_headers_are_sent(
    command: Command,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HANCOCK_LATENCY_PROMETHEUS_TOKEN", "abc")
    received: list[Message] = []
    with answering(vector(native([FAST])), received=received) as (url, _):
        asked = ("gate", "--from", "prometheus", "--url", url, "--query", "m", "--budget", "p50=1s")
        command(*asked, "--header", "X-Scope-OrgID: 7")
        command(*asked, "--header", "authorization: Basic Zm9v")
    assert [(each["Authorization"], each["X-Scope-OrgID"]) for each in received] == [
        ("Bearer abc", "7"),
        ("Basic Zm9v", None),
    ]


@pytest.mark.parametrize("header", ["secret", "a b: c", "X: a\r\nY: b", ": a"])
def test_what_is_not_a_header_is_refused_without_its_text(
    command: Command,  # noqa: F811
    header: str,
) -> None:
    asked = ("gate", "--from", "prometheus", "--url", "http://127.0.0.1:1", "--query", "m")
    ended = command(*asked, "--budget", "p50=1s", "--header", "A: b", "--header", header)
    assert ended.code == 2
    assert ended.err == (
        "hancock-latency: --header number 2 is not a header: write 'NAME: VALUE'\n"
    )


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (vector(native([FAST])), Outcome.WITHIN),
        (vector(native([FAST, SLOW])), Outcome.EXCEEDED),
        (vector(native([FAST, STRADDLING])), Outcome.INCONCLUSIVE),
        (vector(*classic(EDGES)), Outcome.WITHIN),
        (vector(*classic({**EDGES, "+Inf": "1200"})), Outcome.EXCEEDED),
    ],
    ids=["within", "exceeded", "limit in a bucket", "classic within", "classic exceeded"],
)
def test_counts_at_the_limits_decide(answer: object, outcome: Outcome) -> None:
    (record,) = judged(answer)
    assert outcome is record.outcome
    assert [advice.kind for advice in record.measurement.advice] == ["imported"]


def test_a_quantile_is_the_upper_edge_of_its_bucket() -> None:
    (record,) = judged(vector(native([FAST, SLOW])))
    assert (record.quantiles_ns) == {
        "p50": 8_520_000,
        "p95": 272_600_000,
        "p99": 272_600_000,
        "max": 272_600_000,
    }
    assert record.bounds_ns["p50"] == (7_812_500, 8_520_000)


def test_a_quantile_above_all_edges_is_the_highest_edge() -> None:
    (record,) = judged(vector(*classic({**EDGES, "+Inf": "1200"})))
    assert record.quantiles_ns["p99"] == 100_000_000
    assert record.bounds_ns["p99"] == (100_000_000, None)


def test_names_are_the_values_of_all_labels_and_budgets_are_found_by_pattern() -> None:
    answer = vector(
        native([FAST], route="/items/1", method="GET"),
        native([SLOW], route="/items/2", method="GET"),
        native([FAST], route="/health", method="GET"),
        native([FAST]),
    )
    records = judged(answer, {"GET /items/*": "p50=50ms", "GET /health": "p50=50ms"})
    assert [(record.test, record.n, record.outcome, record.budget_name) for record in records] == [
        ("GET /health", 900, Outcome.WITHIN, "GET /health"),
        ("GET /items/*", 1000, Outcome.WITHIN, "GET /items/*"),
        ("http_seconds", 900, Outcome.NOT_JUDGED, None),
    ]


def test_the_unit_is_that_of_the_observations() -> None:
    answer = vector(*classic({"10": "900", "100": "1000", "+Inf": "1000"}))
    with answering(answer) as (url, _):
        query = PrometheusQuery(url, "m", "ms")
        (record,) = prometheus_records(query, {}, parse_limits("p99=100ms"))
    assert Outcome.WITHIN is record.outcome


NOT_WHOLE = (
    "http_seconds has 900.5 requests in a bucket, which is not a whole number: rate() and "
    "increase() estimate counts; query the counters themselves, or m - m offset 1d"
)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            {"status": "error", "errorType": "bad_data", "error": "parse error"},
            "bad_data: parse error",
        ),
        (
            {"status": "success", "data": {"resultType": "matrix", "result": []}},
            "the query returned a matrix: it has to return one value for each series, such as "
            "m - m offset 1d for the requests of a day",
        ),
        (vector(), "the query returned no series"),
        ({"a": 1}, "the answer is not that of Prometheus's HTTP API"),
        ([], "the answer is not that of Prometheus's HTTP API"),
        (b"<html>", "the answer is not JSON: is it Prometheus?"),
        (
            vector({"metric": {"__name__": "up"}, "value": [1, "1"]}),
            "up is a number, not a histogram: query a native histogram, or classic buckets with "
            "their label le, such as http_request_duration_seconds_bucket",
        ),
        (vector(native([(0, "0.1", "0.2", "900.5")])), NOT_WHOLE),
        (
            vector(native([(0, "0.1", "0.2", "-3")])),
            "http_seconds has -3 requests in a bucket: its process restarted in between; "
            "choose a shorter time",
        ),
        (
            vector(*classic({"0.1": "5"})),
            "http_seconds_bucket has no bucket +Inf: keep all values of the label le",
        ),
        (
            vector(*classic({"0.1": "5", "+Inf": "4"})),
            "http_seconds_bucket has buckets that were not collected at the same time: ask again",
        ),
        (
            vector(*classic(EDGES), *classic(EDGES)),
            "several series have the labels http_seconds_bucket and le=0.01: "
            "add them up by sum by (le, …)",
        ),
        (
            vector(*classic({"0.25": "900", "0.5": "1000", "+Inf": "1000"}, route="/ask")),
            "/ask: no verdict on p50 can be based on classic buckets, because 50 ms is not an "
            "edge: choose one of 250 ms, 500 ms, or collect a native histogram",
        ),
    ],
)
def test_what_no_verdict_can_be_based_on_is_one_error(answer: object, message: str) -> None:
    with answering(answer) as (url, _), pytest.raises(ImportedFileError) as refused:
        prometheus_records(PrometheusQuery(url, "m"), {}, parse_limits("p50=50ms"))
    assert f"{url}: {message}" == str(refused.value)


def test_an_error_of_the_server_is_told() -> None:
    refusal = {"status": "error", "errorType": "bad_data", "error": "1:5: parse error"}
    for content, why in ((refusal, "bad_data: 1:5: parse error"), (b"no", "HTTP 400 Bad Request")):
        with answering(content, 400) as (url, _), pytest.raises(ImportedFileError) as refused:
            prometheus_records(PrometheusQuery(url, "m{"), {}, None)
        assert f"{url}: {why}" == str(refused.value)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("127.0.0.1:9090", "is not a URL: it has to begin with http:// or https://"),
        ("http://127.0.0.1:9", "no answer from Prometheus: Connection refused"),
    ],
)
def test_a_server_that_is_not_there_is_one_error(url: str, why: str) -> None:
    with pytest.raises(ImportedFileError) as refused:
        prometheus_records(PrometheusQuery(url, "m"), {}, None)
    assert f"{url}: {why}" == str(refused.value)


def test_the_command_judges_and_writes_an_artifact(
    command: Command,  # noqa: F811
    tmp_path: Path,
) -> None:
    artifact = tmp_path / "judged.json"
    with answering(vector(native([FAST, SLOW], route="/ask"))) as (url, _):
        asked = ("gate", "--from", "prometheus", "--url", url, "--query", "m")
        ended = command(*asked, "--budget", "p99=100ms", "-o", artifact)
    assert (ended.code, ended.err) == (1, "")
    assert ended.out == (
        "latency budgets (latencies in ms, raw, by nearest rank)\n\n"
        "sample     n   p50  p95  p99  limits (ms)  verdict\n"
        "/ask    1000  8.52  273  273  p99 100      exceeded p99\n\n"
        "1 exceeded\n\n"
        "/ask\n"
        "  exceeded p99: 100 of 1000 over 100 ms (10 %, allowed 1 %); p99 ≥ 250 ms\n\n"
        "advice for /ask: measured by another tool, which does not know what the machine did: "
        "exceeded can be due to the machine or the network (imported)\n"
    )
    assert command("show", artifact, "/ask").code == 0
    assert command("compare", artifact, artifact).code == 0
    assert command("gate", artifact, "--budget", "p99=1s").err == (
        "hancock-latency: /ask has no histogram: Prometheus has only the counts of its own "
        "buckets\n"
    )


@pytest.mark.parametrize(
    ("buckets", "explanation"),
    [
        (
            [FAST, STRADDLING],
            "inconclusive p99: up to 100 of 1000 over 100 ms, all of them in the bucket that the "
            "limit is in; choose a limit at one of its edges",
        ),
        (
            [FAST, STRADDLING, (0, "0.1002", "0.11", "4")],
            "inconclusive p99: up to 104 of 1004 over 100 ms, 100 of them in the bucket that the "
            "limit is in; choose a limit at one of its edges",
        ),
        (
            [FAST, STRADDLING, SLOW],
            "exceeded p99: 100 of 1100 over 100 ms (9.1 %, allowed 1 %); p99 ≥ 250 ms",
        ),
    ],
)
def test_a_bucket_with_the_limit_counts_against_each_verdict(
    command: Command,  # noqa: F811
    buckets: list[tuple[int, str, str, str]],
    explanation: str,
) -> None:
    with answering(vector(native(buckets, route="/ask"))) as (url, _):
        asked = ("gate", "--from", "prometheus", "--url", url, "--query", "m")
        out = command(*asked, "--budget", "p99=100ms").out
    assert f"\n/ask\n  {explanation}\n\n" in out


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["a.csv", "--from", "prometheus"], "--from prometheus reads no file: leave out a.csv"),
        (["--from", "prometheus", "--query", "m"], "--from prometheus needs --url and --query"),
        (["--from", "csv"], "no FILE is given"),
        ([], "no FILE is given"),
        (
            ["a.csv", "--from", "csv", "--url", "http://x"],
            "--url, --query and --header are only for --from prometheus",
        ),
    ],
)
def test_options_that_do_not_fit_are_one_line(
    command: Command,  # noqa: F811
    arguments: list[str],
    why: str,
) -> None:
    ended = command("gate", *arguments, "--budget", "p50=1s")
    assert (2, "", f"hancock-latency: {why}\n") == (ended.code, ended.out, ended.err)


@given(
    st.lists(
        st.tuples(st.integers(0, 50), st.integers(0, 20), st.integers(1, 20), st.integers(1, 4)),
        min_size=1,
    ),
    st.integers(0, 80),
)
def test_counts_and_ranks_of_buckets_never_claim_too_much(
    parts: list[tuple[int, int, int, int]], limit_ns: int
) -> None:
    """Each part: the lower end, the width or 0 for no upper end, the offset, and the count."""
    buckets, latencies = [], []
    for above, width, offset, count in parts:
        buckets.append(Bucket(above, above + width if width else None, count))
        latencies += [above + (min(offset, width) if width else offset)] * count
    histogram = CoarseHistogram(tuple(buckets))
    over = sum(latency > limit_ns for latency in latencies)
    assert histogram.surely_over(limit_ns) <= over <= histogram.maybe_over(limit_ns)
    for rank, latency in enumerate(sorted(latencies), 1):
        high_ns = histogram.high_of_rank(rank)
        assert histogram.low_of_rank(rank) <= latency
        assert high_ns is None or latency <= high_ns
