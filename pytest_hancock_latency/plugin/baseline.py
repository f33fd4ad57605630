"""The baseline of a session: an earlier artifact that samples are compared with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import cached_property
from typing import Any

import pytest

from ..core.advice import Advice
from ..core.quantile import format_percent
from ..core.record import Artifact, Record, counterparts
from ..errors import ArtifactError
from ..files.artifact import read_unslowed
from ..runs.baseline import judged_change, kind_of_machine
from .settings import Settings


class Baseline:
    """The samples of an earlier run, and the machine they were measured on."""

    def __init__(self, artifact: Artifact, machine: Callable[[], Mapping[str, Any]]) -> None:
        """Compare with an earlier artifact.

        Args:
            machine: returns facts about this machine; called when something is compared.
        """
        self.artifact = artifact
        self._machine = machine

    def advice(self, record: Record, allowed: Fraction, gates: int) -> Advice | None:
        """Return advice if the sample's median is more than `allowed` above the baseline's."""
        if self._other_machine:
            return Advice.of("not-compared", why=self._other_machine)
        (earlier,) = counterparts([record], self.artifact.records)
        if earlier is None:
            return Advice.of("not-compared", why="it has no such sample")
        change = judged_change(earlier, record, allowed, compared=gates)
        if change.why_not:
            return Advice.of("not-compared", why=change.why_not)
        if not change.slower:
            return None
        return Advice.of(
            "slower",
            before_ns=change.before_ns,
            after_ns=change.after_ns,
            percent=change.percent,
            allowed_percent=format_percent(allowed),
        )

    @cached_property
    def _other_machine(self) -> str | None:
        earlier = kind_of_machine(self.artifact.session)
        if not earlier or earlier == kind_of_machine({"machine": self._machine()}):
            return None
        return f"it was measured on a different kind of machine ({', '.join(earlier)})"


def baseline_of(settings: Settings, machine: Callable[[], Mapping[str, Any]]) -> Baseline | None:
    """Read the baseline of the settings, if there is one.

    Raises:
        pytest.UsageError: it cannot be read.
    """
    if settings.baseline is None:
        return None
    try:
        return Baseline(read_unslowed(settings.baseline), machine)
    except ArtifactError as error:
        raise pytest.UsageError(f"the baseline {error}") from None
