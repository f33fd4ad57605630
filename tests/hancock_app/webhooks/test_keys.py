"""Webhook secrets: which ones are keys, and that the others end the start in one line."""

from __future__ import annotations

import base64
import subprocess
import sys

import pytest

from hancock_app import Settings, SettingsError
from hancock_app.webhooks.keys import key_of


@pytest.mark.parametrize(
    ("secret", "key"),
    [
        ("sixteen letters!", b"sixteen letters!"),
        ("whsec_" + base64.b64encode(bytes(range(16))).decode(), bytes(range(16))),
        ("whsec_" + base64.b64encode(bytes(64)).decode(), bytes(64)),
    ],
)
def test_a_secret_is_plain_text_or_base64(secret: str, key: bytes) -> None:
    assert key_of(secret) == key


WRONG = [
    ("whsec_", "expected a key of at least 16 bytes, got 0"),
    ("whsec_AAAA", "expected a key of at least 16 bytes, got 3"),
    ("whsec_!!!", "expected base64 after whsec_"),
    ("whsec_not base64 and long enough", "expected base64 after whsec_"),
    ("fifteen letters", "expected a key of at least 16 bytes, got 15"),
]


@pytest.mark.parametrize("variable", ["HANCOCK_WEBHOOK_SECRET", "HANCOCK_WEBHOOK_OLD_SECRET"])
@pytest.mark.parametrize(("secret", "why"), WRONG)
def test_an_invalid_secret_is_refused(variable: str, secret: str, why: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({variable: secret})
    assert str(caught.value) == f"{variable}: {why}"


@pytest.mark.parametrize(
    "command", [("-m", "hancock_app", "--port", "0"), ("-c", "import hancock_app.gunicorn_config")]
)
def test_an_invalid_secret_ends_the_start_in_one_line(command: tuple[str, ...]) -> None:
    run = subprocess.run(
        [sys.executable, *command],
        env={"HANCOCK_WEBHOOK_SECRET": "whsec_"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode != 0
    assert run.stderr == (
        "hancock: HANCOCK_WEBHOOK_SECRET: expected a key of at least 16 bytes, got 0\n"
    )
