"""Artifacts of all released formats, unchanged since they were written."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pytest_hancock_latency.core.record import Record
from pytest_hancock_latency.files.artifact import read_artifact
from pytest_hancock_latency.reporting.json_artifact import Artifact

FOLDER: Final = Path(__file__).parent / "artifacts"
FORMAT_1: Final = FOLDER / "format-1.json"
WITHOUT_HISTOGRAMS: Final = FOLDER / "format-1-without-histograms.json"
CSV: Final = FOLDER / "format-1.csv"
"""The same samples in CSV."""
ALL: Final = (FORMAT_1, WITHOUT_HISTOGRAMS)
"""Two samples within, one exceeded by its code, and one inconclusive because of the machine."""


def artifact() -> Artifact:
    return read_artifact(FORMAT_1)


def record(part: str) -> Record:
    """Return the record whose title contains this part."""
    return next(each for each in artifact().records if part in each.title)
