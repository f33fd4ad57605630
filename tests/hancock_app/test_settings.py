"""Reading the environment."""

from __future__ import annotations

from dataclasses import astuple, fields
from typing import Any

import pytest

from hancock_app import Settings, SettingsError
from hancock_app.settings import parse_seconds


def test_an_empty_environment_gives_the_defaults() -> None:
    assert Settings.from_env({}) == Settings()


def test_an_empty_variable_counts_as_unset() -> None:
    assert Settings.from_env({"HANCOCK_RATE_LIMIT": ""}) == Settings(rate_limit=60)


def test_every_variable_is_read() -> None:
    environ = {
        "HANCOCK_API_KEY": "key",
        "HANCOCK_RATE_LIMIT": "7",
        "HANCOCK_WEBHOOK_SECRET": "a-secret-of-tests",
        "HANCOCK_LLM_BACKEND": "ollama",
        "HANCOCK_LLM_URL": "http://127.0.0.1:1234/v1",
        "HANCOCK_LLM_MODEL": "tiny",
        "HANCOCK_LLM_API_KEY": "llm-key",
        "HANCOCK_LLM_TIMEOUT": "5s",
        "HANCOCK_LLM_RETRIES": "0",
        "NVIDIA_API_KEY": "nvidia-key",
        "HANCOCK_CANNED_DELAY": "400ms",
        "HANCOCK_RATE_LIMIT_STORAGE": "redis://127.0.0.1:6379/0",
        "HANCOCK_STORAGE_ON_FAILURE": "closed",
        "HANCOCK_STORAGE_TIMEOUT": "1s",
        "HANCOCK_TRUSTED_PROXIES": "2",
        "HANCOCK_LLM_CONCURRENCY": "6",
        "HANCOCK_HEALTH_TTL": "5s",
        "HANCOCK_LOG_LEVEL": "INFO",
        "HANCOCK_WEBHOOK_OLD_SECRET": "an-old-secret-of-tests",
        "HANCOCK_WEBHOOK_SCHEME": "standard",
    }
    assert set(environ) == {setting.metadata["variable"] for setting in fields(Settings)}
    expected = Settings(
        api_key="key",
        rate_limit=7,
        webhook_secret="a-secret-of-tests",
        canned_delay_s=0.4,
        rate_limit_storage="redis://127.0.0.1:6379/0",
        storage_on_failure="closed",
        storage_timeout_s=1.0,
        trusted_proxies=2,
        llm_concurrency=6,
        health_ttl_s=5.0,
        log_level="info",
        llm_backend="ollama",
        llm_url="http://127.0.0.1:1234/v1",
        llm_model="tiny",
        llm_api_key="llm-key",
        llm_timeout_s=5.0,
        llm_retries=0,
        nvidia_api_key="nvidia-key",
        webhook_old_secret="an-old-secret-of-tests",
        webhook_scheme="standard",
    )
    assert Settings.from_env(environ) == expected


def test_secrets_are_not_in_the_repr() -> None:
    shown = repr(Settings(api_key="top-secret", webhook_secret="top-secret-of-tests"))
    assert "top-secret" not in shown


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Settings().rate_limit = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("variable", "written", "message"),
    [
        (
            "HANCOCK_RATE_LIMIT",
            "-1",
            "HANCOCK_RATE_LIMIT: expected a whole number, 0 or more, got '-1'",
        ),
        (
            "HANCOCK_RATE_LIMIT",
            "many",
            "HANCOCK_RATE_LIMIT: expected a whole number, 0 or more, got 'many'",
        ),
        (
            "HANCOCK_CANNED_DELAY",
            "400",
            "HANCOCK_CANNED_DELAY: expected a duration such as 250us, 400ms, 1.5s or 5min,"
            " got '400'",
        ),
    ],
)
def test_a_variable_that_cannot_be_read_is_named(variable: str, written: str, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({variable: written})
    assert str(caught.value) == message


def test_a_key_that_no_header_can_carry_is_refused_without_showing_it() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings(api_key="schlüssel")
    assert str(caught.value) == "HANCOCK_API_KEY: expected printable ASCII characters only"


@pytest.mark.parametrize("wrong", [-1, True, 1.5, "60", None])
def test_a_limit_written_by_hand_is_checked_too(wrong: object) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings(rate_limit=wrong)  # type: ignore[arg-type]
    expected = f"HANCOCK_RATE_LIMIT: expected a whole number, 0 or more, got {wrong!r}"
    assert str(caught.value) == expected


def test_a_storage_of_another_kind_is_refused_without_showing_its_password() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({"HANCOCK_RATE_LIMIT_STORAGE": "redsi://:password@host"})
    assert str(caught.value) == (
        "HANCOCK_RATE_LIMIT_STORAGE: expected memory:// or a URL that starts with"
        " redis://, rediss://, redis+unix://"
    )


UNUSABLE = "is not a usable Redis URL: in passwords, / is %2F and ? is %3F; check its options"
OPTIONS = (
    "its options may be db, username, password, client_name, protocol, health_check_interval and"
    " those with ssl_"
)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("redis://:secret/@host", UNUSABLE),
        ("redis://:pass/secret@host", UNUSABLE),
        ("redis://[::1", UNUSABLE),
        ("redis://host:99999", UNUSABLE),
        ("redis://host?db=secret", UNUSABLE),
        ("redis://host?protocol=9", UNUSABLE),
        ("redis://host?secret=1", UNUSABLE),
        ("rediss://host?ssl_cert_reqs=secret", UNUSABLE),
        ("redis://host?encoding=secret", OPTIONS),
        ("redis://host?retry=secret", OPTIONS),
        ("redis://host?socket_timeout=1000", OPTIONS),
    ],
)
def test_a_redis_that_could_not_be_used_is_refused_without_showing_its_url(
    url: str, message: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({"HANCOCK_RATE_LIMIT_STORAGE": url})
    assert str(caught.value) == f"HANCOCK_RATE_LIMIT_STORAGE: {message}"
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "url",
    [
        "redis://:pa%2Fss@host:1/3",
        "redis://host?db=1&client_name=hancock&protocol=3",
        "rediss://host?ssl_cert_reqs=none",
        "redis+unix:///run/redis.sock",
    ],
)
def test_a_redis_that_can_be_used_is_taken(url: str) -> None:
    assert Settings.from_env({"HANCOCK_RATE_LIMIT_STORAGE": url}).rate_limit_storage == url


@pytest.mark.parametrize(
    ("variable", "message"),
    [
        ("HANCOCK_STORAGE_ON_FAILURE", "expected one of open, closed, got 'x'"),
        (
            "HANCOCK_LLM_BACKEND",
            "expected one of canned, ollama, nvidia, openai_compatible, got 'x'",
        ),
    ],
)
def test_an_unknown_choice_lists_the_valid_ones(variable: str, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({variable: "x"})
    assert str(caught.value) == f"{variable}: {message}"


@pytest.mark.parametrize(
    ("settings", "endpoint"),
    [
        ({"llm_backend": "ollama"}, ("http://127.0.0.1:11434/v1", "llama3.1:8b", "")),
        (
            {"llm_backend": "nvidia", "nvidia_api_key": "n"},
            ("https://integrate.api.nvidia.com/v1", "meta/llama-3.1-8b-instruct", "n"),
        ),
        (
            {"llm_backend": "nvidia", "nvidia_api_key": "n", "llm_api_key": "l"},
            ("https://integrate.api.nvidia.com/v1", "meta/llama-3.1-8b-instruct", "l"),
        ),
        (
            {
                "llm_backend": "ollama",
                "nvidia_api_key": "n",
                "llm_url": "http://a",
                "llm_model": "m",
            },
            ("http://a", "m", ""),
        ),
    ],
)
def test_a_preset_is_the_default_for_unset_settings(
    settings: dict[str, Any], endpoint: tuple[str, str, str]
) -> None:
    assert astuple(Settings(**settings).endpoint) == endpoint


@pytest.mark.parametrize(
    "url", ["localhost", "ftp://a", "http://", "http://[", "http://a:b", "http://a:99999"]
)
def test_an_invalid_address_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="HANCOCK_LLM_URL"):
        Settings(llm_backend="ollama", llm_url=url)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"llm_backend": "nvidia"},
            "NVIDIA_API_KEY: required by HANCOCK_LLM_BACKEND=nvidia",
        ),
        (
            {"llm_backend": "openai_compatible", "llm_url": "http://a"},
            "HANCOCK_LLM_MODEL: required by HANCOCK_LLM_BACKEND=openai_compatible",
        ),
        (
            {"llm_backend": "openai_compatible", "llm_model": "m"},
            "HANCOCK_LLM_URL: required by HANCOCK_LLM_BACKEND=openai_compatible,"
            " expected a URL that starts with http:// or https://",
        ),
    ],
)
def test_a_backend_with_a_missing_setting_names_it(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings(**settings)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("0", 0.0),
        ("0.0", 0.0),
        ("250us", 0.00025),
        ("400ms", 0.4),
        ("1.5s", 1.5),
        (" 30 s ", 30.0),
        ("5min", 300.0),
        ("1h", 3600.0),
    ],
)
def test_a_duration_is_read_in_seconds(written: str, seconds: float) -> None:
    assert parse_seconds(written) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "written", ["", "5", "-1s", "1e3ms", "5 minutes", "ms", "٣s", "nan", "1.s"]
)
def test_an_invalid_duration_is_refused_with_examples(written: str) -> None:
    with pytest.raises(ValueError, match="expected a duration such as") as caught:
        parse_seconds(written)
    assert str(caught.value) == (
        f"expected a duration such as 250us, 400ms, 1.5s or 5min, got {written!r}"
    )
