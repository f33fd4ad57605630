"""The only place that puts the parts together."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from typing import NamedTuple, cast
from wsgiref.types import WSGIApplication

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from hancock_app import errors, openapi
from hancock_app.application import Application
from hancock_app.auth import Auth
from hancock_app.backends import Backend
from hancock_app.backends.canned import CannedBackend
from hancock_app.edge import Edge
from hancock_app.limits.moving_window import FallbackWindow, MemoryWindow, RedisWindow, Window
from hancock_app.limits.rate_limit import RateLimit
from hancock_app.llm import LanguageModel
from hancock_app.observability.health import Check, DeepHealth
from hancock_app.observability.metrics import Metrics
from hancock_app.responses import MAX_BODY_BYTES
from hancock_app.routes import asking, probing, reading, webhooks
from hancock_app.settings import CANNED, Settings
from hancock_app.sharing import announced_workers, warn_if_unshared
from hancock_app.storage import Breaker, OnFailure, connect, ping
from hancock_app.webhooks.replays import FallbackReplays, MemoryReplays, RedisReplays, Replays
from hancock_app.webhooks.signatures import Signatures


def assemble(settings: Settings, *, backend: Backend | None = None) -> Flask:
    """The application that `settings` describe, with `backend` in place of theirs if given."""
    app = Application("hancock_app")
    # One more than is taken, so that a body that was cut off there shows.
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES + 1
    metrics = Metrics(settings.llm_backend)
    memory = _memory(settings, metrics)
    auth = Auth(settings.api_key)
    limit = RateLimit(settings.rate_limit, memory.window, metrics)
    model = LanguageModel(
        backend or _backend(settings), settings.model, metrics, at_once=settings.llm_concurrency
    )
    errors.install(app)
    app.register_blueprint(probing.blueprint(metrics, _deep_health(settings, model, memory)))
    app.register_blueprint(reading.blueprint(auth, model.name, openapi.document()))
    app.register_blueprint(asking.blueprint(auth, limit, model))
    app.register_blueprint(webhooks.blueprint(limit, _signatures(settings, memory.replays)))
    # Flask's documented place for middleware; everything above stays reachable as `app`.
    app.wsgi_app = _edge(app, settings, metrics)  # type: ignore[assignment, method-assign]
    warn_if_unshared(settings, announced_workers(sys.argv, os.environ))
    return app


class _Memory(NamedTuple):
    """What requests leave behind for those that come later."""

    window: Window
    replays: Replays
    # Only of what is shared: raises where it does not answer.
    check: Callable[[], None] | None = None


def _memory(settings: Settings, metrics: Metrics) -> _Memory:
    if not settings.shares_storage:
        return _Memory(MemoryWindow(), MemoryReplays())
    redis = connect(settings.rate_limit_storage, settings.storage_timeout_s)
    # One breaker for both: it is one Redis that is away.
    breaker = Breaker(cast(OnFailure, settings.storage_on_failure), metrics.storage_failed)
    return _Memory(
        FallbackWindow(RedisWindow(redis), MemoryWindow(), breaker),
        FallbackReplays(RedisReplays(redis), MemoryReplays(), breaker),
        partial(ping, redis),
    )


def _deep_health(settings: Settings, model: LanguageModel, memory: _Memory) -> DeepHealth:
    checks = {"model": Check(model.check, vital=True)}
    if memory.check is not None:
        checks["storage"] = Check(memory.check, vital=settings.storage_on_failure == "closed")
    return DeepHealth(checks, settings.health_ttl_s)


def _signatures(settings: Settings, replays: Replays) -> Signatures:
    secrets = (settings.webhook_secret, settings.webhook_old_secret)
    return Signatures(secrets, replays, standard_only=settings.webhook_scheme == "standard")


def _backend(settings: Settings) -> Backend:
    if settings.llm_backend == CANNED:
        return CannedBackend(settings.canned_delay_s)
    # Not at the top: httpx takes longer to import than all the rest of the application.
    from hancock_app.backends.openai_compatible import OpenAICompatible, Patience

    return OpenAICompatible(
        settings.endpoint, Patience(settings.llm_timeout_s, settings.llm_retries)
    )


def _edge(app: Application, settings: Settings, metrics: Metrics) -> WSGIApplication:
    edge = Edge(app.wsgi_app, metrics, app.fix_addresses())
    if not settings.trusted_proxies:
        return edge
    # The address that the last trusted proxy saw; whatever a client wrote stands left of it.
    return ProxyFix(edge, x_for=settings.trusted_proxies, x_proto=0, x_host=0)
