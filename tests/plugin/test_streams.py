"""``sample.stream``: limits for the first item, gaps and whole streams, and marks by hand."""

from __future__ import annotations

import tomllib

import pytest

from tests.plugin.conftest import Suite

TOKENS = """
def tokens(count=3, first=0.001, gap=0.001, end=0.001):
    cpu.use(first)
    for number in range(count):
        if number:
            cpu.use(gap)
        yield number
    cpu.use(end)
"""
# A real server that sends three events, and a real client.
SERVER = """
import http.client, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Events(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number in range(3):
            time.sleep(0.002)
            event = b"data: %d\\n\\n" % number
            self.wfile.write(b"%x\\r\\n%s\\r\\n" % (len(event), event))
        self.wfile.write(b"0\\r\\n\\r\\n")

    def log_message(self, *_):
        pass

@pytest.fixture
def url():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Events)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()
"""


def test_each_clock_has_a_sample_and_a_verdict(suite: Suite) -> None:
    suite.write(f"""{TOKENS}
@latency_budget(p50="10s", first={{"p50": "5s"}}, gap={{"p50": "5s", "max": "9s"}})
def test_chat(sample):
    chat = sample.stream(tokens, count=4, gap=0.002)
    assert chat.answer == [0, 1, 2, 3]
    assert chat.within and chat.first.within and chat.gap.within
    assert chat.first.p50_ms < chat.p50_ms
""")
    samples = suite.artifact()["samples"]
    found = {
        each["measurement"]["clock"]: (each["name"], each["outcome"], each["n"]) for each in samples
    }
    assert found == {
        None: ("", "within", 50),
        "first": ("first", "within", 50),
        "gap": ("gap", "within", 50),
    }
    limits = [[part["limit_ns"] for part in each["verdict"]["limits"]] for each in samples]
    assert limits == [[10**10], [5 * 10**9], [5 * 10**9, 9 * 10**9]]


@pytest.mark.parametrize(
    ("budget", "stream", "sample"),
    [
        ('p50=0.1, first={"p50": "9s"}', "tokens, first=0.01", ""),
        ('first={"p50": 0.1}', "tokens, first=0.01", "first: "),
        ('p50="9s", gap={"p50": 0.1}', "tokens, gap=0.01", "gap: "),
    ],
    ids=["whole", "first", "gap"],
)
def test_a_clock_that_is_exceeded_fails_the_test(
    suite: Suite, budget: str, stream: str, sample: str
) -> None:
    suite.write(f"""{TOKENS}
@latency_budget({budget})
def test_chat(sample):
    sample.stream({stream})
""")
    result = suite.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"FAILED test_it.py::test_chat - {sample}p50 * > 0.1 ms, *"])


def test_without_limits_of_its_own_the_whole_stream_is_not_judged(suite: Suite) -> None:
    suite.write(f"""{TOKENS}
@latency_budget(first={{"p50": "5s"}})
def test_chat(sample):
    assert sample.stream(tokens, name="chat").within
""")
    outcomes = {each["name"]: each["outcome"] for each in suite.artifact()["samples"]}
    assert outcomes == {
        "chat": "not judged",
        "chat · first": "within",
        "chat · gap": "not judged",
    }


def test_a_check_sees_the_items_and_a_failed_one_fails_the_test(suite: Suite) -> None:
    suite.write(f"""{TOKENS}
@latency_budget(first={{"p50": "5s"}})
def test_chat(sample):
    sample.stream(tokens, check=lambda items: len(items) == 4)
""")
    result = suite.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*exceeded errors: 1 of 1 requests failed*"])


def test_a_stream_of_a_real_server_is_measured(suite: Suite) -> None:
    suite.write(f"""{SERVER}
import urllib.request

@latency_budget(p50="9s", first={{"p50": "5s"}}, gap={{"p50": "5s"}})
def test_events(sample, url):
    events = sample.stream(
        urllib.request.urlopen, url, items=lambda line: [line] if line.strip() else []
    )
    assert events.answer == [b"data: 0\\n", b"data: 1\\n", b"data: 2\\n"]
    assert events.p50_ms > 1.5 * events.first.p50_ms
""")
    suite.run().assert_outcomes(passed=1)


def test_streams_of_httpx_and_requests_are_measured(suite: Suite) -> None:
    pytest.importorskip("httpx")
    pytest.importorskip("requests")
    suite.write(f"""{SERVER}
import asyncio, httpx, requests

BUDGET = latency_budget(p50="9s", first={{"p50": "5s"}}, gap={{"p50": "5s"}})

@BUDGET
def test_httpx(sample, url):
    with httpx.Client() as client:
        events = sample.stream(client.stream, "GET", url)
    assert events.answer == ["data: 0", "data: 1", "data: 2"]
    assert events.p50_ms > 1.5 * events.first.p50_ms

@BUDGET
def test_requests(sample, url):
    with requests.Session() as session:
        events = sample.stream(session.get, url, stream=True)
    assert events.answer == [b"data: 0", b"data: 1", b"data: 2"]
    assert events.p50_ms > 1.5 * events.first.p50_ms

@BUDGET
def test_async(sample, url):
    async def measure():
        async with httpx.AsyncClient() as client:
            return await sample.stream(client.stream, "GET", url)
    events = asyncio.run(measure())
    assert events.answer == ["data: 0", "data: 1", "data: 2"]
    assert events.p50_ms > 1.5 * events.first.p50_ms
""")
    suite.run("-p", "no:anyio").assert_outcomes(passed=3)


def test_a_client_that_collects_the_answer_first_gets_advice(suite: Suite) -> None:
    suite.write("""
def collected():
    cpu.use(0.002)
    return iter(["a", "b"])

@latency_budget(p50="9s")
def test_chat(sample):
    sample.stream(collected)
""")
    suite.run().stdout.fnmatch_lines(
        [
            "advice for test_it.py::test_chat: in every call, the first item came with the last "
            "one: the client collects the whole answer first, as test clients do, so use a running "
            "server; or the stream is one piece (buffered-stream)"
        ]
    )


def test_marks_end_stages_of_a_block(suite: Suite) -> None:
    suite.write("""
@latency_budget(p50="9s", clocks={"connected": {"p50": "5s"}})
def test_stages(sample):
    for _ in sample.rounds(name="order"):
        with sample.observe() as call:
            cpu.use(0.001)
            call.mark("connected")
            cpu.use(0.001)
            call.mark("parsed")
""")
    outcomes = {each["name"]: each["outcome"] for each in suite.artifact()["samples"]}
    assert outcomes == {
        "order": "within",
        "order · connected": "within",
        "order · parsed": "not judged",
    }


@pytest.mark.parametrize(
    ("budget", "body", "message"),
    [
        (
            'first={"p95": 5}',
            "sample(len, 'abc')",
            "nothing was measured for first=: this test never called sample.stream(...)",
        ),
        (
            'p95="9s", gap={"p95": 5}',
            "sample.stream(tokens, count=1)",
            "nothing was measured for gap=: no call of sample.stream(...) had two items",
        ),
        (
            'p95="9s", clocks={"parsed": {"p95": 5}}',
            "sample(len, 'abc')",
            "nothing was measured for clocks={'parsed': ...}: no round had call.mark('parsed') in "
            "`with sample.observe() as call:`",
        ),
    ],
)
def test_limits_of_a_clock_that_never_ran_fail_the_test(
    suite: Suite, budget: str, body: str, message: str
) -> None:
    suite.write(f"""{TOKENS}
@latency_budget({budget})
def test_it(sample):
    {body}
""")
    result = suite.run()
    result.assert_outcomes(failed=1)
    assert message in result.outlines


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        ("first=300", "first=300 is not a mapping of limits such as {'p95': 300}"),
        ("gap={}", "gap={} is not a mapping of limits such as {'p95': 300}"),
        (
            'first={"errors": 1}',
            "first: 'errors' is not a percentile: a clock has limits only, such as p95",
        ),
        ('first={"p95": -1}', "first: p95: -1 is not a duration: *"),
        ('first={"p95": 9, "p50": 10}', "first: p95=9 ms is below p50=10 ms: *"),
        ("clocks=[]", "clocks=[[]] is not a mapping such as {'connected': {'p95': 20}}"),
        (
            'clocks={"first": {"p95": 1}}',
            "'first' cannot be the name of a stage: it is a text, and first, gap and total have a "
            "meaning of their own",
        ),
    ],
)
def test_limits_of_clocks_that_are_none_are_refused(
    suite: Suite, budget: str, message: str
) -> None:
    suite.write(f"""
@latency_budget({budget})
def test_it(sample):
    pass
""")
    result = suite.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: test_it.py::test_it: latency_budget: {message}"])


def test_limits_of_clocks_come_from_the_budget_file(suite: Suite) -> None:
    suite.path.joinpath("pyproject.toml").write_text(
        """
[tool.hancock-latency.budgets."POST /v1/chat"]
p50 = "9s"
[tool.hancock-latency.budgets."POST /v1/chat".first]
p50 = 0.1
[tool.hancock-latency.budgets."POST /v1/chat".clocks.parsed]
p50 = "9s"
""",
        encoding="utf-8",
    )
    suite.write(f"""{TOKENS}
@latency_budget("POST /v1/chat", clocks={{"parsed": {{"p95": "9s"}}}})
def test_chat(sample):
    for _ in sample.rounds(name="rounds"):
        with sample.observe() as call:
            call.mark("parsed")
    sample.stream(tokens, first=0.01, name="chat")
""")
    result = suite.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*POST /v1/chat [[]chat · first]*exceeded p50*"])


def test_suggested_limits_of_clocks_can_be_pasted(suite: Suite) -> None:
    suite.write(f"""{TOKENS}
@latency_budget(p50="9s")
def test_chat(sample):
    sample.stream(tokens)
""")
    suite.artifact("--latency=report")
    markers = suite.command("suggest", "artifact.json", "--format", "markers")
    assert "first={" in markers
    assert "gap={" in markers
    toml = tomllib.loads(suite.command("suggest", "artifact.json"))
    assert set(toml["budgets"]["test_it.py::test_chat"]) >= {"p50", "first", "gap", "tests"}


def test_an_artifact_is_judged_by_limits_of_clocks(suite: Suite) -> None:
    suite.write(f"""{TOKENS}
@latency_budget(p50="9s")
def test_chat(sample):
    sample.stream(tokens)
""")
    suite.artifact()
    suite.path.joinpath("budgets.toml").write_text(
        '[budgets.test_chat]\np50 = "9s"\n[budgets.test_chat.first]\np50 = 0.0001\n',
        encoding="utf-8",
    )
    output = suite.command("gate", "artifact.json", "--budgets", "budgets.toml")
    assert "test_chat [first]" in output
    assert "exceeded p50" in output
    assert "its budget has no limits of gap" in suite.command(
        "gate", "artifact.json", "--budgets", "budgets.toml", "-o", "judged.json"
    ) + suite.path.joinpath("judged.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("mode", ["off", "report"])
def test_in_other_modes_nothing_fails(suite: Suite, mode: str) -> None:
    suite.write(f"""{TOKENS}
@latency_budget(p50=0.0001, first={{"p50": 0.0001}})
def test_chat(sample):
    assert sample.stream(tokens, first=0.01).answer == [0, 1, 2]
""")
    suite.run(f"--latency={mode}").assert_outcomes(passed=1)


def test_all_clocks_are_slowed_down_on_purpose(suite: Suite) -> None:
    suite.write(f"""{TOKENS}
@latency_budget(p50="9s")
def test_chat(sample):
    sample.stream(tokens)
""")

    def medians(*arguments: str) -> dict[str, int]:
        records = suite.artifact(*arguments)["samples"]
        return {each["name"]: each["attributed_quantiles_ns"]["p50"] for each in records}

    slowed, plain = medians("--latency-slowdown=900%"), medians()
    assert all(slowed[name] > 3 * plain[name] for name in ("first", "gap"))
