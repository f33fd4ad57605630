"""JUnit: properties of a record, and the records of a load test as a separate document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.etree import ElementTree

from ..core.duration import NS_PER_MS, NS_PER_S
from ..core.record import Record
from .wording import explain, headline, printable


def is_ours(name: str) -> bool:
    """Whether a property belongs to a latency record."""
    return name.startswith("latency.")


def junit_properties(record: Record) -> Iterator[tuple[str, str]]:
    """Yield names and values, prefixed with ``latency.`` and the name of the sample, if any.

    Both contain only characters valid in XML: pytest ensures that only for values.
    """
    prefix = f"latency.{printable(record.name)}." if record.name else "latency."
    yield f"{prefix}verdict", record.outcome.value
    yield f"{prefix}n", str(record.n)
    yield f"{prefix}failed", str(sum(record.failures.values()))
    for percentile, ns in record.quantiles_ns.items():
        yield f"{prefix}{percentile}_ms", f"{ns / NS_PER_MS:.6f}"
    if record.verdict:
        for part in record.verdict.limits:
            ms = part.limit.limit_ns / NS_PER_MS
            yield f"{prefix}limit_{part.limit.label}_ms", f"{ms:.6f}"
        if rps := record.verdict.rps:
            yield f"{prefix}rps", f"{rps.per_s:.6f}"
            yield f"{prefix}limit_rps", f"{rps.least_per_s:.6f}"
        if growth := record.verdict.growth:
            if growth.growth is not None:
                yield f"{prefix}growth", f"{growth.growth:.3f}"
            yield f"{prefix}limit_growth", f"{growth.bound:g}"
    yield f"{prefix}evidence", headline(record)


def junit_text(records: Sequence[Record], *_: object) -> str:
    """Render a document with a test case for each record; records that fail are failures."""
    suites = ElementTree.Element("testsuites")
    failing = [record for record in records if record.fails]
    suite = ElementTree.SubElement(
        suites,
        "testsuite",
        name="locust",
        tests=str(len(records)),
        failures=str(len(failing)),
        errors="0",
        skipped="0",
        time=_seconds(max((r.measurement.elapsed_ns for r in records), default=0)),
    )
    for record in records:
        _add_case(suite, record)
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _add_case(suite: ElementTree.Element, record: Record) -> None:
    elapsed = _seconds(record.measurement.elapsed_ns)
    case = ElementTree.SubElement(
        suite, "testcase", classname="locust", name=printable(record.title), time=elapsed
    )
    properties = ElementTree.SubElement(case, "properties")
    for name, value in junit_properties(record):
        ElementTree.SubElement(properties, "property", name=name, value=value)
    if record.fails:
        failure = ElementTree.SubElement(case, "failure", message=headline(record))
        failure.text = "\n".join(explain(record))


def _seconds(ns: int) -> str:
    return f"{ns / NS_PER_S:.3f}"
