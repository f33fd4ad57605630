"""`/v1/webhook`: events that other systems send."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from flask import Blueprint, Response, request

from hancock_app.limits.rate_limit import RateLimit
from hancock_app.responses import encode, fixed, parse, received
from hancock_app.webhooks.signatures import Signatures


class Accepted(msgspec.Struct):
    """What `/v1/webhook` gives."""

    status: Literal["accepted"] = "accepted"


def blueprint(limit: RateLimit, signatures: Signatures) -> Blueprint:
    """A sender shows who it is by its signature, so that no key is asked for."""
    routes = Blueprint("webhooks", __name__, url_prefix="/v1")
    events = msgspec.json.Decoder(dict[str, Any])
    accepted = encode(Accepted())

    @routes.post("/webhook")
    def receive() -> Response:
        limit.check(request.environ)
        body = received()
        delivery_id = signatures.check(request.environ, body)
        parse(events, body)
        # Last, so that a delivery which was refused for another reason may come again.
        signatures.claim(delivery_id)
        return fixed(accepted)

    return routes
