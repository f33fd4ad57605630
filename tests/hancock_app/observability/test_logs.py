"""Log lines that a machine can read and that give nothing away."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from hancock_app import Settings, create_app
from hancock_app.observability.logs import JsonFormatter


class Lines(logging.Handler):
    """Keeps every record as the line that would be written."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonFormatter())
        self.text: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.text.append(self.format(record))

    @property
    def parsed(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text]


@pytest.fixture
def lines() -> Any:
    handler = Lines()
    logger = logging.getLogger("hancock")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(before)


def test_every_request_has_a_line(lines: Lines) -> None:
    client = create_app(Settings()).test_client()
    client.post("/v1/ask", json={"question": "hi"}, headers={"X-Request-ID": "r-1"})
    (line,) = lines.parsed
    assert line.pop("ms") > 0
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "info",
        "logger": "hancock.access",
        "message": "answered",
        "request_id": "r-1",
        "method": "POST",
        "route": "/v1/ask",
        "status": 200,
        "client": "127.0.0.1",
    }


def test_log_lines_within_a_request_contain_its_id(lines: Lines) -> None:
    class Broken:
        def answer(self, text: str, mode: str) -> str:
            raise ValueError("why")

    client = create_app(Settings(), backend=Broken()).test_client()
    client.post("/v1/ask", json={"question": "hi"}, headers={"X-Request-ID": "r-2"})
    failed = lines.parsed[0]
    assert (failed["message"], failed["request_id"]) == ("the model failed unexpectedly", "r-2")
    assert failed["exception"].endswith("ValueError: why")


def test_a_line_stays_one_line(lines: Lines) -> None:
    logging.getLogger("hancock").warning("two\nlines")
    assert "\n" not in lines.text[0]


def test_no_secret_and_no_body_is_logged(lines: Lines) -> None:
    settings = Settings(api_key="key-secret", webhook_secret="hook-secret-of-tests")
    client = create_app(settings).test_client()
    for key in ("key-secret", "wrong-secret"):
        headers = {"Authorization": f"Bearer {key}", "X-Hancock-Signature": "sha256=sig-secret"}
        for body in ({"question": "body-secret"}, {"body-secret": 1}, ["body-secret"]):
            client.post("/v1/ask?query-secret", json=body, headers=headers)
            client.post("/v1/webhook", json=body, headers=headers)
    assert len(lines.text) == 12
    assert "secret" not in "".join(lines.text)
