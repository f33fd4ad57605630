"""What can be asked for: `/models`, `/mode`, and the contract at `/openapi.json`."""

from __future__ import annotations

from typing import Any

import msgspec
from flask import Blueprint, Response, request

from hancock_app.auth import Auth
from hancock_app.modes import DEFAULT, MODES, Mode
from hancock_app.responses import encode, fixed


class Models(msgspec.Struct):
    """What `/models` gives."""

    models: list[str]
    default: str


class Modes(msgspec.Struct):
    """What `/mode` gives."""

    mode: Mode
    modes: tuple[Mode, ...]


def blueprint(auth: Auth, model: str, contract: dict[str, Any]) -> Blueprint:
    """What tells how the service is set up asks for the key; the contract is no secret."""
    routes = Blueprint("reading", __name__)
    models = encode(Models([model], model))
    modes = encode(Modes(DEFAULT, MODES))
    described = encode(contract)

    @routes.get("/models")
    def list_models() -> Response:
        auth.check(request.environ)
        return fixed(models)

    @routes.get("/mode")
    def list_modes() -> Response:
        auth.check(request.environ)
        return fixed(modes)

    @routes.get("/openapi.json")
    def describe() -> Response:
        return fixed(described)

    return routes
