"""`/health` and `/metrics`: for machines that watch this one; open, and never limited."""

from __future__ import annotations

from flask import Blueprint, Response

from hancock_app import health
from hancock_app.bodies import encode, fixed
from hancock_app.metrics import CONTENT_TYPE, Metrics


def blueprint(metrics: Metrics) -> Blueprint:
    """A probe that had to present a key, or could be refused for asking often, would be useless."""
    routes = Blueprint("probing", __name__)
    healthy = encode(health.SHALLOW)

    @routes.get("/health")
    def is_healthy() -> Response:
        return fixed(healthy)

    @routes.get("/metrics")
    def scrape() -> Response:
        return Response(metrics.text(), content_type=CONTENT_TYPE)

    return routes
