"""The only place that puts the parts together."""

from __future__ import annotations

from time import monotonic

from flask import Flask

from hancock_app import errors
from hancock_app.auth import Auth
from hancock_app.backends import Backend
from hancock_app.backends.canned import CannedBackend
from hancock_app.bodies import MAX_BODY_BYTES
from hancock_app.metrics import Metrics
from hancock_app.moving_window import MemoryWindow
from hancock_app.rate_limit import RateLimit
from hancock_app.routes import asking, probing, reading, webhooks
from hancock_app.settings import Settings
from hancock_app.webhook import Signatures
from hancock_app.wsgi import Edge


def assemble(settings: Settings, *, backend: Backend | None = None) -> Flask:
    """The application that `settings` describe, with `backend` in place of theirs if given."""
    app = Flask("hancock_app", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    metrics = Metrics()
    auth = Auth(settings.api_key)
    limit = RateLimit(settings.rate_limit, MemoryWindow(monotonic), monotonic, metrics)
    model = settings.llm_backend
    errors.install(app)
    app.register_blueprint(probing.blueprint(metrics))
    app.register_blueprint(reading.blueprint(auth, model))
    app.register_blueprint(asking.blueprint(auth, limit, backend or _backend(settings), model))
    app.register_blueprint(webhooks.blueprint(limit, Signatures(settings.webhook_secret)))
    # Flask's documented place for middleware; everything above stays reachable as `app`.
    app.wsgi_app = Edge(app.wsgi_app, metrics, _routes(app))  # type: ignore[method-assign]
    return app


def _backend(settings: Settings) -> Backend:
    return CannedBackend(settings.canned_delay_s)


def _routes(app: Flask) -> frozenset[str]:
    """Every address that may become a label: those that no client can vary."""
    return frozenset(rule.rule for rule in app.url_map.iter_rules() if not rule.arguments)
