"""What an operator can choose: read from the environment once, checked before anything starts."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, NoReturn, TypeVar
from urllib.parse import urlsplit

from hancock_app.backends.endpoints import PRESETS, Endpoint
from hancock_app.durations import parse_seconds

CANNED = "canned"
BACKENDS = (CANNED, *PRESETS)
MEMORY = "memory://"
_REDIS = ("redis://", "rediss://", "redis+unix://")

_PRINTABLE = (
    *("api_key", "webhook_secret", "webhook_old_secret"),
    *("llm_api_key", "nvidia_api_key", "llm_url", "llm_model"),
)

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
    # A storage may be written with a password in it.
    rate_limit_storage: str = _setting(MEMORY, "HANCOCK_RATE_LIMIT_STORAGE", str, secret=True)
    storage_on_failure: str = _setting("open", "HANCOCK_STORAGE_ON_FAILURE", str)
    # A healthy Redis answers in well under a millisecond; a sick one should cost little more.
    storage_timeout_s: float = _setting(0.25, "HANCOCK_STORAGE_TIMEOUT", parse_seconds)
    trusted_proxies: int = _setting(0, "HANCOCK_TRUSTED_PROXIES", _count)
    webhook_secret: str = _setting("", "HANCOCK_WEBHOOK_SECRET", str, secret=True)
    # Accepted as well, while senders change from one secret to the next.
    webhook_old_secret: str = _setting("", "HANCOCK_WEBHOOK_OLD_SECRET", str, secret=True)
    webhook_scheme: str = _setting("any", "HANCOCK_WEBHOOK_SCHEME", str)
    llm_backend: str = _setting(CANNED, "HANCOCK_LLM_BACKEND", str)
    llm_url: str = _setting("", "HANCOCK_LLM_URL", str)
    llm_model: str = _setting("", "HANCOCK_LLM_MODEL", str)
    llm_api_key: str = _setting("", "HANCOCK_LLM_API_KEY", str, secret=True)
    nvidia_api_key: str = _setting("", "NVIDIA_API_KEY", str, secret=True)
    llm_timeout_s: float = _setting(30.0, "HANCOCK_LLM_TIMEOUT", parse_seconds)
    llm_retries: int = _setting(2, "HANCOCK_LLM_RETRIES", _count)
    canned_delay_s: float = _setting(0.0, "HANCOCK_CANNED_DELAY", parse_seconds)
    # Questions at the same time, per worker; 0 for any number.
    llm_concurrency: int = _setting(0, "HANCOCK_LLM_CONCURRENCY", _count)
    health_ttl_s: float = _setting(30.0, "HANCOCK_HEALTH_TTL", parse_seconds)
    log_level: str = _setting("warning", "HANCOCK_LOG_LEVEL", str.lower)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """Read every variable in `environ`; one that is unset or empty keeps its default."""
        chosen = {}
        for setting in fields(cls):
            variable = setting.metadata["variable"]
            if written := environ.get(variable, "").strip():
                chosen[setting.name] = _parsed(variable, written, setting.metadata["parse"])
        return cls(**chosen)

    @property
    def shares_storage(self) -> bool:
        """Whether all workers count in one place."""
        return self.rate_limit_storage != MEMORY

    @property
    def model(self) -> str:
        """What is asked of the backend, by its name there."""
        return CANNED if self.llm_backend == CANNED else self.endpoint.model

    @property
    def endpoint(self) -> Endpoint:
        """Where the model is; only for backends other than the canned one."""
        preset = PRESETS[self.llm_backend]
        key = self.nvidia_api_key if self.llm_backend == "nvidia" else ""
        return Endpoint(
            self.llm_url or preset.url, self.llm_model or preset.model, self.llm_api_key or key
        )

    def __post_init__(self) -> None:
        self._require_one_of("llm_backend", BACKENDS)
        self._require_one_of("storage_on_failure", ("open", "closed"))
        self._require_one_of("log_level", ("debug", "info", "warning", "error"))
        self._require_one_of("webhook_scheme", ("any", "standard"))
        for name in ("rate_limit", "trusted_proxies", "llm_retries", "llm_concurrency"):
            self._require_count(name)
        for name in ("canned_delay_s", "storage_timeout_s", "llm_timeout_s", "health_ttl_s"):
            self._require_seconds(name)
        for name in _PRINTABLE:
            self._require_printable(name)
        self._require_storage()
        if self.llm_backend != CANNED:
            self._require_endpoint()

    def _require_endpoint(self) -> None:
        need = f"needed by HANCOCK_LLM_BACKEND={self.llm_backend}"
        if not self.endpoint.model:
            _refuse("llm_model", need)
        if not _is_http(self.endpoint.url):
            _refuse("llm_url", f"{need}, an address that starts with http:// or https://")
        if self.llm_backend == "nvidia" and not self.endpoint.key:
            _refuse("nvidia_api_key", need)

    def _require_one_of(self, name: str, choices: tuple[str, ...]) -> None:
        value = getattr(self, name)
        if value not in choices:
            _refuse(name, f"expected one of {', '.join(choices)}, got {value!r}")

    def _require_count(self, name: str) -> None:
        value = getattr(self, name)
        if type(value) is not int or value < 0:
            _refuse(name, f"expected a whole number, 0 or more, got {value!r}")

    def _require_seconds(self, name: str) -> None:
        value = getattr(self, name)
        if type(value) not in (int, float) or not 0 <= value < float("inf"):
            _refuse(name, f"expected seconds, 0 or more, got {value!r}")

    def _require_printable(self, name: str) -> None:
        # A header can carry nothing else, so such a key could never be presented.
        value = getattr(self, name)
        if not (isinstance(value, str) and value.isascii() and value.isprintable()):
            _refuse(name, "expected printable ASCII characters only")

    def _require_storage(self) -> None:
        if self.shares_storage and not self.rate_limit_storage.startswith(_REDIS):
            # Not repeated: whoever mistypes an address may have typed its password too.
            expected = f"expected {MEMORY} or an address that starts with {', '.join(_REDIS)}"
            _refuse("rate_limit_storage", expected)


def _parsed(variable: str, written: str, parse: Callable[[str], Any]) -> Any:
    try:
        return parse(written)
    except ValueError as error:
        raise SettingsError(f"{variable}: {error}") from None


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        # Reading the port is what checks it.
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _refuse(name: str, expected: str) -> NoReturn:
    by_name = {setting.name: setting for setting in fields(Settings)}
    raise SettingsError(f"{by_name[name].metadata['variable']}: {expected}")
