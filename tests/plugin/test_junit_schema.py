"""JUnit XML as its readers want it: strict ones refuse properties of a test case."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .conftest import Suite

etree = pytest.importorskip("lxml.etree")
GRAMMARS = Path(__file__).parent / "junit"
EVERY_OUTCOME = """
@latency_budget(p50=500, samples=1)
def test_within(sample, record_testsuite_property):
    record_testsuite_property("service", "1.4")
    print("said")
    sample(time.sleep, 0)

@latency_budget(p50=1, p95=2)
def test_exceeded(sample): sample(cpu.use, 0.05)

@latency_budget(p99=500, max_samples=2, samples=1)
def test_inconclusive(sample):
    sample(time.sleep, 0, name="a <b> & 'c'")
    sample(time.sleep, 0, name="other")

@latency_budget(p99=500)
def test_error(sample): raise ValueError("\\x00 ]]> no")

@pytest.mark.skip(reason="not now")
@latency_budget(p99=500)
def test_skipped(sample): pass

@pytest.fixture
def broken(): raise ValueError

def test_without_a_budget(broken): pass
"""


@pytest.fixture(params=[(), ("-n", "2")], ids=["alone", "xdist"])
def workers(request: pytest.FixtureRequest) -> tuple[str, ...]:
    if request.param:
        pytest.importorskip("xdist")
    return request.param  # type: ignore[no-any-return]


def faults(grammar: str, tree: Any) -> list[str]:
    schema = etree.RelaxNG(etree.parse(GRAMMARS / f"{grammar}.rng"))
    schema.validate(tree)
    return [str(entry.message) for entry in schema.error_log]


def junit(suite: Suite, *arguments: str) -> Any:
    """What a run with every outcome writes."""
    suite.write(EVERY_OUTCOME)
    suite.run("--junitxml=junit.xml", *arguments)
    return etree.parse(suite.path / "junit.xml")


def test_without_properties_the_strict_schema_accepts_every_outcome(
    suite: Suite, workers: tuple[str, ...]
) -> None:
    tree = junit(suite, "--latency-junit=off", *workers)
    assert len(tree.findall(".//testcase")) == 6
    assert faults("strict", tree) == []


def test_with_properties_the_lenient_schema_accepts_every_outcome(
    suite: Suite, workers: tuple[str, ...]
) -> None:
    tree = junit(suite, *workers)
    verdicts = tree.xpath(".//property[contains(@name, 'verdict')]/@value")
    assert sorted(verdicts) == ["exceeded", "inconclusive", "inconclusive", "within"]
    assert faults("lenient", tree) == []


def test_with_properties_the_strict_schema_refuses_and_nothing_else_is_the_reason(
    suite: Suite,
) -> None:
    tree = junit(suite)
    assert faults("strict", tree)
    for properties in tree.findall(".//testcase/properties"):
        properties.getparent().remove(properties)
    assert faults("strict", tree) == []


@pytest.mark.parametrize("grammar", ["strict", "lenient"])
@pytest.mark.parametrize(
    "fault",
    [
        "<testsuite name='s' tests='1' failures='0'/>",
        "<testsuite name='s' tests='1' failures='0' errors='0' time='1.23456'/>",
        "<testsuite name='s' tests='1' failures='0' errors='0'><testcase/></testsuite>",
        "<testsuite name='s' tests='1' failures='0' errors='0'>"
        "<testcase name='t' file='t.py'/></testsuite>",
        "<testsuites><testcase name='t'/></testsuites>",
        "<testsuites><properties/></testsuites>",
    ],
    ids=["no errors", "too exact", "no name", "file", "case outside", "properties outside"],
)
def test_the_schemas_refuse_what_their_readers_refuse(grammar: str, fault: str) -> None:
    assert faults(grammar, etree.ElementTree(etree.fromstring(fault)))


ODD_NAMES = """
@latency_budget(p99=500, max_samples=2, samples=1)
def test_odd(sample):
    for name in ("half \\ud800", "nul \\x00 esc \\x1b[31m", "rtl \\u202e"):
        sample(time.sleep, 0, name=name)
"""


def test_odd_names_of_samples_leave_a_document_and_a_summary(
    suite: Suite, workers: tuple[str, ...]
) -> None:
    suite.write(ODD_NAMES)
    run = suite.run("--junitxml=junit.xml", *workers)
    names = etree.parse(suite.path / "junit.xml").xpath(".//property/@name")
    assert [name for name in names if name.endswith(".verdict")] == [
        r"latency.half \ud800.verdict",
        r"latency.nul \x00 esc \x1b[31m.verdict",
        r"latency.rtl \u202e.verdict",
    ]
    run.stdout.fnmatch_lines(["=* latency budgets =*", r"test_it.py::test_odd [[]half \ud800] *"])
