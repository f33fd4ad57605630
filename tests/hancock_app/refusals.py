"""Reading the errors of the application."""

from __future__ import annotations

from werkzeug.test import TestResponse


def refused(answer: TestResponse) -> tuple[int, str]:
    """Check the shape of an error response; return its status and message."""
    assert answer.json is not None
    assert set(answer.json) == {"error", "request_id"}
    assert answer.json["request_id"] == answer.headers["X-Request-ID"]
    return answer.status_code, answer.json["error"]
