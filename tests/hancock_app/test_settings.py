"""Reading the environment."""

from __future__ import annotations

import pytest

from hancock_app import Settings, SettingsError


def test_an_empty_environment_gives_the_defaults() -> None:
    assert Settings.from_env({}) == Settings()


def test_an_empty_variable_counts_as_unset() -> None:
    assert Settings.from_env({"HANCOCK_RATE_LIMIT": ""}) == Settings(rate_limit=60)


def test_every_variable_is_read() -> None:
    environ = {
        "HANCOCK_API_KEY": "key",
        "HANCOCK_RATE_LIMIT": "7",
        "HANCOCK_WEBHOOK_SECRET": "whsec",
        "HANCOCK_LLM_BACKEND": "canned",
        "HANCOCK_CANNED_DELAY": "400ms",
    }
    expected = Settings(api_key="key", rate_limit=7, webhook_secret="whsec", canned_delay_s=0.4)
    assert Settings.from_env(environ) == expected


def test_secrets_do_not_show() -> None:
    shown = repr(Settings(api_key="top-secret", webhook_secret="top-secret"))
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
