"""Calls the artifact hooks that others implement: what they raise must not cost an artifact."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from math import isfinite
from typing import Any

import pytest

from ..core.record_json import Plain
from ..reporting.json_artifact import artifact_text


class Hooks:
    """The artifact hooks, and what went wrong in them, to be told at the end of the session."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self.failures: dict[str, str] = {}
        """By the name of the hook: what it raised when it was last called."""

    def machine_info(self, machine: dict[str, Any]) -> dict[str, Any]:
        """The facts about the machine as hooks changed them, or as they were where one failed."""
        changed = dict(machine)
        with self._noting("pytest_latency_machine_info"):
            self._config.hook.pytest_latency_machine_info(config=self._config, machine=changed)
            _require_json(changed, "machine")
            return changed
        return machine

    def artifact_text(self, artifact_of: Callable[[], Plain]) -> str | None:
        """The text of an artifact that hooks changed in place; None if there are none or one fails.

        artifact_of: makes the artifact as plain data, if a hook is to see it.
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
        """Note what a hook raises, or makes impossible, and go on; forget what went well since."""
        self.failures.pop(name, None)
        try:
            yield
        except pytest.exit.Exception:  # somebody means to end the session
            raise
        except (Exception, SystemExit) as error:
            message = " ".join(str(error).split())
            self.failures[name] = ": ".join(filter(None, [type(error).__name__, message]))


def _require_json(value: object, path: str) -> None:
    """Raise ValueError for what a file of JSON cannot hold, with the path to it."""
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
