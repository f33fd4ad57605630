"""For machines that watch this one: open, and never limited."""

from __future__ import annotations

from flask import Blueprint, Response

from hancock_app.observability.health import DeepHealth, Shallow
from hancock_app.observability.metrics import CONTENT_TYPE, Metrics
from hancock_app.responses import answer, encode, fixed


def blueprint(metrics: Metrics, deep: DeepHealth) -> Blueprint:
    """A probe that had to present a key, or could be refused for asking often, would be useless."""
    routes = Blueprint("probing", __name__)
    healthy = encode(Shallow())

    @routes.get("/health")
    def is_healthy() -> Response:
        return fixed(healthy)

    @routes.get("/health/deep")
    def is_deeply_healthy() -> Response:
        found = deep.report()
        return answer(found, 503 if found.status == "failed" else 200)

    @routes.get("/metrics")
    def scrape() -> Response:
        return Response(metrics.text(), content_type=CONTENT_TYPE)

    return routes
