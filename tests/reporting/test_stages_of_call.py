"""The chart of the stages of a call."""

from __future__ import annotations

from dataclasses import replace

import lxml.html
import pytest

from pytest_hancock_latency.core.record import Record
from pytest_hancock_latency.core.sample import Measurement
from pytest_hancock_latency.reporting.html import report_html

from ..cli import making


def stage(clock: str, latency_ms: float, name: str | None = None) -> Record:
    measured = making.record(*[latency_ms] * 60, name=name or clock, budget={"p50": 100})
    return replace(measured, measurement=Measurement(clock=clock))


def figures(*records: Record) -> list[str]:
    """Descriptions of the charts of stages on the page."""
    root = lxml.html.fromstring(report_html(records))
    labels = [svg.get("aria-label") or "" for svg in root.cssselect("svg")]
    return [label for label in labels if label.startswith("Stages of a call.")]


def test_the_whole_call_is_drawn_with_its_stages() -> None:
    whole = making.record(*[40] * 60, budget={"p50": 100})
    assert figures(whole, stage("first", 10), stage("gap", 2)) == [
        "Stages of a call. first p50 10 ms; gap p50 2 ms; whole call p50 40 ms."
    ]


@pytest.mark.parametrize("name", ["chat · first", "order · first"])
def test_stages_belong_to_the_sample_that_they_are_named_after(name: str) -> None:
    chat = making.record(*[40] * 60, name="chat", budget={"p50": 100})
    order = making.record(*[20] * 60, name="order", budget={"p50": 100})
    (label,) = figures(chat, order, stage("first", 10, name))
    assert f"whole call p50 {40 if name.startswith('chat') else 20} ms" in label


def test_without_stages_there_is_no_such_chart() -> None:
    assert figures(making.record(*[40] * 60)) == []


def test_of_many_stages_the_last_ones_are_drawn() -> None:
    whole = making.record(*[40] * 60, budget={"p50": 100})
    (label,) = figures(whole, *(stage(f"mark {at}", at + 1) for at in range(9)))
    assert label == (
        "Stages of a call. mark 4 p50 5 ms; mark 5 p50 6 ms; mark 6 p50 7 ms; mark 7 p50 8 ms; "
        "mark 8 p50 9 ms; whole call p50 40 ms."
    )
