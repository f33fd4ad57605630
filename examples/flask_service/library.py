"""A library that lends books: the service under test."""

from __future__ import annotations

from typing import Any

from flask import Flask, request

BOOKS = {f"isbn-{number}": f"Volume {number}" for number in range(1_000)}

Response = tuple[dict[str, Any], int]


def create_app() -> Flask:
    app = Flask(__name__)

    @app.get("/books/<isbn>")
    def book(isbn: str) -> Response:
        if isbn not in BOOKS:
            return {"error": f"no book {isbn}"}, 404
        return {"isbn": isbn, "title": BOOKS[isbn]}, 200

    @app.post("/loans")
    def lend() -> Response:
        wanted = request.get_json()
        if wanted.get("isbn") not in BOOKS:
            return {"error": "no such book"}, 422
        return {"isbn": wanted["isbn"], "reader": wanted["reader"]}, 201

    return app
