"""The baseline of a session: an earlier artifact that samples are put beside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import cached_property
from typing import Any

import pytest

from ..artifact_file import read_artifact
from ..core.advice import Advice
from ..core.baseline import change, kind_of_machine
from ..core.record import Record
from ..errors import ArtifactError
from ..reporting.comparison import regression_text, uncompared_text
from ..reporting.json_artifact import Artifact
from .settings import Settings


class Baseline:
    """What an earlier run measured, and on what kind of machine."""

    def __init__(self, artifact: Artifact, machine: Callable[[], Mapping[str, Any]]) -> None:
        """machine: facts about this machine, asked for when something is compared."""
        self.artifact = artifact
        self._records = {record.title: record for record in artifact.records}
        self._machine = machine

    def advice(self, record: Record, allowed: Fraction, gates: int) -> Advice | None:
        """What is to be said of a sample whose median may be `allowed` above the baseline's."""
        if self._other_machine:
            return Advice("baseline", uncompared_text(self._other_machine))
        earlier = self._records.get(record.title)
        if earlier is None:
            return Advice("baseline", uncompared_text("it has no such sample"))
        found = change(earlier, record, allowed, compared=gates)
        if found.why_not:
            return Advice("baseline", uncompared_text(found.why_not))
        return Advice("regression", regression_text(found, allowed)) if found.slower else None

    @cached_property
    def _other_machine(self) -> str | None:
        was = kind_of_machine(self.artifact.session)
        now = kind_of_machine({"machine": self._machine()})
        if not was or was == now:
            return None
        return f"it is of another kind of machine ({', '.join(was)})"


def baseline_of(settings: Settings, machine: Callable[[], Mapping[str, Any]]) -> Baseline | None:
    """The baseline that the settings name, if they do.

    Raises:
        pytest.UsageError: it cannot be read.
    """
    if settings.baseline is None:
        return None
    try:
        return Baseline(read_artifact(settings.baseline), machine)
    except ArtifactError as error:
        raise pytest.UsageError(f"the baseline {error}") from None
