"""Names that a test, a sample, a failure or a worker may have: none steers what shows them."""

from __future__ import annotations

import csv
import io
import json
import tomllib
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Final
from xml.etree import ElementTree

import pytest

from pytest_hancock_latency.core.advice import Advice
from pytest_hancock_latency.core.record import Record
from pytest_hancock_latency.plugin.failing import details, headlines
from pytest_hancock_latency.reporting.advice import advice_text
from pytest_hancock_latency.reporting.annotations import annotation_lines
from pytest_hancock_latency.reporting.comparison import (
    BaselineComparison,
    Compared,
    comparison_text,
)
from pytest_hancock_latency.reporting.csv_table import csv_text
from pytest_hancock_latency.reporting.junit import junit_properties, junit_text
from pytest_hancock_latency.reporting.markdown import summary_markdown
from pytest_hancock_latency.reporting.suggestions import suggestions_markers, suggestions_toml
from pytest_hancock_latency.reporting.table import summary_text
from pytest_hancock_latency.reporting.wording import printable, without_commands
from pytest_hancock_latency.runs.baseline import judged_change
from pytest_hancock_latency.runs.suggestion import suggest

from . import gold

ODD = "a\x1b[31m\x00\x9b\u202e\u200b\ud800\ufffe\x7f\r\u2028b"
SHOWN = r"a\x1b[31m\x00\x9b\u202e\u200b\ud800\ufffe\x7f  b"


def odd(name: str = ODD) -> Record:
    """A record with this name everywhere."""
    exceeded = gold.record("became_slow")
    verdict = exceeded.verdict
    assert verdict is not None
    failed = replace(verdict.failures, outcome=verdict.outcome, failed=1)
    return replace(
        exceeded,
        test=name,
        name=name,
        failures={name: 1},
        verdict=replace(verdict, failures=failed),
        measurement=replace(
            exceeded.measurement, advice=(Advice.of("tracer", tools=name), Advice.of(name))
        ),
    )


def compared(record: Record) -> str:
    change = judged_change(record, record, Fraction(1, 10))
    pair = Compared(record, record, change)
    sides = (ODD, ODD)
    return comparison_text(BaselineComparison([pair], [ODD], [ODD], Fraction(1, 10), ODD, sides))


Render = Callable[[Record], str]
FOR_READERS: Final[dict[str, Render]] = {
    "text": lambda record: summary_text([record]),
    "markdown": lambda record: summary_markdown([record]),
    "failing": lambda record: details([record]) + headlines([record]),
    "github": lambda record: "\n".join(annotation_lines([record], {})),
    "markers": lambda record: suggestions_markers(
        [suggest(record, Fraction(1, 5))], Fraction(1, 5), None
    ),
    "compare": compared,
}
WITH_TOML: Final[dict[str, Render]] = {
    **FOR_READERS,
    "toml": lambda record: suggestions_toml(
        [suggest(record, Fraction(1, 5))], Fraction(1, 5), None
    ),
}
WITH_TABLES: Final[dict[str, Render]] = {
    **FOR_READERS,
    "csv": lambda record: csv_text([record]),
    "junit": lambda record: junit_text([record]),
}


@pytest.mark.parametrize("render", WITH_TOML.values(), ids=WITH_TOML)
def test_output_for_readers_has_no_terminal_control_characters(
    render: Render,
) -> None:
    text = render(odd())
    assert [c for c in text.replace("\n", "") if not c.isprintable()] == []
    shown = [SHOWN, SHOWN.replace("\\", "\\\\").replace("[", "\\["), r"a\u001b[31m\u0000\U0000009b"]
    assert any(each in text for each in shown)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (ODD, SHOWN),
        ("GET /é 日本 👍", "GET /é 日本 👍"),
        ("two\nlines\tand a tab", r"two lines\tand a tab"),
    ],
)
def test_only_unprintable_characters_are_escaped(name: str, shown: str) -> None:
    assert shown == printable(name)


def test_advice_of_an_odd_kind_is_escaped() -> None:
    assert advice_text(Advice.of(ODD)) == SHOWN


def test_the_name_of_a_suggested_budget_is_the_name_itself() -> None:
    name = ODD.replace("\ud800", "").replace("\ufffe", "")
    text = suggestions_toml([suggest(odd(name), Fraction(1, 5))], Fraction(1, 5), None)
    assert [name] == list(tomllib.loads(text)["budgets"])


def test_junit_of_odd_names_is_a_document_that_every_parser_takes() -> None:
    document = ElementTree.fromstring(junit_text([odd()]).encode("utf-8"))
    case = document.find(".//testcase")
    assert case is not None
    assert f"{SHOWN} [{SHOWN}]" == case.get("name")


def test_properties_for_junit_have_only_characters_that_xml_can_have() -> None:
    texts = [text for pair in junit_properties(odd()) for text in pair]
    assert f"latency.{SHOWN}.verdict" == texts[0]
    assert all(text.isprintable() for text in texts)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("@name of @org/team", "@&#8203;name of @&#8203;org/team"),
        (
            "#1, GH-1, owner/project#2, !3, %4",
            "#&#8203;1, GH-&#8203;1, owner/project#&#8203;2, !&#8203;3, %&#8203;4",
        ),
        ("&#64;name", "&amp;#&#8203;64;name"),
        ("https://github.com/o/r/issues/1", "https:&#8203;//github.com/o/r/issues/1"),
        ("www.example.com", "www&#8203;.example.com"),
        ("100 % @ 5 # of", "100 % @ 5 # of"),
        ("~a~ <b> `c` [d]", r"\~a\~ \<b> \`c\` \[d]"),
    ],
)
def test_a_name_does_not_mention_users_in_a_pull_request(name: str, shown: str) -> None:
    text = summary_markdown([replace(gold.record("became_slow"), test=name)])
    assert f"\n**{shown}**\n" in text
    assert f"\n| {shown} |" in text


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("::stop-commands::x", r"\::stop-commands::x"),
        ("\n ::set-output name=a::b", r"\  ::set-output name=a::b"),
        ("##vso[task.setvariable variable=A]b", r"#\#vso[task.setvariable variable=A]b"),
        ("GET /a ##VSO[a]", r"GET /a #\#VSO[a]"),
        ("a ##[group]b", r"a #\#[group]b"),
        ("###[error]", r"##\#[error]"),
        ("##teamcity[buildStop]", r"#\#teamcity[buildStop]"),
        ("tests/a.py::test ## [x] #[y]", "tests/a.py::test ## [x] #[y]"),
    ],
)
def test_what_a_ci_runner_would_obey_gets_a_backslash(name: str, shown: str) -> None:
    assert shown == printable(name)


COMMANDS: Final = ("::stop-commands::x", "##vso[task.setvariable variable=A]b", "##[group]c")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("render", WITH_TABLES.values(), ids=WITH_TABLES)
def test_no_name_is_a_command_in_the_log_of_a_ci_runner(render: Render, command: str) -> None:
    text = render(odd(command))
    assert command not in text or not command.startswith("##")
    assert [line for line in text.splitlines() if line.strip().startswith(command)] == []


def test_a_document_on_the_terminal_has_the_same_content_without_commands() -> None:
    document = json.dumps({name: name for name in COMMANDS})
    shown = without_commands(document)
    assert json.loads(shown) == json.loads(document)
    assert [name for name in COMMANDS if name in shown] == ["::stop-commands::x"]
    toml = '[budgets."GET ##[group]"]\np95 = 10\n'
    assert tomllib.loads(without_commands(toml)) == tomllib.loads(toml)
    assert "##[" not in without_commands(toml)


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", " =1"])
def test_no_spreadsheet_takes_a_name_for_a_formula(name: str) -> None:
    (cells,) = csv.DictReader(io.StringIO(csv_text([odd(name)])))
    assert cells["name"] == f"'{name}"
