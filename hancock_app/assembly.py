"""Assembles the application; no other module creates its parts."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, cast
from wsgiref.types import WSGIApplication

from flask import Flask, Request, Response
from flask.sessions import NullSession, SessionInterface, SessionMixin
from werkzeug.middleware.proxy_fix import ProxyFix

from hancock_app import errors, openapi, routes
from hancock_app.auth import Auth
from hancock_app.backends import Backend
from hancock_app.backends.canned import CannedBackend
from hancock_app.edge import Edge
from hancock_app.limits.moving_window import FallbackWindow, MemoryWindow, RedisWindow, Window
from hancock_app.limits.rate_limit import RateLimit
from hancock_app.llm import LanguageModel
from hancock_app.observability.health import Check, DeepHealth
from hancock_app.observability.metrics import Metrics
from hancock_app.request_body import MAX_BODY_BYTES
from hancock_app.settings import CANNED, Settings
from hancock_app.storage import Breaker, OnFailure, connect, ping
from hancock_app.webhooks.replays import FallbackReplays, MemoryReplays, RedisReplays, Replays
from hancock_app.webhooks.signatures import Signatures


def assemble(settings: Settings, *, backend: Backend | None = None) -> Flask:
    """Return the application that `settings` describe; `backend` replaces the configured one."""
    app = Flask("hancock_app", static_folder=None)
    app.session_interface = _NoSessions()
    # One byte more than the limit, so that a body cut off there is noticed.
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES + 1
    metrics = Metrics(settings.llm_backend)
    state = _state(settings, metrics)
    auth = Auth(settings.api_key)
    limit = RateLimit(settings.rate_limit, state.window, metrics)
    model = LanguageModel(
        backend or _backend(settings),
        settings.model,
        metrics,
        max_concurrent=settings.llm_concurrency,
    )
    errors.install(app)
    app.register_blueprint(routes.monitoring_routes(metrics, _deep_health(settings, model, state)))
    app.register_blueprint(routes.catalog_routes(auth, model.name, openapi.document()))
    app.register_blueprint(routes.question_routes(auth, limit, model))
    app.register_blueprint(routes.webhook_routes(limit, _signatures(settings, state.replays)))
    # Flask documents this place for middleware; the Flask object stays accessible as `app`.
    app.wsgi_app = _edge(app, settings, metrics)  # type: ignore[assignment, method-assign]
    return app


class _NoSessions(SessionInterface):
    """Reads and writes no cookies."""

    def open_session(self, app: Flask, request: Request) -> SessionMixin:
        return NullSession()

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Nothing is saved."""


class _State(NamedTuple):
    """State that outlives a request, in memory or in the shared storage."""

    window: Window
    replays: Replays
    # Raises if the shared storage does not respond; None without a shared storage.
    check_storage: Callable[[], None] | None = None


def _state(settings: Settings, metrics: Metrics) -> _State:
    if not settings.shares_storage:
        return _State(MemoryWindow(), MemoryReplays())
    redis = connect(settings.rate_limit_storage, settings.storage_timeout_s)
    # One breaker for both, since both use the same Redis.
    breaker = Breaker(cast(OnFailure, settings.storage_on_failure), metrics.storage_failed)
    return _State(
        FallbackWindow(RedisWindow(redis), MemoryWindow(), breaker),
        FallbackReplays(RedisReplays(redis), MemoryReplays(), breaker),
        partial(ping, redis),
    )


def _deep_health(settings: Settings, model: LanguageModel, state: _State) -> DeepHealth:
    checks = {"model": Check(model.check, vital=True)}
    if state.check_storage is not None:
        is_vital = settings.storage_on_failure == "closed"
        checks["storage"] = Check(state.check_storage, vital=is_vital)
    return DeepHealth(checks, settings.health_ttl_s)


def _signatures(settings: Settings, replays: Replays) -> Signatures:
    secrets = (settings.webhook_secret, settings.webhook_old_secret)
    return Signatures(secrets, replays, standard_only=settings.webhook_scheme == "standard")


def _backend(settings: Settings) -> Backend:
    if settings.llm_backend == CANNED:
        return CannedBackend(settings.canned_delay_s)
    # Not at the top: httpx takes longer to import than the rest of the application.
    from hancock_app.backends.openai_compatible import OpenAICompatible, RetryPolicy

    return OpenAICompatible(
        settings.endpoint, RetryPolicy(settings.llm_timeout_s, settings.llm_retries)
    )


def _edge(app: Flask, settings: Settings, metrics: Metrics) -> WSGIApplication:
    # Routes without variables; the path of a request is then its route.
    fixed_routes = frozenset(rule.rule for rule in app.url_map.iter_rules() if not rule.arguments)
    edge = Edge(app.wsgi_app, metrics, fixed_routes)
    if not settings.trusted_proxies:
        return edge
    # Use the address that the outermost trusted proxy saw; clients can forge anything before it.
    return ProxyFix(edge, x_for=settings.trusted_proxies, x_proto=0, x_host=0)
