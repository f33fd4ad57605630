"""Settings, read from environment variables and validated before the application starts."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, NoReturn, TypeVar
from urllib.parse import urlsplit

from hancock_app.backends import Endpoint
from hancock_app.storage import require_usable
from hancock_app.webhooks.keys import key_of

# Servers with a well-known address; `openai_compatible` is any other server, without defaults.
PRESETS = {
    "ollama": Endpoint("http://127.0.0.1:11434/v1", "llama3.1:8b"),
    "nvidia": Endpoint("https://integrate.api.nvidia.com/v1", "meta/llama-3.1-8b-instruct"),
    "openai_compatible": Endpoint("", ""),
}
# The default, because it needs no server; also the model name in its replies.
CANNED = "canned"
BACKENDS = (CANNED, *PRESETS)

# The default storage: nothing to install, but each worker counts separately.
MEMORY = "memory://"
# The URL schemes that redis-py accepts, apart from unix:// which we spell redis+unix://.
_REDIS_SCHEMES = ("redis://", "rediss://", "redis+unix://")

# Sent or received in HTTP headers, or part of a URL or a JSON request.
_PRINTABLE = (
    *("api_key", "webhook_secret", "webhook_old_secret"),
    *("llm_api_key", "nvidia_api_key", "llm_url", "llm_model"),
)

_SECONDS_PER_UNIT = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "min": 60.0,
    "h": 3600.0,
}
# No sign and no exponent: negative timeouts are mistakes, and nobody writes 1e3ms.
_DURATION = re.compile(r"(?P<number>\d+(\.\d+)?)\s*(?P<unit>[a-zµ]*)", re.ASCII)

_Value = TypeVar("_Value")


class SettingsError(ValueError):
    """An invalid setting, in the environment or in `Settings(...)`."""


def parse_seconds(text: str) -> float:
    """Convert a duration such as `400ms`, `1.5s`, `250us` or `5min` to seconds.

    A number without a unit is accepted only if it is zero.

    Raises:
        ValueError: it is not a duration; the message shows valid ones.

    >>> parse_seconds("1.5s")
    1.5
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None or not _is_known_unit(match["number"], match["unit"]):
        raise ValueError(f"expected a duration such as 250us, 400ms, 1.5s or 5min, got {text!r}")
    return float(match["number"]) * _SECONDS_PER_UNIT[match["unit"] or "s"]


def _is_known_unit(number: str, unit: str) -> bool:
    # "400" could mean milliseconds or seconds, which differ by 1000; "0" is unambiguous.
    return unit in _SECONDS_PER_UNIT or (not unit and math.isclose(float(number), 0.0))


def _parse_count(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"expected a whole number, 0 or more, got {text!r}")
    return int(text)


def _setting(
    default: _Value, variable: str, parse: Callable[[str], _Value], *, secret: bool = False
) -> _Value:
    """A dataclass field that is read from `variable`; a secret is left out of the repr."""
    metadata = {"variable": variable, "parse": parse}
    setting: Any = field(default=default, repr=not secret, metadata=metadata)
    return setting  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Settings:
    """All settings of the application. An instance is always valid.

    `rate_limit` is the number of requests per minute for each client address; 0 means no limit.
    Without an `api_key` none is required; without a `webhook_secret` webhooks are refused.

    Raises:
        SettingsError: a value is invalid; the message names the environment variable.

    >>> Settings(rate_limit=10).rate_limit
    10
    """

    api_key: str = _setting("", "HANCOCK_API_KEY", str, secret=True)
    # One request per second on average: enough for a person, too little to run up a model bill.
    rate_limit: int = _setting(60, "HANCOCK_RATE_LIMIT", _parse_count)
    # Secret because a Redis URL may contain a password.
    rate_limit_storage: str = _setting(MEMORY, "HANCOCK_RATE_LIMIT_STORAGE", str, secret=True)
    storage_on_failure: str = _setting("open", "HANCOCK_STORAGE_ON_FAILURE", str)
    # A healthy Redis responds in well under a millisecond; a request should not wait much longer.
    storage_timeout_s: float = _setting(0.25, "HANCOCK_STORAGE_TIMEOUT", parse_seconds)
    trusted_proxies: int = _setting(0, "HANCOCK_TRUSTED_PROXIES", _parse_count)
    webhook_secret: str = _setting("", "HANCOCK_WEBHOOK_SECRET", str, secret=True)
    # Accepted as well, while senders switch to a new secret.
    webhook_old_secret: str = _setting("", "HANCOCK_WEBHOOK_OLD_SECRET", str, secret=True)
    webhook_scheme: str = _setting("any", "HANCOCK_WEBHOOK_SCHEME", str)
    llm_backend: str = _setting(CANNED, "HANCOCK_LLM_BACKEND", str)
    llm_url: str = _setting("", "HANCOCK_LLM_URL", str)
    llm_model: str = _setting("", "HANCOCK_LLM_MODEL", str)
    llm_api_key: str = _setting("", "HANCOCK_LLM_API_KEY", str, secret=True)
    nvidia_api_key: str = _setting("", "NVIDIA_API_KEY", str, secret=True)
    # Room for a long answer; few clients wait longer than this.
    llm_timeout_s: float = _setting(30.0, "HANCOCK_LLM_TIMEOUT", parse_seconds)
    # Enough for a restart or a rate limit of the server, and still within the timeout.
    llm_retries: int = _setting(2, "HANCOCK_LLM_RETRIES", _parse_count)
    canned_delay_s: float = _setting(0.0, "HANCOCK_CANNED_DELAY", parse_seconds)
    # Concurrent questions per worker; 0 for no limit.
    llm_concurrency: int = _setting(0, "HANCOCK_LLM_CONCURRENCY", _parse_count)
    # Monitoring polls every 15 to 60 s; a model server should not be asked more often than that.
    health_ttl_s: float = _setting(30.0, "HANCOCK_HEALTH_TTL", parse_seconds)
    log_level: str = _setting("warning", "HANCOCK_LOG_LEVEL", str.lower)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """Read all settings from `environ`; an unset or empty variable keeps its default.

        Raises:
            SettingsError: a variable is invalid.

        >>> Settings.from_env({"HANCOCK_CANNED_DELAY": "400ms"}).canned_delay_s
        0.4
        """
        parsed = {}
        for setting in fields(cls):
            variable = setting.metadata["variable"]
            if text := environ.get(variable, "").strip():
                parsed[setting.name] = _parse(variable, text, setting.metadata["parse"])
        return cls(**parsed)

    @property
    def shares_storage(self) -> bool:
        """Whether all workers share one storage for limits and replays."""
        return self.rate_limit_storage != MEMORY

    @property
    def model(self) -> str:
        """The name of the model, as its backend knows it."""
        return CANNED if self.llm_backend == CANNED else self.endpoint.model

    @property
    def endpoint(self) -> Endpoint:
        """The model server; not defined for the canned backend."""
        preset = PRESETS[self.llm_backend]
        key = self.nvidia_api_key if self.llm_backend == "nvidia" else ""
        return Endpoint(
            self.llm_url or preset.url, self.llm_model or preset.model, self.llm_api_key or key
        )

    def __post_init__(self) -> None:
        self._require_choice("llm_backend", BACKENDS)
        self._require_choice("storage_on_failure", ("open", "closed"))
        self._require_choice("log_level", ("debug", "info", "warning", "error"))
        self._require_choice("webhook_scheme", ("any", "standard"))
        for name in ("rate_limit", "trusted_proxies", "llm_retries", "llm_concurrency"):
            self._require_count(name)
        for name in ("canned_delay_s", "storage_timeout_s", "llm_timeout_s", "health_ttl_s"):
            self._require_seconds(name)
        for name in _PRINTABLE:
            self._require_printable(name)
        for name in ("webhook_secret", "webhook_old_secret"):
            self._require_key(name)
        self._require_storage()
        if self.llm_backend != CANNED:
            self._require_endpoint()

    def _require_endpoint(self) -> None:
        required = f"required by HANCOCK_LLM_BACKEND={self.llm_backend}"
        if not self.endpoint.model:
            _invalid("llm_model", required)
        if not _is_http_url(self.endpoint.url):
            _invalid("llm_url", f"{required}, expected a URL that starts with http:// or https://")
        if self.llm_backend == "nvidia" and not self.endpoint.key:
            _invalid("nvidia_api_key", required)

    def _require_choice(self, name: str, choices: tuple[str, ...]) -> None:
        value = getattr(self, name)
        if value not in choices:
            _invalid(name, f"expected one of {', '.join(choices)}, got {value!r}")

    def _require_count(self, name: str) -> None:
        value = getattr(self, name)
        # Not isinstance: True is an int, and would be a limit of 1.
        if type(value) is not int or value < 0:
            _invalid(name, f"expected a whole number, 0 or more, got {value!r}")

    def _require_seconds(self, name: str) -> None:
        value = getattr(self, name)
        if type(value) not in (int, float) or not 0 <= value < float("inf"):
            _invalid(name, f"expected seconds, 0 or more, got {value!r}")

    def _require_printable(self, name: str) -> None:
        # An HTTP header cannot carry anything else, so such a key could never match.
        value = getattr(self, name)
        if not (isinstance(value, str) and value.isascii() and value.isprintable()):
            _invalid(name, "expected printable ASCII characters only")

    def _require_key(self, name: str) -> None:
        secret = getattr(self, name)
        try:
            # An empty string means no secret. `whsec_` alone, from an unset variable, would be an
            # empty key, with which anybody could sign.
            if secret:
                key_of(secret)
        except ValueError as error:
            _invalid(name, str(error))

    def _require_storage(self) -> None:
        if self.shares_storage and not self.rate_limit_storage.startswith(_REDIS_SCHEMES):
            # The value is not repeated, since it may contain a password.
            _invalid(
                "rate_limit_storage",
                f"expected {MEMORY} or a URL that starts with {', '.join(_REDIS_SCHEMES)}",
            )
        if self.shares_storage:
            try:
                require_usable(self.rate_limit_storage)
            except ValueError as error:
                _invalid("rate_limit_storage", str(error))


def _parse(variable: str, text: str, parse: Callable[[str], Any]) -> Any:
    try:
        return parse(text)
    except ValueError as error:
        raise SettingsError(f"{variable}: {error}") from None


def _is_http_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        # `parts.port` raises ValueError if the port is invalid.
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _invalid(name: str, message: str) -> NoReturn:
    (variable,) = (f.metadata["variable"] for f in fields(Settings) if f.name == name)
    raise SettingsError(f"{variable}: {message}")
