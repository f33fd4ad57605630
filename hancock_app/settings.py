"""What an operator can choose: read from the environment once, checked before anything starts."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from hancock_app.durations import parse_seconds

BACKENDS = ("canned",)

_Value = TypeVar("_Value")


class SettingsError(ValueError):
    """The environment, or a `Settings(...)` written by hand, cannot be understood."""


def _setting(
    default: _Value, variable: str, parse: Callable[[str], _Value], *, secret: bool = False
) -> _Value:
    """A field that knows its environment variable; a secret one is left out of the repr."""
    known = {"variable": variable, "parse": parse}
    value: Any = field(default=default, repr=not secret, metadata=known)
    return value  # type: ignore[no-any-return]


def _count(written: str) -> int:
    if not (written.isascii() and written.isdigit()):
        raise ValueError(f"expected a whole number, 0 or more, got {written!r}")
    return int(written)


@dataclass(frozen=True)
class Settings:
    """Everything that can be set; it cannot exist invalid.

    `rate_limit` is in requests per minute and client address, 0 for none. An empty `api_key`
    means that no key is asked for; an empty `webhook_secret` that webhooks are refused.
    Raises `SettingsError`.
    """

    api_key: str = _setting("", "HANCOCK_API_KEY", str, secret=True)
    rate_limit: int = _setting(60, "HANCOCK_RATE_LIMIT", _count)
    webhook_secret: str = _setting("", "HANCOCK_WEBHOOK_SECRET", str, secret=True)
    llm_backend: str = _setting("canned", "HANCOCK_LLM_BACKEND", str)
    canned_delay_s: float = _setting(0.0, "HANCOCK_CANNED_DELAY", parse_seconds)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """Read every variable in `environ`; one that is unset or empty keeps its default."""
        chosen = {}
        for setting in fields(cls):
            variable = setting.metadata["variable"]
            if written := environ.get(variable, "").strip():
                chosen[setting.name] = _parsed(variable, written, setting.metadata["parse"])
        return cls(**chosen)

    def __post_init__(self) -> None:
        if self.llm_backend not in BACKENDS:
            _refuse("llm_backend", f"expected one of {', '.join(BACKENDS)}", self.llm_backend)
        if type(self.rate_limit) is not int or self.rate_limit < 0:
            _refuse("rate_limit", "expected a whole number, 0 or more", self.rate_limit)
        if not 0 <= self.canned_delay_s < float("inf"):
            _refuse("canned_delay_s", "expected seconds, 0 or more", self.canned_delay_s)
        for name in ("api_key", "webhook_secret"):
            # A header can carry nothing else, so such a key could never be presented.
            if not (getattr(self, name).isascii() and getattr(self, name).isprintable()):
                raise SettingsError(f"{_variable(name)}: expected printable ASCII characters only")


def _parsed(variable: str, written: str, parse: Callable[[str], Any]) -> Any:
    try:
        return parse(written)
    except ValueError as error:
        raise SettingsError(f"{variable}: {error}") from None


def _variable(name: str) -> str:
    by_name = {setting.name: setting for setting in fields(Settings)}
    return str(by_name[name].metadata["variable"])


def _refuse(name: str, expected: str, value: object) -> None:
    raise SettingsError(f"{_variable(name)}: {expected}, got {value!r}")
