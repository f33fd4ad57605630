"""`/models` and `/mode`: what can be asked for."""

from __future__ import annotations

from flask import Blueprint, Response, request

from hancock_app.auth import Auth
from hancock_app.bodies import encode, fixed
from hancock_app.modes import DEFAULT, MODES


def blueprint(auth: Auth, model: str) -> Blueprint:
    """Both tell how the service is set up, so that both ask for the key."""
    routes = Blueprint("reading", __name__)
    models = encode({"models": [model], "default": model})
    modes = encode({"mode": DEFAULT, "modes": MODES})

    @routes.get("/models")
    def list_models() -> Response:
        auth.check(request.environ)
        return fixed(models)

    @routes.get("/mode")
    def list_modes() -> Response:
        auth.check(request.environ)
        return fixed(modes)

    return routes
