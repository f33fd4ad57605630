"""What `docs/` says of settings, metrics and refusals is all there is, and is true."""

from __future__ import annotations

import doctest
import re
from dataclasses import fields
from importlib import import_module
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from hancock_app import Settings

DOCS = Path(__file__).resolve().parents[2] / "docs"
OPERATING = (DOCS / "operating.md").read_text()
WEBHOOKS = (DOCS / "webhooks.md").read_text()


@pytest.mark.parametrize("variable", [setting.metadata["variable"] for setting in fields(Settings)])
def test_every_setting_is_described(variable: str) -> None:
    assert f"`{variable}`" in OPERATING.partition("## The limit")[0]


def test_every_metric_is_described(client: FlaskClient) -> None:
    exposed = set(re.findall(r"# TYPE (\w+)", client.get("/metrics").text))
    described = set(re.findall(r"^\| `(hancock_\w+)`", OPERATING, re.M))
    assert {name for name in exposed if not name.endswith("_created")} == described


def test_the_senders_of_the_examples_are_accepted(client: FlaskClient) -> None:
    names: dict[str, object] = {}
    for example in re.findall(r"```python\n(.*?)```", WEBHOOKS, re.S):
        exec(example, names)  # the documentation of this repository
    body = b'{"event":"alert"}'
    for sender, arguments in (
        ("standard_headers", (b"a-secret-of-tests", "msg_1", body)),
        ("hancock_header", ("a-secret-of-tests", body)),
    ):
        headers = names[sender](*arguments)  # type: ignore[operator]
        assert client.post("/v1/webhook", data=body, headers=headers).status_code == 200


def test_every_refusal_of_a_signature_is_described() -> None:
    sources = Path(DOCS.parent / "hancock_app")
    text = "".join(
        (sources / "webhooks" / name).read_text()
        for name in ("signatures.py", "standard_webhooks.py")
    )
    messages = re.findall(r'ApiError\(\s*\d+,\s*f?"([^"]+)"\s*\)', text)
    assert len(messages) == 11
    for message in messages:
        plain = message.replace("{SIGNATURE_HEADER}", "X-Hancock-Signature")
        plain = plain.replace("{TOLERANCE_S}", "300").replace("{_MAX_ID_LENGTH}", "256")
        plain = plain.replace("{header}", "webhook-id")
        assert plain in WEBHOOKS


@pytest.mark.parametrize(
    "module", ["hancock_app", "hancock_app.settings", "hancock_app.limits.rate_limit"]
)
def test_the_examples_in_docstrings_are_true(module: str) -> None:
    outcome = doctest.testmod(import_module(module))
    assert (outcome.failed, outcome.attempted > 0) == (0, True)
