"""The table of samples as plain text."""

from __future__ import annotations

from dataclasses import replace

from pytest_hancock_latency.reporting.table import summary_text, table_lines

from . import gold


def test_a_title_of_hundreds_of_letters_does_not_push_the_figures_away() -> None:
    long = replace(gold.record("health"), test=f"test_it.py::test_it[{'x' * 300}]")
    _, line = table_lines([long])
    assert line.startswith(f"test_it.py::test_it[{'x' * 40}…{'x' * 59}]  354  ")


def test_the_evidence_has_the_whole_title() -> None:
    long = replace(gold.record("became_slow"), test=f"test_it.py::test_it[{'x' * 300}]")
    assert f"\n{long.test}\n" in summary_text([long])


def test_a_line_break_in_a_name_does_not_break_the_row() -> None:
    broken = replace(gold.record("health"), test="test_it.py::test_it", name="large\nnew")
    _, line = table_lines([broken])
    assert line.startswith("test_it.py::test_it [large new]  354  ")
