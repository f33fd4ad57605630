"""A backend that streams, for tests."""

from __future__ import annotations

from collections.abc import Iterator

from flask.testing import FlaskClient

from hancock_app import Settings, create_app
from hancock_app.backends import Backend

ASKED = {"message": "hi", "stream": True}


class Pieces:
    """A backend that yields two pieces and then optionally fails."""

    def __init__(self, failure: Exception | None = None) -> None:
        self._failure = failure
        self.left = False

    def answer(self, text: str, mode: str) -> str:
        raise AssertionError("asked for a whole")

    def stream(self, text: str, mode: str) -> Iterator[str]:
        try:
            yield "Patch"
            yield " it."
        except GeneratorExit:
            self.left = True
            raise
        if self._failure:
            raise self._failure


def served(backend: Backend) -> FlaskClient:
    return create_app(Settings(), backend=backend).test_client()
