"""Files of other tools that used to pass without evidence."""

from __future__ import annotations

from pathlib import Path

import pytest

from ..cli.conftest import Command, command  # noqa: F401 - a fixture

FILES = Path(__file__).parent / "files"
NGINX_FORMAT = '$remote_addr [$time_iso8601] "$request" $status $request_time'


def gate(command: Command, file: str, *options: str | Path) -> tuple[int, str]:  # noqa: F811
    """The exit code and the output of a gate on one of the files."""
    budget = () if "--budgets" in options else ("--budget", "p95=100ms,errors=1%")
    source = () if "--from" in options else ("--from", "auto")
    ended = command("gate", FILES / file, *source, *budget, *options)
    return ended.code, ended.out or ended.err


@pytest.mark.parametrize(
    ("kind", "failure"), [("status500", "1500 ×120"), ("refused", "1212 ×120")]
)
def test_both_outputs_of_k6_have_the_same_failures_without_expected_response(
    command: Command,  # noqa: F811
    kind: str,
    failure: str,
) -> None:
    as_json = "no-expected" if kind == "status500" else kind
    for file in (f"k6-json-0.2x-{as_json}.json", f"k6-csv-0.2x-{kind}.csv"):
        code, output = gate(command, file)
        # One of the files has no code of the error.
        expected = "HTTP 500 ×120" if file.endswith("500.csv") else failure
        assert (code, expected in output) == (1, True)


def test_k6_without_any_tag_of_the_outcome_says_that_failures_are_unknown(
    command: Command,  # noqa: F811
) -> None:
    code, output = gate(command, "k6-csv-no-status-tags.csv")
    assert code == 0
    assert (
        "advice for GET /x: failures are unknown: no line has one of the tags expected_response, "
        "error_code and status: add them to systemTags of k6 (failures-unknown)"
    ) in output


@pytest.mark.parametrize(
    ("log_format", "advice"),
    [
        (NGINX_FORMAT, ""),
        (
            NGINX_FORMAT.replace(" $status", " 200"),
            "failures are unknown: every line counts as a success: add $status to the log format",
        ),
    ],
)
def test_a_log_without_a_status_says_that_failures_are_unknown(
    command: Command,  # noqa: F811
    tmp_path: Path,
    log_format: str,
    advice: str,
) -> None:
    line = '10.0.0.1 [2024-01-31T10:00:00+00:00] "GET /x HTTP/1.1" 200 0.020\n'
    (tmp_path / "access.log").write_text(line * 80)
    code, output = gate(
        command, str(tmp_path / "access.log"), "--from", "nginx", "--log-format", log_format
    )
    assert code == 0
    assert advice in output
    assert bool(advice) == ("failures-unknown" in output)


@pytest.mark.parametrize(("status", "failure"), [("400", "HTTP 400"), ("200", "no latency")])
def test_a_line_of_a_log_without_a_latency_is_a_failure(
    command: Command,  # noqa: F811
    tmp_path: Path,
    status: str,
    failure: str,
) -> None:
    line = '10.0.0.1 [2024-01-31T10:00:00+00:00] "GET /x HTTP/1.1" {} {}\n'
    log = line.format(200, 0.02) * 80 + line.format(status, "-") * 40
    (tmp_path / "access.log").write_text(log)
    code, output = gate(
        command, str(tmp_path / "access.log"), "--from", "nginx", "--log-format", NGINX_FORMAT
    )
    assert code == 1
    assert f"40 of 120 requests failed (33 %, allowed 1 %): {failure} ×40" in output


@pytest.mark.parametrize(
    ("file", "options", "message"),
    [
        ("jtl-negative.jtl", (), "line 9: '-5' is negative, which no latency is"),
        (
            "csv-all-negative.csv",
            ("--from", "csv", "--latency-column", "ms"),
            "line 2: '-1' is negative, which no latency is",
        ),
    ],
)
def test_a_negative_latency_is_an_error_with_its_line(
    command: Command,  # noqa: F811
    file: str,
    options: tuple[str, ...],
    message: str,
) -> None:
    assert gate(command, file, *options) == (2, f"hancock-latency: {FILES / file}: {message}\n")


def test_success_in_capital_letters_is_a_success(command: Command) -> None:  # noqa: F811
    assert gate(command, "jtl-success-capital.jtl")[0] == 0


def test_latencies_equal_to_the_limit_are_not_over_it(command: Command) -> None:  # noqa: F811
    code, output = gate(command, "jtl-at-the-limit.jtl")
    assert code == 0
    assert "1 within" in output


def test_slow_requests_with_an_id_in_their_names_are_exceeded_together(
    command: Command,  # noqa: F811
) -> None:
    code, output = gate(command, "jtl-all-slow-ids-in-label.jtl")
    assert code == 1
    assert "exceeded p95: 300 of 300 over 100 ms (100 %, allowed 5 %)" in output


@pytest.mark.parametrize(
    ("budgets", "code", "said"),
    [
        ("aggregated", 1, "Aggregated  120   34   48   49  p95 10, errors 1 %   exceeded p95"),
        ("only-aggregated", 1, "Aggregated\n  exceeded p95: 120 of 120 over 10 ms"),
        (
            "rps",
            0,
            "advice for GET /x: rps >= 2000 is not judged: only a run of Locust shows what limited "
            "the rate (rps-not-judged)",
        ),
        ("two", 3, '\nbudgets that no request matched: "GET /checkout"\n'),
    ],
)
def test_every_budget_is_applied_or_named(
    command: Command,  # noqa: F811
    budgets: str,
    code: int,
    said: str,
) -> None:
    file = FILES / f"budgets-{budgets}.toml"
    ended = gate(command, "jtl-success-capital.jtl", "--budgets", file, "--strict")
    assert (ended[0], said in ended[1]) == (code, True)


def test_budgets_of_tests_match_no_request_without_a_word(
    command: Command,  # noqa: F811
    tmp_path: Path,
) -> None:
    budgets = tmp_path / "latency.toml"
    budgets.write_text('[budgets."GET /x"]\np95 = 100\n[budgets.api]\ntests = ["api/*"]\np95 = 9\n')
    code, output = gate(command, "jtl-success-capital.jtl", "--budgets", budgets, "--strict")
    assert (code, "no request matched" in output) == (0, False)
