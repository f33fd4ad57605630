"""CSV: the gold file, and what other programs read in it."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

from pytest_hancock_latency.core.record import Record
from pytest_hancock_latency.reporting.csv_table import csv_text

from . import gold


def rows(*records: Record) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(csv_text(records), newline="")))


def test_a_whole_artifact_is_the_gold_file() -> None:
    written = gold.CSV.read_bytes().decode("utf-8")
    assert written == csv_text(gold.artifact().records)


def test_one_row_is_one_sample_whatever_its_name_is() -> None:
    record = replace(gold.record("health"), name='a "quoted", broken; name\r\n\x1b\ud800=1')
    names = [row["name"] for row in rows(record, gold.record("compute"))]
    assert names == [r'a "quoted", broken; name \x1b\ud800=1', ""]


def test_percentiles_of_any_sample_are_columns_of_all() -> None:
    health = gold.record("health")
    odd = replace(health, quantiles_ns={"p99.9": 7, "p5": 3}, attributed_quantiles_ns={"p5": 2})
    first, second = rows(health, odd)
    percentiles = [name for name in first if name.startswith("p")]
    assert percentiles == ["p5_ns", "p50_ns", "p95_ns", "p99_ns", "p99.9_ns"]
    assert (first["p5_ns"], second["p5_ns"], second["p50_ns"]) == ("", "3", "")
    assert (second["attributed_p5_ns"], second["attributed_p99.9_ns"]) == ("2", "")


def test_what_a_sample_does_not_have_is_an_empty_cell() -> None:
    (row,) = rows(replace(gold.record("health").without_verdict("no budget"), histogram=None))
    assert (row["outcome"], row["min_ns"], row["mean_ns"], row["ops"]) == ("not judged", "", "", "")
    assert not any(name.startswith("limit_") for name in row)


def test_without_samples_there_is_a_heading() -> None:
    assert csv_text([]).startswith("test,name,outcome,n,failures,")
    assert csv_text([]).count("\r\n") == 1
