"""Flask, without what a service with fixed addresses and no sessions does not need.

Every address here is fixed, so that one look into a dictionary finds its view. Werkzeug's search
costs a quarter of `/health`, and leaves a cycle behind that only the garbage collector removes:
its pauses are the slowest percent of the requests.
"""

from __future__ import annotations

from typing import Any

from flask import Flask, Request
from flask.sessions import NullSession, SessionInterface, SessionMixin
from werkzeug.routing import MapAdapter, Rule


class Application(Flask):
    """A Flask that knows its fixed addresses; whatever else is asked for goes the usual way."""

    def __init__(self, name: str) -> None:
        super().__init__(name, static_folder=None)
        self.session_interface = _NoSessions()
        self._fixed: dict[tuple[str, str], MapAdapter] = {}

    def fix_addresses(self) -> frozenset[str]:
        """Learn the addresses that have no variable part, once all are there; return them."""
        rules = [rule for rule in self.url_map.iter_rules() if not rule.arguments]
        for rule in rules:
            # OPTIONS is answered by Flask, which then asks for what else there is.
            for method in (rule.methods or set()) - {"OPTIONS"}:
                self._fixed[method, rule.rule] = _FixedAddress(rule)
        return frozenset(rule.rule for rule in rules)

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Flask's hook for what finds the view of `request`."""
        if request is not None:
            environ = request.environ
            known = self._fixed.get((environ["REQUEST_METHOD"], environ.get("PATH_INFO", "")))
            if known is not None:
                return known
        return super().create_url_adapter(request)


class _FixedAddress(MapAdapter):
    """Has found its rule already; the same for all requests, and changed by none."""

    def __init__(self, rule: Rule) -> None:
        super().__init__(rule.map, "", "/", "", "http", rule.rule, "GET")
        self._rule = rule

    def match(self, *args: Any, **kwargs: Any) -> Any:
        return self._rule, {}


class _NoSessions(SessionInterface):
    """No cookie is read or written."""

    def open_session(self, app: Flask, request: Request) -> SessionMixin:
        return NullSession()

    def save_session(self, app: Flask, session: SessionMixin, response: Any) -> None:
        """Nothing is kept."""
