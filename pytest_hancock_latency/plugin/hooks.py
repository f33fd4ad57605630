"""Calls the artifact hooks of other plugins; their exceptions must not prevent an artifact."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from math import isfinite
from typing import Any

import pytest

from ..core.record_json import Plain
from ..reporting.json_artifact import artifact_text


class Hooks:
    """Calls the artifact hooks, and keeps their errors for the end of the session."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self.failures: dict[str, str] = {}
        """The exception of the last call by name of the hook."""

    def machine_info(self, machine: dict[str, Any]) -> dict[str, Any]:
        """Return the facts about the machine as changed by hooks; unchanged if one fails."""
        changed = dict(machine)
        with self._noting("pytest_latency_machine_info"):
            self._config.hook.pytest_latency_machine_info(config=self._config, machine=changed)
            _require_json(changed, "machine")
            return changed
        return machine

    def artifact_text(self, artifact_of: Callable[[], Plain]) -> str | None:
        """Return the text of an artifact changed by hooks; None without hooks or if one fails.

        Args:
            artifact_of: makes the artifact as plain data, if there are hooks.
        """
        hook = self._config.hook.pytest_latency_artifact
        if not hook.get_hookimpls():
            return None
        artifact = artifact_of()
        with self._noting("pytest_latency_artifact"):
            hook(config=self._config, artifact=artifact)
            _require_json(artifact, "artifact")
            return artifact_text(artifact)
        return None

    @contextmanager
    def _noting(self, name: str) -> Iterator[None]:
        """Record an exception of a hook and continue; a success clears the earlier one."""
        self.failures.pop(name, None)
        try:
            yield
        except pytest.exit.Exception:  # an intended end of the session
            raise
        except (Exception, SystemExit) as error:
            message = " ".join(str(error).split())
            self.failures[name] = ": ".join(filter(None, [type(error).__name__, message]))


def _require_json(value: object, path: str) -> None:
    """Raise ValueError for a value that JSON cannot contain, with the path to it."""
    if isinstance(value, float) and not isfinite(value):
        raise ValueError(f"{path} is {value}, which JSON does not support")
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise ValueError(f"{path} has the key {key!r}, which is not a string")
            _require_json(inner, f"{path}[{key!r}]")
    elif isinstance(value, list | tuple):
        for at, inner in enumerate(value):
            _require_json(inner, f"{path}[{at}]")
